"""Recordings for a simulated study: composed by rule, or taken from a folder of music."""

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


def catalogue(folder: Path) -> dict[str, dict[str, Path]]:
    """List the recordings of a folder with files GENRE/TRACK.wav, by genre and track id.

    The id of a track is its file name, with the genre as prefix ("blues.00017" stays; "song" becomes "blues.song").

    Raises
    ------
    InputError
        If there is no such folder, it contains no music, or two files of a genre have the same id.
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
    """Read the duration in seconds of every track of a catalogue."""
    return {genre: {track: duration_of(path) for track, path in paths.items()} for genre, paths in tracks.items()}


def composed_lengths(n_tracks: int, seconds: float) -> dict[str, dict[str, float]]:
    """List the durations in seconds of tracks to be composed, at least ``n_tracks``, equally many per genre."""
    numbers = range(math.ceil(n_tracks / len(GENRES)))
    return {genre: {f"{genre}.{i:05d}": seconds for i in numbers} for genre in GENRES}


def compose_counts(clips: Iterable[Clip]) -> dict[str, int]:
    """Count the tracks of each genre that must be composed for clips: up to the highest number.

    Raises
    ------
    InputError
        If the recording of a clip has a name instead of a number.
    """
    counts: dict[str, int] = {}
    for clip in clips:
        number = clip.track.removeprefix(f"{clip.genre}.")
        if not number.isdecimal():
            raise InputError(f"no music can be composed for {clip.track!r}", hint="give the folder of stimuli")
        counts[clip.genre] = max(counts.get(clip.genre, 0), int(number) + 1)
    return counts


def copy_tracks(clips: Iterable[Clip], music: Path, stimuli: Path, by_events: bool) -> None:
    """Copy the recordings of clips to ``stimuli``/GENRE, with the truth table of the folder if there is one.

    Parameters
    ----------
    clips : iterable of Clip
    music, stimuli : Path
        The folder to copy from, and the folder to copy to.
    by_events : bool
        Whether clips name files as in a BIDS study; otherwise by the ids of :func:`catalogue`.

    Raises
    ------
    InputError
        If a recording is missing.
    """
    files = {} if by_events else {id_: path for paths in catalogue(music).values() for id_, path in paths.items()}
    for clip in clips:
        original = Stimuli(music).find(clip) if by_events else files[clip.track]
        copy = stimuli / clip.genre / f"{clip.track.removesuffix(original.suffix)}{original.suffix}"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, copy)
    if (music / "truth.tsv").is_file():
        shutil.copyfile(music / "truth.tsv", stimuli / "truth.tsv")


def read_truth_table(stimuli: Path, clips: Iterable[Clip]) -> pd.DataFrame | None:
    """Read ``truth.tsv``, indexed by track; None if there is none or it lacks a clip.

    Raises
    ------
    InputError
        If the table lacks a column.
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
