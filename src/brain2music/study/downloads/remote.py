"""Files on a server as its listing describes them: path, address, size and checksums."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Literal

from ..._utils.errors import InputError

Algorithm = Literal["md5", "sha1", "sha256", "git"]
_LENGTHS: dict[Algorithm, int] = {"md5": 32, "sha1": 40, "sha256": 64, "git": 40}
_BLOCK = 1 << 20
_WINDOWS_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


@dataclass(frozen=True)
class Checksum:
    """A checksum of the bytes of a file, in hex; ``git`` is the SHA-1 of a git blob, which begins with its size."""

    algorithm: Algorithm
    value: str

    def __post_init__(self) -> None:
        if len(self.value) != _LENGTHS[self.algorithm] or not re.fullmatch("[0-9a-f]+", self.value):
            raise ValueError(f"{self.value!r} is no {self.algorithm}")

    def __str__(self) -> str:
        return f"{self.algorithm} {self.value}"

    def compute(self, path: Path) -> str:
        """Compute the same kind of checksum of another file."""
        if self.algorithm == "git":
            digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size)
        else:
            digest = hashlib.new(self.algorithm)
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest()


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be downloaded.

    Attributes
    ----------
    path : relative to the folder that it is downloaded to, with "/".
    url : its address.
    size : its bytes; None if the server does not say.
    checksums : those that are known of it; it must agree with the first.
    etag_is_md5 : whether an ETag of 32 hex digits that the server sends with it is the MD5 of its bytes, as of S3 for
        files that were not uploaded in parts.
    """

    path: str
    url: str
    size: int | None = None
    checksums: tuple[Checksum, ...] = ()
    etag_is_md5: bool = False

    @property
    def checksum(self) -> Checksum | None:
        """The checksum that is compared."""
        return self.checksums[0] if self.checksums else None


@dataclass(frozen=True)
class Listing:
    """What a server has of a data set: its files, the version, and remarks on what is not there."""

    version: str
    files: tuple[RemoteFile, ...]
    remarks: tuple[str, ...] = ()


def require_safe_path(path: str, origin: str | Path) -> str:
    """Return a relative path of a listing or an archive, or raise if it leads out of its folder.

    Absolute paths, drives, "..", backslashes, control characters, names of devices and folders of version control are
    refused, on every system.

    Raises
    ------
    InputError
        The path is not safe; the message names ``origin``.
    """
    parts = PurePosixPath(path).parts
    bad = (
        not parts
        or path.startswith(("/", "~"))
        or "\\" in path
        or ":" in parts[0]
        or ".." in path.split("/")
        or any(unicodedata.category(sign) == "Cc" for sign in path)
        or any(part.lower() == ".git" or _WINDOWS_DEVICE.fullmatch(part) for part in parts)
    )
    if bad:
        what = f"a file there is called {path!r}, which leads out of the folder or is no plain name"
        raise InputError(what, origin, "do not use this source, and tell its maintainers")
    return "/".join(parts)


def require_distinct(paths: Sequence[str], origin: str | Path) -> None:
    """Raise if two paths are one on file systems that ignore case, or one is a folder of another."""
    seen: dict[str, str] = {}
    for path in paths:
        key = unicodedata.normalize("NFC", path).casefold()
        if key in seen:
            raise InputError(f"two files there are called {path!r}", origin, "tell its maintainers")
        seen[key] = path
    for key, path in seen.items():
        if any("/".join(key.split("/")[:depth]) in seen for depth in range(1, key.count("/") + 1)):
            raise InputError(f"{path!r} is in a folder that is a file, too", origin, "tell its maintainers")


def matches(path: str, patterns: Sequence[str]) -> bool:
    """Whether a path matches one of the patterns, of which ``*`` also stands for "/"."""
    return any(fnmatchcase(path, pattern) for pattern in patterns)
