"""Reading of a BIDS folder into a :class:`Study`; whatever reading raises, ``check`` reports, by the same rules."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .._utils.errors import Brain2MusicWarning, InputError
from ..config import EventRows, EventsConfig
from .choice import Filter
from .content import UNFETCHED, fetch_command
from .cutting import choose_resampling, resampled_runs, say_resampling
from .derivatives import ImageChoice, choose_images, origin_of
from .designs import as_settings, cut_pieces, naming_of
from .entities import ALTERNATIVES, BidsFile, plain_label
from .events import EventReader
from .excerpts import merge_excerpts, with_clips
from .finding import Finding, error, of_subject, warning
from .images import Header
from .index import check_names, index_bids, leave_ignored, subject_labels
from .run_files import RunFiles, group_run_files, read_json_object
from .runs import check_grids, read_run, require_presentations
from .sound_files import SoundFiles
from .study import Split, Study
from .timing import check_trs


def read_study(
    root: str | Path,
    *,
    stimuli: str | Path | None = None,
    derivatives: str | Path | None = None,
    subjects: Sequence[str] | None = None,
    train_task: str | None = None,
    test_task: str | None = None,
    events: EventRows | EventsConfig | None = None,
    need_images: bool = True,
    raw_images: bool = False,
    bids_filter: Filter | None = None,
) -> Study:
    r"""Read a BIDS study in which people listened to music: its tables and image headers, but no voxels and no sound.

    Parameters
    ----------
    root : str or Path
        The BIDS folder.
    stimuli : str or Path, optional
        The folder of recordings; default ``root/stimuli`` if it exists.
    derivatives : str or Path, optional
        A folder of preprocessed images (``desc-preproc_bold``, as fMRIPrep writes), anywhere on disk, to read in place
        of the raw ones; default the one in ``root/derivatives`` that has any. It must have one for every run.
    subjects : sequence of str, optional
        Labels to read, with or without ``sub-``; default all. Only the tables of events are read of other subjects, as
        all excerpts are merged into clips.
    train_task : str, optional
        Label of the training task; default the one that contains "train". All runs of a study with a single task are
        training runs, to be scored by cross-validation.
    test_task : str, optional
        Label of the test task; default the one that contains "test".
    events : EventRows or EventsConfig, optional
        Which rows of the tables of events count, default all that are music; or all settings of events: how they name
        what was presented, and how pieces are cut into clips.
    need_images : bool, default True
        Whether images must be available; if False, ``bold`` of a run may be None.
    raw_images : bool, default False
        Whether to read the raw images even if there are preprocessed ones.
    bids_filter : dict of str to str, optional
        Entities of the images and runs to read, such as ``{"space": "T1w", "rec": "norm"}``.

    Returns
    -------
    Study
        The study, with the scans of every presentation and the carry-ins of runs.

    Raises
    ------
    InputError
        The first error that :func:`check_study` would report, apart from the contents of images and recordings; errors
        of one subject only if no other subject is left.

    See Also
    --------
    brain2music.load_study : Reads a study for its responses and embeddings.
    check_study : Reports all problems.

    Examples
    --------
    >>> from pathlib import Path
    >>> import nibabel
    >>> import numpy as np
    >>> import pandas as pd
    >>> from brain2music.study import read_study
    >>> func = Path("bids/sub-01/func")
    >>> func.mkdir(parents=True)
    >>> _ = Path("bids/dataset_description.json").write_text('{"Name": "tiny", "BIDSVersion": "1.10.0"}')
    >>> _ = Path(func, "sub-01_task-music_bold.json").write_text('{"RepetitionTime": 1.5, "TaskName": "music"}')
    >>> scans = np.random.default_rng(0).normal(100, 5, (3, 3, 3, 40)).astype(np.float32)
    >>> nibabel.save(nibabel.Nifti1Image(scans, np.eye(4)), func / "sub-01_task-music_bold.nii.gz")
    >>> events = pd.DataFrame({"onset": [0, 30], "duration": [15, 15], "stim_file": ["blues.wav", "jazz.wav"]})
    >>> events.to_csv(func / "sub-01_task-music_events.tsv", sep="\t", index=False)
    >>> study = read_study("bids")
    >>> study.name, study.subjects, [clip.track for clip in study.train_clips]
    ('tiny', ('01',), ['blues.wav', 'jazz.wav'])
    """
    return survey_study(
        Path(root),
        stimuli=None if stimuli is None else Path(stimuli),
        derivatives=None if derivatives is None else Path(derivatives),
        subjects=subjects,
        train_task=train_task,
        test_task=test_task,
        events=events,
        need_images=need_images,
        raw_images=raw_images,
        bids_filter=bids_filter,
    ).require()


@dataclass(frozen=True)
class Survey:
    """Everything that is legible of a study, the headers of its images, and all problems that were found."""

    study: Study
    headers: tuple[Header, ...]
    findings: tuple[Finding, ...]

    def require(self, further: Sequence[Finding] = ()) -> Study:
        """The study without the subjects that have errors; warns of each.

        Parameters
        ----------
        further : sequence of Finding
            Findings beyond the survey, in the contents of images and recordings.

        Raises
        ------
        InputError
            If an error concerns more than one subject, or no subject is left.
        """
        errors = [finding for finding in (*self.findings, *further) if finding.severity == "error"]
        first = {finding.subject: finding for finding in reversed(errors)}
        left = [run for run in self.study.runs if run.subject not in first]
        if errors and (None in first or not left):
            raise first.get(None, errors[0]).as_error()
        at_fault = sorted(subject for subject in first if subject is not None)
        remarks = [f"sub-{subject} is left out: {first[subject].as_error()}" for subject in at_fault]
        remarks += _warning_lines(finding for finding in self.findings if finding.subject not in at_fault)
        for remark in remarks:
            warnings.warn(remark, Brain2MusicWarning, stacklevel=2)
        subjects = tuple(label for label in self.study.all_subjects if label not in first)
        return replace(self.study, runs=tuple(left), all_subjects=subjects, remarks=(*self.study.remarks, *remarks))


def survey_study(
    root: Path,
    *,
    stimuli: Path | None = None,
    derivatives: Path | None = None,
    subjects: Sequence[str] | None = None,
    train_task: str | None = None,
    test_task: str | None = None,
    events: EventRows | EventsConfig | None = None,
    need_images: bool = True,
    raw_images: bool = False,
    bids_filter: Filter | None = None,
) -> Survey:
    """Read a study as :func:`read_study` does, but collect all problems instead of raising the first."""
    findings: list[Finding] = []
    description = _read_description(root, findings)
    if stimuli is None and (root / "stimuli").is_dir():
        stimuli = root / "stimuli"
    name, simulated = str(description.get("Name", root.name)), description.get("Simulated") is True

    wanted, subjects = bids_filter or {}, subjects and [label.removeprefix("sub-") for label in subjects]
    files = _index_raw(root, subjects, findings) if root.is_dir() else []
    run_files = group_run_files(files, root)
    all_subjects = _require_subjects(run_files, subjects, root, findings)
    settings = as_settings(events)
    splits = _choose_tasks(run_files, train_task, test_task, settings.piece == "task", root, findings)
    run_files = [each for each in run_files if each.task in splits]
    run_files = _filtered(run_files, wanted, root, findings)
    run_files = choose_images(run_files, root, ImageChoice(derivatives, raw_images, wanted), findings)
    need_image = need_images and _has_images(run_files, root, findings)

    sounds = SoundFiles(stimuli)
    reader = EventReader(naming_of(root, stimuli, settings, sounds, findings), settings.rows)
    read = [read_run(each, splits[each.task], reader, need_image, findings) for each in run_files]
    reader.report([run.events for run, _ in read], findings)
    merged = merge_excerpts(reader.all_events(root), sounds.recording)
    runs = with_clips([run for run, _ in read], merged)
    findings += sounds.copies()
    runs, cutting = cut_pieces(runs, list(dict.fromkeys(merged.values())), settings, reader, findings)
    resampling = choose_resampling(settings, runs)
    runs = runs if resampling == "none" else resampled_runs(runs)
    require_presentations(runs, findings)
    headers = tuple(header for _, header in read if header)
    runs.sort(key=lambda run: run.split == "test")
    check_grids(runs, headers, findings)
    check_trs(runs, findings)
    _report_uncompared(run_files, root, findings)
    _report_unfetched(root, findings)
    for subject in {each.subject for each in run_files}:
        findings = of_subject(findings, subject)
    faulty = {finding.subject for finding in findings if finding.severity == "error"}
    say_resampling(settings, [run for run in runs if run.subject not in faulty], findings)
    images = origin_of(run_files, root)
    study = Study(
        root, name, tuple(runs), stimuli, simulated, all_subjects, (), images, resampling=resampling, cutting=cutting
    )
    return Survey(study, headers, tuple(dict.fromkeys(findings)))


def _warning_lines(findings: Iterable[Finding]) -> Iterator[str]:
    """The warnings among findings, one line for all of a kind."""
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.severity == "warning":
            kinds.setdefault(finding.code, []).append(finding)
    for first, *more in kinds.values():
        yield f"{first.as_error()}" + (f" ({len(more)} more like it: see `brain2music check`)" if more else "")


def _read_description(root: Path, findings: list[Finding]) -> dict[str, object]:
    path = root / "dataset_description.json"
    if not root.is_dir():
        what = "this is not a folder" if root.exists() else "there is no such folder"
        findings.append(error("root-missing", root, what, "name the folder of a BIDS study"))
        return {}
    if not path.is_file():
        hint = 'write {"Name": …, "BIDSVersion": "1.10.0"} there, or name the folder that holds this file'
        findings.append(error("description-missing", path, "the file is missing", hint))
        return {}
    return read_json_object(path, "description-invalid", findings)


def _index_raw(folder: Path, subjects: Sequence[str] | None, findings: list[Finding]) -> list[BidsFile]:
    try:
        check_names(folder, subjects, findings)
        return leave_ignored(index_bids(folder, subjects), folder, findings)
    except InputError as problem:
        findings.append(error("folder-unreadable", folder, problem.what, problem.hint))
        return []


def _require_subjects(
    run_files: list[RunFiles], subjects: Sequence[str] | None, root: Path, findings: list[Finding]
) -> tuple[str, ...]:
    """Report requested subjects without runs; returns the labels of all subjects in the folder."""
    present = {run.subject for run in run_files}
    labels = sorted(present) if subjects is None else subject_labels(root)
    if root.is_dir() and not present and (subjects is None or not labels):
        hint = "name the folder that holds dataset_description.json and the sub-<label> folders"
        findings.append(error("runs-missing", root, "there is no BOLD run here", hint))
    for label in sorted(set(subjects or ()) - present):
        hint = f"choose among {', '.join(labels) or 'none'}"
        findings.append(error("subject-missing", root, f"there is no run of subject {label}", hint))
    return tuple(labels)


def _filtered(run_files: list[RunFiles], wanted: Filter, root: Path, findings: list[Finding]) -> list[RunFiles]:
    """The runs that match the user's filter."""
    asked = {name: plain_label(name, label) for name, label in wanted.items() if name not in ALTERNATIVES}
    left = [each for each in run_files if all(each.anchor.plain.get(n, "") == label for n, label in asked.items())]
    if run_files and not left:
        what = f"no run is called {', '.join(f'{name}-{label}' for name, label in asked.items())}"
        findings.append(
            error(
                "runs-missing",
                root,
                what,
                f"correct preprocessing.bids_filter; there is {run_files[0].anchor.path.name}",
            )
        )
    return left


def _choose_tasks(
    run_files: Iterable[RunFiles],
    train: str | None,
    test: str | None,
    are_pieces: bool,
    root: Path,
    findings: list[Finding],
) -> dict[str, Split]:
    """Choose the split of each task; if that is unclear, all are for training and there is a finding.

    Tasks that are pieces are all for training, unless they are named otherwise.
    """
    tasks = sorted({run.task for run in run_files})
    everything: dict[str, Split] = dict.fromkeys(tasks, "train")
    for name in (train, test):
        if tasks and name is not None and name not in tasks:
            hint = f"choose among {', '.join(tasks)}"
            findings.append(error("task-missing", root, f"there is no task {name!r}", hint))
            return everything
    if len(tasks) < 2 and test is None:
        return everything
    training = train or _single(task for task in tasks if "train" in task.lower() and task != test)
    testing = test or _single(task for task in tasks if "test" in task.lower() and task != training)
    if are_pieces and train is None and testing is None:
        return everything
    if training is None or training == testing or (testing is None and train is None):
        what = f"it is unclear which task is for training and which for testing; tasks: {', '.join(tasks)}"
        hint = 'name them in the settings: events.train_task = "…"; events.test_task, where test clips are apart; or '
        hint += 'events.piece = "task", where each is a piece'
        findings.append(error("tasks-unclear", root, what, hint))
        return everything
    splits: dict[str, Split] = {training: "train"}
    if testing is not None:
        splits[testing] = "test"
    return splits


def _single(names: Iterable[str]) -> str | None:
    found = list(names)
    return found[0] if len(found) == 1 else None


def _report_uncompared(run_files: Sequence[RunFiles], root: Path, findings: list[Finding]) -> None:
    """Report how many preprocessed images have no raw image to compare their scans with."""
    alone = [each for each in run_files if each.preprocessed and not any(raw.path.exists() for raw in each.raw)]
    if alone:
        what = (
            f"{len(alone)} preprocessed images have no raw image at hand, so it is not known whether scans were dropped"
        )
        findings.append(warning("raw-missing", root, what, "get the raw images, or see that no scans were dropped"))


def _report_unfetched(root: Path, findings: list[Finding]) -> None:
    """Report files that git-annex has not fetched once more, together: one command fetches them all."""
    paths = [each.file for each in findings if each.file is not None and UNFETCHED in each.what]
    if len(paths) > 1:
        what = f"{len(paths)} files are links or pointers to {UNFETCHED}"
        hint = f"run `{fetch_command(root, paths)}`"
        findings.append(warning("content-unfetched", root, what, hint))


def _has_images(run_files: Sequence[RunFiles], root: Path, findings: list[Finding]) -> bool:
    """Whether there are images at all; if not, that is one finding instead of one per run."""
    some = any(run.image or run.raw for run in run_files)
    if run_files and not some:
        what = "there are no BOLD images here, only metadata, so there are no responses to read"
        hint = "get the images, with `brain2music fetch`, `datalad get` or from OpenNeuro"
        findings.append(error("images-missing", root, what, hint))
    return some
