"""The scans that an event covers, and the usable events of a run: those that were scanned and do not overlap."""

import math
from collections.abc import Sequence
from pathlib import Path

from .event import Event
from .finding import Finding, add_row_faults, error, warning

TOLERANCE = 1e-3
"""The largest difference between equal times, in seconds or relative to the TR."""


OVERLAP = "correct the onset or the duration; where the setting events.marker_s gives durations, make it shorter"


def volumes_of(onset: float, duration: float, tr: float) -> range:
    """The scans that an event covers: ``duration / tr`` of them from ``onset / tr``, both rounded, halves up.

    Events of one duration therefore cover equally many scans, wherever they start. Empty if ``tr`` is unknown.
    """
    if not math.isfinite(tr):
        return range(0)
    first, count = (math.floor(time / tr + 0.5 + TOLERANCE) for time in (onset, duration))
    return range(first, first + max(count, 1))


def usable_events(
    events: Sequence[Event], tr: float, n_volumes: int | None, path: Path, findings: list[Finding]
) -> tuple[Event, ...]:
    """Keep the events whose scans are all available and that do not overlap with others.

    An event before the first stored scan (legal in BIDS) is left out with a warning. So is one beyond the last scan,
    and both of two that overlap by more than half a TR; if most events are, that is an error.

    Parameters
    ----------
    events : sequence of Event
        In order of time.
    tr : float
    n_volumes : int or None
        Scans of the run; None if unknown.
    path : Path
        The table of the events.
    findings : list of Finding
        Problems are appended.
    """
    scanned = _from_the_first_scan(events, tr, path, findings)
    if not math.isfinite(tr):
        return tuple(scanned)
    faults: list[Finding] = []
    lost = _overlapping(scanned, tr, path, faults, findings)
    if n_volumes is not None:
        lost |= _beyond(scanned, tr, n_volumes, path, faults)
    add_row_faults(faults, len(lost), len(scanned), findings)
    return tuple(event for event in scanned if event not in lost)


def _volumes(event: Event, tr: float) -> range:
    return volumes_of(event.onset, event.duration, tr)


def _from_the_first_scan(events: Sequence[Event], tr: float, path: Path, findings: list[Finding]) -> list[Event]:
    known = math.isfinite(tr)
    early = [event for event in events if (_volumes(event, tr).start if known else event.onset) < 0]
    if early:
        lines = ", ".join(f"line {event.line} at {event.onset:g} s" for event in early[:3])
        begin = "1 event begins" if len(early) == 1 else f"{len(early)} events begin"
        what = f"{begin} before the first stored scan ({lines}): left out"
        hint = "if that was scanned, count onsets from the first scan of the run"
        findings.append(warning("onset-negative", path, what, hint))
    return [event for event in events if event not in early]


def _overlapping(
    events: Sequence[Event], tr: float, path: Path, faults: list[Finding], findings: list[Finding]
) -> set[Event]:
    lost: set[Event] = set()
    small: list[float] = []
    latest = events[0] if events else None
    for later in events[1:]:
        assert latest is not None
        overlap = latest.end - later.onset
        if overlap > min(tr, later.duration, latest.duration) / 2 + TOLERANCE:
            what = (
                f"line {later.line}: the event at {later.onset:g} s starts before that of line "
                f"{latest.line} ends, at {latest.end:g} s; so neither was presented alone"
            )
            faults.append(error("events-overlap", path, what, OVERLAP))
            lost |= {latest, later}
        elif overlap > TOLERANCE:
            small.append(overlap)
        latest = max(latest, later, key=lambda event: event.end)
    if small:
        what = f"neighbouring events overlap {len(small)} times, by up to {max(small):.3g} s, less than half a scan"
        findings.append(warning("events-touch", path, what, "if they were presented otherwise, correct the durations"))
    return lost


def _beyond(events: Sequence[Event], tr: float, n_volumes: int, path: Path, faults: list[Finding]) -> set[Event]:
    """The events that extend beyond the run; one scan more than the shortest event has is attributed to rounding."""
    lost: set[Event] = set()
    has = f"{n_volumes} scans of {tr:g} s"
    hint = "get the complete image, or correct or remove the event"
    if events and events[-1].onset > 100 * n_volumes * tr and events[-1].onset / 1000 < n_volumes * tr:
        hint = "give onsets and durations in seconds, if these are milliseconds"
    shortest = min((len(_volumes(event, tr)) for event in events), default=0)
    for event in events:
        scans = _volumes(event, tr)
        if scans.start >= n_volumes:
            what = f"line {event.line}: the event at {event.onset:g} s starts after the recording ends ({has})"
            faults.append(error("event-outside", path, what, hint))
        elif scans.stop > n_volumes and (len(scans) > shortest + 1 or scans.start + shortest > n_volumes):
            what = f"line {event.line}: the event ends at {event.end:g} s but the run has {has}"
            faults.append(error("run-short", path, what, hint))
        else:
            continue
        lost.add(event)
    return lost
