"""A folder that is downloaded to: which of its files are there, complete, of something else, or begun.

What was verified is recorded in ``.brain2music/downloads.json``; what is under way is in ``.brain2music/parts``.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..._utils.errors import InputError
from ..._utils.files import read_object, write_json
from ..._utils.locks import locked
from ..content import foreign_content
from .parts import PartialFile
from .remote import Checksum, RemoteFile

State = Literal["here", "begun", "missing", "replaced"]
STATE_FOLDER = ".brain2music"


@dataclass(frozen=True)
class LocalFile:
    """A file of a listing as it is here.

    Attributes
    ----------
    remote : the file.
    state : "here" and verified; "begun"; "missing"; or "replaced", where what is here will be replaced.
    held : bytes of it that are here.
    remark : what is here in place of it; "" if nothing is.
    """

    remote: RemoteFile
    state: State
    held: int = 0
    remark: str = ""

    @property
    def left(self) -> int:
        """Bytes that are still to come, where the size is known."""
        return 0 if self.state == "here" else max(0, (self.remote.size or 0) - self.held)


class DownloadFolder:
    """A folder that files are downloaded to, and the record of those that were verified.

    Attributes
    ----------
    root : the folder. record : what is known of each verified file, by its path.
    """

    def __init__(self, root: Path) -> None:
        if root.exists() and not root.is_dir():
            raise InputError("this is a file, not a folder to download into", root, "name a folder")
        self.root = root
        self.parts = root / STATE_FOLDER / "parts"
        self._file = root / STATE_FOLDER / "downloads.json"
        self.record: dict[str, dict[str, Any]] = {}
        with suppress(InputError):  # without it, files are verified again
            self.record = dict(read_object(self._file).get("files", {}))

    @contextmanager
    def held(self, doing: str) -> Iterator[None]:
        """Keep other processes from downloading into the folder meanwhile."""
        with locked(self.root / STATE_FOLDER / "lock", doing, wait=False):
            yield

    def look_at(self, remote: RemoteFile, *, rehash: bool = False, overwrite: bool = False) -> LocalFile:
        """Find out what is here of a file.

        Parameters
        ----------
        rehash : bool
            Whether to compute checksums again of files that were verified and have not changed since.
        overwrite : bool
            Whether files that are not what the server lists are to be replaced. Pages of servers and empty files,
            which were saved in place of a file, are replaced in any case.

        Raises
        ------
        InputError
            There is a folder, a link to content that was not fetched, or another file that is not to be replaced.
        """
        path = self.root / remote.path
        if not path.is_symlink() and not path.exists():
            held = PartialFile(self.parts, remote).size()
            return LocalFile(remote, "begun" if held else "missing", held)
        if path.is_dir():
            raise InputError("there is a folder where a file is to be downloaded", path, "name another folder")
        foreign = foreign_content(path) if remote.size != 0 else None
        if foreign is not None and foreign.kind in ("annex", "lfs"):
            raise InputError(foreign.what, path, f"{foreign.hint}, or name another folder to download to")
        if foreign is None and (not rehash and self._is_recorded(path, remote)):
            return LocalFile(remote, "here", remote.size or path.stat().st_size)
        problem = foreign.what if foreign else _difference(path, remote)
        if problem is None:
            self.enter(remote, remote.checksum)
            return LocalFile(remote, "here", remote.size or path.stat().st_size)
        if foreign is None and not overwrite:
            raise InputError(problem, path, "name another folder, or add --overwrite to replace the file")
        return LocalFile(
            remote, "replaced", PartialFile(self.parts, remote).size(), f"{path}: {problem}; it is replaced"
        )

    def take(self, part: PartialFile, checksum: Checksum | None) -> None:
        """Put a verified part in its place, and record it."""
        part.finish(self.root / part.remote.path)
        self.enter(part.remote, checksum)
        self.save()

    def enter(self, remote: RemoteFile, checksum: Checksum | None) -> None:
        """Enter a verified file into the record, which :meth:`save` writes."""
        status = (self.root / remote.path).stat()
        self.record[remote.path] = {
            "size": status.st_size,
            "modified_ns": status.st_mtime_ns,
            "checksum": str(checksum) if checksum else "none published",
            "url": remote.url,
        }

    def save(self) -> None:
        """Write the record."""
        write_json(self._file, {"files": self.record})

    def _is_recorded(self, path: Path, remote: RemoteFile) -> bool:
        entry, status = self.record.get(remote.path), path.stat()
        if entry is None or entry.get("size") != status.st_size or entry.get("modified_ns") != status.st_mtime_ns:
            return False
        same_size = remote.size in (None, status.st_size)
        return same_size and (remote.checksum is None or entry.get("checksum") == str(remote.checksum))


def _difference(path: Path, remote: RemoteFile) -> str | None:
    """In what a file here differs from that of the listing; None if in nothing that is known of it."""
    size = path.stat().st_size
    if remote.size is not None and size != remote.size:
        return f"the file here has {size} bytes, and that of the server {remote.size}"
    known = remote.checksum
    if known is None:
        return None if remote.size is not None else "it is not known whether the file here is that of the server"
    found = known.compute(path)
    if found == known.value:
        return None
    return f"the file here has the {known.algorithm} {found}, and that of the server {known.value}"
