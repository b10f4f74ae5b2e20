"""Loading of BOLD runs as the responses of every voxel to every clip, one run in memory at a time."""

import mmap
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32

from .._utils.errors import Brain2MusicWarning, InputError
from .._utils.files import reserve, unwritable
from ..study.study import Clip, Presentation, Resampling, Run, Split, Study
from ..study.timing import same_tr
from .clean import Detrending
from .cleaned_runs import Cleaning, read_cleaned
from .confound_strategy import ConfoundStrategy
from .mask import choose_mask
from .resampling import positions_of, scans_at
from .responses import Responses, VoxelSpace, restrict, restrict_space
from .roi import find_dseg, label_voxels
from .run_store import RunStore, SubjectRuns

Advance = Callable[[int, int], None]


def load_responses(
    study: Study,
    subject: str,
    split: Split,
    *,
    lag_tr: int = 0,
    detrend: Detrending = "median",
    window_s: float = 240.0,
    zscore: bool = True,
    confounds: Sequence[str] = (),
    strategy: ConfoundStrategy | None = None,
    mask: Path | VoxelSpace | None = None,
    derivatives: Path | None = None,
    work_dir: Path | None = None,
    in_memory_bytes: int = 2 << 30,
    store: RunStore | None = None,
    progress: Advance | None = None,
) -> Responses:
    """Load the responses of a subject to the clips of one split: runs are read, cleaned and cut.

    Each run is detrended and z-scored over all its scans (Brain2Music A.1.1), then cut. A clip whose sound
    covers the scans ``v0 … v1-1`` gets the scans ``v0+lag_tr … v1-1+lag_tr``; past the end of the run the last
    scan is repeated. Where the study is resampled, scans are interpolated at the steps of one TR from the onset of the
    clip (:func:`.resampling.scans_at`). Carry-ins are left out; presentations of one clip are averaged.

    Parameters
    ----------
    study : Study
    subject : str
    split : "train" or "test"
    lag_tr : int
        Scans by which the responses lag the sound: 0 in the paper, 3 in the work that followed.
    detrend, window_s, confounds
        As in :func:`brain2music.brain.clean.clean_run`; confounds are columns of the fMRIPrep table beside the image or
        in the derivatives.
    strategy : ConfoundStrategy, optional
        Confounds by nilearn's names, and volumes that take no part: they are interpolated from those that remain.
    zscore : bool
        Whether to scale every voxel per run; constant voxels become 0.
    mask : Path or VoxelSpace, optional
        An image, or the space of responses loaded before; by default that of :func:`voxel_space`.
    derivatives : Path, optional
        Where to look for masks, segmentations and confounds before ``root/derivatives``.
    work_dir : Path, optional
        Folder for memory-mapped arrays of more than ``in_memory_bytes``, whose files have no name and are gone with
        them; without it they stay in memory.
    in_memory_bytes : int
    store : RunStore, optional
        Where cleaned runs of both splits are kept, so that each is read once; several are read at a time.
    progress : callable, optional
        Called with (runs done, runs) after each run.

    Returns
    -------
    Responses
        With ``data`` (clips, scans, voxels), clips in order of first presentation, and ``repeats`` if all clips were
        presented equally often and more than once. Voxels that were NaN or infinite in any run are not in ``space``:
        apply :func:`common_voxels` before combining training and test responses.

    Raises
    ------
    InputError
        If an image is missing, truncated or on another grid, or a run ends before its clips.
    """
    runs = _runs_with_clips(study, subject, split)
    space = mask if isinstance(mask, VoxelSpace) else voxel_space(study, subject, derivatives, mask)
    how = Cleaning(detrend, window_s, zscore, tuple(confounds), strategy or ConfoundStrategy())
    stored = None
    if store is not None:
        stored = SubjectRuns.plan(store.folder, study, subject, space, how, derivatives)
        store.make([stored])
    kept = np.ones(int(space.mask.sum()), dtype=bool)
    if stored is not None:
        kept = np.logical_and.reduce([stored.found[run.name].finite for run in runs])
    allocator = _Allocator(work_dir, in_memory_bytes)
    sums = _ClipSums.allocate(runs, scans_per_clip(study, subject), int(kept.sum()), allocator)
    finite, constant = np.ones_like(kept), np.zeros_like(kept)
    for done, run in enumerate(runs, start=1):
        if stored is None:
            series, found = read_cleaned(run, space, how, how.table(study, run, derivatives))
        else:
            series, found = stored.read(run)
        finite &= found.finite
        constant |= found.constant
        for presentation in _presentations(run):
            scans = _cut_out(series, run, presentation, lag_tr, sums.n_scans, study.resampling)
            sums.add(presentation.clip, scans if kept.all() else scans[:, kept])
        sums.forget()
        if progress is not None:
            progress(done, len(runs))
    _warn_of_voxels(subject, split, finite, constant & finite)
    responses = sums.responses(subject, runs, lag_tr, space if kept.all() else restrict_space(space, kept))
    return responses if finite[kept].all() else restrict(responses, finite)


def voxel_space(
    study: Study,
    subject: str,
    derivatives: Path | None = None,
    mask: Path | None = None,
    dseg: Path | None = None,
) -> VoxelSpace:
    """The voxels of a subject (see :func:`choose_mask`), with region names if there is a segmentation.

    ``dseg`` is the segmentation; by default that of :func:`find_dseg`.
    """
    space = choose_mask(study, subject, derivatives, mask)
    dseg = dseg if dseg is not None else find_dseg(study, subject, derivatives)
    return space if dseg is None else label_voxels(space, dseg)


def common_voxels(train: Responses, test: Responses) -> tuple[Responses, Responses]:
    """Restrict training and test responses to the voxels that they have in common.

    Parameters
    ----------
    train : Responses
        Responses to the training clips.
    test : Responses
        Responses to the test clips.

    Returns
    -------
    train : Responses
        Responses to the training clips on these voxels.
    test : Responses
        Responses to the test clips on the same voxels.

    Raises
    ------
    InputError
        They are on different grids, or have no voxel in common.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.brain import VoxelSpace, common_voxels
    >>> mask = np.ones((2, 2, 2), bool)
    >>> train = replace(b2m.as_responses(np.zeros((3, 5, 8))), space=VoxelSpace(mask, np.eye(4)))
    >>> mask = np.arange(8).reshape(2, 2, 2) < 6
    >>> test = replace(b2m.as_responses(np.zeros((3, 5, 6))), space=VoxelSpace(mask, np.eye(4)))
    >>> [each.n_voxels for each in common_voxels(train, test)]
    [6, 6]
    """
    a, b = train.space, test.space
    if a is None or b is None or np.array_equal(a.mask, b.mask):
        return train, test
    if (
        a.grayordinates != b.grayordinates
        or a.mask.shape != b.mask.shape
        or not np.allclose(a.affine, b.affine, atol=1e-4)
    ):
        raise InputError("training and test responses are on different grids", hint="load both with the same mask")
    both = a.mask & b.mask
    if not both.any():
        raise InputError("training and test responses share no voxel", hint="load both with the same mask")
    return restrict(train, both[a.mask]), restrict(test, both[b.mask])


def require_alike(train: Responses, test: Responses) -> tuple[Responses, Responses]:
    """Restrict training and test responses to their common voxels; :class:`InputError` if loaded differently."""
    for name in ("tr", "lag_tr", "n_scans"):
        of_train, of_test = getattr(train, name), getattr(test, name)
        if of_train != of_test:
            raise InputError(
                f"training and test responses of sub-{train.subject} differ in {name} ({of_train} and {of_test})",
                hint="load both with the same settings",
            )
    train, test = common_voxels(train, test)
    if train.n_voxels != test.n_voxels:
        raise InputError(
            f"training responses have {train.n_voxels} voxels, test responses {test.n_voxels}",
            hint="give arrays of the same voxels",
        )
    return train, test


@dataclass(frozen=True)
class _Allocator:
    """Allocates arrays in memory, or in files of ``folder`` without a name if they are larger than ``limit`` bytes."""

    folder: Path | None
    limit: int

    def zeros(self, shape: tuple[int, ...]) -> np.ndarray:
        size = 4 * int(np.prod(shape))
        if self.folder is None or size <= self.limit or not size:
            return np.zeros(shape, np.float32)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder) as file:
                reserve(file.fileno(), size)
                return np.memmap(file, np.float32, "r+", shape=shape)
        except OSError as error:
            raise unwritable(self.folder, error) from None


@dataclass
class _ClipSums:
    """Sums of presentations clip by clip; single presentations are kept if every clip has the same number of them."""

    data: Float32[np.ndarray, "clips scans voxels"]
    repeats: Float32[np.ndarray, "repeats clips scans voxels"] | None
    rows: dict[Clip, int]
    seen: Counter[Clip] = field(default_factory=Counter)

    @classmethod
    def allocate(cls, runs: Sequence[Run], n_scans: int, n_voxels: int, allocator: _Allocator) -> "_ClipSums":
        counts = Counter(presentation.clip for run in runs for presentation in _presentations(run))
        shape = (len(counts), n_scans, n_voxels)
        n_repeats = set(counts.values())
        alike = len(n_repeats) == 1 and n_repeats != {1}
        repeats = allocator.zeros((max(n_repeats), *shape)) if alike else None
        return cls(allocator.zeros(shape), repeats, {clip: row for row, clip in enumerate(counts)})

    @property
    def n_scans(self) -> int:
        return int(self.data.shape[1])

    def add(self, clip: Clip, scans: Float32[np.ndarray, "scans voxels"]) -> None:
        row = self.rows[clip]
        self.data[row] += scans
        if self.repeats is not None:
            self.repeats[self.seen[clip], row] = scans
        self.seen[clip] += 1

    def forget(self) -> None:
        """Give back the pages of memory-mapped arrays, which are on the disk by then."""
        for array in (self.data, self.repeats):
            if isinstance(array, np.memmap) and hasattr(mmap, "MADV_DONTNEED"):
                array.flush()
                pages: Any = array.base
                pages.madvise(mmap.MADV_DONTNEED)

    def responses(self, subject: str, runs: Sequence[Run], lag_tr: int, space: VoxelSpace) -> Responses:
        counts = np.array([self.seen[clip] for clip in self.rows])
        for row in np.flatnonzero(counts > 1):
            self.data[row] /= np.float32(counts[row])
        self.forget()
        first_run: dict[Clip, int] = {}
        for index, run in enumerate(runs):
            for presentation in _presentations(run):
                first_run.setdefault(presentation.clip, index)
        clips, run_of_clip = tuple(self.rows), np.array([first_run[clip] for clip in self.rows])
        return Responses(subject, self.data, clips, run_of_clip, runs[0].tr, lag_tr, counts, self.repeats, space)


def _runs_with_clips(study: Study, subject: str, split: Split) -> tuple[Run, ...]:
    runs = tuple(run for run in study.runs_of(subject, split) if _presentations(run))
    if not runs:
        raise InputError(f"sub-{subject} has no {split} runs with clips", study.root, "check the task names and events")
    trs = {run.tr for run in runs}
    if not all(same_tr(tr, runs[0].tr) for tr in trs):
        raise InputError(
            f"the {split} runs of sub-{subject} have different TRs {sorted(trs)}", study.root, "resample them"
        )
    return runs


def _presentations(run: Run) -> tuple[Presentation, ...]:
    return tuple(presentation for presentation in run.presentations if not presentation.carry_in)


def scans_per_clip(study: Study, subject: str) -> int:
    """Count the scans per clip of a subject: as many as all presentations of both splits have."""
    lengths = (len(presentation.volumes) for run in study.runs_of(subject) for presentation in _presentations(run))
    return min(lengths, default=1)


def _scans_of(run: Run, presentation: Presentation, lag_tr: int, n_run: int, n_clip: int) -> np.ndarray:
    start = presentation.volumes.start
    if start + n_clip > n_run:
        raise InputError(
            f"the run ends after {n_run} scans, but {presentation.clip.name} covers scans {start} to "
            f"{start + n_clip - 1}",
            run.bold,
            "fetch the whole run, or remove the events that were not scanned",
        )
    return np.minimum(np.arange(start, start + n_clip) + lag_tr, n_run - 1)


def _cut_out(
    series: Float32[np.ndarray, "scans voxels"],
    run: Run,
    presentation: Presentation,
    lag_tr: int,
    n_scans: int,
    resampling: Resampling,
) -> Float32[np.ndarray, "samples voxels"]:
    """The scans of one presentation, or what is interpolated between scans."""
    nearest = _scans_of(run, presentation, lag_tr, len(series), n_scans)
    if resampling == "none":
        return series[nearest]
    return scans_at(series, positions_of(presentation, run.tr, n_scans, lag_tr), resampling)


def _warn_of_voxels(
    subject: str, split: str, finite: Bool[np.ndarray, " voxels"], constant: Bool[np.ndarray, " voxels"]
) -> None:
    if not finite.any():
        raise InputError(f"every voxel of sub-{subject} is NaN or infinite in a {split} run", hint="check the images")
    if constant.sum() == finite.sum():
        raise InputError(f"every voxel of sub-{subject} is constant in a {split} run", hint="check the images")
    for count, what in (
        (int((~finite).sum()), "are NaN or infinite in a run and left out"),
        (int(constant.sum()), "are constant in a run and set to 0 there"),
    ):
        if count:
            text = f"sub-{subject}, {split}: {count} of {len(finite)} voxels {what}"
            warnings.warn(text, Brain2MusicWarning, stacklevel=3)
