"""A simulated subject: a brain with its tuning and noise, and the scans of its runs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32, Int16
from scipy.linalg import toeplitz
from threadpoolctl import threadpool_limits

from .bold import SPONTANEOUS_AR1, Noise, draw_noise, head_motion, simulate_run, spontaneous_courses
from .brain import Brain, make_brain
from .confounds import slow_courses
from .design import PlannedRun
from .features import FeatureSpace
from .images import quantised
from .tuning import Tuning, respond, tune

_SHARED, _SUBJECT, _RUN, _MOTION, _SPONTANEOUS = range(100, 105)

SPONTANEOUS = 1.0
"""Standard deviation of spontaneous activity in responsive voxels, relative to that of all other noise."""


@dataclass(frozen=True)
class SimulatedSubject:
    """A simulated subject.

    Attributes
    ----------
    brain : Brain
    tuning : Tuning
        With weights in image units, so that responses are added to the image.
    noise : Noise
    runs : tuple of PlannedRun
    space : FeatureSpace
        The features of every clip.
    signal_sd : (responsive,) float32
        Standard deviation of the noiseless response over the test runs (training runs if there are none), without
        carry-ins.
    seed : int
        Of the study.
    index : int
        Number of this subject, from 0.
    """

    brain: Brain
    tuning: Tuning
    noise: Noise
    runs: tuple[PlannedRun, ...]
    space: FeatureSpace
    signal_sd: Float32[np.ndarray, " responsive"]
    seed: int
    index: int

    def signal(self, run: int) -> Float32[np.ndarray, "scans responsive"]:
        """Compute the noiseless responses of the responsive voxels to a run, in image units."""
        return respond(self.runs[run], self.tuning, self.space.frames)

    def spontaneous(self, run: int) -> Float32[np.ndarray, "scans responsive"]:
        """Draw the spontaneous activity of the responsive voxels during a run, in image units."""
        rng = np.random.default_rng((self.seed, _SPONTANEOUS, self.index, run))
        courses = spontaneous_courses(self.runs[run].n_volumes, self.tuning.spontaneous.shape[1], rng)
        return courses @ self.tuning.spontaneous.T

    @threadpool_limits.wrap(limits=1)  # sums must not depend on the number of threads
    def scans(self, run: int) -> Int16[np.ndarray, "scans voxels"]:
        """Simulate the stored scans of a run, without head motion; the same numbers on every call."""
        plan = self.runs[run]
        scans = np.empty((plan.n_volumes, self.brain.n_voxels), np.int16)
        seed = (self.seed, _RUN, self.index, run)
        active = self.signal(run) + self.spontaneous(run)
        for block, values in simulate_run(plan, active, self.tuning, self.brain, self.noise, seed):
            scans[:, block] = quantised(values)
        return scans

    def motion(self, run: int) -> Float[np.ndarray, "scans 6"]:
        """Draw the head motion in a run: mm, then radians."""
        return head_motion(self.runs[run], np.random.default_rng((self.seed, _MOTION, self.index, run)))

    @property
    def repeats(self) -> int:
        """Number of repeats of test clips; 1 if there are none."""
        counts = Counter(
            p.clip for run in self.runs if run.split == "test" for p in run.presentations if not p.carry_in
        )
        return min(counts.values(), default=1)

    def ceiling(self, repeats: int = 1, *, cleaned: bool = False) -> Float32[np.ndarray, " responsive"]:
        """Compute the correlation, scan by scan, of the noiseless response with the mean of repeats, without drift."""
        spread = self.spread(cleaned=cleaned)
        return spread.response / np.sqrt(spread.response**2 + spread.noise**2 / repeats)

    def spread(self, *, cleaned: bool = False) -> "Spread":
        """Compute standard deviations within a run, without drift.

        With ``cleaned``, after the components of white matter and their cosines were regressed out, which removes
        physiology, and all that is slow, the response included.
        """
        responsive, spontaneous = self.tuning.voxels, (self.tuning.spontaneous**2).sum(1)
        response, scanner = self.signal_sd, self.noise.total_sd
        if cleaned:
            run = next(run for run in self.runs if run.split == self._scored)
            slow = slow_courses(run.n_volumes, run.tr)
            response = _response_sd(self.runs, self.tuning, self.space, self._scored, cleaned=True)
            scanner = self.noise.sd * np.sqrt(autoregressive_left(self.noise.ar1, slow))
            spontaneous = spontaneous * autoregressive_left(np.array([SPONTANEOUS_AR1], np.float32), slow)
        return Spread(response, np.sqrt(scanner[responsive] ** 2 + spontaneous), scanner)

    @property
    def _scored(self) -> str:
        """The split for which ceilings are computed."""
        return "test" if any(run.split == "test" for run in self.runs) else "train"


@dataclass(frozen=True)
class Spread:
    """Standard deviations, in image units.

    Attributes
    ----------
    response, noise : (responsive,) float32
        Of the noiseless response, and of everything else (noise of the scanner, spontaneous activity).
    scanner : (voxels,) float32
        Of the noise of the scanner in every voxel, with the physiology that is not removed.
    """

    response: Float32[np.ndarray, " responsive"]
    noise: Float32[np.ndarray, " responsive"]
    scanner: Float32[np.ndarray, " voxels"]


@threadpool_limits.wrap(limits=1)
def make_subject(
    runs: Sequence[PlannedRun],
    space: FeatureSpace,
    resolution_mm: float,
    snr: float,
    seed: int,
    index: int = 0,
) -> SimulatedSubject:
    """Draw one subject.

    ``snr`` is the standard deviation of the response over training scans relative to that of all noise (spontaneous,
    AR(1), physiology; not drift), as the median over Heschl's gyrus; other regions are scaled by their gains.
    """
    rng = np.random.default_rng((seed, _SUBJECT, index))
    brain = make_brain(resolution_mm, rng)
    noise = draw_noise(brain, rng)
    train = tuple(dict.fromkeys(clip for run in runs if run.split == "train" for clip in run.clips))
    tuning = tune(brain, space, train, snr, (seed, _SHARED), rng)
    other_sd = noise.total_sd[tuning.voxels]
    wanted = tuning.snr * other_sd * np.float32(np.hypot(1, SPONTANEOUS))
    scale = wanted / _response_sd(runs, tuning, space, "train")
    tuning = replace(
        tuning,
        weights=tuning.weights * scale[:, None],
        spontaneous=tuning.spontaneous * (SPONTANEOUS * other_sd)[:, None],
    )
    unmeasured = SimulatedSubject(brain, tuning, noise, tuple(runs), space, np.zeros(0, np.float32), seed, index)
    return replace(unmeasured, signal_sd=_response_sd(runs, tuning, space, unmeasured._scored))


def _response_sd(
    runs: Sequence[PlannedRun],
    tuning: Tuning,
    space: FeatureSpace,
    split: str,
    cleaned: bool = False,
) -> Float32[np.ndarray, " responsive"]:
    """Standard deviation within runs of the noiseless responses, over the scans of one split without carry-ins.

    With ``cleaned``, after slow drifts were regressed out.
    """
    variances, weights = [], []
    for run in (run for run in runs if run.split == split):
        used = np.unique([scan for each in run.presentations if not each.carry_in for scan in each.volumes])
        used = used[used < run.n_volumes]
        response = respond(run, tuning, space.frames)
        if cleaned:
            basis = np.linalg.qr(slow_courses(run.n_volumes, run.tr))[0].astype(np.float32)
            response = response - basis @ (basis.T @ (response - response.mean(axis=0)))
        variances.append(response[used].var(axis=0, dtype=np.float64))
        weights.append(len(used))
    return np.sqrt(np.average(variances, axis=0, weights=weights)).astype(np.float32)


def autoregressive_left(
    ar1: Float32[np.ndarray, " voxels"], slow: Float[np.ndarray, "scans cosines"], window: int = 1
) -> Float32[np.ndarray, " voxels"]:
    """Compute the variance of averages of ``window`` scans of AR(1) noise of unit variance after cleaning.

    ``slow`` are the time courses, if any, that were removed by least squares.
    """
    n = len(slow)
    basis, grid = np.linalg.qr(slow)[0], np.linspace(0, 0.95, 20)
    means = np.lib.stride_tricks.sliding_window_view(np.eye(n) - basis @ basis.T, window, axis=0).mean(axis=-1)
    left = [np.einsum("ws,st,wt->", means, toeplitz(a ** np.arange(n)), means, optimize=True) for a in grid]
    return np.interp(ar1, grid, np.array(left) / len(means)).astype(np.float32)
