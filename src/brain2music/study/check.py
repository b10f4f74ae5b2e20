"""Checks of a whole study: every problem with its file and what to do about it."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from ..config import EventRows, EventsConfig
from .bids import survey_study
from .finding import Finding, error, of_subject, warning
from .images import read_header, report_voxels, scan_voxels
from .stimuli import Stimuli, StimulusError
from .study import Clip, Run, Study


def check_study(
    root: str | Path,
    stimuli: str | Path | None = None,
    *,
    derivatives: str | Path | None = None,
    subjects: Sequence[str] | None = None,
    train_task: str | None = None,
    test_task: str | None = None,
    events: EventRows | EventsConfig | None = None,
) -> list[Finding]:
    """Find all problems of a study, in its tables, its images and its recordings.

    The problems include everything that :func:`read_study` would raise. Beyond that, every scan and every clip is read,
    one at a time. A broken study is never raised.

    Parameters
    ----------
    root : str or Path
        The BIDS folder.
    stimuli : str or Path, optional
        The folder of recordings; default ``root/stimuli`` if it exists.
    derivatives : str or Path, optional
        A folder of preprocessed images to read in place of the raw ones; default the one in ``root/derivatives``.
    subjects : sequence of str, optional
        Labels to read; default all.
    train_task : str, optional
        Label of the training task; default the one that contains "train".
    test_task : str, optional
        Label of the test task; default the one that contains "test".
    events : EventRows or EventsConfig, optional
        Which rows of the tables of events count, default all that are music; or all settings of events.

    Returns
    -------
    list of Finding
        The problems; empty for a study without any.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.study import check_study
    >>> Path("bids").mkdir()
    >>> for finding in check_study("bids"):
    ...     print(finding.severity, finding.code)
    error description-missing
    error runs-missing
    error stimuli-missing
    """
    survey = survey_study(
        Path(root),
        stimuli=None if stimuli is None else Path(stimuli),
        derivatives=None if derivatives is None else Path(derivatives),
        subjects=subjects,
        train_task=train_task,
        test_task=test_task,
        events=events,
    )
    study = survey.study
    recordings = None if study.stimuli is None else Stimuli(study.stimuli)
    found = [*survey.findings, *check_images(study), *check_recordings(study, recordings)]
    return list(dict.fromkeys(found))


def check_images(study: Study) -> Iterator[Finding]:
    """Find problems in the voxels of the images; every scan is read once."""
    runs = sorted(study.runs, key=lambda run: run.subject)
    for subject, group in groupby(runs, key=lambda run: run.subject):
        yield from of_subject(_check_voxels(list(group)), subject)


def _check_voxels(runs: Sequence[Run]) -> list[Finding]:
    """Check the images of one subject; a voxel that varies in one of them is expected to vary in all."""
    findings: list[Finding] = []
    paths = dict.fromkeys(run.bold for run in runs if run.bold is not None)
    headers = [header for path in paths if (header := read_header(path, [])) is not None]
    scans = [(header, scan_voxels(header, findings)) for header in headers]
    for header, voxels in scans:
        if voxels is not None:
            alive = [other.varying for _, other in scans if other and other.varying.shape == header.shape]
            report_voxels(header, voxels, np.logical_or.reduce(alive), findings)
    return findings


def check_recordings(study: Study, recordings: Stimuli | None) -> Iterator[Finding]:
    """Find problems of the recordings, by cutting every clip as it is presented."""
    if recordings is None or not recordings.folder.is_dir():
        yield no_recordings(study.stimuli or study.root)
        return
    clips = study.train_clips + study.test_clips
    yield from find_respelt(clips, recordings)
    yield from find_unpresentable(clips, recordings).values()


def no_recordings(folder: Path) -> Finding:
    """Make the error that there is no folder of recordings."""
    return error("stimuli-missing", folder, "there is no folder of recordings", "name it by --stimuli")


def find_respelt(clips: Iterable[Clip], recordings: Stimuli) -> list[Finding]:
    """Report all clips whose recordings are spelt differently in their folder, in one finding."""
    respelt = {clip.track: path for clip in dict.fromkeys(clips) if (path := recordings.respelt(clip))}
    if not respelt:
        return []
    (track, path), *more = respelt.items()
    what = f"{path.relative_to(recordings.folder)} is taken for {track}, spelt otherwise"
    what += f", and so are {len(more)} more recordings" if more else ""
    hint = "if that is wrong, spell stimuli and their files alike (letters, accents)"
    return [warning("stimulus-respelt", recordings.folder, what, hint)]


def find_unpresentable(clips: Iterable[Clip], recordings: Stimuli) -> dict[Clip, Finding]:
    """Find the clips that cannot be presented, with the problem of the recording of each."""
    found: dict[Clip, Finding] = {}
    for clip in dict.fromkeys(clips):
        try:
            recordings.waveform(clip)
        except StimulusError as problem:
            found[clip] = error(problem.code, problem.file or recordings.folder, problem.what, problem.hint)
    return found
