"""The recordings that a simulated study plays: composed by rule, or taken from a user's folder of music."""

import math
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from ..._utils.errors import InputError
from ..._utils.names import unique_names
from ...audio.io import duration_of
from ...study.stimuli import EXTENSIONS, GTZAN_FOLDERS, Stimuli
from ...study.study import Clip
from ..music.genres import GENRES

SECONDS = 30.0
"""Length of a composed track, as in GTZAN."""


def catalogue(folder: Path) -> dict[str, dict[str, Path]]:
    """The recordings of a folder laid out as GENRE/TRACK.wav: genre -> track id -> file.

    A track's id is its file name with the genre before it ("blues.00017" stays; "song" becomes "blues.song").

    Raises
    ------
    InputError : there is no such folder, no music in it, or two files of a genre have the same id.
    """
    if not folder.is_dir():
        raise InputError("there is no such folder", folder, "check the path")
    for place in GTZAN_FOLDERS:
        genres = [path for path in sorted((folder / place).glob("[!.]*")) if path.is_dir()]
        found = {genre.name: _tracks(genre) for genre in genres}
        found = {genre: tracks for genre, tracks in found.items() if tracks}
        if found:
            return found
    raise InputError("the folder holds no music", folder, "lay recordings out as GENRE/TRACK.wav")


def track_lengths(tracks: Mapping[str, Mapping[str, Path]]) -> dict[str, dict[str, float]]:
    """Seconds of every track of a catalogue."""
    return {genre: {track: duration_of(path) for track, path in pool.items()} for genre, pool in tracks.items()}


def composed_lengths(n_tracks: int) -> dict[str, dict[str, float]]:
    """At least so many tracks that can be composed, all genres alike: genre -> track -> seconds."""
    numbers = range(math.ceil(n_tracks / len(GENRES)))
    return {genre: {f"{genre}.{i:05d}": SECONDS for i in numbers} for genre in GENRES}


def compose_counts(clips: Iterable[Clip]) -> dict[str, int]:
    """How many tracks of each genre must be composed for these clips: up to the highest number.

    Raises
    ------
    InputError : a clip's recording has a name of its own and not a number.
    """
    counts: dict[str, int] = {}
    for clip in clips:
        number = clip.track.removeprefix(f"{clip.genre}.")
        if not number.isdecimal():
            raise InputError(f"no music can be composed for {clip.track!r}", hint="give the folder of stimuli")
        counts[clip.genre] = max(counts.get(clip.genre, 0), int(number) + 1)
    return counts


def copy_tracks(clips: Iterable[Clip], music: Path, stimuli: Path, by_events: bool) -> None:
    """Copy the recordings that clips are cut from into ``stimuli``/GENRE, with the folder's truth table if
    any.

    Parameters
    ----------
    by_events : clips name the files as a BIDS study does; otherwise by :func:`catalogue`'s ids.

    Raises
    ------
    InputError : a recording is missing.
    """
    files = {} if by_events else {id_: path for pool in catalogue(music).values() for id_, path in pool.items()}
    for clip in clips:
        source = Stimuli(music).find(clip) if by_events else files[clip.track]
        target = stimuli / clip.genre / f"{clip.track.removesuffix(source.suffix)}{source.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    if (music / "truth.tsv").is_file():
        shutil.copyfile(music / "truth.tsv", stimuli / "truth.tsv")


def read_truth_table(stimuli: Path, clips: Iterable[Clip]) -> pd.DataFrame | None:
    """``truth.tsv`` indexed by track; None where there is none or it does not tell of every clip.

    Raises
    ------
    InputError : the table lacks a column.
    """
    path = stimuli / "truth.tsv"
    if not path.is_file():
        return None
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    for column in ("track", "mood", "instruments"):
        if column not in table:
            raise InputError(f"the truth table has no column {column}", path, "add it, or remove the table")
    table = table.set_index("track")
    return table if all(clip.track in table.index for clip in clips) else None


def _tracks(genre: Path) -> dict[str, Path]:
    tracks: dict[str, Path] = {}
    files = [path for path in sorted(genre.iterdir()) if path.suffix.lower() in EXTENSIONS]
    files = [path for path in files if not path.name.startswith(".")]
    labels = unique_names({path.stem: path.stem.removeprefix(f"{genre.name}.") for path in files})
    for path in files:
        label = labels[path.stem]
        track = f"{genre.name}.{int(label):05d}" if label.isdecimal() else f"{genre.name}.{label}"
        if track in tracks:
            raise InputError(f"two files are both track {track}", path, f"rename it or {tracks[track].name}")
        tracks[track] = path
    return tracks
