"""Resampling of moved volumes onto the grid of the reference, and interpolation of slices in time."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float32


def resample_volume(
    volume: Float32[np.ndarray, "x y z"],
    affine: Float[np.ndarray, "4 4"],
    matrix: Float[np.ndarray, "4 4"],
    grid: tuple[int, int, int],
    grid_affine: Float[np.ndarray, "4 4"],
    order: int = 3,
) -> tuple[Float32[np.ndarray, "u v w"], Bool[np.ndarray, "u v w"]]:
    """Resample a volume where a movement took it, onto another grid, by splines.

    Parameters
    ----------
    volume, affine : the volume and its voxels in mm.
    matrix : takes positions on the grid (mm) to those in the volume.
    grid, grid_affine : shape of the grid and its voxels in mm.

    Returns
    -------
    resampled : 0 where the volume was not scanned.
    inside : voxels of the grid that the volume covers.
    """
    from scipy.ndimage import affine_transform

    to_volume = np.linalg.inv(affine) @ matrix @ grid_affine
    linear, offset = to_volume[:3, :3], to_volume[:3, 3]
    moved = affine_transform(volume, linear, offset, grid, np.float32, order=order, mode="mirror")
    inside = np.ones(grid, dtype=bool)
    axes = np.ogrid[tuple(slice(side) for side in grid)]
    for row, start, side in zip(linear, offset, volume.shape, strict=True):
        where = start + sum(share * axis for share, axis in zip(row, axes, strict=True))
        inside &= (where >= -0.5) & (where <= side - 0.5)
    moved[~inside] = 0
    return moved, inside


def correct_slice_timing(
    series: Float32[np.ndarray, "scans x y z"], times: Sequence[float], tr: float, axis: int = 2
) -> None:
    """Interpolate every slice to the middle of each scan, by cubic splines in time and in place.

    Parameters
    ----------
    series : all scans of a run.
    times : seconds from the beginning of a scan at which each slice along ``axis`` was acquired.
    """
    from scipy.ndimage import shift

    for number, time in enumerate(times):
        ahead = 0.5 - time / tr
        where = (slice(None),) * (axis + 1) + (number,)
        series[where] = shift(series[where], (-ahead, 0, 0), order=3, mode="nearest")
