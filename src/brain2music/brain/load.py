"""BOLD runs to the responses of every voxel to every clip, one run in memory at a time."""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32

from .._utils.errors import Brain2MusicWarning, InputError
from ..study.confounds import confounds_table
from ..study.study import Clip, Presentation, Run, Split, Study
from ..study.timing import same_tr
from . import clean
from .mask import choose_mask
from .responses import Responses, VoxelSpace, restrict
from .roi import find_dseg, label_voxels
from .volumes import Image, open_image, read_voxels

Advance = Callable[[int, int], None]


def load_responses(
    study: Study,
    subject: str,
    split: Split,
    *,
    lag_tr: int = 0,
    detrend: clean.Detrending = "median",
    window_s: float = 240.0,
    zscore: bool = True,
    confounds: Sequence[str] = (),
    mask: Path | VoxelSpace | None = None,
    derivatives: Path | None = None,
    work_dir: Path | None = None,
    in_memory_bytes: int = 2 << 30,
    progress: Advance | None = None,
) -> Responses:
    """Read, clean and cut a subject's runs of one split.

    Each run is detrended and z-scored over all its scans (Brain2Music A.1.1), then cut. A clip whose sound
    covers the scans ``v0 … v1-1`` gets the scans ``v0+lag_tr … v1-1+lag_tr``; past the run's end the last
    scan is repeated. Carry-ins are left out; presentations of one clip are averaged.

    Parameters
    ----------
    lag_tr : scans by which the responses follow the sound: 0 in the paper, 3 in the work that followed.
    detrend, window_s, confounds : as in :mod:`brain2music.brain.clean`; confounds are columns of the
        fMRIPrep table beside the image or in the derivatives, regressed out after detrending.
    zscore : scale every voxel per run; constant voxels become 0.
    mask : an image, or the space of responses loaded before; default :func:`voxel_space`.
    work_dir : where arrays above ``in_memory_bytes`` are memory-mapped; without it they stay in memory.
    progress : called with (runs done, runs) after each run.

    Returns
    -------
    ``data`` (clips, scans, voxels); clips in order of first presentation; ``repeats`` where every clip was
    heard equally often, more than once. Voxels that were NaN or infinite in any run are no longer in
    ``space``: use :func:`common_voxels` before train and test meet.

    Raises
    ------
    InputError : an image is missing, truncated or on another grid; a run ends before its clips.
    """
    runs = _runs(study, subject, split)
    space = mask if isinstance(mask, VoxelSpace) else voxel_space(study, subject, derivatives, mask)
    room = _Room(work_dir, f"sub-{subject}_{split}", in_memory_bytes)
    store = _Store.allocate(runs, scans_per_clip(study, subject), int(space.mask.sum()), room)
    finite = np.ones(int(space.mask.sum()), dtype=bool)
    constant = np.zeros_like(finite)
    for done, run in enumerate(runs, start=1):
        series = _read_run(run, space)
        finite &= np.isfinite(series).all(axis=0)
        series = np.nan_to_num(series, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        series = clean.detrend(series, run.tr, detrend, window_s)
        if confounds:
            table = confounds_table(study, run, derivatives)
            series = clean.regress_out(series, clean.read_confounds(table, confounds, len(series)))
        if zscore:
            series, flat = clean.zscore(series)
            constant |= flat
        for presentation in _heard(run):
            store.add(presentation.clip, series[_scans_of(run, presentation, lag_tr, len(series), store.n_scans)])
        if progress is not None:
            progress(done, len(runs))
    _warn(subject, split, finite, constant & finite)
    responses = store.responses(subject, runs, lag_tr, space)
    return responses if finite.all() else restrict(responses, finite)


def voxel_space(
    study: Study,
    subject: str,
    derivatives: Path | None = None,
    mask: Path | None = None,
    dseg: Path | None = None,
) -> VoxelSpace:
    """The subject's voxels by :func:`choose_mask`, with region names where there is a segmentation.

    ``dseg`` is the segmentation; default the one of :func:`find_dseg`.
    """
    space = choose_mask(study, subject, derivatives, mask)
    dseg = dseg if dseg is not None else find_dseg(study, subject, derivatives)
    return space if dseg is None else label_voxels(space, dseg)


def common_voxels(train: Responses, test: Responses) -> tuple[Responses, Responses]:
    """Both responses on the voxels that both have.

    Raises
    ------
    InputError : they lie on different grids, or share no voxel.
    """
    a, b = train.space, test.space
    if a is None or b is None or np.array_equal(a.mask, b.mask):
        return train, test
    if a.mask.shape != b.mask.shape or not np.allclose(a.affine, b.affine, atol=1e-4):
        raise InputError("training and test responses lie on different grids", hint="load both with the same mask")
    both = a.mask & b.mask
    if not both.any():
        raise InputError("training and test responses share no voxel", hint="load both with the same mask")
    return restrict(train, both[a.mask]), restrict(test, both[b.mask])


def require_alike(train: Responses, test: Responses) -> tuple[Responses, Responses]:
    """Both on the voxels that both have; :class:`InputError` where they were not loaded alike."""
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
class _Room:
    """Where arrays live: in memory, or in files of ``folder`` when they are larger than ``limit`` bytes."""

    folder: Path | None
    name: str
    limit: int

    def zeros(self, what: str, shape: tuple[int, ...]) -> np.ndarray:
        if self.folder is None or 4 * int(np.prod(shape)) <= self.limit:
            return np.zeros(shape, np.float32)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.name}_{what}.npy"
        return np.lib.format.open_memmap(path, "w+", np.float32, shape)


@dataclass
class _Store:
    """Sums presentations clip by clip, and keeps them apart where every clip has the same number of them."""

    data: Float32[np.ndarray, "clips scans voxels"]
    repeats: Float32[np.ndarray, "repeats clips scans voxels"] | None
    rows: dict[Clip, int]
    seen: Counter[Clip] = field(default_factory=Counter)

    @classmethod
    def allocate(cls, runs: Sequence[Run], n_scans: int, n_voxels: int, room: _Room) -> "_Store":
        heard = Counter(presentation.clip for run in runs for presentation in _heard(run))
        shape = (len(heard), n_scans, n_voxels)
        counts = set(heard.values())
        alike = len(counts) == 1 and counts != {1}
        repeats = room.zeros("repeats", (max(counts), *shape)) if alike else None
        return cls(room.zeros("data", shape), repeats, {clip: row for row, clip in enumerate(heard)})

    @property
    def n_scans(self) -> int:
        return int(self.data.shape[1])

    def add(self, clip: Clip, scans: Float32[np.ndarray, "scans voxels"]) -> None:
        row = self.rows[clip]
        self.data[row] += scans
        if self.repeats is not None:
            self.repeats[self.seen[clip], row] = scans
        self.seen[clip] += 1

    def responses(self, subject: str, runs: Sequence[Run], lag_tr: int, space: VoxelSpace) -> Responses:
        counts = np.array([self.seen[clip] for clip in self.rows])
        for row, count in zip(self.data, counts, strict=True):
            row /= np.float32(count)
        first_run: dict[Clip, int] = {}
        for index, run in enumerate(runs):
            for presentation in _heard(run):
                first_run.setdefault(presentation.clip, index)
        groups = np.array([first_run[clip] for clip in self.rows])
        return Responses(subject, self.data, tuple(self.rows), groups, runs[0].tr, lag_tr, counts, self.repeats, space)


def _runs(study: Study, subject: str, split: Split) -> tuple[Run, ...]:
    runs = tuple(run for run in study.runs_of(subject, split) if _heard(run))
    if not runs:
        raise InputError(f"sub-{subject} has no {split} runs with clips", study.root, "check the task names and events")
    trs = {run.tr for run in runs}
    if not all(same_tr(tr, runs[0].tr) for tr in trs):
        raise InputError(
            f"the {split} runs of sub-{subject} have different TRs {sorted(trs)}", study.root, "resample them"
        )
    return runs


def _heard(run: Run) -> tuple[Presentation, ...]:
    return tuple(presentation for presentation in run.presentations if not presentation.carry_in)


def scans_per_clip(study: Study, subject: str) -> int:
    """Scans of each of a subject's clips, the first that all presentations of both splits have."""
    lengths = (len(presentation.volumes) for run in study.runs_of(subject) for presentation in _heard(run))
    return min(lengths, default=1)


def _read_run(run: Run, space: VoxelSpace) -> Float32[np.ndarray, "scans voxels"]:
    if run.bold is None:
        raise InputError(f"{run.name} has events but no BOLD image", run.events, "fetch the image of this run")
    image = open_image(run.bold)
    _require_grid(image, space)
    return read_voxels(image, space.mask)


def _require_grid(image: Image, space: VoxelSpace) -> None:
    if image.grid != space.mask.shape:
        what = f"the image has the grid {image.grid} but the mask, on that of the first run, {space.mask.shape}"
    elif not np.allclose(image.affine, space.affine, atol=1e-3):
        what = f"the image's affine differs from that of the mask, which is the first run's (grid {image.grid})"
    else:
        return
    raise InputError(what, image.path, "align all runs of a subject to one image first")


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


def _warn(subject: str, split: str, finite: Bool[np.ndarray, " voxels"], constant: Bool[np.ndarray, " voxels"]) -> None:
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
