"""Responses of a run at the times of a clip, wherever scans begin: nearest scans, linear or sinc interpolation."""

import numpy as np
from jaxtyping import Float, Float32

from ..study.study import Presentation, Resampling

LOBES = 3
"""Lobes of the sinc on each side: the Lanczos kernel of 3, which takes six scans."""
ON_GRID = 1e-3
"""Part of a scan below which a clip starts with it."""


def scans_at(
    series: Float32[np.ndarray, "scans voxels"], positions: Float[np.ndarray, " samples"], method: Resampling
) -> Float32[np.ndarray, "samples voxels"]:
    """Interpolate the scans of a run at fractional positions; beyond its ends the first and last scan are repeated.

    Parameters
    ----------
    series : ndarray of shape (scans, voxels)
        Time series of a run, in single precision.
    positions : ndarray of shape (samples,)
        Positions in scans: 2.5 is half-way between the third and the fourth.
    method : {"none", "linear", "sinc"}
        The nearest scan, halves up; the line through the two scans around; or a sinc that a wider one windows to three
        lobes on each side [1]_, whose weights are scaled to sum to 1, so that a constant stays one.

    Returns
    -------
    ndarray of shape (samples, voxels)
        Interpolated time series; at whole positions, to a thousandth of a scan, the scans themselves.

    References
    ----------
    .. [1] Duchon, "Lanczos filtering in one and two dimensions", J. Appl. Meteorol. 18:1016, 1979.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.brain import scans_at
    >>> ramp = np.arange(10, dtype=np.float32)[:, None]
    >>> [scans_at(ramp, np.array([4.0, 4.5, 9.5]), method).ravel().tolist() for method in ("none", "linear")]
    [[4.0, 5.0, 9.0], [4.0, 4.5, 9.0]]
    """
    last = len(series) - 1
    nearest = np.floor(positions + 0.5 + ON_GRID).astype(int)
    if method == "none" or (np.abs(positions - nearest) <= ON_GRID).all():
        return series[np.clip(nearest, 0, last)]
    below = np.floor(positions).astype(int)
    offsets = np.arange(2) if method == "linear" else np.arange(1 - LOBES, LOBES + 1)
    distance = (positions - below)[:, None] - offsets
    kernel = 1 - np.abs(distance) if method == "linear" else np.sinc(distance) * np.sinc(distance / LOBES)
    kernel /= kernel.sum(axis=1, keepdims=True)
    found = np.zeros((len(positions), series.shape[1]), np.float32)
    for offset, weights in zip(offsets, kernel.T.astype(np.float32), strict=True):
        found += weights[:, None] * series[np.clip(below + offset, 0, last)]
    return found


def positions_of(presentation: Presentation, tr: float, n_samples: int, lag_tr: int) -> Float[np.ndarray, " samples"]:
    """Positions, in scans, of ``n_samples`` steps of one TR from the onset of a presentation, shifted by the lag."""
    return presentation.onset / tr + lag_tr + np.arange(n_samples, dtype=float)
