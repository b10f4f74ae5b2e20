"""Merging of excerpts whose logged times differ by tens of milliseconds only into one clip."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from .event import Event
from .study import Clip, Run, name_clips

TOLERANCE_S = 0.1
"""The largest difference, in seconds, between the ends of an excerpt in several presentations."""
SHORT = 0.08
"""The largest difference relative to a short excerpt; 0.1 s apply from 1.25 s on."""
LOGGED, LOGGED_S = 0.05, 0.5
"""The largest difference relative to a long excerpt whose times were logged to milliseconds, and its maximum."""
DRIFT = 0.01
"""The largest difference of the start of a section, summed from logged times, relative to that start."""
ROUNDED_S = 0.2
"""Excerpts shorter than this are not rounded."""
_Read = tuple[float, float, bool, bool]


def merge_excerpts(events: Iterable[Event], locate: Callable[[Clip], Path | None] = lambda _: None) -> dict[Clip, Clip]:
    """Merge the excerpts of a study into clips: each becomes itself, or the clip it agrees with.

    Excerpts of one recording are one clip if their starts and durations agree within ``TOLERANCE_S``. Those that the
    tables give (``start`` and ``end``) must agree with one another; those from logged times, with the central excerpt
    of the group, so that no chain of small differences joins different ones. The tolerance for logged times is larger
    in long excerpts (``LOGGED``) and smaller in short ones (``SHORT``). A clip has the excerpt that most of its
    presentations have; if all are measured and differ, their median, to a tenth of a second. Times in ``start`` and
    ``end`` with fractions of hundredths of a second count as measured too. A recording that has several names (with
    and without its suffix) gets the longest of them.

    Parameters
    ----------
    events : iterable of Event
        Of all runs, tasks and subjects, in any order.
    locate : callable
        Gives the file of a clip's recording; None if it is not available.

    Returns
    -------
    dict of Clip to Clip
        The clip of every excerpt that was read; labelled if names would coincide (:func:`.study.name_clips`).
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
    merged: dict[Clip, Clip] = {}
    for track in sorted(counts):
        for group in _group_excerpts(_excerpts(counts[track])):
            clip = replace(group.clip(track), genre=known_as[track].genre)
            merged |= {Clip(name, start, end): clip for start, end in group.ends for name in names[track]}
    labels = name_clips(merged.values())
    return {read: replace(clip, label=labels.get(clip, "")) for read, clip in merged.items()}


def with_clips(runs: Iterable[Run], merged: Mapping[Clip, Clip]) -> list[Run]:
    """Replace the clip of every presentation by the one it was merged into; onset, duration and scans stay."""
    return [
        replace(run, presentations=tuple(replace(each, clip=_merged(each.clip, merged)) for each in run.presentations))
        for run in runs
    ]


def _merged(clip: Clip, merged: Mapping[Clip, Clip]) -> Clip:
    found = merged[clip]
    genre = clip.genre or found.genre
    return replace(clip, track=found.track, start=found.start, end=found.end, label=found.label, genre=genre)


def _one_track_each(events: Iterable[Event], locate: Callable[[Clip], Path | None]) -> dict[str, Clip]:
    """Map each track to a clip of the track that names its recording: the longest, among equals the first by name."""
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

    ``measured`` : no table gives the end. ``summed`` : no table gives the start of a section.
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
        """Mark the excerpts that agree with one of them."""
        start, duration = map(float, self.times[row])
        tolerance = min(TOLERANCE_S, SHORT * duration)
        logged = self.measured & self.measured[row] & (self.logged | self.logged[row])
        allowed = np.where(logged, max(tolerance, min(LOGGED * duration, LOGGED_S)), tolerance)
        drift = min(DRIFT * start, duration / 4) * (self.summed & self.summed[row])
        differ = np.abs(self.times - self.times[row])
        return (differ[:, 0] <= allowed + drift + 1e-9) & (differ[:, 1] <= allowed + 1e-9)

    @property
    def logged(self) -> Bool[np.ndarray, " excerpts"]:
        """Mark the excerpts whose times have fractions of hundredths of a second."""
        return (np.abs(self.times - self.times.round(2)) > 1e-6).any(axis=1)

    def clip(self, track: str) -> Clip:
        """The clip that all of them are merged into."""
        from_table = self.count * ~self.measured
        most = int(np.argmax(from_table if from_table.any() else self.count))  # of equals the first, by time
        shortest = self.times[:, 1].min()
        if from_table.any() or 2 * self.count[most] > self.count.sum() or shortest < ROUNDED_S:
            return Clip(track, *self.ends[most])
        digits = 1 if shortest > 1 else 2
        start, duration = (self._middle(column, digits) for column in self.times.T)
        return Clip(track, start, round(start + duration, 6))

    def _middle(self, values: Float[np.ndarray, " excerpts"], digits: int) -> float:
        """The common value of all, else their median, rounded."""
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


def _group_excerpts(excerpts: _Excerpts) -> Iterator[_Excerpts]:
    """Group excerpts around leaders: the one presented most often, among equals the one with most others near it."""
    left = excerpts
    while len(left.ends):
        near = np.stack([left.near(row) for row in range(len(left.ends))])
        about = (near * left.count).sum(axis=1)
        leader = max(range(len(left.ends)), key=lambda row: (left.count[row], about[row], -row))
        group = _agreeing(left, leader, near)
        yield left.take(group)
        left = left.take([row for row in range(len(left.ends)) if row not in group])


def _agreeing(excerpts: _Excerpts, leader: int, near: Bool[np.ndarray, "excerpts excerpts"]) -> list[int]:
    """The rows that agree with a leader, the nearest first; those from a table must agree with one another too."""
    distance = np.abs(excerpts.times - excerpts.times[leader]).max(axis=1)
    group: list[int] = []
    for row in map(int, np.argsort(distance, kind="stable")):
        from_table = not excerpts.measured[[row, *group]].all()
        if near[leader, row] and (not from_table or near[row, group].all()):
            group.append(row)
    return sorted(group)
