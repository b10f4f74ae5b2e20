"""Plan of a download: the files of a data set that are wanted, and what is here of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..._utils.disk import free_bytes, readable_bytes
from ..._utils.errors import InputError
from ..._utils.progress import progress
from .client import HttpClient, Patience
from .datasets import Dataset, find_dataset
from .local_files import DownloadFolder, LocalFile
from .remote import RemoteFile, require_distinct
from .selection import Selection, Servers, labels_of


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
    dataset.require_parts(subjects=subjects, tasks=tasks, sessions=sessions, version=version)
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


def _require_room(plan: FetchPlan) -> None:
    left, free = plan.n_bytes_left, free_bytes(plan.root)
    need = left
    if plan.dataset.unpacked:  # sound hardly gets smaller in an archive
        need += sum(file.remote.size or 0 for file in plan.files if file.state != "here")
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
