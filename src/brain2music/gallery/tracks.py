"""Which tracks a corpus of music holds; their title, artist, genre and licence where a table gives them."""

import re
from collections import Counter
from collections.abc import Iterable
from fnmatch import translate
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from jaxtyping import Bool

from ..audio.find import find_audio
from ..audio.io import SUFFIXES
from ..errors import InputError
from .corpora import find_metadata, read_metadata

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
"""GTZAN's genres, which are its folders' names."""

_GIVEN = ("title", "artist", "genre", "licence")


def list_tracks(music: Path, metadata: Path | None = None, exclude: Iterable[str] = ()) -> tuple[Path, pd.DataFrame]:
    """Every sound file of a corpus: of a folder, sorted by path, or of a table of files, in its order.

    Parameters
    ----------
    music : a folder, searched with its sub-folders; or a table (TSV, CSV, Parquet) whose column ``file`` holds
        paths, absolute or from the table's own folder, with their suffixes. Files that are not there are found
        out when they are read.
    metadata : a table with a column ``file`` (path below ``music``, with or without its suffix, or just the
        file's name) and any of ``title``, ``artist``, ``genre``, ``licence``; or that of a known corpus: see
        :func:`brain2music.gallery.corpora.read_metadata`. FMA's is found by itself where it lies beside.
    exclude : patterns of track ids or paths to leave out, "jazz/jazz.00054*".

    Returns
    -------
    The folder that paths start from, and a table: ``track`` (path without its suffix; with it where two files
    would share an id), ``path`` (below the folder), ``title`` (default: the file's name), ``artist`` (""),
    ``genre`` (the folder's name in GTZAN's layout, else ""), ``licence`` ("unknown"), ``bytes`` and
    ``modified_ns`` of the file (-1 where it is missing).

    Raises
    ------
    InputError : no such folder, no sound files, a table that cannot be read or that names none of the files.
    """
    if music.is_file():
        root, given = music.parent, read_metadata(music)
        files = [root / name for name in given["file"]]
        metadata = metadata or music
    else:
        root, files = music, find_audio(music)
        metadata = metadata or find_metadata(music)
    paths = [PurePosixPath(file.relative_to(root).as_posix() if file.is_relative_to(root) else file) for file in files]
    stems = [_without_suffix(str(path)) for path in paths]
    shared = {stem for stem, count in Counter(stems).items() if count > 1}
    states = [_state(file) for file in files]
    table = pd.DataFrame(
        {
            "track": [str(path) if stem in shared else stem for path, stem in zip(paths, stems, strict=True)],
            "path": [str(path) for path in paths],
            "title": [path.stem for path in paths],
            "artist": "",
            "genre": [_folder_genre(path) for path in paths],
            "licence": "unknown",
            "bytes": [size for size, _ in states],
            "modified_ns": [modified for _, modified in states],
        }
    )
    if metadata is not None:
        table = _with_metadata(table, metadata)
    return root, _without(table, list(exclude), music)


def matches(values: pd.Series, patterns: Iterable[str]) -> Bool[np.ndarray, " n"]:
    """True where a value equals, or matches, one of some patterns with shell wildcards."""
    given = set(patterns)
    wild = re.compile("|".join(translate(pattern) for pattern in sorted(given)) or "(?!)")
    return np.array([value in given or wild.match(value) is not None for value in values], dtype=bool)


def _state(file: Path) -> tuple[int, int]:
    try:
        state = file.stat()
    except OSError:
        return -1, -1
    return state.st_size, state.st_mtime_ns


def _folder_genre(path: PurePosixPath) -> str:
    """The folder's name if it is one of GTZAN's genres or begins the file's ("tango/tango.00003.wav")."""
    parent = path.parent.name
    return parent if parent in GENRES or (parent and path.name.startswith(f"{parent}.")) else ""


def _with_metadata(table: pd.DataFrame, file: Path) -> pd.DataFrame:
    given = read_metadata(file)
    entries: dict[str, int] = {}
    for row, name in enumerate(given["file"]):
        for key in (name, _without_suffix(name)):
            if entries.setdefault(key, row) != row and key == name:
                raise InputError(f"{name!r} is listed twice", file, "keep one row a file")
    rows = [_entry(entries, PurePosixPath(path)) for path in table["path"]]
    if all(row is None for row in rows):
        mend = f"write paths below the folder, such as {table['path'].iloc[0]!r}, into the column 'file'"
        raise InputError("the table names none of the folder's sound files", file, mend)
    for column in _GIVEN:
        if column in given:
            values = [given[column].iloc[row] if row is not None else "" for row in rows]
            table[column] = [new or old for new, old in zip(values, table[column], strict=True)]
    return table


def _entry(entries: dict[str, int], path: PurePosixPath) -> int | None:
    bare = _without_suffix(str(path))  # Jamendo's small files are "14/214.low.mp3" for "14/214.mp3"
    for key in (str(path), bare, bare.removesuffix(".low"), path.name, path.stem):
        if key in entries:
            return entries[key]
    return None


def _without_suffix(name: str) -> str:
    """A path without the suffix of a sound file; "blues.00017" has none."""
    stem, dot, suffix = name.rpartition(".")
    return stem if f"{dot}{suffix}".lower() in SUFFIXES else name


def _without(table: pd.DataFrame, patterns: list[str], folder: Path) -> pd.DataFrame:
    left_out = matches(table["track"], patterns) | matches(table["path"], patterns)
    if left_out.all():
        raise InputError("every sound file is excluded", folder, "exclude fewer")
    return table[~left_out].reset_index(drop=True)
