"""Assignment of the rows of a table of metadata to the tracks of a corpus."""

import posixpath
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from .._utils.errors import Brain2MusicWarning, InputError
from ..audio.io import SUFFIXES
from ..audio.paths import as_text
from .metadata_tables import read_metadata

FIELDS = ("title", "artist", "genre", "licence")

_SHOWN = 3  # rows that a warning names


def with_metadata(tracks: pd.DataFrame, table: Path, root: Path) -> pd.DataFrame:
    """Replace titles, artists, genres and licences of tracks by those of a table; others keep their own.

    A row belongs to the file of the same path, relative to ``root``; else to that of the same path apart from the
    suffix; else to that of the same name, with or without suffix. Rows without a file, and rows whose name occurs in
    several folders, are warned of and ignored.

    Raises
    ------
    InputError
        If the table cannot be read, contains none of the files, or has two different rows for one.
    """
    metadata = read_metadata(table)
    metadata = metadata[metadata["file"] != ""]
    metadata = metadata.assign(file=[plain_path(name, root) for name in metadata["file"]])
    metadata = metadata.drop_duplicates(ignore_index=True)
    names, repeated = list(metadata["file"]), metadata["file"][metadata["file"].duplicated()]
    if len(repeated):
        raise InputError(f"{repeated.iloc[0]!r} is listed twice", table, "keep one row per file")
    rows, several = _match_rows([plain_path(path, root) for path in tracks["path"]], names)
    if not any(row is not None for row in rows) and not several:
        hint = f"write paths below the folder, such as {as_text(tracks['path'].iloc[0])!r}, into the column 'file'"
        raise InputError("the table names none of the folder's sound files", table, hint)
    _warn_of_rows(table, names, rows, several)
    for column in FIELDS:
        if column in metadata:
            values = [metadata[column].iloc[row] if row is not None else "" for row in rows]
            tracks[column] = [new or old for new, old in zip(values, tracks[column], strict=True)]
    return tracks


def plain_path(name: str, root: Path) -> str:
    """Normalise a path for comparison: relative to the root, with composed accents, without "./" and the like."""
    path = unicodedata.normalize("NFC", as_text(name)).strip()
    above = unicodedata.normalize("NFC", as_text(root)).rstrip("/") + "/"
    return posixpath.normpath(path.removeprefix(above))


def without_suffix(name: str) -> str:
    """Remove the suffix of a sound file from a path; "blues.00017" has none."""
    stem, dot, suffix = name.rpartition(".")
    return stem if f"{dot}{suffix}".lower() in SUFFIXES else name


def _bare(name: str) -> str:
    return without_suffix(name).removesuffix(".low")  # Jamendo's small files are "14/214.low.mp3" for "14/214.mp3"


_STEPS: tuple[tuple[Callable[[str], str], Callable[[str], str]], ...] = (
    (str, str),
    (without_suffix, without_suffix),
    (_bare, without_suffix),
    (lambda path: PurePosixPath(path).name, str),
    (lambda path: without_suffix(PurePosixPath(path).name), without_suffix),
)
"""Pairs of functions of the path of a file and of a row whose results must be equal, the strictest first."""


def _match_rows(paths: Sequence[str], names: Sequence[str]) -> tuple[list[int | None], dict[int, list[str]]]:
    """The row of every file, or None; and the files of rows that match several, which are assigned to none."""
    rows: list[int | None] = [None] * len(paths)
    open_rows, several = dict(enumerate(names)), dict[int, list[str]]()
    for of_file, of_row in _STEPS:
        files: dict[str, list[int]] = {}
        for file, path in enumerate(paths):
            if rows[file] is None:
                files.setdefault(of_file(path), []).append(file)
        for row, name in list(open_rows.items()):
            fitting = files.pop(of_row(name), None) or files.pop(of_row(name.replace("\\", "/")), [])
            if fitting:
                del open_rows[row]
            if len({_bare(paths[file]) for file in fitting}) > 1:
                several[row] = [paths[file] for file in fitting]
            else:
                for file in fitting:
                    rows[file] = row
    return rows, several


def _warn_of_rows(table: Path, names: Sequence[str], rows: Sequence[int | None], several: dict[int, list[str]]) -> None:
    used = {*rows, *several}
    none = [name for row, name in enumerate(names) if row not in used]
    if none:
        what = f"{len(none)} of {len(names)} rows name no sound file of their own ({_first(none)})"
        warnings.warn(f"{table}: {what}", Brain2MusicWarning, stacklevel=4)
    if several:
        listed = [f"{names[row]}: {_first(files)}" for row, files in several.items()]
        what = (
            f"{len(several)} rows name several sound files each, and are not used; write paths ({_first(listed, '; ')})"
        )
        warnings.warn(f"{table}: {what}", Brain2MusicWarning, stacklevel=4)


def _first(names: Sequence[str], between: str = ", ") -> str:
    return between.join(names[:_SHOWN]) + (f"{between}…" if len(names) > _SHOWN else "")
