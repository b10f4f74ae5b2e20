"""Statistics of a series of scans that is seen once, scan by scan: mean, spread, and changes from scan to scan."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Float32

TYPICAL = 1000.0
"""The median intensity of the brain to which changes are scaled, as in fMRIPrep's DVARS."""


@dataclass
class SeriesStatistics:
    """What is kept of the scans that were added.

    Attributes
    ----------
    mask : the brain, within which changes and the global signal are measured.
    n_scans : scans added so far.
    """

    mask: Bool[np.ndarray, "x y z"]
    n_scans: int = 0
    _mean: Float[np.ndarray, "x y z"] | None = None
    _squares: Float[np.ndarray, "x y z"] | None = None
    _last: Float32[np.ndarray, " voxels"] | None = None
    _changes: list[float] = field(default_factory=list)
    _global: list[float] = field(default_factory=list)

    def add(self, volume: Float32[np.ndarray, "x y z"]) -> None:
        """Take one more scan into account (Welford's update)."""
        if self._mean is None or self._squares is None:
            self._mean, self._squares = np.zeros(volume.shape), np.zeros(volume.shape)
        self.n_scans += 1
        deviation = volume - self._mean
        self._mean += deviation / self.n_scans
        self._squares += deviation * (volume - self._mean)
        brain = volume[self.mask]
        change = np.nan if self._last is None else np.sqrt(np.mean((brain - self._last) ** 2, dtype=np.float64))
        self._changes.append(float(change))
        self._global.append(float(brain.mean(dtype=np.float64)))
        self._last = brain

    @property
    def mean(self) -> Float32[np.ndarray, "x y z"]:
        """The mean scan."""
        assert self._mean is not None
        return self._mean.astype(np.float32)

    @property
    def sd(self) -> Float32[np.ndarray, "x y z"]:
        """The standard deviation over scans."""
        assert self._squares is not None
        return np.sqrt(self._squares / self.n_scans).astype(np.float32)

    @property
    def dvars(self) -> Float[np.ndarray, " scans"]:
        """Root mean square change from the scan before, with the brain's median at 1000; NaN for the first scan."""
        typical = float(np.median(self.mean[self.mask]))
        return np.array(self._changes) * (TYPICAL / typical if typical > 0 else 1.0)

    @property
    def global_signal(self) -> Float[np.ndarray, " scans"]:
        """The brain's mean in each scan."""
        return np.array(self._global)

    @property
    def median_tsnr(self) -> float:
        """The brain's median of mean over standard deviation."""
        mean, sd = self.mean[self.mask], self.sd[self.mask]
        return float(np.median(mean[sd > 0] / sd[sd > 0])) if (sd > 0).any() else 0.0
