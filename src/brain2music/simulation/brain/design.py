"""Who hears what, when: the run structure of ds003720, at either size, and its events."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..._utils.errors import InputError
from ...study.study import Clip, Presentation, Split, Study

Item = TypeVar("Item")


@dataclass(frozen=True)
class Shape:
    """The size of a design: runs, clips per run, how often a test run plays its clips; and its defaults."""

    train_runs: int
    train_clips: int
    test_runs: int
    test_clips: int
    repeats: int
    resolution_mm: float
    snr: float
    clip_s: float = 15.0
    tr: float = 1.5

    @property
    def n_clips(self) -> int:
        """Distinct clips, each of another track."""
        return self.train_runs * self.train_clips + self.test_runs * self.test_clips


SHAPES = {
    "ds003720": Shape(
        train_runs=12, train_clips=40, test_runs=6, test_clips=10, repeats=4, resolution_mm=4.0, snr=0.27
    ),
    "quick": Shape(train_runs=6, train_clips=20, test_runs=2, test_clips=10, repeats=4, resolution_mm=6.0, snr=0.6),
}
"""Designs by name. Both have back-to-back clips of 15 s, a carry-in first, test clips four times over."""


@dataclass(frozen=True)
class PlannedRun:
    """One run to simulate. ``events`` is the file to copy, or None where the events are ours to write.

    ``entities`` are those of a real run's names; none where task and label are all.
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
        """The run's BIDS entities after the subject: ``task-Test_run-01``."""
        if self.entities:
            return "_".join(f"{name}-{label}" for name, label in self.entities if name != "sub")
        return f"task-{self.task}" + (f"_run-{self.label}" if self.label else "")

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The distinct clips that are not carry-ins, in order of first presentation."""
        return tuple(dict.fromkeys(shown.clip for shown in self.presentations if not shown.carry_in))


def plan_runs(
    shape: Shape, tracks: Mapping[str, Mapping[str, float]], rng: np.random.Generator
) -> tuple[PlannedRun, ...]:
    """Deal tracks to runs as ds003720 does (spec: 12 + 6 runs, ring of carry-ins, test clips in one fixed
    order).

    Genres are dealt in turn, so ten genres give one test clip a genre and run, and equal shares in training;
    each track gives one clip, at a random start.

    Parameters
    ----------
    tracks : genre -> track -> seconds of sound.

    Raises
    ------
    InputError : there are fewer tracks long enough than the design has clips.
    """
    deck = _deal(tracks, shape, rng)
    test = [_shuffled([next(deck) for _ in range(shape.test_clips)], rng) for _ in range(shape.test_runs)]
    train_clips = _shuffled([next(deck) for _ in range(shape.train_runs * shape.train_clips)], rng)
    train = [train_clips[i * shape.train_clips :][: shape.train_clips] for i in range(shape.train_runs)]
    planned = [_planned("Training", i, [train[i - 1][-1], *clips], shape) for i, clips in enumerate(train)]
    planned += [_planned("Test", i, [clips[-1], *clips * shape.repeats], shape) for i, clips in enumerate(test)]
    return tuple(planned)


def runs_of_study(study: Study, subject: str) -> tuple[PlannedRun, ...]:
    """The runs of a real study's subject, to be simulated with the events that were really played."""
    return tuple(
        PlannedRun(
            task=run.task,
            label=run.label,
            split=run.split,
            tr=run.tr,
            n_volumes=run.n_volumes or _volumes_until(run.presentations[-1], run.tr),
            presentations=run.presentations,
            events=run.events,
            entities=run.entities,
        )
        for run in study.runs_of(subject)
    )


def events_table(run: PlannedRun) -> str:
    """The events of a run as TSV text, in ds003720's columns: onset, duration, genre, track, start, end."""
    lines = ["onset\tduration\tgenre\ttrack\tstart\tend"]
    for shown in run.presentations:
        clip = shown.clip
        label = clip.track.removeprefix(f"{clip.genre}.")
        track = str(int(label)) if label.isdecimal() else clip.track
        times = (f"{value:g}" for value in (shown.onset, shown.duration, clip.start, clip.end))
        onset, duration, start, end = times
        lines.append("\t".join((onset, duration, clip.genre, track, start, end)))
    return "\n".join(lines) + "\n"


def _deal(tracks: Mapping[str, Mapping[str, float]], shape: Shape, rng: np.random.Generator) -> Iterator[Clip]:
    """Clips of each genre in turn, passing over genres that have run out."""
    pools = {
        genre: _shuffled([item for item in sorted(pool.items()) if item[1] >= shape.clip_s], rng)
        for genre, pool in sorted(tracks.items())
    }
    rounds = max(map(len, pools.values()), default=0)
    cards = [(genre, *pool[i]) for i in range(rounds) for genre, pool in pools.items() if i < len(pool)]
    if len(cards) < shape.n_clips:
        raise InputError(
            f"{len(cards)} tracks last {shape.clip_s:g} s or more where the design needs {shape.n_clips}",
            hint="give more music, or take the design 'quick'",
        )
    for genre, track, seconds in cards:
        start = math.floor(100 * rng.uniform(0, seconds - shape.clip_s)) / 100
        yield Clip(track, start, round(start + shape.clip_s, 2), genre)


def _planned(task: str, index: int, clips: Sequence[Clip], shape: Shape) -> PlannedRun:
    scans = round(shape.clip_s / shape.tr)
    shown = tuple(
        Presentation(clip, i * shape.clip_s, shape.clip_s, range(i * scans, (i + 1) * scans), carry_in=i == 0)
        for i, clip in enumerate(clips)
    )
    split: Split = "test" if task == "Test" else "train"
    return PlannedRun(task, f"{index + 1:02d}", split, shape.tr, len(clips) * scans, shown)


def _volumes_until(last: Presentation, tr: float) -> int:
    return math.ceil(round((last.onset + last.duration) / tr, 6))


def _shuffled(items: Sequence[Item], rng: np.random.Generator) -> list[Item]:
    return [items[i] for i in rng.permutation(len(items))]
