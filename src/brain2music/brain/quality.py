"""Quality of a run's images, from its scans before cleaning: temporal signal-to-noise ratio, DVARS and spikes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32

DVARS_LIMIT = 1.5
"""Standardised DVARS from which a scan is a spike: the default of fMRIPrep."""
INTENSITY_LIMIT = 5.0
"""Robust standard deviations from the scans before and after it, from which a scan's mean intensity is a spike."""
_BLOCK = 4096


@dataclass(frozen=True)
class RunQuality:
    """Quality of the scans of one run.

    Attributes
    ----------
    tsnr : float
        Median over voxels of the temporal signal-to-noise ratio; NaN where intensities were centred before.
    dvars : ndarray of shape (scans,)
        Standardised DVARS of every scan; NaN for the first.
    dvars_spikes, intensity_spikes : ndarray of bool of shape (scans,)
        Scans with a DVARS above 1.5, and those whose mean intensity departs from that of the scan before and the
        scan after.

    See Also
    --------
    run_quality : Measures it.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.brain import run_quality
    >>> series = np.random.default_rng(0).normal(100, 2, (60, 500)).astype(np.float32)
    >>> series[30] += 10  # a spike
    >>> quality = run_quality(series)
    >>> round(quality.tsnr), quality.spikes.nonzero()[0].tolist()
    (43, [30, 31])
    """

    tsnr: float
    dvars: Float[np.ndarray, " scans"]
    dvars_spikes: Bool[np.ndarray, " scans"]
    intensity_spikes: Bool[np.ndarray, " scans"]

    @property
    def spikes(self) -> Bool[np.ndarray, " scans"]:
        """Scans that are spikes by either measure."""
        return self.dvars_spikes | self.intensity_spikes


def run_quality(series: Float32[np.ndarray, "scans voxels"]) -> RunQuality:
    """Measure the quality of a run from its scans as they were read, before drifts are removed.

    Parameters
    ----------
    series : ndarray of shape (scans, voxels)
        Intensities in the brain mask, in single precision. Voxels that are not finite or do not vary are left out.

    Returns
    -------
    RunQuality
        Temporal signal-to-noise ratio, DVARS and spikes.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.brain import run_quality
    >>> series = np.random.default_rng(0).normal(100, 2, (100, 500)).astype(np.float32)
    >>> quality = run_quality(series)
    >>> bool(abs(quality.tsnr - 50) < 2), int(quality.spikes.sum())
    (True, 0)
    """
    usable = series[:, np.isfinite(series).all(axis=0)]
    usable = usable[:, (usable != usable[:1]).any(axis=0)]
    n_scans = len(series)
    if n_scans < 3 or usable.shape[1] == 0:
        nothing, none = np.full(n_scans, np.nan), np.zeros(n_scans, dtype=bool)
        return RunQuality(float("nan"), nothing, none, none)
    ratio = temporal_snr(usable)
    known = ratio[np.isfinite(ratio)]
    found = standardised_dvars(usable)
    with np.errstate(invalid="ignore"):
        jumps = found > DVARS_LIMIT
    tsnr = float(np.median(known)) if len(known) > len(ratio) / 2 else float("nan")
    return RunQuality(tsnr, found, jumps, _intensity_spikes(usable.mean(axis=1, dtype=np.float64)))


def as_record(quality: RunQuality) -> dict[str, Any]:
    """Describe a run's quality as JSON types; spikes by the numbers of their scans."""
    spikes = {name: np.flatnonzero(getattr(quality, name)) for name in ("dvars_spikes", "intensity_spikes")}
    return {"tsnr": quality.tsnr, "dvars": quality.dvars, **spikes}


def from_record(record: Mapping[str, Any]) -> RunQuality:
    """Make a run's quality from its description; whatever is no number there is NaN."""
    dvars = np.array(record["dvars"], dtype=float)
    spikes = np.zeros((2, len(dvars)), dtype=bool)
    spikes[0, record["dvars_spikes"]] = spikes[1, record["intensity_spikes"]] = True
    return RunQuality(float("nan") if record["tsnr"] is None else float(record["tsnr"]), dvars, *spikes)


def temporal_snr(series: Float32[np.ndarray, "scans voxels"]) -> Float[np.ndarray, " voxels"]:
    """Compute the temporal signal-to-noise ratio of every voxel: its mean over its standard deviation over time.

    A straight line is removed before the standard deviation is computed.

    Parameters
    ----------
    series : ndarray of shape (scans, voxels)
        Intensities, in single precision.

    Returns
    -------
    ndarray of shape (voxels,)
        The ratio; NaN where the mean is not above the standard deviation, as in series that were centred, and where a
        voxel does not vary.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.brain import temporal_snr
    >>> noise = np.tile([-2.0, 2.0, 2.0, -2.0], 25)[:, None]
    >>> drift = np.linspace(-50, 50, 100)[:, None]
    >>> temporal_snr((100 + drift + noise).astype(np.float32)).round()
    array([50.])
    """
    ratio = np.full(series.shape[1], np.nan)
    line = np.linspace(-1.0, 1.0, len(series))
    line /= np.linalg.norm(line)
    for first in range(0, series.shape[1], _BLOCK):
        block = series[:, first : first + _BLOCK].astype(np.float64)
        mean = block.mean(axis=0)
        block -= mean
        block -= np.outer(line, line @ block)
        sd = block.std(axis=0)
        usable = (sd > 1e-6 * np.abs(mean)) & (mean > sd)
        ratio[first : first + _BLOCK] = np.divide(mean, sd, out=np.full(len(mean), np.nan), where=usable)
    return ratio


def standardised_dvars(series: Float32[np.ndarray, "scans voxels"]) -> Float[np.ndarray, " scans"]:
    """Compute the standardised DVARS of every scan: how much it differs from the scan before, 1 where nothing happens.

    DVARS is the root mean square over voxels of the difference from the scan before [1]_. It is divided by what is
    expected of voxels with their robust standard deviation and autocorrelation [2]_, as fMRIPrep does, except that the
    expectation is averaged over voxels as DVARS is, by root mean square, so that it is 1 however voxels differ.

    Parameters
    ----------
    series : ndarray of shape (scans, voxels)
        Intensities, in single precision.

    Returns
    -------
    ndarray of shape (scans,)
        DVARS; NaN for the first scan.

    References
    ----------
    .. [1] Power et al., NeuroImage 59:2142, 2012.
    .. [2] Nichols, "Notes on creating a standardized version of DVARS", arXiv 1704.01469, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.brain import standardised_dvars
    >>> series = np.random.default_rng(0).normal(100, 2, (100, 2000)).astype(np.float32)
    >>> bool(abs(standardised_dvars(series)[1:] - 1).max() < 0.1)
    True
    """
    n_scans, n_voxels = series.shape
    squares, expected = np.zeros(n_scans - 1), 0.0
    for first in range(0, n_voxels, _BLOCK):
        block = series[:, first : first + _BLOCK].astype(np.float64)
        squares += np.square(np.diff(block, axis=0)).sum(axis=1)
        low, high = np.percentile(block, [25, 75], axis=0)
        sd = (high - low) / 1.349
        block -= block.mean(axis=0)
        power = np.square(block).sum(axis=0)
        product = (block[1:] * block[:-1]).sum(axis=0)
        ar1 = np.divide(product, power, out=np.zeros_like(power), where=power > 0)
        expected += float((2 * (1 - ar1) * sd**2).sum())
    dvars = np.sqrt(squares / n_voxels)
    scale = np.sqrt(expected / n_voxels)
    return np.concatenate([[np.nan], dvars / scale if scale > 0 else np.full(n_scans - 1, np.nan)])


def _intensity_spikes(intensity: Float[np.ndarray, " scans"]) -> Bool[np.ndarray, " scans"]:
    """Scans whose mean intensity departs from that of the two scans around them, and more than those do."""
    departure = np.zeros(len(intensity) + 2)
    departure[2:-2] = np.abs(intensity[1:-1] - (intensity[:-2] + intensity[2:]) / 2)
    own, spread = departure[1:-1], 1.4826 * float(np.median(departure[2:-2]))
    highest = (own >= departure[:-2]) & (own >= departure[2:])
    return (own > INTENSITY_LIMIT * spread) & highest & (spread > 0)
