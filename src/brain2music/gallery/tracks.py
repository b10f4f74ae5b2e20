"""Which tracks a corpus of music holds; their title, artist, genre and licence where a table gives them."""

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from .._utils.errors import Brain2MusicWarning, InputError
from ..audio.find import Found, search_audio
from ..audio.io import SUFFIXES
from ..audio.paths import as_path, shown
from .corpora import find_metadata, read_metadata
from .metadata import with_metadata, without_suffix
from .patterns import matching_tracks

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
"""GTZAN's genres, which are its folders' names."""


@dataclass(frozen=True)
class Corpus:
    """The tracks of one folder or table of files.

    Attributes
    ----------
    root : the folder that paths start from.
    tracks : one row a file: ``track`` (path without its suffix; with it where two files would share an id), ``path``
        (below the root, else absolute), ``title`` (default: the file's name), ``artist`` (""), ``genre`` (the
        folder's name in GTZAN's layout, else ""), ``licence`` ("unknown") and ``bytes`` of the file (-1 where it is
        missing). Paths are text, with bytes that are not UTF-8 as :func:`brain2music.audio.paths.shown` gives them.
    passed_over : files, folders, links and rows that were not taken, with the reason.
    """

    root: Path
    tracks: pd.DataFrame
    passed_over: list[tuple[Path, str]]


def list_tracks(
    music: Path, metadata: Path | None = None, exclude: Iterable[str] = (), leave_out: Sequence[Path] = ()
) -> Corpus:
    """Every sound file of a corpus: of a folder, sorted by path, or of a table of files, in its order.

    Parameters
    ----------
    music : a folder, searched with its sub-folders (:func:`brain2music.audio.find.search_audio`); or a table (TSV,
        CSV, Parquet) whose column ``file`` holds paths, absolute or from the table's own folder, with their suffixes.
        Files that are not there are found out when they are read; one that is listed twice is one track.
    metadata : a table with a column ``file`` (path below ``music``, with or without its suffix, or just the
        file's name) and any of ``title``, ``artist``, ``genre``, ``licence``; or that of a known corpus: see
        :func:`brain2music.gallery.corpora.read_metadata`. FMA's is found by itself where it lies beside.
    exclude : ids, paths, names or patterns of tracks to leave out, "jazz/jazz.00054*"; one that means none is warned
        of. See :func:`brain2music.gallery.patterns.matching_tracks`.
    leave_out : folders not to look into.

    Raises
    ------
    InputError : no such folder, no sound files, a table that cannot be read or that names none of the files.
    """
    if music.is_file() and music.suffix.lower() in SUFFIXES:
        raise InputError("this is a sound file, not a folder or a table of files", music, "give its folder")
    if music.is_file():
        root, found = music.parent, _listed(music)
        metadata = metadata or music
    else:
        root, found = music, search_audio(music, leave_out)
        metadata = metadata or find_metadata(music)
    files = {shown(below(file, root).as_posix()): file for file in found.files}
    table = _table([PurePosixPath(path) for path in files], [_size(file) for file in files.values()])
    alike = [(file, "shown like another") for file in found.files if file not in set(files.values())]
    if metadata is not None:
        table = with_metadata(table, metadata, root)
    return Corpus(root, _without(table, list(exclude), music, root), found.passed_over + alike)


def unique(names: Sequence[str], paths: Sequence[str], taken: Collection[str] = ()) -> list[str]:
    """Names of tracks, with a digest of the path where two would be the same or one is taken."""
    counts = Counter([*names, *set(taken)])
    return [
        name if counts[name] == 1 else f"{name}~{hashlib.sha256(os.fsencode(path)).hexdigest()[:8]}"
        for name, path in zip(names, paths, strict=True)
    ]


def _listed(table: Path) -> Found:
    """The files of a table, each once."""
    names = read_metadata(table)["file"]
    files = dict.fromkeys(as_path(os.path.normpath(table.parent / name)) for name in names if name)
    counts = Counter(names)
    passed = [(Path(name), "listed more than once") for name, count in counts.items() if name and count > 1]
    passed += [(table, "a row without a file")] * counts[""]
    return Found(list(files), passed)


def below(file: Path, root: Path) -> Path:
    """A path from a root, where it lies below it."""
    return file.relative_to(root) if file.is_relative_to(root) else file


def _table(paths: Sequence[PurePosixPath], sizes: Sequence[int]) -> pd.DataFrame:
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


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return -1


def _folder_genre(path: PurePosixPath) -> str:
    """The folder's name if it is one of GTZAN's genres or begins the file's ("tango/tango.00003.wav")."""
    parent = path.parent.name
    return parent if parent in GENRES or (parent and path.name.startswith(f"{parent}.")) else ""


def _without(table: pd.DataFrame, patterns: list[str], music: Path, root: Path) -> pd.DataFrame:
    if not patterns:
        return table
    paths = [os.path.join(shown(root.absolute()), path) for path in table["path"]]
    left_out, unmatched = matching_tracks(list(table["track"]), paths, patterns)
    if unmatched:
        named = ", ".join(map(repr, unmatched))
        warnings.warn(f"{music}: no sound file is meant by exclude {named}", Brain2MusicWarning, stacklevel=4)
    if left_out.all():
        raise InputError("every sound file is excluded", music, "exclude fewer")
    return table[~left_out].reset_index(drop=True)
