"""Designs of simulated studies: the run structure of ds003720, at any size, and its events."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..._utils.errors import InputError
from ...study.study import Clip, Presentation, Split, Study
from ...study.usable import volumes_of

Item = TypeVar("Item")


@dataclass(frozen=True)
class StudyDesign:
    """Design of a simulated study: its runs, clips and repeats, and defaults of the simulation.

    Attributes
    ----------
    train_runs : int
        Number of training runs.
    train_clips : int
        Clips per training run.
    test_runs : int
        Number of test runs.
    test_clips : int
        Clips per test run.
    repeats : int
        Presentations of each test clip.
    resolution_mm : float
        Default voxel size in mm.
    snr : float
        Default standard deviation of the response over that of the noise, for the median voxel of Heschl's gyrus.
    clip_s : float
        Duration of a clip in seconds.
    tr : float
        Default repetition time in seconds.
    track_s : float
        Duration of a composed track in seconds.

    Examples
    --------
    >>> from brain2music.simulation.brain import DESIGNS
    >>> design = DESIGNS["ds003720"]
    >>> design.n_clips, design.test_clips * design.repeats * design.clip_s  # clips; seconds of a test run
    (540, 600.0)
    """

    train_runs: int
    train_clips: int
    test_runs: int
    test_clips: int
    repeats: int
    resolution_mm: float
    snr: float
    clip_s: float = 15.0
    tr: float = 1.5
    track_s: float = 30.0

    @property
    def n_clips(self) -> int:
        """Number of distinct clips, each of a different track."""
        return self.train_runs * self.train_clips + self.test_runs * self.test_clips


DESIGNS = {
    "ds003720": StudyDesign(
        train_runs=12, train_clips=40, test_runs=6, test_clips=10, repeats=4, resolution_mm=4.0, snr=0.27
    ),
    "quick": StudyDesign(
        train_runs=6, train_clips=20, test_runs=2, test_clips=10, repeats=4, resolution_mm=6.0, snr=0.6
    ),
    "small": StudyDesign(
        train_runs=4,
        train_clips=15,
        test_runs=2,
        test_clips=10,
        repeats=4,
        resolution_mm=6.0,
        snr=1.0,
        clip_s=12.0,
        track_s=15.0,
    ),
}
"""
Designs by name, with contiguous clips of one duration, a carry-in first, and four repeats of test clips.

Examples
--------
>>> from brain2music.simulation.brain import DESIGNS
>>> {name: design.n_clips for name, design in DESIGNS.items()}
{'ds003720': 540, 'quick': 140, 'small': 80}
"""


@dataclass(frozen=True)
class PlannedRun:
    """One run to simulate.

    ``events`` is the file of events to copy, or None if they are generated; ``entities`` are those of the name of a
    real run, empty if there are only task and label.
    """

    task: str
    label: str
    split: Split
    tr: float
    n_volumes: int
    presentations: tuple[Presentation, ...]
    events: Path | None = None
    entities: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The BIDS entities of the run after the subject: ``task-Test_run-01``."""
        if self.entities:
            return "_".join(f"{name}-{label}" for name, label in self.entities if name != "sub")
        return f"task-{self.task}" + (f"_run-{self.label}" if self.label else "")

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The distinct clips that are not carry-ins, in order of first presentation."""
        return tuple(dict.fromkeys(each.clip for each in self.presentations if not each.carry_in))


def plan_runs(
    shape: StudyDesign, tracks: Mapping[str, Mapping[str, float]], rng: np.random.Generator
) -> tuple[PlannedRun, ...]:
    """Assign clips to runs as in ds003720: carry-ins, test clips in one fixed order, genres in balance.

    Clips are drawn from each genre in turn, so ten genres give one test clip per genre and run, and equal shares in
    training; each track gives one clip, at a random start.

    Parameters
    ----------
    shape : StudyDesign
    tracks : dict of str to dict of str to float
        Seconds of each track of each genre.
    rng : numpy.random.Generator

    Raises
    ------
    InputError
        If fewer tracks are long enough than the design has clips.
    """
    clips = _draw_clips(tracks, shape, rng)
    test = [_shuffle([next(clips) for _ in range(shape.test_clips)], rng) for _ in range(shape.test_runs)]
    train_clips = _shuffle([next(clips) for _ in range(shape.train_runs * shape.train_clips)], rng)
    train = [train_clips[i * shape.train_clips :][: shape.train_clips] for i in range(shape.train_runs)]
    planned = [_planned("Training", i, [train[i - 1][-1], *clips], shape) for i, clips in enumerate(train)]
    planned += [_planned("Test", i, [clips[-1], *clips * shape.repeats], shape) for i, clips in enumerate(test)]
    return tuple(planned)


def runs_of_study(study: Study, subject: str) -> tuple[PlannedRun, ...]:
    """Plan the runs of a subject of a real study, with its actual events."""
    return tuple(
        PlannedRun(
            task=run.task,
            label=run.label,
            split=run.split,
            tr=run.tr,
            n_volumes=run.n_volumes or _n_volumes(run.presentations, run.tr),
            presentations=run.presentations,
            events=run.events,
            entities=run.entities,
        )
        for run in study.runs_of(subject)
    )


def events_table(run: PlannedRun) -> str:
    """Format the events of a run as TSV, in the columns of ds003720: onset, duration, genre, track, start, end."""
    lines = ["onset\tduration\tgenre\ttrack\tstart\tend"]
    for presentation in run.presentations:
        clip = presentation.clip
        label = clip.track.removeprefix(f"{clip.genre}.")
        track = str(int(label)) if label.isdecimal() else clip.track
        times = (presentation.onset, presentation.duration, clip.start, clip.end)
        onset, duration, start, end = (f"{value:g}" for value in times)
        lines.append("\t".join((onset, duration, clip.genre, track, start, end)))
    return "\n".join(lines) + "\n"


def _draw_clips(
    tracks: Mapping[str, Mapping[str, float]], shape: StudyDesign, rng: np.random.Generator
) -> Iterator[Clip]:
    """Draw clips from each genre in turn, skipping genres that are exhausted."""
    by_genre = {
        genre: _shuffle([item for item in sorted(lengths.items()) if item[1] >= shape.clip_s], rng)
        for genre, lengths in sorted(tracks.items())
    }
    rounds = max(map(len, by_genre.values()), default=0)
    drawn = [(genre, *items[i]) for i in range(rounds) for genre, items in by_genre.items() if i < len(items)]
    if len(drawn) < shape.n_clips:
        raise InputError(
            f"{len(drawn)} tracks last {shape.clip_s:g} s or more where the design needs {shape.n_clips}",
            hint="give more music, or take the design 'quick'",
        )
    for genre, track, seconds in drawn:
        start = math.floor(100 * rng.uniform(0, seconds - shape.clip_s)) / 100
        yield Clip(track, start, round(start + shape.clip_s, 2), genre)


def _planned(task: str, index: int, clips: Sequence[Clip], shape: StudyDesign) -> PlannedRun:
    """Plan a run of contiguous clips, whose scans are those that reading the events gives."""
    onsets, length_s = [i * shape.clip_s for i in range(len(clips))], shape.clip_s
    presentations = tuple(
        Presentation(clip, onset, length_s, volumes_of(onset, length_s, shape.tr), carry_in=i == 0)
        for i, (clip, onset) in enumerate(zip(clips, onsets, strict=True))
    )
    split: Split = "test" if task == "Test" else "train"
    n_volumes = _n_volumes(presentations, shape.tr)
    return PlannedRun(task, f"{index + 1:02d}", split, shape.tr, n_volumes, presentations)


def _n_volumes(presentations: Sequence[Presentation], tr: float) -> int:
    """Count the scans that cover all presentations."""
    last = presentations[-1]
    return max(last.volumes.stop, math.ceil(round((last.onset + last.duration) / tr, 6)))


def _shuffle(items: Sequence[Item], rng: np.random.Generator) -> list[Item]:
    return [items[i] for i in rng.permutation(len(items))]
