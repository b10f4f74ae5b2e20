"""A BIDS study with images, as the pipeline uses it."""

import math
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os.path import relpath
from pathlib import Path
from typing import Literal

import pandas as pd

from .._utils.errors import Brain2MusicWarning, InputError
from .._utils.files import digest_file, digest_text
from .._utils.jobs import Parallel
from .._utils.progress import progress
from ..config import RunConfig
from ..study.bids import Survey, survey_study
from ..study.check import check_images
from ..study.finding import Finding, error
from ..study.spans import Cutting
from ..study.stimuli import Stimuli
from ..study.study import Clip, ImageOrigin, Presentation, Resampling, Run, Study
from ..study.surfaces import surface_files
from .cleaned_runs import Cleaning, require_spare, runs_with_clips
from .confound_strategy import read_nuisance
from .head_motion import read_motion
from .load import common_voxels, load_responses, scans_per_clip, voxel_space
from .mask import check_masks, choose_mask, first_bold, mask_files
from .responses import Responses, SplitResponses
from .roi import dseg_files
from .run_store import RunStore, SubjectRuns
from .scrubbing import leave_out

OUTER_FOLDS = 10
"""Folds in which the clips of a BIDS study without test runs are scored, unless the settings say another number."""
IN_MEMORY_BYTES = 256 << 20
"""Larger responses are memory-mapped, where there is a folder for that: memory does not grow with the runs."""


@dataclass(frozen=True)
class BidsSource:
    """A BIDS study with images."""

    study: Study
    config: RunConfig
    derivatives: Path | None = None
    kind: Literal["bids"] = "bids"
    note: str = ""
    store: RunStore | None = None

    @classmethod
    def read(
        cls,
        root: Path,
        config: RunConfig,
        *,
        stimuli: Path | None = None,
        derivatives: Path | None = None,
        subjects: Sequence[str] = (),
    ) -> "BidsSource":
        """Read the study, with some subjects or all.

        Raises
        ------
        InputError
            The first error of the study, or of a subject in ``subjects``; if all subjects are read, errors of one
            exclude that one only.
        """
        survey = cls.survey(root, config, stimuli=stimuli, derivatives=derivatives, subjects=subjects)
        required = [label.removeprefix("sub-") for label in subjects]
        for finding in survey.findings:
            if finding.severity == "error" and finding.subject in required:
                raise finding.as_error()
        return cls(survey.require(), config, derivatives)

    @staticmethod
    @progress("read the study")
    def survey(
        root: Path,
        config: RunConfig,
        *,
        stimuli: Path | None = None,
        derivatives: Path | None = None,
        subjects: Sequence[str] = (),
    ) -> Survey:
        """Read everything that is legible of the study with the settings of a run, and collect all problems."""
        survey = survey_study(
            root,
            stimuli=stimuli,
            derivatives=derivatives,
            subjects=subjects or None,
            train_task=config.events.train_task,
            test_task=config.events.test_task,
            raw_images=config.preprocessing.raw_images,
            bids_filter=config.preprocessing.bids_filter,
            events=config.events,
        )
        study, _, findings = leave_out(survey.study, config, derivatives)
        return replace(survey, study=study, findings=(*survey.findings, *findings))

    @property
    def name(self) -> str:
        return self.study.name

    @property
    def simulated(self) -> bool:
        return self.study.simulated

    @property
    def folds(self) -> int | None:
        return None if self.study.test_clips else OUTER_FOLDS

    @property
    def subjects(self) -> tuple[str, ...]:
        return self.study.subjects

    @property
    def all_subjects(self) -> tuple[str, ...]:
        return self.study.all_subjects or self.study.subjects

    @property
    def remarks(self) -> tuple[str, ...]:
        return self.study.remarks

    @property
    def images(self) -> ImageOrigin | None:
        return self.study.images

    @property
    def cutting(self) -> Cutting | None:
        return self.study.cutting

    @property
    def resampling(self) -> Resampling:
        return self.study.resampling

    @property
    def step_s(self) -> float:
        return self.study.runs[0].tr

    @property
    def path(self) -> Path:
        return self.study.root

    @property
    def has_time(self) -> bool:
        return True

    def tr_of(self, subject: str) -> float:
        return self.study.runs_of(subject)[0].tr

    def scans_of(self, subject: str) -> int:
        return scans_per_clip(self.study, subject)

    def voxels_of(self, subject: str) -> int:
        return math.prod(first_bold(self.study, subject).grid)

    def clips_of(self, subject: str) -> tuple[Clip, ...]:
        return self.study.clips_of("train", subject)

    def examine(self) -> list[Finding]:
        """Find problems of all images, masks, segmentations and confounds."""
        found = list(check_images(self.study))
        for subject in self.subjects:
            found += self._examine_tables(subject)
        return [*found, *self._examine_confounds()]

    def _examine_tables(self, subject: str) -> list[Finding]:
        """Find problems of the mask and the region names of a subject."""
        found: list[Finding] = []
        try:
            voxel_space(self.study, subject, self.derivatives)
            found += check_masks(self.study, subject, self.derivatives)
        except InputError as problem:
            found.append(error("mask-unusable", problem.file, problem.what, problem.hint, subject))
        return found

    def _examine_confounds(self) -> list[Finding]:
        """Find problems of the tables of confounds: one line for a study or a subject whose tables are all at fault."""
        problems: dict[str, dict[str, list[InputError]]] = {}
        for run in self.study.runs if self._cleaning.reads_table else ():
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # a run warns itself
                    table = self._cleaning.table(self.study, run, self.derivatives)
                    assert table is not None
                    how = self._cleaning
                    nuisance, left = read_nuisance(table, how.confounds, how.strategy, run.n_volumes or 0)
                    if any(not each.carry_in for each in run.presentations):
                        require_spare(how, nuisance, left.kept, run.tr, table)
            except InputError as problem:
                what = problem.what.replace(run.name, "…")
                problems.setdefault(what, {}).setdefault(run.subject, []).append(problem)
        return [finding for each in problems.items() for finding in self._of_problem(*each)]

    def _of_problem(self, what: str, of_subjects: Mapping[str, Sequence[InputError]]) -> Iterator[Finding]:
        """The findings of one problem of tables: of the study, where every run has it, else of each subject."""
        every = [problem for problems in of_subjects.values() for problem in problems]
        if len(every) == len(self.study.runs) > 1:
            what = f"{what} (so it is in all {len(every)} runs)"
            yield error("confounds-unusable", every[0].file, what, every[0].hint)
            return
        for subject, (first, *more) in of_subjects.items():
            said = f"{what} (so it is in {len(more) + 1} runs)" if more else first.what
            yield error("confounds-unusable", first.file, said, first.hint, subject)

    def keep(
        self, subjects: Sequence[str], remarks: Sequence[str] = (), excluded: Collection[str] = ()
    ) -> "BidsSource":
        runs = tuple(run for run in self.study.runs if run.subject in subjects)
        all_subjects = tuple(label for label in self.all_subjects if label not in excluded)
        study = replace(self.study, runs=runs, all_subjects=all_subjects, remarks=(*self.remarks, *remarks))
        return replace(self, study=study)

    def exclude(self, clips: Collection[Clip]) -> "BidsSource":
        def rest(run: Run) -> tuple[Presentation, ...]:
            return tuple(each for each in run.presentations if each.carry_in or each.clip not in clips)

        runs = tuple(replace(run, presentations=rest(run)) for run in self.study.runs)
        return replace(self, study=replace(self.study, runs=runs))

    @property
    def stimuli(self) -> Stimuli:
        folder = self.study.stimuli or self.study.root / "stimuli"
        return Stimuli(folder, fade_s=self.config.stimuli.fade_s, rms=self.config.stimuli.rms)

    @property
    def root(self) -> Path:
        return self.study.root

    @property
    def places(self) -> tuple[Path, ...]:
        derivatives = () if self.derivatives is None else (self.derivatives,)
        return (self.study.root, self.stimuli.folder, *derivatives)

    def clips_presented(self, subject: str) -> tuple[Clip, ...]:
        return (*self.study.clips_of("train", subject), *self.study.clips_of("test", subject))

    @property
    def train_clips(self) -> tuple[Clip, ...]:
        return self.study.train_clips

    @property
    def test_clips(self) -> tuple[Clip, ...]:
        return self.study.test_clips

    def with_settings(self, config: RunConfig) -> "BidsSource":
        """The study as read, to be cleaned by other settings.

        Raises
        ------
        InputError
            It was read without the clips over volumes that others leave out, or loses all clips by these settings.
        """
        if _leaving_out(config) == _leaving_out(self.config):
            return replace(self, config=config)
        if self._cleaning.reads_table:
            what = "the study was read with other confounds, scrubbing or lag, by which clips are left out"
            raise InputError(what, self.path, "give preprocessing and events to load_study")
        study, _, findings = leave_out(self.study, config, self.derivatives)
        for finding in findings:
            if finding.severity == "error":
                raise finding.as_error()
            warnings.warn(str(finding.as_error()), Brain2MusicWarning, stacklevel=2)
        remarks = (*study.remarks, *(str(finding.as_error()) for finding in findings))
        return replace(self, config=config, study=replace(study, remarks=remarks))

    def keeping(self, folder: Path, jobs: Parallel) -> "BidsSource":
        return replace(self, store=RunStore(folder, jobs))

    def read_ahead(self, subjects: Sequence[str]) -> None:
        if self.store is None or not subjects:
            return
        with progress("read and clean the runs") as advance:
            spaces = {subject: voxel_space(self.study, subject, self.derivatives) for subject in subjects}
            folder, study, derivatives = self.store.folder, self.study, self.derivatives
            self.store.make(
                [SubjectRuns.plan(folder, study, each, spaces[each], self._cleaning, derivatives) for each in subjects],
                advance,
            )

    def kept_bytes(self, subject: str) -> int:
        """Of cleaned runs, where there is a mask; where one is made, room for them is reserved when it is."""
        try:
            if not mask_files(self.study, subject, self.derivatives):
                return 0
            n_voxels = int(choose_mask(self.study, subject, self.derivatives).mask.sum())
        except InputError:  # a finding of its own
            return 0
        return 4 * n_voxels * sum(run.n_volumes or 0 for run in runs_with_clips(self.study, subject))

    @property
    def _cleaning(self) -> Cleaning:
        return Cleaning.of(self.config.preprocessing)

    def responses(self, subject: str, lag_tr: int) -> SplitResponses:
        """Read the responses of both splits, in the voxels that are finite in every run."""
        train = self._load(subject, "train", lag_tr)
        if self.folds is not None:
            return SplitResponses(train, None)
        return SplitResponses(*common_voxels(train, self._load(subject, "test", lag_tr)))

    def motion(self, subject: str) -> pd.DataFrame | None:
        """Read how the head moved from the tables of confounds; None where none says so."""
        return read_motion(self.study, subject)

    def digests(self, subject: str) -> dict[str, str]:
        """sha256 of the images, events, masks, segmentation and confounds (if regressed out) of a subject, and of the
        contents of events and sidecars as read.
        """
        runs = self.study.runs_of(subject)
        files = [run.events for run in runs] + [
            file for run in runs if run.bold is not None for file in surface_files(run.bold)
        ]
        files += mask_files(self.study, subject, self.derivatives) + dseg_files(self.study, subject, self.derivatives)
        files += [file for run in runs for file in self._cleaning.table_files(self.study, run, self.derivatives)]
        metadata = "\n".join(repr(replace(run, events=Path(), bold=None)) for run in runs)
        digests = {}
        with progress(f"digest the files of sub-{subject}") as advance:
            for done, path in enumerate(files, 1):
                digests[relpath(path, self.study.root)] = digest_file(path)
                advance(done, len(files))
        resampled = {} if self.resampling == "none" else {"resampling": self.resampling}
        return {**digests, "runs": digest_text(metadata), **resampled}

    def _load(self, subject: str, split: Literal["train", "test"], lag_tr: int) -> Responses:
        which = {"train": "training", "test": "test"}[split]
        with progress(f"load the {which} responses of sub-{subject}") as advance:
            loaded = load_responses(
                self.study,
                subject,
                split,
                lag_tr=lag_tr,
                detrend=self._cleaning.detrend,
                confounds=self._cleaning.confounds,
                strategy=self._cleaning.strategy,
                derivatives=self.derivatives,
                work_dir=None if self.store is None else self.store.folder,
                in_memory_bytes=IN_MEMORY_BYTES,
                store=self.store,
                progress=advance,
            )
        return replace(loaded, simulated=self.simulated)


def _leaving_out(config: RunConfig) -> tuple[object, ...]:
    """The settings by which clips are left out for their volumes; the same without confounds, whatever the lag."""
    cleaning = Cleaning.of(config.preprocessing)
    if not cleaning.reads_table:
        return ()
    events = config.events
    return cleaning, config.preprocessing.least_kept, events.lag_s, events.lag_tr
