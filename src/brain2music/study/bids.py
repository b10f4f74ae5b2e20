"""A BIDS folder to a :class:`Study`. One set of rules: what reading raises, ``check`` reports."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import Brain2MusicWarning, InputError
from .events import read_library
from .finding import Finding, error, of_subject
from .images import Header
from .index import IMAGE, BidsFile, Key, Recording, group_recordings, index_bids, read_object
from .runs import check_grids, mark_carry_ins, read_run
from .study import Split, Study

SPACES = ("MNI152NLin2009cAsym", "MNI152NLin6Asym", "T1w", "")
"""Spaces of preprocessed images, best first: regions are named in MNI space. "" is the run's own space."""


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
    """Read a BIDS study of people listening to music: its tables and image headers, no voxels and no sound.

    Parameters
    ----------
    root : the BIDS folder.
    stimuli : the folder of recordings; default ``root/stimuli`` where there is one.
    derivatives : a folder of preprocessed images (``desc-preproc_bold``, as fMRIPrep writes) to take in place
        of the raw; default the first in ``root/derivatives`` that has one for every run. Of several spaces
        the first in ``SPACES`` is taken.
    subjects : labels to read, with or without ``sub-``; default all.
    train_task, test_task : task labels; default those that contain "train" and "test". A study of one task
        needs neither: all its runs are training runs, to be scored by cross-validation.
    need_images : False also reads studies whose images are not at hand; ``bold`` is then None.

    Returns
    -------
    The study. Every presentation knows the scans it covers (:func:`.runs.volumes_of`), and whether it is a
    run's carry-in (:func:`.runs.mark_carry_ins`).

    Raises
    ------
    InputError : the first error that :func:`.check.check_study` would report, the contents of images and
        recordings aside; errors of one subject only where no other subject is left (:meth:`Survey.require`).
    """
    return survey_study(
        Path(root),
        stimuli=None if stimuli is None else Path(stimuli),
        derivatives=None if derivatives is None else Path(derivatives),
        subjects=subjects,
        train_task=train_task,
        test_task=test_task,
        need_images=need_images,
    ).require()


@dataclass(frozen=True)
class Survey:
    """All that is legible of a study, the headers of its images, and every problem met on the way."""

    study: Study
    headers: tuple[Header, ...]
    findings: tuple[Finding, ...]

    def require(self, further: Sequence[Finding] = ()) -> Study:
        """The study without the subjects at fault, each told by a warning.

        Parameters
        ----------
        further : what was found beyond the survey, in the contents of images and recordings.

        Raises
        ------
        InputError : an error concerns more than one subject, or no subject is left.
        """
        errors = [finding for finding in (*self.findings, *further) if finding.severity == "error"]
        first = {finding.subject: finding for finding in reversed(errors)}
        left = [run for run in self.study.runs if run.subject not in first]
        if errors and (None in first or not left):
            raise first.get(None, errors[0]).as_error()
        remarks = [f"sub-{subject} is left out: {first[subject].as_error()}" for subject in sorted(filter(None, first))]
        for remark in remarks:
            warnings.warn(remark, Brain2MusicWarning, stacklevel=2)
        everyone = tuple(label for label in self.study.everyone if label not in first)
        return replace(self.study, runs=tuple(left), everyone=everyone, remarks=(*self.study.remarks, *remarks))


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
    """:func:`read_study` that reports problems instead of raising the first, and returns what is left."""
    findings: list[Finding] = []
    description = _read_description(root, findings)
    if stimuli is None and (root / "stimuli").is_dir():
        stimuli = root / "stimuli"
    name, simulated = str(description.get("Name", root.name)), description.get("Simulated") is True

    files = _index(root, findings) if root.is_dir() else []
    recordings = group_recordings(files, root)
    everyone = tuple(sorted({recording.subject for recording in recordings}))
    recordings = _choose_subjects(recordings, subjects, root, findings)
    splits = _choose_tasks(recordings, train_task, test_task, root, findings)
    recordings = [recording for recording in recordings if recording.task in splits]
    recordings = _take_preprocessed(recordings, root, derivatives, findings)
    need_image = need_images and _has_images(recordings, root, findings)

    library = read_library([root / "stimuli", *([stimuli] if stimuli else [])], findings)
    read = []
    for recording in recordings:
        found: list[Finding] = []
        read.append(read_run(recording, splits[recording.task], library, need_image, found))
        findings += of_subject(found, recording.subject)
    runs = mark_carry_ins([run for run, _ in read])
    headers = tuple(header for _, header in read if header)
    check_grids(runs, headers, findings)
    runs.sort(key=lambda run: run.split == "test")
    study = Study(root, name, tuple(runs), stimuli, simulated, everyone)
    return Survey(study, headers, tuple(dict.fromkeys(findings)))


def _read_description(root: Path, findings: list[Finding]) -> dict[str, object]:
    path = root / "dataset_description.json"
    if not root.is_dir():
        what = "this is not a folder" if root.exists() else "there is no such folder"
        findings.append(error("root-missing", root, what, "name the folder of a BIDS study"))
        return {}
    if not path.is_file():
        mend = 'write {"Name": …, "BIDSVersion": "1.10.0"} there, or name the folder that holds this file'
        findings.append(error("description-missing", path, "the file is missing", mend))
        return {}
    return read_object(path, "description-invalid", findings)


def _index(folder: Path, findings: list[Finding]) -> list[BidsFile]:
    try:
        return index_bids(folder)
    except InputError as problem:
        findings.append(error("folder-unreadable", folder, problem.what, problem.mend))
        return []


def _choose_subjects(
    recordings: list[Recording], subjects: Sequence[str] | None, root: Path, findings: list[Finding]
) -> list[Recording]:
    present = {recording.subject for recording in recordings}
    if root.is_dir() and not present:
        mend = "name the folder that holds dataset_description.json and the sub-<label> folders"
        findings.append(error("runs-missing", root, "there is no BOLD run here", mend))
    wanted = present if subjects is None else {label.removeprefix("sub-") for label in subjects}
    for label in sorted(wanted - present):
        mend = f"choose among {', '.join(sorted(present)) or 'none'}"
        findings.append(error("subject-missing", root, f"there is no run of subject {label}", mend))
    return [recording for recording in recordings if recording.subject in wanted]


def _choose_tasks(
    recordings: Iterable[Recording], train: str | None, test: str | None, root: Path, findings: list[Finding]
) -> dict[str, Split]:
    """The split of each task in use. Where that is unclear: a finding, and every task is for training."""
    tasks = sorted({recording.task for recording in recordings})
    everything: dict[str, Split] = dict.fromkeys(tasks, "train")
    for name in (train, test):
        if tasks and name is not None and name not in tasks:
            mend = f"choose among {', '.join(tasks)}"
            findings.append(error("task-missing", root, f"there is no task {name!r}", mend))
            return everything
    if len(tasks) < 2 and test is None:
        return everything
    training = train or _only(task for task in tasks if "train" in task.lower() and task != test)
    testing = test or _only(task for task in tasks if "test" in task.lower() and task != training)
    if training is None or training == testing or (testing is None and train is None):
        what = f"it is unclear which task is for training and which for testing; tasks: {', '.join(tasks)}"
        findings.append(error("tasks-unclear", root, what, "name the training task and the test task"))
        return everything
    splits: dict[str, Split] = {training: "train"}
    if testing is not None:
        splits[testing] = "test"
    return splits


def _only(names: Iterable[str]) -> str | None:
    found = list(names)
    return found[0] if len(found) == 1 else None


def _take_preprocessed(
    recordings: list[Recording], root: Path, derivatives: Path | None, findings: list[Finding]
) -> list[Recording]:
    """Put preprocessed images in place of the raw, where a folder has one for every run."""
    if derivatives is not None and not derivatives.is_dir():
        mend = "name the folder that fMRIPrep wrote, or leave the derivatives out"
        findings.append(error("derivatives-missing", derivatives, "there is no such folder", mend))
        return recordings
    beside = sorted(folder for folder in root.glob("derivatives/*") if folder.is_dir())
    for folder in beside if derivatives is None else [derivatives]:
        images = _preprocessed(_index(folder, findings))
        missing = [recording for recording in recordings if recording.key not in images]
        if not missing:
            return [replace(recording, images=(images[recording.key],)) for recording in recordings]
        if derivatives is not None:
            what = f"{len(missing)} runs have no desc-preproc_bold image, {missing[0].anchor.name} among them"
            mend = "preprocess all runs, or leave the derivatives out"
            findings.append(error("preproc-missing", folder, what, mend))
    return recordings


def _preprocessed(files: Iterable[BidsFile]) -> dict[Key, Path]:
    """The preprocessed image of each run, in the best space."""
    images = [
        file
        for file in files
        if file.suffix == "bold" and file.extension in IMAGE and file.entities.get("desc") == "preproc"
    ]
    images.sort(key=lambda file: (_rank(file.entities.get("space", "")), file.path), reverse=True)
    return {file.key: file.path for file in images}


def _rank(space: str) -> int:
    return SPACES.index(space) if space in SPACES else len(SPACES)


def _has_images(recordings: Sequence[Recording], root: Path, findings: list[Finding]) -> bool:
    """Whether there are images at all; if not, that is one finding, not one a run."""
    some = any(recording.images for recording in recordings)
    if recordings and not some:
        what = "there are no BOLD images here, only metadata, so there are no responses to read"
        mend = "get the images, with `datalad get` or from OpenNeuro"
        findings.append(error("images-missing", root, what, mend))
    return some
