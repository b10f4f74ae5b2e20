"""Finding the sound files of a folder: links are followed, a folder is read once, what is passed over is told."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .._utils.errors import InputError
from .containers import is_available
from .io import COMMON, NEEDS_PYAV, SUFFIXES
from .paths import shown

HIDDEN = "hidden"
DANGLING = "a link that leads nowhere"
AGAIN = "a link to a folder that is read already"
SPECIAL = "not a regular file"
UNREAD = "that cannot be read"
"""What reasons begin with where nothing is known of a file or a folder's contents."""


@dataclass
class Found:
    """What a folder holds.

    Attributes
    ----------
    files : the sound files, sorted by path.
    passed_over : files, folders and links that were not taken, sorted by path, each with the reason.
    """

    files: list[Path] = field(default_factory=list)
    passed_over: list[tuple[Path, str]] = field(default_factory=list)


def find_audio(folder: str | Path) -> list[Path]:
    """All sound files in a folder and below it, sorted by path; see :func:`search_audio`.

    Raises
    ------
    InputError : the folder does not exist, cannot be read, or holds none.
    """
    return search_audio(folder).files


def search_audio(folder: str | Path, leave_out: Sequence[Path] = ()) -> Found:
    """The sound files in a folder and below it, and what was passed over.

    Links are followed: a link to a file is a file of its own, as a copy would be, and a folder is read once, by its
    own name where it has one here; so links that go round in a circle end. Hidden files and folders are passed over.

    Parameters
    ----------
    leave_out : folders not to look into, nor to speak of.

    Raises
    ------
    InputError : the folder does not exist, cannot be read, or holds no sound files.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("there is no such folder", folder, "check the path")
    found = _walk_folders(folder, {os.path.realpath(path) for path in leave_out})
    if not found.files:
        passed = f" (passed over: {describe_passed_over(found.passed_over, folder)})" if found.passed_over else ""
        raise InputError(f"the folder holds no sound files{passed}", folder, f"put {', '.join(COMMON)} files there")
    return found


def describe_passed_over(passed_over: Sequence[tuple[str | Path, str]], folder: str | Path = "", names: int = 3) -> str:
    """How many were passed over for each reason, with the first names: "2 whose suffix .m4a is not read (b.m4a, …)"."""
    by_reason: dict[str, list[str]] = {}
    for path, why in passed_over:
        inside = Path(path).is_relative_to(folder)
        by_reason.setdefault(why, []).append(shown(Path(path).relative_to(folder) if inside else path))
    parts = []
    for why, paths in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        first = ", ".join(paths[:names]) + (", …" if len(paths) > names else "")
        parts.append(f"{len(paths)} {why} ({first})")
    return "; ".join(parts)


def _walk_folders(folder: Path, leave_out: set[str]) -> Found:
    """Folders before the links to them, so that files bear the names they have without links."""
    found = Found()
    top = os.path.realpath(folder)
    read, folders, links = set[str](), [folder], list[Path]()
    while folders or links:
        path = folders.pop() if folders else links.pop(0)
        real = os.path.realpath(path)
        if real in leave_out:
            continue
        if path != folder and (real in read or _is_within(top, real)):
            found.passed_over.append((path, AGAIN))
            continue
        read.add(real)
        _read_folder(path, found, folders, links)
    found.files.sort()
    found.passed_over.sort()
    return found


def _read_folder(path: Path, found: Found, folders: list[Path], links: list[Path]) -> None:
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError as error:
        found.passed_over.append((path, f"{UNREAD} ({error.strerror})"))
        return
    for entry in entries:
        file = Path(entry.path)
        why = HIDDEN if entry.name.startswith(".") else None
        try:
            mode = os.stat(file).st_mode if why is None else 0
        except FileNotFoundError:
            why = DANGLING
        except OSError as error:
            why = f"{UNREAD} ({error.strerror})"
        if why is None and stat.S_ISDIR(mode):
            (links if entry.is_symlink() else folders).append(file)
            continue
        why = why or _reason(file, mode)
        if why is None:
            found.files.append(file)
        else:
            found.passed_over.append((file, why))


def _reason(file: Path, mode: int) -> str | None:
    """Why a file is not taken for sound; None where it is."""
    if not stat.S_ISREG(mode):
        return SPECIAL
    if file.suffix.lower() in NEEDS_PYAV and not is_available():
        return f"of {file.suffix.lower()}, for which PyAV is needed: pip install 'brain2music[formats]'"
    if file.suffix.lower() in SUFFIXES:
        return None
    return f"whose suffix {shown(file.suffix)} is not read" if file.suffix else "without a suffix"


def _is_within(path: str, folder: str) -> bool:
    """Whether a real path is a real folder or lies below it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
