"""Unpacking of zip archives from elsewhere: nothing outside the folder, no bombs, every file against its checksum."""

import os
import secrets
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..._utils.disk import free_bytes, readable_bytes
from ..._utils.errors import InputError
from .remote import require_distinct, require_safe_path

LARGEST_RATIO = 200
"""Most bytes that one byte of a file in an archive may become; tables of FMA become 4, silence in wav about 100."""
FREE_RATIO_BYTES = 64 << 20
"""Files up to this size may be compressed by any ratio."""
MOST_FILES = 1_000_000
_BLOCK = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_AGAIN = "delete it and download it again"


@dataclass(frozen=True)
class ArchiveMember:
    """A file in an archive: its path, checked, its size and its entry."""

    path: str
    size: int
    entry: zipfile.ZipInfo


def list_members(archive: Path) -> tuple[ArchiveMember, ...]:
    """List the files of a zip archive, or refuse the whole archive; nothing is unpacked.

    Raises
    ------
    InputError
        It is no zip archive, is damaged, or contains paths that lead out of the folder, links, devices, encrypted
        files, two files of one name, files that share bytes or that would become implausibly large.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = [entry for entry in opened.infolist() if not entry.is_dir()]
            start = opened.start_dir
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeDecodeError) as problem:
        raise InputError(f"this is no intact zip archive ({problem})", archive, _AGAIN) from None
    if len(entries) > MOST_FILES:
        raise InputError(f"the archive holds {len(entries)} files", archive, "do not use it")
    members = tuple(_member(entry, archive) for entry in entries)
    require_distinct([member.path for member in members], archive)
    _require_separate(entries, start, archive)
    return members


def unpack(
    archive: Path, folder: Path, members: Sequence[ArchiveMember], advance: Callable[[int, int], None]
) -> tuple[Path, ...]:
    """Unpack files of an archive into a folder; those that are there already, with their size, are left as they are.

    Each file gets its name when it is complete and agrees with the checksum in the archive (CRC-32).

    Parameters
    ----------
    archive : the archive. folder : where to.
    members : what to unpack, from :func:`list_members`.
    advance : told how many of how many bytes are done.

    Returns
    -------
    tuple of Path
        The files.

    Raises
    ------
    InputError
        The archive is damaged, the disk has no room for it, or a link in the folder leads elsewhere.
    """
    root = folder.resolve()
    missing = [member for member in members if not _is_unpacked(root / member.path, member)]
    need, free = sum(member.size for member in missing), free_bytes(root)
    if need > free:
        what = f"{readable_bytes(need)} are to be unpacked, and {readable_bytes(free)} are free"
        raise InputError(what, folder, "make room, or name a folder on another disk")
    total, done = max(1, sum(member.size for member in members)), sum(member.size for member in members) - need
    temporary = root / f".unpacking-{secrets.token_hex(4)}"
    try:
        with zipfile.ZipFile(archive) as opened:
            for member in missing:
                _unpack_one(opened, member, root, temporary, archive)
                done += member.size
                advance(done, total)
    finally:
        temporary.unlink(missing_ok=True)
    return tuple(root / member.path for member in members)


def _member(entry: zipfile.ZipInfo, archive: Path) -> ArchiveMember:
    path = require_safe_path(entry.filename, archive)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise InputError(f"{path} in the archive is a link or a device", archive, "do not use the archive")
    if entry.flag_bits & 0x1:
        raise InputError(f"{path} in the archive is encrypted", archive, "unpack it yourself")
    if entry.compress_type not in _METHODS:
        what = f"{path} is compressed in a way that is not known here (method {entry.compress_type})"
        raise InputError(what, archive, "unpack the archive with another program, such as 7z")
    if entry.file_size > max(FREE_RATIO_BYTES, LARGEST_RATIO * entry.compress_size):
        sizes = f"{readable_bytes(entry.compress_size)} would become {readable_bytes(entry.file_size)}"
        raise InputError(f"{path} in the archive is implausible: {sizes}", archive, "do not use the archive")
    return ArchiveMember(path, entry.file_size, entry)


def _require_separate(entries: Sequence[zipfile.ZipInfo], end: int, archive: Path) -> None:
    """Raise if the bytes of one file are those of another, too, by which small archives become huge."""
    spans = sorted((entry.header_offset, entry.header_offset + entry.compress_size) for entry in entries)
    for (_, stop), (start, _) in zip(spans, [*spans[1:], (end, end)], strict=True):
        if stop > start:
            raise InputError("files in the archive share bytes", archive, "do not use the archive")


def _is_unpacked(path: Path, member: ArchiveMember) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size == member.size


def _unpack_one(opened: zipfile.ZipFile, member: ArchiveMember, root: Path, temporary: Path, archive: Path) -> None:
    path = root / member.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.parent.resolve().is_relative_to(root):
        raise InputError(f"a link leads from {path.parent} out of the folder", root, "remove the link")
    if path.is_dir():
        raise InputError("there is a folder where a file is to be unpacked", path, "name another folder")
    try:
        with opened.open(member.entry) as source, temporary.open("xb") as target:
            shutil.copyfileobj(source, target, _BLOCK)  # ends at the size that was checked, and compares the CRC-32
            written = target.tell()
    except (zipfile.BadZipFile, EOFError, zlib.error, ValueError, NotImplementedError) as problem:
        raise InputError(f"{member.path} in the archive is damaged ({problem})", archive, _AGAIN) from None
    if written != member.size:
        what = f"{member.path} in the archive has {written} bytes, not {member.size}"
        raise InputError(what, archive, _AGAIN)
    os.replace(temporary, path)
