"""Storage of galleries in a local folder, or on object storage that fsspec supports ("s3://bucket/gallery").

All writes are atomic: renames on a local disk, single objects on object storage. Files from object storage are verified
by their recorded digest and copied once to ``~/.cache/brain2music``, so that vectors can always be mapped into memory.
"""

import hashlib
import importlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .._utils.errors import InputError
from .._utils.files import atomic_path, cache_folder, digest_file, sweep


class Store:
    """A folder of files, named by their relative paths with "/"; ``local`` is its :class:`Path` if it is on disk.

    Raises
    ------
    InputError
        If the root is a URL and fsspec, or its extension for that protocol, is not installed.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = str(root)
        self.local = Path(root) if "://" not in self.root else None
        if self.local is None:
            self._files, self._base = _remote(self.root)

    def exists(self, name: str) -> bool:
        """Whether a file exists."""
        return (self.local / name).is_file() if self.local else bool(self._files.isfile(f"{self._base}/{name}"))

    def names(self, folder: str = "") -> list[str]:
        """List files and folders in a folder, sorted; [] if it does not exist."""
        if self.local:
            return sorted(path.name for path in (self.local / folder).glob("[!.]*"))
        where = f"{self._base}/{folder}".rstrip("/")
        found = self._files.ls(where, detail=False) if self._files.isdir(where) else []
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found)

    def read(self, name: str) -> bytes:
        """Read a small file; :class:`InputError` if it is missing."""
        try:
            return (self.local / name).read_bytes() if self.local else self._files.cat_file(f"{self._base}/{name}")
        except FileNotFoundError:
            raise InputError(f"{name} is missing", self.root, "build the gallery again") from None

    def write(self, name: str, contents: bytes) -> None:
        """Write a small file atomically."""
        with self.writing(name) as path:
            path.write_bytes(contents)

    def create(self, name: str, contents: bytes) -> bool:
        """Write a small file unless it exists, and return whether it was written; of several attempts one succeeds."""
        try:
            if self.local:
                self.local.mkdir(parents=True, exist_ok=True)
                with (self.local / name).open("xb") as file:
                    file.write(contents)
            else:
                self._files.pipe_file(f"{self._base}/{name}", contents, mode="create")
        except FileExistsError:
            return False
        return True

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yield a local path to write, which on success becomes the named file atomically."""
        if self.local:
            with atomic_path(self.local / name) as path:
                yield path
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(name).name
            yield path
            self._files.put_file(str(path), f"{self._base}/{name}")

    def is_whole(self, name: str, size: int, sha256: str) -> bool:
        """Whether a file has the recorded size and contents; a damaged local copy is fetched again."""
        try:
            path = self.fetch(name, sha256)
            if path.stat().st_size == size and digest_file(path) == sha256:
                return True
            if self.local:
                return False
            path.unlink()
            return self.fetch(name, sha256).stat().st_size == size
        except (InputError, OSError):
            return False

    def fetch(self, name: str, sha256: str) -> Path:
        """The local path of a file: the file itself, or a copy whose digest is ``sha256``."""
        if self.local:
            return self.local / name
        copy = cache_folder() / "gallery" / f"{sha256}{Path(name).suffix}"
        if not copy.is_file():
            with atomic_path(copy) as path:
                self._files.get_file(f"{self._base}/{name}", str(path))
                if digest_file(path) != sha256:
                    raise InputError(f"{name} has changed or is damaged", self.root, "build the gallery again")
        return copy

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with its contents, if it exists."""
        if self.local:
            path = self.local / name
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        elif self._files.exists(f"{self._base}/{name}"):
            self._files.rm(f"{self._base}/{name}", recursive=True)

    def sweep(self) -> None:
        """Remove files that interrupted writes left behind."""
        if self.local:
            sweep(self.local)


def digest(contents: bytes) -> str:
    """Compute the first half of the sha256 as hex, which serves as a name."""
    return hashlib.sha256(contents).hexdigest()[:32]


def _remote(root: str) -> tuple[Any, str]:
    try:
        files, base = importlib.import_module("fsspec.core").url_to_fs(root)
    except (ImportError, ValueError) as error:
        hint = "install fsspec and its part for this storage (s3fs, gcsfs, adlfs)"
        raise InputError(f"this storage cannot be reached ({error})", root, hint) from None
    return files, str(base).rstrip("/")
