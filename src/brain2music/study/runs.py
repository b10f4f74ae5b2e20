"""One BOLD recording to a :class:`Run`: its TR, its length, what was heard when, and the carry-ins."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from .events import TOLERANCE, Event, Library, read_events
from .finding import Finding, error
from .images import Header, read_header
from .index import Recording, read_metadata
from .study import Presentation, Run, Split


def read_run(
    recording: Recording, split: Split, library: Library, need_image: bool, findings: list[Finding]
) -> tuple[Run, Header | None]:
    """A run as far as it is legible; where not, a finding, ``tr`` NaN, volumes empty."""
    header = _read_image(recording, need_image, findings)
    tr = _read_tr(recording, header, findings)
    events = _read_events(recording, library, findings)
    if header and math.isfinite(tr):
        _check_length(recording, events, tr, header, findings)
    run = Run(
        subject=recording.subject,
        task=recording.task,
        label=recording.label,
        split=split,
        events=recording.events[-1] if recording.events else recording.anchor,
        bold=header.path if header else None,
        tr=tr,
        n_volumes=header.n_volumes if header else None,
        presentations=tuple(
            Presentation(event.clip, event.onset, event.duration, volumes_of(event, tr)) for event in events
        ),
        session=recording.session or None,
    )
    return run, header


def volumes_of(event: Event, tr: float) -> range:
    """The scans of an event: from ``onset / tr``, ``duration / tr`` of them, both rounded, halves up.

    So events of one duration cover equally many scans, wherever they start. Empty where ``tr`` is not known.
    """
    if not math.isfinite(tr):
        return range(0)
    first, count = (math.floor(time / tr + 0.5 + TOLERANCE) for time in (event.onset, event.duration))
    return range(first, first + max(count, 1))


def mark_carry_ins(runs: Sequence[Run]) -> list[Run]:
    """Mark a run's first clip as carry-in where it only keeps the run's first scans out of the data.

    It does when it equals the last clip of the same run, or of the previous run of the same subject and task
    (the runs form a ring: before the first comes the last), and is heard more often than the clip heard
    least. Where most of a subject's runs of a task start so, all do: the ring may lack runs. The runs of
    a subject and task must stand together, in order of time.
    """
    marked: list[Run] = []
    for _, group in groupby(runs, key=lambda run: (run.subject, run.task)):
        ring = list(group)
        heard = Counter(presentation.clip for run in ring for presentation in run.presentations)
        starts = [_is_carried(run, ring[index - 1], heard) for index, run in enumerate(ring)]
        mostly = 2 * sum(starts) > len(ring)
        marked += [_carry_first(run) if start or mostly else run for run, start in zip(ring, starts, strict=True)]
    return marked


def check_grids(runs: Sequence[Run], headers: Sequence[Header], findings: list[Finding]) -> None:
    """Report runs whose image has another grid than the subject's first."""
    shapes = {header.path: header.shape for header in headers}
    for _, group in groupby(runs, key=lambda run: run.subject):
        paths = [run.bold for run in group if run.bold]
        for path in paths:
            if shapes[path] != shapes[paths[0]]:
                what = f"the image has {shapes[path]} voxels but {paths[0].name} has {shapes[paths[0]]}"
                mend = "resample all runs of a subject to one grid"
                findings.append(error("grid-mismatch", path, what, mend))


def _is_carried(run: Run, previous: Run, heard: Counter) -> bool:
    if len(run.presentations) < 2:
        return False
    first = run.presentations[0].clip
    lasts = [other.presentations[-1].clip for other in (run, previous) if other.presentations]
    return first in lasts and heard[first] > min(heard.values())


def _carry_first(run: Run) -> Run:
    first = tuple(replace(presentation, carry_in=True) for presentation in run.presentations[:1])
    return replace(run, presentations=first + run.presentations[1:])


def _read_image(recording: Recording, need_image: bool, findings: list[Finding]) -> Header | None:
    if len(recording.images) > 1:
        what = f"this run has several images: {', '.join(path.name for path in recording.images)}"
        mend = "keep one image a run: remove the copy, or combine the echoes"
        findings.append(error("run-duplicate", recording.images[0], what, mend))
    if recording.images:
        return read_header(recording.images[0], findings)
    if need_image:
        mend = "get its bold.nii.gz, or remove the run"
        findings.append(error("image-missing", recording.anchor, "this run has no image", mend))
    return None


def _read_tr(recording: Recording, header: Header | None, findings: list[Finding]) -> float:
    """Seconds between scans by the sidecar; NaN and a finding where it does not say."""
    if not recording.sidecars:
        mend = "write one that gives RepetitionTime in seconds"
        what = "no sidecar (bold.json) goes with this run"
        findings.append(error("sidecar-missing", recording.anchor, what, mend))
        return math.nan
    sidecar, before = recording.sidecars[-1], len(findings)
    tr = read_metadata(recording.sidecars, findings).get("RepetitionTime")
    if tr is None and len(findings) > before:
        return math.nan
    if isinstance(tr, bool) or not isinstance(tr, int | float) or not 0 < tr < math.inf:
        what = f"RepetitionTime is {'missing' if tr is None else repr(tr)}"
        findings.append(error("tr-invalid", sidecar, what, "give the seconds between scans, over 0"))
        return math.nan
    if header and header.tr is not None and abs(header.tr - tr) > TOLERANCE * tr:
        what = f"RepetitionTime is {tr:g} s but the header of {header.path.name} says {header.tr:g} s"
        mend = "find out which is right and correct the other"
        findings.append(error("tr-mismatch", sidecar, what, mend))
    return float(tr)


def _read_events(recording: Recording, library: Library, findings: list[Finding]) -> tuple[Event, ...]:
    if recording.events:
        return read_events(recording.events[-1], library, findings)
    mend = "write one that tells when which clip was heard"
    findings.append(error("events-missing", recording.anchor, "no events.tsv goes with this run", mend))
    return ()


def _check_length(
    recording: Recording, events: Sequence[Event], tr: float, header: Header, findings: list[Finding]
) -> None:
    has = f"{header.n_volumes} scans of {tr:g} s"
    for event in events:
        if volumes_of(event, tr).start >= header.n_volumes:
            what = f"line {event.line}: the event at {event.onset:g} s starts after the recording ends ({has})"
            mend = "correct its onset, or remove it"
            findings.append(error("event-outside", recording.events[-1], what, mend))
    if events and max(volumes_of(event, tr).stop for event in events) > header.n_volumes:
        what = f"the run has {has} but its last event ends at {max(event.end for event in events):g} s"
        mend = "get the complete image, or remove the events that it does not cover"
        findings.append(error("run-short", header.path, what, mend))
