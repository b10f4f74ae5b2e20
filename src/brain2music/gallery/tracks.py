"""Listing of the tracks of a corpus, with title, artist, genre and licence if there is a table."""

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from .._utils.errors import Brain2MusicWarning, InputError
from ..audio.find import FolderScan, scan_folder
from ..audio.io import SUFFIXES
from ..audio.paths import as_path, as_text
from .metadata import with_metadata, without_suffix
from .metadata_tables import find_metadata, read_metadata
from .patterns import matching_tracks

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
"""The genres of GTZAN, which are the names of its folders."""


@dataclass(frozen=True)
class Corpus:
    """The tracks of one folder or table of files.

    Attributes
    ----------
    root : Path
        The folder to which paths are relative.
    tracks : pandas.DataFrame
        One row per file: ``track`` (path without suffix; with it if two files would have the same id), ``path``
        (relative to the root, else absolute), ``title`` (default: the name of the file), ``artist`` (""), ``genre``
        (the name of the folder in the layout of GTZAN, else ""), ``licence`` ("unknown") and ``bytes`` of the file (-1
        if it is missing). Paths are text, with bytes that are not UTF-8 as :func:`brain2music.audio.paths.as_text`
        returns them.
    passed_over : list of (Path, str)
        Files, folders, links and rows that are left out, with the reason.
    """

    root: Path
    tracks: pd.DataFrame
    passed_over: list[tuple[Path, str]]


def list_tracks(
    music: Path, metadata: Path | None = None, exclude: Iterable[str] = (), leave_out: Sequence[Path] = ()
) -> Corpus:
    """List all sound files of a corpus: of a folder, sorted by path, or of a table of files, in its order.

    Parameters
    ----------
    music : Path
        A folder, searched with its sub-folders (:func:`brain2music.audio.find.scan_folder`); or a table (TSV, CSV,
        Parquet) whose column ``file`` has paths with suffixes, absolute or relative to the folder of the table.
        Missing files are detected when they are read; a file that is listed twice is one track.
    metadata : Path, optional
        A table with a column ``file`` (path relative to ``music``, with or without suffix, or only the name of the
        file) and any of ``title``, ``artist``, ``genre``, ``licence``; or that of a known corpus: see
        :func:`brain2music.gallery.metadata_tables.read_metadata`. That of FMA is found automatically beside the music.
    exclude : iterable of str
        Ids, paths, names or patterns of tracks to leave out, "jazz/jazz.00054*"; those without any match are warned
        of. See :func:`brain2music.gallery.patterns.matching_tracks`.
    leave_out : sequence of Path
        Folders that are not searched.

    Raises
    ------
    InputError
        If there is no such folder, there are no sound files, or a table cannot be read or names none of the files.
    """
    if music.is_file() and music.suffix.lower() in SUFFIXES:
        raise InputError("this is a sound file, not a folder or a table of files", music, "give its folder")
    if music.is_file():
        root, found = music.parent, _list_table(music)
        metadata = metadata or music
    else:
        root, found = music, scan_folder(music, leave_out)
        metadata = metadata or find_metadata(music)
    files = {as_text(below(file, root).as_posix()): file for file in found.files}
    table = _make_table([PurePosixPath(path) for path in files], [_file_size(file) for file in files.values()])
    alike = [(file, "shown like another") for file in found.files if file not in set(files.values())]
    if metadata is not None:
        table = with_metadata(table, metadata, root)
    return Corpus(root, _without_excluded(table, list(exclude), music, root), found.passed_over + alike)


def unique(names: Sequence[str], paths: Sequence[str], taken: Collection[str] = ()) -> list[str]:
    """Make names of tracks unique by a digest of the path, if they coincide with others or with ``taken``."""
    counts = Counter([*names, *set(taken)])
    return [
        name if counts[name] == 1 else f"{name}~{hashlib.sha256(os.fsencode(path)).hexdigest()[:8]}"
        for name, path in zip(names, paths, strict=True)
    ]


def _list_table(table: Path) -> FolderScan:
    """List the files of a table, each once."""
    names = read_metadata(table)["file"]
    files = dict.fromkeys(as_path(os.path.normpath(table.parent / name)) for name in names if name)
    counts = Counter(names)
    passed = [(Path(name), "listed more than once") for name, count in counts.items() if name and count > 1]
    passed += [(table, "a row without a file")] * counts[""]
    return FolderScan(list(files), passed)


def below(file: Path, root: Path) -> Path:
    """Make a path relative to a root that contains it."""
    return file.relative_to(root) if file.is_relative_to(root) else file


def _make_table(paths: Sequence[PurePosixPath], sizes: Sequence[int]) -> pd.DataFrame:
    stems = [without_suffix(str(path)) for path in paths]
    shared = {stem for stem, count in Counter(stems).items() if count > 1}
    ids = [str(path) if stem in shared else stem for path, stem in zip(paths, stems, strict=True)]
    return pd.DataFrame(
        {
            "track": unique(ids, [str(path) for path in paths]),
            "path": [str(path) for path in paths],
            "title": [path.stem for path in paths],
            "artist": "",
            "genre": [_folder_genre(path) for path in paths],
            "licence": "unknown",
            "bytes": sizes,
        }
    )


def _file_size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return -1


def _folder_genre(path: PurePosixPath) -> str:
    """The name of the folder if it is a genre of GTZAN or the prefix of the file ("tango/tango.00003.wav")."""
    parent = path.parent.name
    return parent if parent in GENRES or (parent and path.name.startswith(f"{parent}.")) else ""


def _without_excluded(table: pd.DataFrame, patterns: list[str], music: Path, root: Path) -> pd.DataFrame:
    if not patterns:
        return table
    paths = [os.path.join(as_text(root.absolute()), path) for path in table["path"]]
    left_out, unmatched = matching_tracks(list(table["track"]), paths, patterns)
    if unmatched:
        named = ", ".join(map(repr, unmatched))
        warnings.warn(f"{music}: no sound file is meant by exclude {named}", Brain2MusicWarning, stacklevel=4)
    if left_out.all():
        raise InputError("every sound file is excluded", music, "exclude fewer")
    return table[~left_out].reset_index(drop=True)
