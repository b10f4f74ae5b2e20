"""Download of a data set: what is to come and what is here already, the transfer, and what is unpacked of it."""

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..._utils.disk import free_bytes, readable_bytes
from ..._utils.errors import Brain2MusicWarning, InputError
from ..._utils.progress import progress
from .archive import list_members, unpack
from .captions import captions_problem, has_known_texts
from .client import AGAIN, HttpClient, Patience
from .datasets import Dataset, find_dataset
from .local_files import DownloadFolder, LocalFile
from .remote import RemoteFile, require_distinct
from .selection import Selection, Servers, labels_of
from .transfers import FailedTransfer, transfer_all

_SHOWN = 3
_MB = 10**6


@dataclass(frozen=True)
class FetchPlan:
    """What a download will do: the files of the data set that are wanted, and what is here of each.

    ``str()`` gives the sizes in words.

    Attributes
    ----------
    dataset : Dataset
        The data set.
    version : str
        The version that the server has.
    root : Path
        The folder to download to.
    files : tuple of LocalFile
        The files, each with its size, its checksum and what is here of it.
    remarks : tuple of str
        What is remarkable about the listing or the files here.
    unpacked : tuple of str
        Archives that were unpacked before, and are not downloaded again.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.study.downloads import FetchPlan, find_dataset
    >>> plan = FetchPlan(find_dataset("captions"), "latest", Path("captions"), files=())
    >>> plan.n_bytes_left, plan.is_complete
    (0, True)
    """

    dataset: Dataset
    version: str
    root: Path
    files: tuple[LocalFile, ...]
    remarks: tuple[str, ...] = ()
    unpacked: tuple[str, ...] = ()

    @property
    def n_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.remote.size or 0 for file in self.files)

    @property
    def n_bytes_left(self) -> int:
        """Bytes that are still to come."""
        return sum(file.left for file in self.files)

    @property
    def is_complete(self) -> bool:
        """Whether all files are here."""
        return all(file.state == "here" for file in self.files)

    def __str__(self) -> str:
        here = [file for file in self.files if file.state == "here"]
        begun = sum(file.held for file in self.files if file.state != "here")
        unverified = sum(not file.remote.checksums and not file.remote.etag_is_md5 for file in self.files)
        lines = [f"{self.dataset.name} {self.version}: {self.dataset.title}"]
        lines.append(f"  licence: {self.dataset.licence} ({self.dataset.page})")
        lines.append(f"  {len(self.files)} files, {readable_bytes(self.n_bytes)}")
        if here or begun:
            part = f", and {readable_bytes(begun)} of others" if begun else ""
            lines.append(f"  here already: {len(here)} files{part}")
        lines += [f"  here already: what was in {name}" for name in self.unpacked]
        lines.append(f"  to download: {readable_bytes(self.n_bytes_left)} to {self.root}")
        if self.dataset.unpacked and not self.is_complete:
            lines.append("  the archives are unpacked, and need as much room again meanwhile, or more")
        lines.append(f"  free there: {readable_bytes(free_bytes(self.root))}")
        if unverified:
            lines.append(f"  {unverified} files have no published checksum: their size is verified")
        return "\n".join([*lines, *(f"  {remark}" for remark in self.remarks)])


def plan_fetch(
    name: str,
    out: str | Path,
    *,
    subjects: Sequence[str] = (),
    tasks: Sequence[str] = (),
    sessions: Sequence[str] = (),
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    version: str | None = None,
    servers: Servers | None = None,
    rehash: bool = False,
    overwrite: bool = False,
    patience: Patience | None = None,
) -> FetchPlan:
    """Ask the server for the files of a data set, and look at what is here of them; nothing is downloaded or changed.

    Parameters
    ----------
    name : str
        Name of the data set (:func:`list_datasets`).
    out : str or Path
        The folder to download to.
    subjects, tasks, sessions : sequence of str
        Labels of those that are wanted, with or without ``sub-``; default all, for ds000113 the session of auditory
        perception. Anatomical T1-weighted images of the subjects are included.
    include : sequence of str
        Patterns of paths, such as ``"derivatives/*"``: of the whole data set, the files that match are chosen in place
        of the usual ones.
    exclude : sequence of str
        Patterns of paths that are left out.
    version : str, optional
        Version (tag of OpenNeuro, number of another record of Zenodo); default the latest.
    servers : Servers, optional
        Other addresses than the usual ones.
    rehash : bool, default False
        Whether to compute checksums again of files that were verified before.
    overwrite : bool, default False
        Whether to replace files that are not what the server lists.
    patience : Patience, optional
        How long to wait for the server, and how often to try again.

    Returns
    -------
    FetchPlan
        The files, and what is to be done.

    Raises
    ------
    InputError
        There is no such data set, version, subject, task or session; the server cannot be reached; there are other
        files in the folder; or the disk has no room.

    Examples
    --------
    >>> import brain2music as b2m
    >>> from brain2music.study.downloads import plan_fetch
    >>> try:
    ...     plan_fetch("gtzan", "music")
    ... except b2m.InputError as error:
    ...     print(error.what)
    GTZAN is not downloaded: it has neither a licence nor a lasting address
    """
    dataset, root = find_dataset(name), Path(out)
    folder = DownloadFolder(root)
    wanted = Selection(
        labels_of(subjects, "sub-"),
        labels_of(tasks, "task-") or dataset.default.tasks,
        labels_of(sessions, "ses-") or dataset.default.sessions,
        tuple(include) or dataset.default.include,
        tuple(exclude),
        version,
    )
    with progress(f"list the files of {dataset.name}"):
        listing = dataset.list_files(wanted, HttpClient(patience or Patience()), servers or Servers())
    chosen = dataset.choose(listing.files, wanted, dataset.name)
    require_distinct([remote.path for remote in chosen], dataset.name)
    unpacked = [remote.path for remote in chosen if dataset.unpacked and _was_unpacked(folder, remote)]
    files = []
    with progress("look at the files that are here") as advance:
        left = [remote for remote in chosen if remote.path not in unpacked]
        for done, remote in enumerate(left, 1):
            files.append(folder.look_at(remote, rehash=rehash, overwrite=overwrite))
            advance(done, len(left))
    remarks = (*listing.remarks, *(file.remark for file in files if file.remark))
    plan = FetchPlan(dataset, listing.version, root, tuple(files), remarks, tuple(unpacked))
    _require_room(plan)
    return plan


def fetch(
    plan: FetchPlan,
    *,
    n_connections: int = 4,
    keep_archives: bool = False,
    patience: Patience | None = None,
    download: Callable[[FetchPlan], None] | None = None,
) -> tuple[Path, ...]:
    """Download what a plan says, verify every file, and unpack archives.

    An interruption, a cut or a full disk leaves what has come in ``.brain2music`` of the folder, and the same call
    continues there. A file gets its name when it is complete and agrees with its size and checksum.

    Parameters
    ----------
    plan : FetchPlan
        From :func:`plan_fetch`.
    n_connections : int, default 4
        How many files to download at once.
    keep_archives : bool, default False
        Whether to keep archives that were unpacked.
    patience : Patience, optional
        How long to wait for the server, and how often to try again.
    download : callable, optional
        What downloads the files in place of our client, such as :func:`download_by_openneuro_py`; they are verified
        here all the same.

    Returns
    -------
    tuple of Path
        The files.

    Raises
    ------
    InputError
        Some files could not be downloaded or verified, an archive is not safe, or the disk is full.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.study.downloads import FetchPlan, fetch, find_dataset
    >>> fetch(FetchPlan(find_dataset("ds003720"), "1.0.0", Path("bids"), files=()))
    ()
    """
    folder = DownloadFolder(plan.root)
    with folder.held(f"downloading {plan.dataset.name}"):
        folder.save()
        waiting = [file.remote for file in plan.files if file.state != "here"]
        if waiting and download is not None:
            download(plan)
            waiting = [file.remote for file in _verified(folder, waiting) if file.state != "here"]
        if waiting:
            _require_all(
                _transfer(plan, waiting, folder, HttpClient(patience or Patience()), n_connections), len(waiting)
            )
        for file in plan.files:
            if file.state == "here":
                folder.look_at(file.remote)  # which records it
        folder.save()
        paths = [plan.root / file.remote.path for file in plan.files]
        if plan.dataset.unpacked:
            paths = [each for path in paths for each in _unpack(folder, path, plan.root, keep_archives)]
    if plan.dataset.name == "captions":
        _check_captions(plan.root)
    return tuple(paths)


def _transfer(
    plan: FetchPlan, waiting: Sequence[RemoteFile], folder: DownloadFolder, client: HttpClient, n_connections: int
) -> list[FailedTransfer]:
    total = max(1, sum(remote.size or 0 for remote in waiting) // _MB)
    done = sum(file.held for file in plan.files if file.state != "here")
    with progress(f"download {plan.dataset.name} (MB)") as show:

        def advance(count: int) -> None:
            nonlocal done
            done += count
            show(min(done // _MB, total), total)

        failed = transfer_all(waiting, folder, client, n_connections, advance)
        if not failed:
            show(total, total)
    return failed


def _require_all(failed: Sequence[FailedTransfer], n_files: int) -> None:
    if failed:
        first = failed[0].error
        more = f"; so do {len(failed) - 1} more of {n_files} files" if len(failed) > 1 else ""
        names = ", ".join(each.remote.path for each in failed[:_SHOWN]) + (", …" if len(failed) > _SHOWN else "")
        raise InputError(f"{names} cannot be downloaded: {first.what}{more}", hint=first.hint or AGAIN)


def _verified(folder: DownloadFolder, files: Sequence[RemoteFile]) -> list[LocalFile]:
    with progress("verify the files"):
        return [folder.look_at(remote, rehash=True) for remote in files]


def _require_room(plan: FetchPlan) -> None:
    left, free = plan.n_bytes_left, free_bytes(plan.root)
    need = left
    if plan.dataset.unpacked:  # sound hardly gets smaller in an archive
        need += sum(file.remote.size or 0 for file in plan.files)
    if need > free:
        unpacking = " (with what is unpacked)" if need > left else ""
        what = f"{readable_bytes(need)}{unpacking} are needed, and {readable_bytes(free)} are free there"
        raise InputError(what, plan.root, "make room, choose fewer subjects or files, or name a folder on another disk")


def _was_unpacked(folder: DownloadFolder, remote: RemoteFile) -> bool:
    """Whether an archive was unpacked from this version of it, and all of its files are here still."""
    entry = folder.record.get(remote.path, {})
    members = entry.get("unpacked")
    known = str(remote.checksum) if remote.checksum else None
    same = remote.size in (None, entry.get("size")) and known in (None, entry.get("checksum"))
    if not isinstance(members, dict) or not same:
        return False
    return all(_size_of(folder.root / path) == size for path, size in members.items())


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _unpack(folder: DownloadFolder, archive: Path, root: Path, keep: bool) -> tuple[Path, ...]:
    """Unpack a verified archive, record what was in it, and remove it."""
    members = list_members(archive)
    with progress(f"unpack {archive.name} (MB)") as show:
        files = unpack(archive, root, members, lambda done, total: show(done // _MB, max(1, total // _MB)))
    name = archive.relative_to(root).as_posix()
    folder.record[name]["unpacked"] = {member.path: member.size for member in members}
    if not keep:
        os.sync()
    folder.save()
    if not keep:
        archive.unlink()
    return files


def _check_captions(folder: Path) -> None:
    if problem := captions_problem(folder):
        raise InputError(problem, folder, "get the captions by hand, and name the file in stimuli.captions")
    if not has_known_texts(folder):
        what = f"{folder}: these captions are not word by word those that brain2music was developed with"
        warnings.warn(what, Brain2MusicWarning, stacklevel=3)
