"""Studies of response arrays with a list of stimuli, described by a TOML file (``recipes/natsound165.toml``)."""

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int

from .._utils.errors import Brain2MusicWarning, InputError
from .._utils.files import digest_file, digest_text
from .._utils.jobs import Parallel
from .._utils.progress import progress
from .._utils.toml import read_toml, validated
from ..study.finding import Finding, error, warning
from ..study.stimuli import Stimuli
from ..study.study import Clip, Resampling
from .array_files import read_array, resolve
from .array_settings import ArrayFile, ArraySettings, Axis
from .responses import Responses, SplitResponses, far_beyond
from .stimulus_lists import StimulusList, list_from_events, list_from_names, list_from_table

EPOCHS = (
    "the list of stimuli has no runs of several clips, so rows are taken as epochs, without a lag. "
    "Give it a column run, clips of a run in the order presented, if scans follow one another from row to row."
)


def read_arrays_study(path: Path) -> "ArrayStudy":
    """Read an arrays file and its list of stimuli; the arrays themselves are read when needed.

    Raises
    ------
    InputError
        If the file is not valid, or a stimulus of the list cannot be found.
    """
    path = Path(path)
    settings = validated(ArraySettings, read_toml(path), path, "see recipes/natsound165.toml, an example")
    study = ArrayStudy(path, settings)
    if study.folds is None and not study.test_clips:
        raise InputError("the list of stimuli has no test clips", path, "give it a split column, or use n_outer_folds")
    for clip in (*study.train_clips, *study.test_clips):
        if study.stimuli.folder.is_dir():
            study.stimuli.find(clip)
    study.require_order()
    return study


@dataclass(frozen=True)
class ArrayStudy:
    """A study of response arrays, as the pipeline's :class:`brain2music.brain.source.Source`.

    Attributes
    ----------
    path : Path
        The arrays file.
    settings : ArraySettings
    chosen : tuple of str or None
        The subjects that are read; None for all.
    remarks : tuple of str
        One line for each thing that was ignored or left out.
    excluded_subjects : tuple of str
        Subjects with errors.
    excluded_clips : frozenset of Clip
        Clips that cannot be presented.
    """

    path: Path
    settings: ArraySettings
    kind: Literal["arrays"] = "arrays"
    chosen: tuple[str, ...] | None = None
    remarks: tuple[str, ...] = ()
    excluded_subjects: tuple[str, ...] = ()
    excluded_clips: frozenset[Clip] = frozenset()

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def note(self) -> str:
        return self.settings.note

    @property
    def simulated(self) -> bool:
        return self.settings.simulated

    @property
    def folds(self) -> int | None:
        return self.settings.n_outer_folds

    @property
    def cutting(self) -> None:
        """Clips are as their list has them."""
        return

    @property
    def resampling(self) -> Resampling:
        """Arrays are taken as they are."""
        return "none"

    @property
    def step_s(self) -> float:
        """Step of windows in seconds that the responses resolve: the TR."""
        return self.settings.tr

    @property
    def has_time(self) -> bool:
        """Whether the arrays have scans, and the list of stimuli has runs with clips in the order presented."""
        listed = [each for each in self._lists.values() if each.clips]
        return self._has_scans and all(each.order == "presented" for each in listed)

    @property
    def _has_scans(self) -> bool:
        return set(self.settings.axes) != {"clips", "voxels"} and self.settings.scans_per_clip != 1

    def tr_of(self, subject: str) -> float:
        """Repetition time in seconds, the same for every subject."""
        return self.settings.tr

    @property
    def subjects(self) -> tuple[str, ...]:
        return self.all_subjects if self.chosen is None else self.chosen

    @property
    def all_subjects(self) -> tuple[str, ...]:
        return tuple(subject.label for subject in self.settings.subjects if subject.label not in self.excluded_subjects)

    def keep(
        self, subjects: Sequence[str], remarks: Sequence[str] = (), excluded: Collection[str] = ()
    ) -> "ArrayStudy":
        return replace(
            self,
            chosen=tuple(subjects),
            remarks=(*self.remarks, *remarks),
            excluded_subjects=(*self.excluded_subjects, *excluded),
        )

    def exclude(self, clips: Collection[Clip]) -> "ArrayStudy":
        return replace(self, excluded_clips=self.excluded_clips | set(clips))

    @property
    def images(self) -> None:
        return None

    @cached_property
    def stimuli(self) -> Stimuli:
        settings = self.settings.stimuli
        return Stimuli(resolve(settings.folder, self.path), fade_s=settings.fade_s, rms=settings.rms)

    @property
    def root(self) -> None:
        return None

    @property
    def places(self) -> tuple[Path, ...]:
        arrays = (array for each in self.settings.subjects for array in (each.train, each.test) if array is not None)
        return (self.path, self.stimuli.folder, *(resolve(array.file, self.path) for array in arrays))

    def clips_presented(self, subject: str) -> tuple[Clip, ...]:
        return (*self.train_clips, *self.test_clips)

    @property
    def train_clips(self) -> tuple[Clip, ...]:
        return tuple(clip for clip in self._lists["train"].clips if clip not in self.excluded_clips)

    @property
    def test_clips(self) -> tuple[Clip, ...]:
        return tuple(clip for clip in self._lists["test"].clips if clip not in self.excluded_clips)

    def responses(self, subject: str, lag_tr: int = 0) -> SplitResponses:
        """Read the training and test responses of a subject; the latter are None if ``folds`` is given.

        With a lag, the scans of a clip are taken ``lag_tr`` later in its run, whose last scan is repeated past its
        end; arrays whose list names no runs have no lag (:attr:`has_time`).

        Raises
        ------
        InputError
            If there is no such subject, or an array does not match the list of stimuli or holds NaN.
        """
        arrays = next((each for each in self.settings.subjects if each.label == subject), None)
        if arrays is None:
            raise InputError(f"there is no subject {subject!r}", self.path, f"choose among {', '.join(self.subjects)}")
        with progress(f"load the responses of sub-{subject}"):
            train = self._read(subject, arrays.train, self._lists["train"], lag_tr, 1)
            if arrays.test is None:
                return SplitResponses(train, None)
            test = self._read(subject, arrays.test, self._lists["test"], lag_tr, self.settings.test_repeats)
            return SplitResponses(train, test)

    def keeping(self, folder: Path, jobs: Parallel) -> "ArrayStudy":
        return self  # there are no images

    def read_ahead(self, subjects: Sequence[str]) -> None:
        """There is nothing to read ahead of arrays."""

    def kept_bytes(self, subject: str) -> int:
        return 0

    def scans_of(self, subject: str) -> int:
        return self.settings.scans_per_clip or self.responses(subject)[0].n_scans

    def voxels_of(self, subject: str) -> int:
        return self.responses(subject)[0].n_voxels

    def clips_of(self, subject: str) -> tuple[Clip, ...]:
        return self.train_clips

    def examine(self) -> list[Finding]:
        """Find problems of the arrays of all subjects."""
        found = []
        for subject in self.subjects:
            try:
                self.responses(subject)
            except InputError as problem:
                found.append(error("array-unusable", problem.file, problem.what, problem.hint, subject))
        if self._has_scans and not self.has_time:
            what, hint = EPOCHS.split(". ", 1)
            found.append(warning("arrays-epochs", self.path, what, hint))
        return found

    def require_order(self) -> None:
        """Raise :class:`InputError` if runs are named, but the clips of a run are not in consecutive rows."""
        if self._has_scans and any(each.order == "mixed" for each in self._lists.values()):
            what = "clips of other runs, or of the other split, stand between clips of a run in the list of stimuli"
            hint = (
                "list the clips of each run together, in the order presented; or leave out the column run, for no lag"
            )
            raise InputError(what, self.path, hint)

    def motion(self, subject: str) -> pd.DataFrame | None:
        """Nothing is known of the motion of the head."""
        return None

    def digests(self, subject: str) -> dict[str, str]:
        """sha256 of the arrays of a subject, of their settings, and of the stimuli in their order."""
        arrays = next(each for each in self.settings.subjects if each.label == subject)
        files = [arrays.train.file, *([arrays.test.file] if arrays.test else [])]
        with progress(f"digest the arrays of sub-{subject}"):
            digests = {file: digest_file(resolve(file, self.path)) for file in files}
        settings = self.settings.model_dump_json(exclude={"subjects", "stimuli", "name"}) + arrays.model_dump_json()
        rows = [(split, each.clips, each.runs.tolist(), each.order) for split, each in self._lists.items()]
        return {**digests, self.path.name: digest_text(settings), "stimuli": digest_text(repr(rows))}

    @cached_property
    def _lists(self) -> dict[str, StimulusList]:
        settings, folds = self.settings.stimuli, self.settings.n_outer_folds
        folder = resolve(settings.folder, self.path)
        if settings.events is not None:
            return list_from_events(resolve(settings.events, self.path), self.subjects)
        if settings.table is not None:
            return list_from_table(resolve(settings.table, self.path), folder)
        assert settings.names is not None
        names = _read_texts(settings.names, self.path)
        genres = _read_texts(settings.genres, self.path) if settings.genres is not None else [""] * len(names)
        if len(genres) != len(names):
            raise InputError(f"{len(genres)} genres for {len(names)} names", self.path, "give one per stimulus")
        if folds is None:
            what = "names do not distinguish training from test clips"
            raise InputError(what, self.path, "use a table, or n_outer_folds")
        return list_from_names(names, genres, folder)

    def _read(self, subject: str, array: ArrayFile, stimuli: StimulusList, lag_tr: int, n_repeats: int) -> Responses:
        path = resolve(array.file, self.path)
        data = _as_clips_scans_voxels(read_array(path, array.variable), self.settings, len(stimuli.clips), path)
        if not np.isfinite(data).all():
            raise InputError("the array holds NaN or infinite responses", path, "leave these voxels out")
        if len(data) > 1 and not (data != data[:1]).any():
            raise InputError("no voxel of the array ever changes", path, "save the responses again")
        _require_scans_of_clips(data.shape, stimuli.clips, self.settings, path)
        lag = lag_tr if data.shape[1] > 1 and self.has_time else 0
        if lag:
            data = shift_within_runs(data, stimuli.runs, lag)
        elif lag_tr and data.shape[1] > 1:
            warnings.warn(f"{self.path}: {EPOCHS}", Brain2MusicWarning, stacklevel=3)
        kept = np.array([clip not in self.excluded_clips for clip in stimuli.clips], dtype=bool)
        clips = tuple(clip for clip in stimuli.clips if clip not in self.excluded_clips)
        if not kept.all():
            data = data[kept]
        repeats = np.full(len(clips), n_repeats)
        found = Responses(subject, data, clips, stimuli.runs[kept], self.step_s, lag, repeats)
        return replace(found, simulated=self.simulated)


def shift_within_runs(
    data: Float32[np.ndarray, "clips scans voxels"], runs: Int[np.ndarray, " clips"], lag_tr: int
) -> Float32[np.ndarray, "clips scans voxels"]:
    """Take the scans of every clip ``lag_tr`` later in its run, whose last scan is repeated past its end.

    The clips of a run must be consecutive, in the order presented.
    """
    n_clips, n_scans, _ = data.shape
    series = data.reshape(n_clips * n_scans, -1)
    last = np.array([np.flatnonzero(runs == run)[-1] for run in runs]) * n_scans + n_scans - 1
    index = np.arange(n_clips * n_scans).reshape(n_clips, n_scans) + lag_tr
    return series[np.minimum(index, last[:, None])]


def _as_clips_scans_voxels(
    array: np.ndarray, settings: ArraySettings, n_clips: int, path: Path
) -> Float32[np.ndarray, "clips scans voxels"]:
    """Transpose an array of any layout to (clips, scans, voxels)."""
    if array.ndim != len(settings.axes):
        axes = ", ".join(settings.axes)
        raise InputError(f"the array has {array.ndim} axes, not ({axes})", path, "correct axes in the arrays file")
    if array.dtype.kind not in "biuf":
        raise InputError(f"the array holds {array.dtype}, not real numbers", path, "save responses as real numbers")
    wanted: Sequence[Axis] = [axis for axis in ("clips", "time", "scans", "voxels") if axis in settings.axes]
    ordered = array.transpose([settings.axes.index(axis) for axis in wanted])
    scans = settings.scans_per_clip or 1
    expected = n_clips * scans if "time" in settings.axes else n_clips
    if len(ordered) != expected:
        raise InputError(
            f"the array {array.shape} has {len(ordered)} {wanted[0]}, but {n_clips} clips make {expected}",
            path,
            "correct axes, scans_per_clip or the list of stimuli",
        )
    shape = ordered.shape if ordered.ndim == 3 else (n_clips, scans, -1)
    return np.ascontiguousarray(ordered, dtype=np.float32).reshape(shape)


def _require_scans_of_clips(shape: tuple[int, ...], clips: Sequence[Clip], settings: ArraySettings, path: Path) -> None:
    """Refuse scans that last far longer than the clips, as where the axes of scans and voxels are exchanged."""
    _, n_scans, n_voxels = shape
    longest = max(clip.duration for clip in clips)
    if n_scans == 1 or not far_beyond(n_scans * settings.tr, longest):
        return
    what = (
        f"{n_scans} scans per clip and {n_voxels} voxels: at a TR of {settings.tr:g} s these scans last "
        f"{n_scans * settings.tr:g} s, but the longest clip {longest:g} s"
    )
    named = ", ".join(settings.axes)
    if "time" in settings.axes:
        hint = f"correct scans_per_clip, tr, or the order of axes ({named})"
    else:
        hint = f"correct the order of axes ({named}) or tr; are scans and voxels exchanged?"
    raise InputError(what, path, hint)


def _read_texts(array: ArrayFile, base: Path) -> list[str]:
    path = resolve(array.file, base)
    return [str(np.ravel(item)[0]) for item in read_array(path, array.variable).ravel()]
