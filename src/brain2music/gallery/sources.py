"""Sources of a gallery: the folders and tables from which it is built, their files, and the ids of their tracks.

A file is one track, whichever sources list it, and belongs to the source that listed it last. Ids in the first source
are paths relative to it; in every further source they have its name as prefix, "B/001".
"""

import os
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from .._utils.errors import Brain2MusicWarning, InputError
from .._utils.files import digest_file
from ..audio.find import UNREAD
from ..audio.paths import as_path, as_text
from .description import COLUMNS, locations
from .existing import ExistingGallery
from .metadata import FIELDS
from .retention import retain_tracks
from .tracks import below, list_tracks, unique

_READERS = 4  # files that are read in parallel for their digests

Source = dict[str, Any]
PassedOver = tuple[str, str, str]
"""Source, path, reason."""


@dataclass(frozen=True)
class SourceListing:
    """The planned contents of a gallery.

    Attributes
    ----------
    tracks : pandas.DataFrame
        With the columns :data:`~brain2music.gallery.description.COLUMNS`, and ``where``, the absolute path.
    sources : list of dict
        In order; ``tracks["source"]`` is an index into it.
    passed_over : list
        Files of the listed sources that are left out.
    listed : list of str
        The sources that were listed.
    """

    tracks: pd.DataFrame
    sources: list[Source]
    passed_over: list[PassedOver]
    listed: list[str]


@dataclass(frozen=True)
class _Files:
    """The files of one source; ``unreadable`` are paths of files and folders that cannot be examined."""

    source: Source
    tracks: pd.DataFrame
    passed_over: list[PassedOver]
    unreadable: set[str]


def list_sources(
    existing: ExistingGallery,
    music: Path,
    metadata: Path | None,
    exclude: Iterable[str],
    leave_out: Sequence[Path],
    prune: bool,
) -> SourceListing:
    """List the tracks of a gallery to be built from ``music``; if it is damaged, all its sources are listed again.

    Raises
    ------
    InputError
        If the source contains no sound files, or its table is not valid.
    """
    old = existing.tracks.assign(where=locations(existing.tracks, existing.description))
    sources, own = _sources(existing.description["sources"], music, metadata, list(exclude))
    is_new = own == len(existing.description["sources"])
    files = {own: _list_source(sources[own], old, leave_out)}
    if existing.damaged:
        files |= _list_others(sources, own, old, leave_out)
    for number, one in files.items():
        sources[number] = one.source
    new = pd.concat([one.tracks.assign(source=number) for number, one in files.items()], ignore_index=True)
    new = new.drop_duplicates("where", ignore_index=True)
    paths = [source["music"] for source in sources]
    kept, moved_from = retain_tracks(old, new, paths, _unreadable(files), prune)
    order = list(range(len(sources)))
    if is_new:
        order[own] = own if moved_from is None else moved_from
        prefix = _prefix(music, old["track"]) if moved_from is None else sources[moved_from]["prefix"]
        sources[own]["prefix"] = prefix
    new["track"] = [sources[number]["prefix"] + name for number, name in zip(new["source"], new["track"], strict=True)]
    new["track"] = unique(list(new["track"]), list(new["where"]), taken=set(kept["track"]))
    if not len(new) and not len(kept):
        raise InputError("none of its sound files is there, or can be read", music, "check their paths and permissions")
    tracks = pd.concat([table for table in (new, kept) if len(table)], ignore_index=True)
    tracks = tracks.assign(order=[order[number] for number in tracks["source"]])
    tracks = tracks.sort_values("order", kind="stable", ignore_index=True)
    used = sorted(set(tracks["source"]), key=order.__getitem__)
    tracks["source"] = tracks["source"].map({number: place for place, number in enumerate(used)})
    return SourceListing(
        tracks[[*COLUMNS, "where"]],
        [sources[number] for number in used],
        [entry for one in files.values() for entry in one.passed_over],
        [one.source["music"] for one in files.values()],
    )


def _sources(
    previous: Sequence[Source], music: Path, metadata: Path | None, exclude: list[str]
) -> tuple[list[Source], int]:
    """Add the source of this build to the previous ones; also returns its number. Its previous table is used again."""
    sources = [dict(source) for source in previous]
    own = next((number for number, source in enumerate(sources) if source["music"] == as_text(music)), len(sources))
    if own == len(sources):
        sources.append({"music": as_text(music), "root": "", "prefix": "", "metadata": None})
    sources[own]["exclude"] = exclude
    if metadata is not None:
        sources[own]["metadata"] = as_text(metadata.resolve())
    return sources, own


def _prefix(music: Path, ids: Iterable[str]) -> str:
    """The prefix of the ids of a further source: as much of the end of its path as distinguishes it from all ids."""
    taken = list(ids)
    if not taken:
        return ""
    parts = PurePosixPath(as_text(music.with_suffix("") if music.is_file() else music)).parts
    for count in range(1, len(parts)):
        prefix = "/".join(parts[-count:]) + "/"
        if not any(track.startswith(prefix) for track in taken):
            return prefix
    return as_text(music) + "/"


def _list_others(
    sources: Sequence[Source], own: int, old: pd.DataFrame, leave_out: Sequence[Path]
) -> dict[int, _Files]:
    files = {}
    for number, source in enumerate(sources):
        if number != own and as_path(source["music"]).exists():
            try:
                files[number] = _list_source(source, old, leave_out)
            except InputError as error:
                warnings.warn(f"not built again: {error}", Brain2MusicWarning, stacklevel=4)
    return files


def _list_source(source: Source, old: pd.DataFrame, leave_out: Sequence[Path]) -> _Files:
    music, table = as_path(source["music"]), None if source["metadata"] is None else as_path(source["metadata"])
    is_there = table is None or table.is_file()
    corpus = list_tracks(music, table if is_there else None, source["exclude"], leave_out)
    root = as_text(corpus.root)
    tracks = corpus.tracks.assign(where=[os.path.join(root, path) for path in corpus.tracks["path"]])
    if not is_there:
        what = f"{table}: the table of tracks is gone; titles and licences stay as they were"
        warnings.warn(what, Brain2MusicWarning, stacklevel=4)
        tracks = _with_old_fields(tracks, old)
    passed = [(source["music"], as_text(below(path, corpus.root)), why) for path, why in corpus.passed_over]
    unreadable = {as_text(path) for path, why in corpus.passed_over if why.startswith(UNREAD)}
    with ThreadPoolExecutor(_READERS) as readers:
        digests = list(readers.map(_file_digest, tracks["where"]))
    for path, where, digest in zip(tracks["path"], tracks["where"], digests, strict=True):
        if isinstance(digest, FileNotFoundError):
            passed.append((source["music"], path, "the sound file is missing"))
        elif isinstance(digest, OSError):
            unreadable.add(where)
            passed.append((source["music"], path, f"the sound file cannot be read ({digest.strerror})"))
    tracks["sha256"] = [digest if isinstance(digest, str) else "" for digest in digests]
    tracks = tracks[tracks["sha256"] != ""]
    return _Files(source | {"root": root}, tracks, passed, unreadable)


def _file_digest(path: str) -> str | OSError:
    try:
        return digest_file(as_path(path))
    except OSError as error:
        return error


def _with_old_fields(tracks: pd.DataFrame, old: pd.DataFrame) -> pd.DataFrame:
    """Replace the metadata of tracks by those that the gallery has had so far."""
    fields = old.drop_duplicates("where").set_index("where")[list(FIELDS)]
    for column in FIELDS:
        tracks[column] = tracks["where"].map(fields[column]).fillna(tracks[column])
    return tracks


def _unreadable(files: dict[int, _Files]) -> set[str]:
    return {path for one in files.values() for path in one.unreadable}
