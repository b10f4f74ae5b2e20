"""Download of a data set as planned: the transfer, and what is unpacked of it."""

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from ..._utils.errors import Brain2MusicWarning, InputError
from ..._utils.progress import progress
from .archive import list_members, unpack
from .captions import captions_problem, has_known_texts
from .client import AGAIN, HttpClient, Patience
from .local_files import DownloadFolder, LocalFile
from .planning import FetchPlan
from .remote import RemoteFile
from .transfers import FailedTransfer, transfer_all

_SHOWN = 3
_MB = 10**6


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


def _unpack(folder: DownloadFolder, archive: Path, root: Path, keep: bool) -> tuple[Path, ...]:
    """Unpack a verified archive, record what was in it, and remove it."""
    members = list_members(archive)
    with progress(f"unpack {archive.name} (MB)") as show:
        files = unpack(archive, root, members, lambda done, total: show(done // _MB, max(1, total // _MB)))
    name = archive.relative_to(root).as_posix()
    folder.record[name]["unpacked"] = {member.path: member.size for member in members}
    if not keep and hasattr(os, "sync"):  # what was unpacked is on the disk before the archive goes
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
