"""A BIDS folder to a :class:`Study`. The rules are those of :mod:`.check`: what reading raises, checking reports."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from ..errors import InputError
from .events import TOLERANCE, Event, Library, read_events, read_library
from .finding import Finding, error
from .images import Header, read_header
from .index import IMAGE, BidsFile, Recording, group_recordings, index_bids, read_metadata, read_object
from .study import Presentation, Run, Split, Study

SPACES = ("MNI152NLin2009cAsym", "MNI152NLin6Asym", "T1w", "")
"""Spaces of preprocessed images, best first: regions are named in MNI space."""


@dataclass(frozen=True)
class Survey:
    """All that could be read of a study, the headers of its images, and every problem met on the way."""

    study: Study
    headers: tuple[Header, ...]
    findings: tuple[Finding, ...]


def read_study(
    root: str | Path,
    *,
    stimuli: str | Path | None = None,
    derivatives: str | Path | None = None,
    subjects: Sequence[str] | None = None,
    train_task: str | None = None,
    test_task: str | None = None,
    need_images: bool = True,
) -> Study:
    """Read a BIDS study of people who listened to music. Reads tables and image headers, no voxels and no sound.

    Parameters
    ----------
    root : the BIDS folder.
    stimuli : the folder of recordings; default ``root/stimuli`` where there is one.
    derivatives : a folder of preprocessed images (``desc-preproc_bold``, as fMRIPrep writes) to take in place of
        the raw; default the first below ``root/derivatives`` that has them for every run. Of several spaces the
        first of ``SPACES`` is taken.
    subjects : labels to read, with or without ``sub-``; default all.
    train_task, test_task : task labels; default those that contain "train" and "test". A study of one task needs
        neither: all of its runs are training runs, to be scored by cross-validation.
    need_images : False reads studies of which only the metadata is at hand; ``bold`` is then None.

    Returns
    -------
    The study. Every run knows which scans each clip covers: from ``round(onset / TR)``, ``round(duration / TR)``
    of them. A run's first event is a carry-in by the rule of :func:`mark_carry_ins`.

    Raises
    ------
    InputError : the first of the errors that :func:`brain2music.study.check.check_study` would report, warnings
        and contents of images and sound aside.
    """
    survey = survey_study(
        Path(root),
        stimuli=None if stimuli is None else Path(stimuli),
        derivatives=None if derivatives is None else Path(derivatives),
        subjects=subjects,
        train_task=train_task,
        test_task=test_task,
        need_images=need_images,
    )
    for finding in survey.findings:
        if finding.severity == "error":
            raise finding.as_error()
    return survey.study


def survey_study(
    root: Path,
    *,
    stimuli: Path | None = None,
    derivatives: Path | None = None,
    subjects: Sequence[str] | None = None,
    train_task: str | None = None,
    test_task: str | None = None,
    need_images: bool = True,
) -> Survey:
    """Read what can be read of a study, and report every problem instead of raising it."""
    findings: list[Finding] = []
    description = _read_description(root, findings)
    if stimuli is None and (root / "stimuli").is_dir():
        stimuli = root / "stimuli"
    empty = Study(
        root, str(description.get("Name", root.name)), (), stimuli, description.get("Simulated") is True
    )
    files = _index(root, findings)
    recordings = _choose_subjects(group_recordings(files, root), subjects, root, findings)
    if not recordings:
        if not any(finding.code in ("root-missing", "subject-missing") for finding in findings):
            mend = "name the folder that holds dataset_description.json and the sub-<label> folders"
            findings.append(error("no-runs", root, "there is no BOLD run here", mend))
        return Survey(empty, (), tuple(findings))
    splits = _choose_tasks(recordings, train_task, test_task, root, findings)
    chosen = [recording for recording in recordings if recording.task in splits]
    chosen = _take_preprocessed(chosen, files, root, derivatives, findings)
    need_images = _judge_images(chosen, root, need_images, findings)
    library = read_library(stimuli or root / "stimuli", findings)
    read = [_read_run(run, splits[run.task], library, need_images, findings) for run in chosen]
    runs = mark_carry_ins([run for run, _ in read])
    runs.sort(key=lambda run: run.split == "test")
    headers = tuple(header for _, header in read if header)
    return Survey(replace(empty, runs=tuple(runs)), headers, tuple(findings))


def mark_carry_ins(runs: Sequence[Run]) -> list[Run]:
    """Mark the first clip of a run as carry-in where it is played only to keep the run's first scans out of the data.

    It is one when its clip equals the last clip of the same run, or of the previous run of the same subject and
    task (the run before the first is the last: ds003720's runs form a ring), and that clip is heard more often
    than the clip that is heard least. A task in which most of a subject's runs start so is taken to start every
    run so: then single runs may be missing.
    """
    marked = []
    for _, group in groupby(runs, key=lambda run: (run.subject, run.task)):
        ring = list(group)
        starts = [
            _starts_with_carry_in(run, previous, ring)
            for previous, run in zip([ring[-1], *ring], ring, strict=False)
        ]
        if 2 * sum(starts) > len(ring):
            starts = [True] * len(ring)
        marked += [_without_first(run) if start else run for run, start in zip(ring, starts, strict=True)]
    return marked


def _starts_with_carry_in(run: Run, previous: Run, ring: Sequence[Run]) -> bool:
    if len(run.presentations) < 2:
        return False
    first = run.presentations[0].clip
    lasts = [other.presentations[-1].clip for other in (run, previous) if other.presentations]
    heard = Counter(presentation.clip for other in ring for presentation in other.presentations)
    return first in lasts and heard[first] > min(heard.values())


def _without_first(run: Run) -> Run:
    first = tuple(replace(presentation, carry_in=True) for presentation in run.presentations[:1])
    return replace(run, presentations=first + run.presentations[1:])


def _read_description(root: Path, findings: list[Finding]) -> dict[str, object]:
    path = root / "dataset_description.json"
    if not root.is_dir():
        what = "there is no such folder" if not root.exists() else "this is not a folder"
        findings.append(error("root-missing", root, what, "name the folder of a BIDS study"))
        return {}
    if not path.is_file():
        mend = 'write {"Name": …, "BIDSVersion": "1.10.0"}, or name the folder that holds this file'
        findings.append(error("description-missing", path, "the file is missing", mend))
        return {}
    return read_object(path, "description-invalid", findings)


def _index(root: Path, findings: list[Finding]) -> list[BidsFile]:
    if not root.is_dir():
        return []
    try:
        return index_bids(root)
    except InputError as problem:
        findings.append(error("root-unreadable", root, problem.what, problem.mend))
        return []


def _choose_subjects(
    recordings: list[Recording], subjects: Sequence[str] | None, root: Path, findings: list[Finding]
) -> list[Recording]:
    if subjects is None:
        return recordings
    wanted = {label.removeprefix("sub-") for label in subjects}
    present = {recording.subject for recording in recordings}
    for label in sorted(wanted - present):
        mend = f"choose among {', '.join(sorted(present)) or 'none'}"
        findings.append(error("subject-missing", root, f"there is no run of subject {label}", mend))
    return [recording for recording in recordings if recording.subject in wanted]


def _choose_tasks(
    recordings: Iterable[Recording], train: str | None, test: str | None, root: Path, findings: list[Finding]
) -> dict[str, Split]:
    """Which task is of which split. Where that is unclear: a finding, and every task as a training task."""
    tasks = sorted({recording.task for recording in recordings})
    for name in (train, test):
        if name is not None and name not in tasks:
            what = f"there is no task {name!r}; tasks: {', '.join(tasks)}"
            findings.append(error("task-missing", root, what, "name one of them"))
            return dict.fromkeys(tasks, "train")
    if len(tasks) == 1 and test is None:
        return {tasks[0]: "train"}
    given = train is not None
    train = train or _only(task for task in tasks if "train" in task.lower() and task != test)
    if test is None:
        test = _only(task for task in tasks if "test" in task.lower() and task != train)
    if train is None or train == test or (test is None and not given):
        what = f"which task is for training and which for testing is unclear; tasks: {', '.join(tasks)}"
        findings.append(error("tasks-unclear", root, what, "name the training task and the test task"))
        return dict.fromkeys(tasks, "train")
    return {train: "train"} | ({test: "test"} if test else {})


def _only(names: Iterable[str]) -> str | None:
    found = list(names)
    return found[0] if len(found) == 1 else None


def _take_preprocessed(
    runs: list[Recording],
    files: list[BidsFile],
    root: Path,
    derivatives: Path | None,
    findings: list[Finding],
) -> list[Recording]:
    """Put preprocessed images in place of the raw, where a folder has them for all runs."""
    if derivatives is not None:
        places = [derivatives]
    else:
        places = sorted(place for place in root.glob("derivatives/*") if place.is_dir())
    for place in places:
        if derivatives is not None and not place.is_dir():
            findings.append(
                error(
                    "derivatives-missing",
                    place,
                    "there is no such folder",
                    "name the folder of fMRIPrep's output",
                )
            )
            return runs
        preprocessed = _preprocessed(_index(place, findings))
        found = [replace(run, images=preprocessed.get(_key(run), ())) for run in runs]
        missing = [run for run in found if not run.images]
        if not missing:
            return found
        if derivatives is not None:
            what = f"there is no desc-preproc_bold image of {len(missing)} runs, {missing[0].anchor.name} among them"
            findings.append(
                error("preproc-missing", place, what, "preprocess all runs, or leave the derivatives out")
            )
    return runs


def _preprocessed(files: Iterable[BidsFile]) -> dict[tuple[str, ...], tuple[Path, ...]]:
    images = [
        file
        for file in files
        if file.suffix == "bold" and file.extension in IMAGE and file.entities.get("desc") == "preproc"
    ]
    images.sort(key=lambda file: (_rank(file.entities.get("space", "")), file.path), reverse=True)
    return {file.key: (file.path,) for file in images}


def _rank(space: str) -> int:
    return SPACES.index(space) if space in SPACES else len(SPACES)


def _key(run: Recording) -> tuple[str, ...]:
    label = str(int(run.label)) if run.label.isdecimal() else run.label
    return run.subject, run.session, run.task, label


def _judge_images(runs: Iterable[Recording], root: Path, need_images: bool, findings: list[Finding]) -> bool:
    """Whether runs without an image are to be reported one by one."""
    some = any(run.images for run in runs)
    if need_images and not some:
        what = "there are no BOLD images here, only metadata"
        mend = "get the images, with `datalad get` or from OpenNeuro; the metadata alone gives no responses"
        findings.append(error("images-missing", root, what, mend))
    return need_images and some


def _read_run(
    recording: Recording, split: Split, library: Library, need_image: bool, findings: list[Finding]
) -> tuple[Run, Header | None]:
    """A run as far as it is legible: ``tr`` NaN where unknown, no presentations where they cannot be placed."""
    header = _read_image(recording, need_image, findings)
    tr = _read_tr(recording, header, findings)
    events = _read_events(recording, library, findings)
    if math.isfinite(tr):
        _check_length(recording.events, events, tr, header, findings)
    run = Run(
        subject=recording.subject,
        task=recording.task,
        label=recording.label,
        split=split,
        events=recording.events[-1] if recording.events else recording.anchor,
        bold=header.path if header else None,
        tr=tr,
        n_volumes=header.n_volumes if header else None,
        presentations=tuple(Presentation(e.clip, e.onset, e.duration, scans_of(e, tr)) for e in events),
        session=recording.session or None,
    )
    return run, header


def scans_of(event: Event, tr: float) -> range:
    """The scans that an event covers: as many for every event of a duration, halves rounded up; none without a TR."""
    if not math.isfinite(tr):
        return range(0)
    first, count = (math.floor(seconds / tr + 0.5 + TOLERANCE) for seconds in (event.onset, event.duration))
    return range(first, first + max(count, 1))


def _read_image(recording: Recording, need_image: bool, findings: list[Finding]) -> Header | None:
    if len(recording.images) > 1:
        names = ", ".join(path.name for path in recording.images)
        mend = "keep one image a run: remove the copy, or combine echoes"
        findings.append(
            error("run-duplicate", recording.images[0], f"this run has several images: {names}", mend)
        )
    if recording.images:
        return read_header(recording.images[0], findings)
    if need_image:
        what = "this run has no image"
        findings.append(
            error("image-missing", recording.anchor, what, "get its bold.nii.gz, or remove the run")
        )
    return None


def _read_tr(recording: Recording, header: Header | None, findings: list[Finding]) -> float:
    """Seconds between scans by the sidecar; NaN and a finding where it does not say."""
    if not recording.sidecars:
        what = "no sidecar (bold.json) goes with this run"
        mend = "write one that gives RepetitionTime in seconds"
        findings.append(error("sidecar-missing", recording.anchor, what, mend))
        return math.nan
    sidecar = recording.sidecars[-1]
    before = len(findings)
    tr = read_metadata(recording.sidecars, findings).get("RepetitionTime")
    if tr is None and len(findings) > before:
        return math.nan
    if isinstance(tr, bool) or not isinstance(tr, int | float) or not 0 < tr < math.inf:
        what = f"RepetitionTime is {'missing' if tr is None else repr(tr)}"
        findings.append(error("tr-invalid", sidecar, what, "give the seconds between scans, over 0"))
        return math.nan
    if header and header.tr is not None and abs(header.tr - tr) > TOLERANCE * tr:
        what = f"RepetitionTime is {tr:g} s but the header of {header.path.name} says {header.tr:g} s"
        findings.append(error("tr-mismatch", sidecar, what, "find out which is right and correct the other"))
    return float(tr)


def _read_events(recording: Recording, library: Library, findings: list[Finding]) -> tuple[Event, ...]:
    if not recording.events:
        what = "no events.tsv goes with this run"
        findings.append(error("events-missing", recording.anchor, what, "write when which clip was heard"))
        return ()
    return read_events(recording.events[-1], library, findings)


def _check_length(
    tables: Sequence[Path], events: Sequence[Event], tr: float, header: Header | None, findings: list[Finding]
) -> None:
    if header is None:
        return
    n_volumes, what = header.n_volumes, f"{header.n_volumes} scans of {tr:g} s"
    outside = [event for event in events if scans_of(event, tr).start >= n_volumes]
    for event in outside:
        text = f"line {event.line}: the event at {event.onset:g} s starts after the recording ends ({what})"
        findings.append(error("event-outside", tables[-1], text, "correct its onset, or remove it"))
    cut = [event for event in events if event not in outside and scans_of(event, tr).stop > n_volumes]
    if cut or outside:
        last = max(event.end for event in (*cut, *outside))
        text = f"the run has {what} but its last event ends at {last:g} s"
        mend = "get the complete image, or remove the events that it does not cover"
        findings.append(error("run-short", header.path, text, mend))
