"""Motion correction of one run: its scans are aligned to the subject's reference and resampled, once each."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float32
from threadpoolctl import threadpool_limits

from ..._utils.errors import Brain2MusicWarning, InputError
from ..._utils.files import write_json, write_table
from ..mask import sample_nearest
from ..volumes import iterate_volumes
from .motion_confounds import AXES, DESCRIPTIONS, confounds_of
from .motion_figure import draw_motion
from .prep_files import RunOutputs
from .preprocess_settings import PreprocessSettings
from .raw_runs import RawRun
from .realign import Aligned
from .resampling import correct_slice_timing, resample_volume
from .rigid import rigid_parameters
from .series_statistics import SeriesStatistics
from .volume_files import scan_writer, write_volume

Given = TypeVar("Given")
Made = TypeVar("Made")
Volume = Float32[np.ndarray, "x y z"]
BELOW = 0.8
"""A scan is reported where it resembles the reference by less than this share of the run's median."""


@runtime_checkable
class Registration(Protocol):
    """What finds the place of a volume relative to the reference; see :class:`.realign.Realigner`."""

    centre: Float[np.ndarray, " xyz"]

    def align(
        self, volume: Volume, affine: Float[np.ndarray, "4 4"], start: Float[np.ndarray, "4 4"] | None = None
    ) -> Aligned: ...


@dataclass(frozen=True)
class Reference:
    """What all scans of a subject are aligned to.

    Attributes
    ----------
    volume, affine, mask : the first volume of the subject's first run, its voxels in mm, and the brain in it.
    registration : what finds the place of other volumes.
    """

    volume: Volume
    affine: Float[np.ndarray, "4 4"]
    mask: Bool[np.ndarray, "x y z"]
    registration: Registration

    @property
    def grid(self) -> tuple[int, int, int]:
        """The shape of the volume."""
        x, y, z = self.volume.shape
        return x, y, z


def correct_run(
    run: RawRun,
    reference: Reference,
    settings: PreprocessSettings,
    outputs: RunOutputs,
    made_from: dict[str, Any],
    n_threads: int = 1,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write the realigned image of a run, its mask, mean, confounds, figure and, last, its record."""
    times = run.slice_times() if settings.slice_timing else None
    total = 2 * run.image.n_scans
    with ThreadPoolExecutor(n_threads) as pool, threadpool_limits(1):  # sums must not depend on the number of threads
        places, before = _places(run, reference, pool, n_threads, lambda done: advance(done, total))
        parameters = np.stack([rigid_parameters(each.matrix, reference.registration.centre) for each in places])
        after = SeriesStatistics(reference.mask)
        covered = np.ones(reference.grid, dtype=bool)
        dtype, scale = _stored_as(run)
        to_write = scan_writer(
            outputs.bold, reference.grid, reference.affine, dtype, n_scans=run.image.n_scans, tr=run.tr, scale=scale
        )

        def resampled(each: tuple[Volume, Aligned]) -> tuple[Volume, Bool[np.ndarray, "x y z"]]:
            volume, place = each
            to_grid = (place.matrix, reference.grid, reference.affine, settings.spline_order)
            return resample_volume(volume, run.image.affine, *to_grid)

        with to_write as write, _scans_in_time(run, times) as volumes:
            pairs = zip(volumes, places, strict=True)
            for done, (volume, inside) in enumerate(_side_by_side(pool, resampled, pairs, 2 * n_threads), 1):
                write(volume)
                after.add(volume)
                covered &= inside
                advance(run.image.n_scans + done, total)
    mask = _covered_mask(run, reference.mask & covered)
    similarity = np.array([each.similarity for each in places])
    _warn_of_scans(run, similarity)
    table = confounds_of(parameters, run.tr, after.dvars, before.dvars, after.global_signal, similarity)
    write_volume(outputs.mask, mask, reference.affine)
    write_volume(outputs.mean, after.mean, reference.affine)
    write_table(outputs.confounds, table)
    write_json(outputs.confounds.with_suffix(".json"), DESCRIPTIONS)
    draw_motion(outputs.figure, run.name, table, run.tr, before, after)
    write_json(outputs.record, _sidecar_of(run, settings, made_from, parameters, before, after))


def _places(
    run: RawRun, reference: Reference, pool: ThreadPoolExecutor, n_threads: int, advance: Callable[[int], None]
) -> tuple[list[Aligned], SeriesStatistics]:
    """The place of each scan, and the statistics of the raw image."""
    affine = run.image.affine
    statistics = SeriesStatistics(_mask_on(run, reference))
    with _scans_in_time(run, None) as volumes:
        first = next(volumes)
    start = reference.registration.align(first, affine).matrix
    places = []
    with _scans_in_time(run, None) as volumes:

        def place_of(volume: Volume) -> tuple[Volume, Aligned]:
            return volume, reference.registration.align(volume, affine, start)

        for done, (volume, place) in enumerate(_side_by_side(pool, place_of, volumes, 2 * n_threads), 1):
            statistics.add(volume)
            places.append(place)
            advance(done)
    return places, statistics


@contextmanager
def _scans_in_time(run: RawRun, times: tuple[list[float], int] | None) -> Iterator[Iterator[Volume]]:
    """The scans of a run, NaN as 0; with slice times, interpolated in time, for which all are held in memory."""
    with iterate_volumes(run.image) as volumes:
        finite = (np.nan_to_num(volume, nan=0.0, posinf=0.0, neginf=0.0) for volume in volumes)
        if times is None:
            yield finite
            return
        series = np.empty((run.image.n_scans, *run.image.grid), np.float32)
        for row, volume in zip(series, finite, strict=True):
            row[:] = volume
        correct_slice_timing(series, times[0], run.tr, times[1])
        yield iter(series)


def _side_by_side(
    pool: ThreadPoolExecutor, work: Callable[[Given], Made], items: Iterable[Given], ahead: int
) -> Iterator[Made]:
    """Apply ``work`` in threads and yield results in order, with few of them in memory."""
    rest = iter(items)
    waiting = [pool.submit(work, item) for item in islice(rest, ahead)]
    while waiting:
        yield waiting.pop(0).result()
        waiting += [pool.submit(work, item) for item in islice(rest, 1)]


def _mask_on(run: RawRun, reference: Reference) -> Bool[np.ndarray, "x y z"]:
    """The reference's mask on the raw grid, by headers; all of the image where they do not meet."""
    volume = reference.mask.astype(np.float32)
    mask = sample_nearest(volume, reference.affine, run.image.grid, run.image.affine) > 0.5
    return mask if mask.any() else np.ones(run.image.grid, dtype=bool)


def _covered_mask(run: RawRun, mask: Bool[np.ndarray, "x y z"]) -> Bool[np.ndarray, "x y z"]:
    if not mask.any():
        what = "no voxel of the brain was scanned throughout the run: it was not aligned to the first run"
        raise InputError(what, run.image.path, "look at both images, or leave the run out with .bidsignore")
    return mask


def _stored_as(run: RawRun) -> tuple[np.dtype, tuple[float, float]]:
    """Small integers stay integers, as they are scaled; anything else is stored in single precision."""
    image = run.image
    if image.dtype.kind in "iu" and image.dtype.itemsize <= 2:
        return np.dtype(image.dtype.newbyteorder("<")), (image.slope, image.inter)
    return np.dtype("<f4"), (1.0, 0.0)


def _warn_of_scans(run: RawRun, similarity: Float[np.ndarray, " scans"]) -> None:
    few = np.flatnonzero(similarity < BELOW * np.median(similarity))
    if len(few):
        listed = ", ".join(map(str, few[:5])) + (" …" if len(few) > 5 else "")
        what = f"{run.name}: {len(few)} scans resemble the first one little, even aligned ({listed}): look at them"
        warnings.warn(what, Brain2MusicWarning, stacklevel=3)


def _sidecar_of(
    run: RawRun,
    settings: PreprocessSettings,
    made_from: dict[str, Any],
    parameters: Float[np.ndarray, "scans 6"],
    before: SeriesStatistics,
    after: SeriesStatistics,
) -> dict[str, Any]:
    """The sidecar of the realigned image: BIDS' fields, what it was made from, and how much the head moved."""
    timing: dict[str, Any] = {"SliceTimingCorrected": settings.slice_timing}
    timing |= {"StartTime": run.tr / 2} if settings.slice_timing else {}
    largest = dict(zip(AXES, np.abs(parameters).max(axis=0).tolist(), strict=True))
    kept = {"TaskName", "EchoTime", "FlipAngle", "Simulated"} & run.sidecar.keys()
    return {
        **{name: run.sidecar[name] for name in sorted(kept)},
        **timing,
        "RepetitionTime": run.tr,
        "SkullStripped": False,
        "Sources": [run.image.path.name],
        "SpatialReference": "the first volume of the subject's first run",
        "LargestMotion": largest,
        "MedianTSNR": {"before": before.median_tsnr, "after": after.median_tsnr},
        "MadeFrom": made_from,
    }
