"""Rows that are not one presentation each: blocks, repeated rows, sections of a recording, times of another clock."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from .event import Event, Lengths
from .finding import Finding, warning
from .stimuli import SLACK_S

JITTER_S = 0.1
"""The largest difference between logged times of one event."""
SAME_CLOCK_S = 0.02
"""The largest difference between times of one clock."""
SHORT = 0.15
"""The largest part of an event that shorter ones within it may take to count as probes or beeps, not clips."""
PROBE_S = 1.0
"""The longest duration of a probe or beep, in seconds."""


def without_blocks(events: Sequence[Event], path: Path, findings: list[Finding]) -> list[Event]:
    """Leave out events that are logged twice, span several others (blocks), or are short sounds within another.

    Parameters
    ----------
    events : in order of time.
    """
    once = _without_repeated_rows(events, path, findings)
    onsets = [event.onset for event in once]
    probes: dict[Event, int] = {}
    blocks: dict[Event, int] = {}
    for event in once:
        inner = _within(event, once, onsets)
        durations = [other.duration for other in inner]
        if sum(durations) < SHORT * event.duration and max(durations, default=0.0) <= PROBE_S:
            probes |= dict.fromkeys(inner, event.line)
        elif len(inner) > 1:
            blocks[event] = len(inner)
    for left_out, like in ((blocks, "spans {} others: a block"), (probes, "is a short sound within line {}")):
        if left_out:
            first, number = next(iter(left_out.items()))
            more = f", and {len(left_out) - 1} more events like it" if len(left_out) > 1 else ""
            what = f"line {first.line}: the event from {first.onset:g} to {first.end:g} s {like.format(number)}{more}"
            hint = "if it is a presentation of music on its own, correct onsets and durations"
            findings.append(warning("event-spans-others", path, f"{what}; left out", hint))
    return [event for event in once if event not in blocks and event not in probes]


def holds_run_times(events: Sequence[Event], lengths: Lengths) -> bool:
    """Whether the starts of excerpts are times of the run, by its own or by another clock.

    They are if they increase from row to row over several recordings, and either most are beyond the ends of these,
    or they equal the onsets, or differ by a constant from the onsets of recordings that are not available.

    Parameters
    ----------
    events : in order of time.
    """
    events = [event for event in events if event.placed]
    starts = np.array([event.clip.start for event in events])
    recordings = len({event.clip.track for event in events})
    if recordings < 2 or not (np.diff(starts) > 0).all():
        return False
    distance = starts - [event.onset for event in events]
    alike = bool(np.ptp(distance) < SAME_CLOCK_S)
    known = [(event, lengths(event.clip)) for event in events]
    beyond = [event.clip.start + event.duration > length + SLACK_S for event, length in known if length is not None]
    if 2 * sum(beyond) > len(beyond):
        return alike or len(events) > 3
    needed = (3 if beyond else 2) if abs(distance[0]) < SAME_CLOCK_S else (len(events) + 1 if beyond else 3)
    return alike and recordings >= needed


def find_sections(events: Sequence[Event], path: Path, lengths: Lengths, findings: list[Finding]) -> list[Event]:
    """Take contiguous events of one recording as its sections, in turn, with a warning.

    Only if neither ``start`` nor ``end`` says otherwise, and the recording, if available, is long enough: a shorter
    one is taken as presented repeatedly, with a warning too.
    """
    found: list[Event] = []
    sections: list[list[Event]] = []
    repeats: list[list[Event]] = []
    for group in _running_on(events):
        length = lengths(group[0].clip) if len(group) > 1 else 0.0
        if len(group) == 1:
            found += group
        elif length is None or length > group[-1].end - group[0].onset - 2 * SLACK_S:
            found += [_section(event, group[0].onset) for event in group]
            sections.append(group)
        else:
            found += group
            repeats.append(group)
    _warn_contiguous(sections, "taken as its sections", "0 where it begins again", path, findings)
    _warn_contiguous(repeats, "it is shorter than that, so taken as its beginning each time", "0 if so", path, findings)
    return found


def _warn_contiguous(
    groups: Sequence[Sequence[Event]], taken: str, example: str, path: Path, findings: list[Finding]
) -> None:
    if groups:
        lines = ", ".join(f"{group[0].line}-{group[-1].line} ({group[0].clip.track})" for group in groups[:3])
        more = f" and {len(groups) - 3} times more" if len(groups) > 3 else ""
        what = f"rows of one recording run on without a gap, lines {lines}{more}; {taken}"
        hint = f"give start, where in its recording each begins ({example})"
        findings.append(warning("rows-run-on", path, what, hint))


def _without_repeated_rows(events: Sequence[Event], path: Path, findings: list[Finding]) -> list[Event]:
    once: list[Event] = []
    for event in events:
        near = [other for other in once[-3:] if _agrees(event, other)]
        if near:
            what = f"line {event.line}: the event at {event.onset:g} s is that of line {near[0].line} again; left out"
            findings.append(warning("event-twice", path, what, "list every presentation once"))
        else:
            once.append(event)
    return once


def _agrees(event: Event, other: Event) -> bool:
    """Whether two rows describe one presentation."""
    ends = ((event.onset, other.onset), (event.duration, other.duration), (event.clip.start, other.clip.start))
    close = all(abs(one - another) < _jitter(event.duration) for one, another in ends)
    return close and event.clip.track == other.clip.track


def _running_on(events: Sequence[Event]) -> list[list[Event]]:
    groups: list[list[Event]] = [[event] for event in events[:1]]
    for earlier, later in pairwise(events):
        same = earlier.clip.track == later.clip.track
        unplaced = all(event.measured and not event.placed for event in (earlier, later))
        close = abs(later.onset - earlier.end) <= _jitter(min(earlier.duration, later.duration))
        if same and unplaced and close:
            groups[-1].append(later)
        else:
            groups.append([later])
    return groups


def _section(event: Event, first: float) -> Event:
    start = round(event.onset - first, 6)
    return replace(event, clip=replace(event.clip, start=start, end=round(start + event.duration, 6)))


def _within(event: Event, events: Sequence[Event], onsets: Sequence[float]) -> list[Event]:
    """The other events that are within an event and shorter than it."""
    slack = _jitter(event.duration)
    near = events[bisect_left(onsets, event.onset - slack) : bisect_right(onsets, event.end)]
    return [other for other in near if other.end <= event.end + slack and other.duration < event.duration - slack]


def _jitter(duration: float) -> float:
    return min(JITTER_S, 0.05 * duration)
