"""One clip for all presentations of one excerpt: logged times differ by tens of milliseconds, recordings do not."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from .event import Event
from .study import Clip, Run, name_clips

TOLERANCE_S = 0.1
"""Seconds by which the ends of an excerpt may differ between its presentations."""
SHORT = 0.08
"""The part of a short excerpt that is tolerated at most: 0.1 s are it from 1.25 s on."""
LOGGED, LOGGED_S = 0.05, 0.5
"""The part of a long excerpt that is tolerated, up to so many seconds, where its times were logged to milliseconds."""
DRIFT = 0.01
"""The part of a section's distance from the recording's start by which that, summed from logged times, may differ."""
ROUNDED_S = 0.2
"""Excerpts shorter than this are not rounded."""
_Read = tuple[float, float, bool, bool]


def settle_clips(events: Iterable[Event], locate: Callable[[Clip], Path | None] = lambda _: None) -> dict[Clip, Clip]:
    """The clip that every excerpt of a study is one of: itself, or the one it agrees with.

    Excerpts of one recording are one clip where their starts and durations agree within ``TOLERANCE_S``: those that
    the tables give (``start`` and ``end``) with one another, those taken from logged times with the excerpt in their
    midst, so that no chain of small differences ever joins different ones; logged times are allowed more in long
    excerpts (``LOGGED``), less in short ones (``SHORT``). A clip has the excerpt that most of its
    presentations have; where all differ, being measured, their median to a tenth of a second. Times in ``start`` and
    ``end`` that are no hundredths of a second count as measured too. A recording that goes by several names (with and
    without its suffix) has the longest of them.

    Parameters
    ----------
    events : of all runs, tasks and subjects. Their order does not count.
    locate : the file of a clip's recording; None where it is not at hand.

    Returns
    -------
    clip as read -> clip; labelled where names would be alike (:func:`.study.name_clips`).
    """
    events = list(events)
    known_as = _one_track_each(events, locate)
    counts: defaultdict[str, Counter[_Read]] = defaultdict(Counter)
    names: defaultdict[str, set[str]] = defaultdict(set)
    for event in events:
        clip, track = event.clip, known_as[event.clip.track].track
        measured = event.measured or not (_is_round(clip.start) and _is_round(clip.end))
        counts[track][clip.start, clip.end, measured, event.placed or not clip.start] += 1
        names[track].add(clip.track)
    settled: dict[Clip, Clip] = {}
    for track in sorted(counts):
        for group in _groups(_excerpts(counts[track])):
            clip = replace(group.clip(track), genre=known_as[track].genre)
            settled |= {Clip(name, start, end): clip for start, end in group.ends for name in names[track]}
    labels = name_clips(settled.values())
    return {read: replace(clip, label=labels.get(clip, "")) for read, clip in settled.items()}


def with_clips(runs: Iterable[Run], settled: Mapping[Clip, Clip]) -> list[Run]:
    """The runs with every presentation's clip as settled; its onset, duration and scans stay."""
    return [
        replace(run, presentations=tuple(replace(each, clip=_settle(each.clip, settled)) for each in run.presentations))
        for run in runs
    ]


def _settle(clip: Clip, settled: Mapping[Clip, Clip]) -> Clip:
    found = settled[clip]
    genre = clip.genre or found.genre
    return replace(clip, track=found.track, start=found.start, end=found.end, label=found.label, genre=genre)


def _one_track_each(events: Iterable[Event], locate: Callable[[Clip], Path | None]) -> dict[str, Clip]:
    """Track -> a clip of the track that its recording goes by: the longest, among equals the first by name."""
    clips = {event.clip.track: event.clip for event in sorted(events, key=lambda event: event.clip.genre)}
    files: dict[str | Path, list[str]] = {}
    for track in sorted(clips, key=lambda track: (-len(track), track)):
        files.setdefault(locate(clips[track]) or track, []).append(track)
    return {track: clips[tracks[0]] for tracks in files.values() for track in tracks}


def _is_round(seconds: float) -> bool:
    return abs(seconds - round(seconds, 2)) < 1e-6


@dataclass(frozen=True)
class _Excerpts:
    """Excerpts of one recording: ``times`` (excerpts, 2) are starts and durations; ``count`` presentations of each.

    ``measured`` : no table gives the end. ``summed`` : no table gives the start, of a section.
    """

    ends: tuple[tuple[float, float], ...]
    times: Float[np.ndarray, "excerpts 2"]
    count: Int[np.ndarray, " excerpts"]
    measured: Bool[np.ndarray, " excerpts"]
    summed: Bool[np.ndarray, " excerpts"]

    def take(self, rows: Sequence[int]) -> "_Excerpts":
        ends = tuple(self.ends[row] for row in rows)
        return _Excerpts(ends, self.times[rows], self.count[rows], self.measured[rows], self.summed[rows])

    def near(self, row: int) -> Bool[np.ndarray, " excerpts"]:
        """Which excerpts agree with one of them."""
        start, duration = map(float, self.times[row])
        tolerance = min(TOLERANCE_S, SHORT * duration)
        logged = self.measured & self.measured[row] & (self.logged | self.logged[row])
        allowed = np.where(logged, max(tolerance, min(LOGGED * duration, LOGGED_S)), tolerance)
        drift = min(DRIFT * start, duration / 4) * (self.summed & self.summed[row])
        differ = np.abs(self.times - self.times[row])
        return (differ[:, 0] <= allowed + drift + 1e-9) & (differ[:, 1] <= allowed + 1e-9)

    @property
    def logged(self) -> Bool[np.ndarray, " excerpts"]:
        """Which have times that are no hundredths of a second."""
        return (np.abs(self.times - self.times.round(2)) > 1e-6).any(axis=1)

    def clip(self, track: str) -> Clip:
        """The clip that all are."""
        given = self.count * ~self.measured
        most = int(np.argmax(given if given.any() else self.count))  # of equals the first, by time
        shortest = self.times[:, 1].min()
        if given.any() or 2 * self.count[most] > self.count.sum() or shortest < ROUNDED_S:
            return Clip(track, *self.ends[most])
        digits = 1 if shortest > 1 else 2
        start, duration = (self._middle(column, digits) for column in self.times.T)
        return Clip(track, start, round(start + duration, 6))

    def _middle(self, values: Float[np.ndarray, " excerpts"], digits: int) -> float:
        """The value that all have, else their median, rounded."""
        if np.ptp(values) == 0:
            return float(values[0])
        return round(float(np.median(np.repeat(values, self.count))), digits)


def _excerpts(counts: Mapping[_Read, int]) -> _Excerpts:
    merged: Counter[tuple[float, float]] = Counter()
    ended: set[tuple[float, float]] = set()
    placed: set[tuple[float, float]] = set()
    for (start, end, measured, was_placed), count in counts.items():
        merged[start, end] += count
        ended |= set() if measured else {(start, end)}
        placed |= {(start, end)} if was_placed else set()
    ends = tuple(sorted(merged))
    return _Excerpts(
        ends,
        times=np.array([(start, end - start) for start, end in ends], dtype=float),
        count=np.array([merged[each] for each in ends]),
        measured=np.array([each not in ended for each in ends]),
        summed=np.array([each not in placed for each in ends]),
    )


def _groups(excerpts: _Excerpts) -> Iterator[_Excerpts]:
    """Groups around leaders: the excerpt most often presented, among equals the one with most others about it."""
    left = excerpts
    while len(left.ends):
        near = np.stack([left.near(row) for row in range(len(left.ends))])
        about = (near * left.count).sum(axis=1)
        leader = max(range(len(left.ends)), key=lambda row: (left.count[row], about[row], -row))
        group = _agreeing(left, leader, near)
        yield left.take(group)
        left = left.take([row for row in range(len(left.ends)) if row not in group])


def _agreeing(excerpts: _Excerpts, leader: int, near: Bool[np.ndarray, "excerpts excerpts"]) -> list[int]:
    """The rows that belong to a leader, the nearest first; those that a table gives must agree with one another too."""
    distance = np.abs(excerpts.times - excerpts.times[leader]).max(axis=1)
    group: list[int] = []
    for row in map(int, np.argsort(distance, kind="stable")):
        given = not excerpts.measured[[row, *group]].all()
        if near[leader, row] and (not given or near[row, group].all()):
            group.append(row)
    return sorted(group)
