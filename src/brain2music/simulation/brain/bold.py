"""Simulation of BOLD runs: responses in the noise of a scanner, in blocks of voxels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from .brain import Brain
from .design import PlannedRun
from .tuning import Tuning

BLOCK = 8192
"""Voxels simulated at once."""

NOISE_SHARE = 0.012
"""Standard deviation of the thermal and neural noise, relative to the image's intensity (3 T, TR 1.5 s)."""

SPONTANEOUS_AR1 = 0.85
"""Correlation from scan to scan of spontaneous activity, which decays within about 10 s at a TR of 1.5 s."""


@dataclass(frozen=True)
class Noise:
    """Noise parameters of all voxels of one subject, in image units.

    Attributes
    ----------
    sd, ar1 : (voxels,) float32
        Standard deviation of the AR(1) noise, and its correlation from scan to scan.
    physiology : (voxels, 3) float32
        Amplitudes of respiratory, cardiac and slow fluctuations, whose time courses all voxels share.
    drift : (voxels,) float32
        Standard deviation of the drift slower than 400 s.
    """

    sd: Float32[np.ndarray, " voxels"]
    ar1: Float32[np.ndarray, " voxels"]
    physiology: Float32[np.ndarray, "voxels 3"]
    drift: Float32[np.ndarray, " voxels"]

    @property
    def total_sd(self) -> Float32[np.ndarray, " voxels"]:
        """Standard deviation of the sum of noise and physiology, without drift."""
        return np.sqrt(self.sd**2 + (self.physiology**2).sum(1))


def draw_noise(brain: Brain, rng: np.random.Generator) -> Noise:
    """Draw the noise parameters of one subject; physiological fluctuations are stronger in grey matter."""
    n = brain.n_voxels
    sd = brain.baseline * NOISE_SHARE * rng.lognormal(0, 0.15, n)
    strength = np.where(brain.grey, 1.0, 0.6) * rng.lognormal(0, 0.3, n) * sd
    return Noise(
        sd=sd.astype(np.float32),
        ar1=rng.uniform(0.15, 0.45, n).astype(np.float32),
        physiology=(strength[:, None] * [0.2, 0.15, 0.35]).astype(np.float32),
        drift=(sd * rng.lognormal(0, 0.3, n)).astype(np.float32),
    )


def simulate_run(
    run: PlannedRun,
    signal: Float32[np.ndarray, "scans responsive"],
    tuning: Tuning,
    brain: Brain,
    noise: Noise,
    seed: Sequence[int],
) -> Iterator[tuple[slice, Float32[np.ndarray, "scans block"]]]:
    """Simulate the voxels of a run block by block, as image intensities.

    Parameters
    ----------
    run : PlannedRun
    signal : (scans, responsive) float32
        Responses of the responsive voxels, in image units.
    tuning : Tuning
    brain : Brain
    noise : Noise
    seed : sequence of int
        Of this subject and run; every block draws from its own stream, so blocks may be made in any order.
    """
    physiology = physiological_courses(run, np.random.default_rng([*seed, 0]))
    for number, first in enumerate(range(0, brain.n_voxels, BLOCK)):
        block = slice(first, min(first + BLOCK, brain.n_voxels))
        rng = np.random.default_rng([*seed, 1, number])
        values = noise.sd[block] * _autoregressive(noise.ar1[block], run.n_volumes, rng)
        values += physiology @ noise.physiology[block].T
        values += noise.drift[block] * _drift(run, block.stop - block.start, rng)
        responsive = (tuning.voxels >= block.start) & (tuning.voxels < block.stop)
        values[:, tuning.voxels[responsive] - block.start] += signal[:, responsive]
        values += brain.baseline[block]
        yield block, values


def physiological_courses(run: PlannedRun, rng: np.random.Generator) -> Float32[np.ndarray, "scans 3"]:
    """Draw time courses of breathing (0.28 Hz), heartbeat (1.1 Hz, aliased) and slow changes (about 0.03 Hz).

    All have unit variance. The phases of the first two wander; the third is noise smoothed by a Gaussian of 6 s, as
    breathing volume and heart rate vary.
    """
    from scipy.ndimage import gaussian_filter1d

    times = np.arange(run.n_volumes) * run.tr
    courses = [
        np.sin(2 * np.pi * (hertz * times + np.cumsum(rng.normal(0, 0.03, run.n_volumes))))
        for hertz in (rng.normal(0.28, 0.02), rng.normal(1.1, 0.08))
    ]
    courses.append(gaussian_filter1d(rng.standard_normal(run.n_volumes), 6.0 / run.tr, mode="wrap"))
    stacked = np.stack(courses, axis=1)
    return ((stacked - stacked.mean(0)) / stacked.std(0)).astype(np.float32)


def spontaneous_courses(n_scans: int, n_courses: int, rng: np.random.Generator) -> Float32[np.ndarray, "scans courses"]:
    """Draw spontaneous activity: AR(1) courses of unit variance (see SPONTANEOUS_AR1)."""
    return _autoregressive(np.full(n_courses, SPONTANEOUS_AR1, np.float32), n_scans, rng)


def head_motion(run: PlannedRun, rng: np.random.Generator) -> Float[np.ndarray, "scans 6"]:
    """Draw rigid-body head motion (mm, then radians): a slow random walk below 1 mm, and a few abrupt shifts."""
    steps = rng.normal(0, 1, (run.n_volumes, 6))
    jumps = rng.random((run.n_volumes, 1)) < 2 / run.n_volumes
    walk = np.cumsum(steps * (1 + 15 * jumps), axis=0) / np.sqrt(run.n_volumes)
    return (walk - walk[0]) * ([0.25] * 3 + [0.004] * 3)


def _autoregressive(
    ar1: Float32[np.ndarray, " block"], n_scans: int, rng: np.random.Generator
) -> Float32[np.ndarray, "scans block"]:
    """Draw stationary AR(1) noise of unit variance."""
    values = rng.standard_normal((n_scans, len(ar1)), dtype=np.float32)
    values[1:] *= np.sqrt(1 - ar1**2)
    for scan in range(1, n_scans):
        values[scan] += ar1 * values[scan - 1]
    return values


def _drift(run: PlannedRun, n_voxels: int, rng: np.random.Generator) -> Float32[np.ndarray, "scans block"]:
    """Draw drifts: random cosines of periods from twice the run down to 400 s, 1/f in amplitude, of unit variance."""
    length = run.n_volumes * run.tr
    orders = np.arange(1, max(1, int(2 * length / 400)) + 1)
    phases = np.pi * (np.arange(run.n_volumes)[:, None] + 0.5) / run.n_volumes
    cosines = np.cos(phases * orders) / orders * np.sqrt(2 / np.sum(1 / orders**2))
    return cosines.astype(np.float32) @ rng.standard_normal((len(orders), n_voxels), dtype=np.float32)
