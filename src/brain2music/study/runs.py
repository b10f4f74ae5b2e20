"""Reading of one BOLD run: its TR, its length, its presentations, and the carry-ins."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from .event import Event, Lengths
from .events import EventReader
from .finding import Finding, error, warning
from .images import Header, read_header
from .pieces import ended_by_run
from .run_files import RunFiles
from .stimuli import SLACK_S
from .study import Presentation, Run, Split
from .timing import read_tr
from .usable import usable_events, volumes_of


def read_run(
    files: RunFiles, split: Split, reader: EventReader, need_image: bool, findings: list[Finding]
) -> tuple[Run, Header | None]:
    """Read a run as far as it is legible; otherwise with a finding, ``tr`` NaN and volumes empty."""
    header = _read_image(files, need_image, findings)
    tr = read_tr(files, header, findings)
    table = files.events[-1].path if files.events else files.anchor.path
    n_volumes = header.n_volumes if header else None
    seconds = n_volumes * tr if n_volumes is not None and tr > 0 else None
    events = _read_events(files, reader, seconds, findings)
    events = ended_by_run(events, tr, n_volumes, reader.naming.settings.clip_s, table, findings)
    events = usable_events(events, tr, n_volumes, table, findings)
    entities = files.anchor.run_entities
    run = Run(
        subject=files.subject,
        task=files.task,
        label=entities.get("run", ""),
        split=split,
        events=table,
        bold=header.path if header else None,
        tr=tr,
        n_volumes=n_volumes,
        presentations=tuple(
            Presentation(event.clip, event.onset, event.duration, volumes_of(event.onset, event.duration, tr))
            for event in events
        ),
        session=entities.get("ses"),
        entities=tuple(entities.items()),
    )
    return run, header


def mark_carry_ins(runs: Sequence[Run]) -> list[Run]:
    """Mark the first clip of a run as carry-in if it only keeps the first scans of the run out of the data.

    It does if it equals the last clip of the same run, or of the previous run of the same subject and task (runs are
    circular: the last precedes the first), and is presented more often than the clip presented least often. If most
    runs of a subject and task start with a carry-in, all do, as some runs may be missing. The runs of a subject and
    task must be adjacent, in order of time.
    """
    marked: list[Run] = []
    for _, group in groupby(runs, key=lambda run: (run.subject, run.task)):
        ring = list(group)
        counts = Counter(presentation.clip for run in ring for presentation in run.presentations)
        starts = [_is_carried(run, ring[index - 1], counts) for index, run in enumerate(ring)]
        mostly = 2 * sum(starts) > len(ring)
        marked += [_carry_first(run) if start or mostly else run for run, start in zip(ring, starts, strict=True)]
    return marked


def without_broken_off(runs: Sequence[Run], lengths: Lengths, findings: list[Finding]) -> list[Run]:
    """Leave out the few presentations that were broken off: those shorter than the others of the subject.

    Only those of excerpts that are longer elsewhere, or of recordings that continue (``lengths``). If they are more
    than a tenth, short presentations belong to the design and are kept.
    """
    longest: dict[tuple[str, float], float] = {}
    for run in runs:
        for each in run.presentations:
            excerpt = each.clip.track, each.clip.start
            longest[excerpt] = max(each.duration, longest.get(excerpt, 0.0))
    usual: dict[str, float] = {}
    for subject in {run.subject for run in runs}:
        durations = [each.duration for run in runs if run.subject == subject for each in run.presentations]
        usual[subject] = float(np.median(durations)) if durations else 0.0

    def is_broken_off(each: Presentation, run: Run) -> bool:
        if each.duration > 0.75 * usual[run.subject] or each.duration > usual[run.subject] - 1.5 * run.tr:
            return False
        whole = lengths(each.clip) or 0.0
        there = max(longest[each.clip.track, each.clip.start], whole - each.clip.start)
        return there > usual[run.subject] - SLACK_S

    broken = [(run, each) for run in runs for each in run.presentations if is_broken_off(each, run)]
    if not broken or 10 * len(broken) > sum(len(run.presentations) for run in runs):
        return list(runs)
    for run, each in broken:
        what = f"{each.clip.name} at {each.onset:g} s was broken off after {each.duration:g} s, and is left out"
        hint = "correct its duration if it was presented to its end"
        findings.append(warning("presentation-broken-off", run.events, what, hint))
    return [
        replace(run, presentations=tuple(each for each in run.presentations if (run, each) not in broken))
        for run in runs
    ]


def require_presentations(runs: Sequence[Run], findings: list[Finding]) -> None:
    """Report subjects without any presentation in the runs of a task, if no other error explains it."""
    if any(finding.severity == "error" for finding in findings):
        return
    ordered = sorted(runs, key=lambda run: (run.subject, run.task))
    for (subject, task), group in groupby(ordered, key=lambda run: (run.subject, run.task)):
        own = list(group)
        if not any(run.presentations for run in own):
            what = f"no presentation of music is left in the runs of task {task} of sub-{subject}"
            hint = "name the recordings in the events, or say which rows count with the setting events.values"
            findings.append(error("events-empty", own[0].events, what, hint))


def check_grids(runs: Sequence[Run], headers: Sequence[Header], findings: list[Finding]) -> None:
    """Report runs whose image differs from the first of the subject in voxels or position in space."""
    by_path = {header.path: header for header in headers}
    first: dict[str, Header] = {}
    hint = "resample all runs of a subject to one grid"
    for run in runs:
        if run.bold is None:
            continue
        header = by_path[run.bold]
        like = first.setdefault(run.subject, header)
        if header.grayordinates is not None and header.grayordinates != like.grayordinates:
            what = f"the surfaces have {header.shape[0]} vertices, those of {like.path.name} {like.shape[0]}, or others"
            findings.append(error("grid-mismatch", run.bold, what, hint))
        elif header.shape != like.shape:
            what = f"the image has {header.shape} voxels but {like.path.name} has {like.shape}"
            findings.append(error("grid-mismatch", run.bold, what, hint))
        elif not np.allclose(header.affine, like.affine, atol=1e-3):
            what = f"the image's affine differs from that of {like.path.name} {_affine_difference(header, like)}"
            findings.append(error("grid-mismatch", run.bold, what, hint))


def _affine_difference(header: Header, like: Header) -> str:
    """How two affines differ, in words."""
    sizes, others = (np.linalg.norm(each.affine[:3, :3], axis=0) for each in (header, like))
    if not np.allclose(sizes, others, atol=1e-3):
        return f"(voxels of {_dimensions(sizes)} mm, not {_dimensions(others)})"
    if not np.allclose(header.affine[:3, :3], like.affine[:3, :3], atol=1e-3):
        return "(its axes are turned)"
    return f"(it is {_dimensions(header.affine[:3, 3] - like.affine[:3, 3])} mm away)"


def _dimensions(numbers: np.ndarray) -> str:
    return " × ".join(f"{number:.3g}" for number in numbers)


def _is_carried(run: Run, previous: Run, counts: Counter) -> bool:
    if len(run.presentations) < 2:
        return False
    first = run.presentations[0].clip
    lasts = [other.presentations[-1].clip for other in (run, previous) if other.presentations]
    return first in lasts and counts[first] > min(counts.values())


def _carry_first(run: Run) -> Run:
    first = tuple(replace(presentation, carry_in=True) for presentation in run.presentations[:1])
    return replace(run, presentations=first + run.presentations[1:])


def _read_image(files: RunFiles, need_image: bool, findings: list[Finding]) -> Header | None:
    if files.image is not None:
        return read_header(files.image.path, findings)
    if need_image and not files.raw:
        hint = "get its bold.nii.gz, or remove the run"
        findings.append(error("image-missing", files.anchor.path, "this run has no image", hint))
    return None


def _read_events(
    files: RunFiles, reader: EventReader, seconds: float | None, findings: list[Finding]
) -> tuple[Event, ...]:
    events, anchor = files.events, files.anchor.path
    if reader.naming.settings.piece is not None:
        return reader.piece(files, seconds, findings)
    if len(events) > 1:
        what = f"several tables of events go with this run equally: {', '.join(file.path.name for file in events)}"
        findings.append(error("events-several", anchor, what, "keep the one that is the run's own"))
        return ()
    if events:
        table = reader(events[0].path, files.subject)
        findings += table.findings
        return table.events
    if piece := reader.piece(files, seconds, findings, inferred=True):
        return piece
    tables = (file for file in files.around if file.suffix == "events" and file.key[:2] == files.key[:2])
    others = ", ".join(sorted(file.path.name for file in tables)[:5])
    what = "no events.tsv goes with this run" + (
        f"; those of the task name what it does not: {others}" if others else ""
    )
    findings.append(error("events-missing", anchor, what, "write one that says when each clip was presented"))
    return ()
