"""Search of folders for sound files: links are followed, folders are read once, and skipped files are listed."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .._utils.errors import InputError
from .ffmpeg_reader import is_available
from .io import COMMON, NEEDS_PYAV, SUFFIXES
from .paths import as_text

HIDDEN = "hidden"
DANGLING = "a link that leads nowhere"
AGAIN = "a link to a folder that is read already"
SPECIAL = "not a regular file"
UNREAD = "that cannot be read"
"""Beginning of the reason where the contents of a file or folder are unknown."""


@dataclass
class FolderScan:
    """Sound files in a folder, and what was passed over.

    Attributes
    ----------
    files : list of Path
        Sound files, sorted by path.
    passed_over : list of (Path, str)
        Files, folders and links that are not used, sorted by path, each with the reason.
    """

    files: list[Path] = field(default_factory=list)
    passed_over: list[tuple[Path, str]] = field(default_factory=list)


def find_audio(folder: str | Path) -> list[Path]:
    """List all sound files in a folder and its subfolders.

    Links are followed, each folder is read once, and hidden files are passed over. Files in formats that need PyAV are
    listed only where it is installed.

    Parameters
    ----------
    folder : str or Path
        Folder to search.

    Returns
    -------
    list of Path
        Sound files, sorted by path.

    Raises
    ------
    InputError
        The folder does not exist, cannot be read, or holds no sound files.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.audio import find_audio, write_audio
    >>> write_audio("music/b.wav", np.zeros(100), 16000)
    >>> write_audio("music/rock/a.flac", np.zeros(100), 16000)
    >>> [file.as_posix() for file in find_audio("music")]
    ['music/b.wav', 'music/rock/a.flac']
    """
    return scan_folder(folder).files


def scan_folder(folder: str | Path, leave_out: Sequence[Path] = ()) -> FolderScan:
    """Search a folder and its subfolders for sound files, and list what was passed over.

    Links are followed: a link to a file counts as a file, like a copy, and a folder is read once, under its real path
    where that is in ``folder``, so circular links end. Hidden files and folders are passed over.

    Parameters
    ----------
    folder : str or Path
        Folder to search.
    leave_out : sequence of Path
        Folders that are neither read nor listed.

    Returns
    -------
    FolderScan
        The sound files, and the other entries with reasons.

    Raises
    ------
    InputError
        The folder does not exist, cannot be read, or holds no sound files.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("there is no such folder", folder, "check the path")
    scan = _walk(folder, {os.path.realpath(path) for path in leave_out})
    if not scan.files:
        passed = f" (passed over: {describe_passed_over(scan.passed_over, folder)})" if scan.passed_over else ""
        raise InputError(f"the folder holds no sound files{passed}", folder, f"put {', '.join(COMMON)} files there")
    return scan


def describe_passed_over(passed_over: Sequence[tuple[str | Path, str]], folder: str | Path = "", names: int = 3) -> str:
    """Count what was passed over per reason, with the first names: "2 whose suffix .m4a is not read (b.m4a, …)"."""
    by_reason: dict[str, list[str]] = {}
    for path, why in passed_over:
        inside = Path(path).is_relative_to(folder)
        by_reason.setdefault(why, []).append(as_text(Path(path).relative_to(folder) if inside else path))
    parts = []
    for why, paths in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        first = ", ".join(paths[:names]) + (", …" if len(paths) > names else "")
        parts.append(f"{len(paths)} {why} ({first})")
    return "; ".join(parts)


def _walk(folder: Path, leave_out: set[str]) -> FolderScan:
    """Read folders before links to them, so that files have the paths they have without links."""
    scan = FolderScan()
    top = os.path.realpath(folder)
    read, folders, links = set[str](), [folder], list[Path]()
    while folders or links:
        path = folders.pop() if folders else links.pop(0)
        real = os.path.realpath(path)
        if real in leave_out:
            continue
        if path != folder and (real in read or _is_within(top, real)):
            scan.passed_over.append((path, AGAIN))
            continue
        read.add(real)
        _read_folder(path, scan, folders, links)
    scan.files.sort()
    scan.passed_over.sort()
    return scan


def _read_folder(path: Path, scan: FolderScan, folders: list[Path], links: list[Path]) -> None:
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError as error:
        scan.passed_over.append((path, f"{UNREAD} ({error.strerror})"))
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
            scan.files.append(file)
        else:
            scan.passed_over.append((file, why))


def _reason(file: Path, mode: int) -> str | None:
    """Reason why a file is passed over; None for sound files."""
    if not stat.S_ISREG(mode):
        return SPECIAL
    if file.suffix.lower() in NEEDS_PYAV and not is_available():
        return f"of {file.suffix.lower()}, for which PyAV is needed: pip install 'brain2music[formats]'"
    if file.suffix.lower() in SUFFIXES:
        return None
    return f"whose suffix {as_text(file.suffix)} is not read" if file.suffix else "without a suffix"


def _is_within(path: str, folder: str) -> bool:
    """Whether a real path is a real folder or is below it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
