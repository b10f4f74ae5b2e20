"""Noise ceilings of voxels, from repeats of the same clips.

The response of a voxel to a presentation is signal + noise, with variances S and N; the average of n repeats has
variance S + N/n, and the best prediction, which is the signal itself, correlates with it by

    ceiling = √(S / (S + N/n)),        S = mean covariance between repeats

(Sahani & Linden 2003, NIPS 15; Hsu, Borst & Theunissen 2004, Network 15:91; Schoppe et al. 2016, Front. Comput.
Neurosci. 10:10). Averaging scans in windows changes S and N differently (noise that scans share stays), so the
ceiling is computed from repeats averaged in the same windows as the predictions.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from scipy.stats import norm

from ..brain.responses import Responses
from .alignment import Windows, average_in

FLOOR = 0.2
"""Correlations are not divided by ceilings below this value, as the quotient would be noise."""


@dataclass(frozen=True)
class Ceiling:
    """Noise ceilings of voxels, and the variances that they follow from.

    Attributes
    ----------
    r : ndarray of shape (voxels,)
        Correlation of the noiseless response with the average of the repeats; 0 where repeats do not covary.
    signal, noise : ndarray of shape (voxels,)
        Variances of one presentation; that of the signal may be estimated below 0.
    p : ndarray of shape (voxels,)
        Probability of as much covariance between repeats of different clips.

    See Also
    --------
    noise_ceiling : Estimates them.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.encoding import Ceiling
    >>> one = np.ones(1)
    >>> Ceiling(r=np.sqrt(one / 1.5), signal=one, noise=2 * one, p=0.01 * one).r.round(2)
    array([0.82])
    """

    r: Float[np.ndarray, " voxels"]
    signal: Float[np.ndarray, " voxels"]
    noise: Float[np.ndarray, " voxels"]
    p: Float[np.ndarray, " voxels"]


def noise_ceiling(
    repeats: Float32[np.ndarray, "repeats clips windows voxels"], runs: Int[np.ndarray, " clips"] | None = None
) -> Ceiling:
    """Estimate noise ceilings, variances and p from two repeats or more.

    The best prediction, which is the signal itself, correlates with the average of n repeats by √(S / (S + N/n)), where
    S and N are the variances of signal and noise; S is the mean covariance between repeats [1]_ [2]_.

    Parameters
    ----------
    repeats : ndarray of shape (repeats, clips, windows, voxels)
        Responses to every presentation, with clips in the order of presentation.
    runs : ndarray of int of shape (clips,), optional
        The run of each clip; default one run for all.

    Returns
    -------
    Ceiling
        Ceilings, variances and p of every voxel.

    Raises
    ------
    ValueError
        There are fewer than two repeats or clips.

    Notes ----- The slow drift of a run, and the filter that removed it, could be mistaken for covariance between
    repeats in one run (removing slow fluctuations makes scans minutes apart covary negatively, as much as a weak
    signal, and most where noise is slow). Therefore the mean of each repeat within its run is removed, and the
    covariance of different clips presented in succession, pooled over voxels and distributed by how slow the noise of
    each is, is subtracted from that of the same clips. Means of runs over repeats count as signal (0 if voxels were
    z-scored per run).

    p is the upper tail of the mean covariance between repeats under permutations of the clips of each repeat (with all
    their windows): a normal distribution with the mean and variance over all permutations [3]_, which sums of products
    of the windows give without sampling any.

    References
    ----------
    .. [1] Sahani & Linden, NIPS 15, 2003.
    .. [2] Hsu, Borst & Theunissen, Network 15:91, 2004.
    .. [3] Hoeffding, Ann. Math. Stat. 22:558, 1951.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.encoding import noise_ceiling
    >>> rng = np.random.default_rng(0)
    >>> signal = rng.normal(size=(400, 1, 2)) * np.array([1.0, 0.0])
    >>> repeats = (signal + rng.normal(size=(4, 400, 1, 2))).astype(np.float32)
    >>> ceiling = noise_ceiling(repeats)
    >>> bool(abs(ceiling.r[0] - np.sqrt(1 / (1 + 1 / 4))) < 0.05), bool(ceiling.r[1] < 0.3)
    (True, True)
    """
    n_repeats, n_clips, n_windows, _ = repeats.shape
    if n_repeats < 2 or n_clips < 2:
        raise ValueError(f"{n_repeats} repeats of {n_clips} clips: a ceiling needs two of each")
    runs = np.zeros(n_clips, dtype=int) if runs is None else runs
    within, run_means = _within_runs(repeats, runs)
    x = within + (run_means - run_means.mean(axis=0))
    n = n_clips * n_windows
    averaged = x.mean(axis=0)
    total, of_mean = _mean_product(x, x), _mean_product(averaged, averaged)
    signal = _between_repeats(of_mean, total, n_repeats) - _left_by_drift(within, runs)
    noise = np.maximum(total - signal, 0)
    share = np.divide(signal, of_mean, out=np.zeros_like(signal), where=of_mean > 0)
    return Ceiling(np.sqrt(np.clip(share, 0, 1)), signal, noise, _p_of_covariance(x, signal * n))


def response_ceiling(responses: Responses, windows: Windows) -> Ceiling | None:
    """Estimate the noise ceiling of responses averaged in windows; None if clips were not repeated equally often."""
    if responses.repeats is None or len(responses.repeats) < 2:
        return None
    averaged = np.stack([average_in(repeat, windows) for repeat in responses.repeats])
    return noise_ceiling(averaged, responses.runs)


def shrunken_ceiling(
    ceiling: Ceiling,
    n_repeats: int,
    r: Float[np.ndarray, " voxels"],
    significant: Bool[np.ndarray, " voxels"],
    learned: Float[np.ndarray, " voxels"] | None = None,
) -> Float[np.ndarray, " voxels"]:
    """Shrink the noise ceilings of single voxels towards a regression on the accuracy of an encoder (Fay-Herriot).

    Shrunken ceilings are for maps; r is not to be divided by them.

    A few repeats of a few minutes give the share of signal in their average, ceiling², with a standard error of about
    0.08 in any one voxel. An encoder that explains the same part of the signal everywhere would have r² in proportion
    to it. The estimator of Fay & Herriot (1979, J. Am. Stat. Assoc. 74:269) combines both: the regression of the
    shares on r² over significant voxels, and the share from repeats, each weighted by its variance (for repeats, a
    robust spread of the shares over voxels that are not significant).

    With ``learned``, r² inside the training set is a second regressor, and the regression is over the same number of
    voxels, those with the highest ``learned``, as voxels selected by the repeats themselves have too high shares.

    Parameters
    ----------
    ceiling : Ceiling
    n_repeats : int
        Number of repeats in the average.
    r : (voxels,) float
        Correlation of predictions with the average.
    significant : (voxels,) bool
        Voxels that are predicted beyond chance.
    learned : (voxels,) float, optional
        Cross-validated r² inside a training set of other clips, adjusted to that average (:func:`of_average`).

    Returns
    -------
    (voxels,) float
        Ceilings; unchanged for voxels that are not significant, and for all if fewer than three are, or all.
    """
    of_mean = ceiling.signal + ceiling.noise / n_repeats
    share = np.divide(ceiling.signal, of_mean, out=np.zeros_like(of_mean), where=of_mean > 0)
    if significant.sum() < 3 or significant.all():
        return ceiling.r
    design, chosen = np.stack([np.ones_like(r), r**2], axis=1), significant
    if learned is not None:
        design = np.column_stack([design, learned])
        chosen = learned >= np.sort(learned)[-significant.sum()]
    null = share[~significant]
    error = (1.4826 * np.median(np.abs(null - np.median(null)))) ** 2
    predicted = design @ np.linalg.lstsq(design[chosen], share[chosen])[0]
    spread = max(float(np.square(share - predicted)[chosen].mean() - error), 0.0)
    weight = spread / max(spread + error, np.finfo(float).tiny)
    shrunken = np.sqrt(np.clip(predicted + weight * (share - predicted), 0, 1))
    return np.where(significant, shrunken, ceiling.r)


def of_average(r2: Float[np.ndarray, " voxels"], n_repeats: float | int) -> Float[np.ndarray, " voxels"]:
    """Convert r² of one presentation to that of an average of repeats (Spearman 1910, Brown 1910); below 0 is 0."""
    explained = np.maximum(r2, 0)
    return n_repeats * explained / (1 + (n_repeats - 1) * explained)


def normalised(
    r: Float[np.ndarray, " voxels"],
    ceiling: Float[np.ndarray, " voxels"],
    *,
    reliable: Bool[np.ndarray, " voxels"] | None = None,
    floor: float = FLOOR,
) -> Float[np.ndarray, " voxels"]:
    """Normalise correlations by the noise ceiling (CC_norm of Schoppe et al. [1]_).

    Parameters
    ----------
    r : ndarray of shape (voxels,)
        Correlations of predicted with measured responses.
    ceiling : ndarray of shape (voxels,)
        Noise ceilings, :attr:`Ceiling.r`.
    reliable : ndarray of bool of shape (voxels,), optional
        Voxels whose ceilings can be trusted; default all.
    floor : float, default 0.2
        The lowest ceiling that correlations are divided by, as the quotient would be noise below it.

    Returns
    -------
    ndarray of shape (voxels,)
        ``r / ceiling``; NaN where the ceiling is below ``floor`` or the voxel is not reliable. Values above 1 are kept,
        as clipping would bias averages downwards.

    References
    ----------
    .. [1] Schoppe et al., Front. Comput. Neurosci. 10:10, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.encoding import normalised
    >>> normalised(np.array([0.3, 0.3]), np.array([0.6, 0.1]))
    array([0.5, nan])
    """
    usable = ceiling >= max(floor, np.finfo(float).tiny)
    if reliable is not None:
        usable &= reliable
    return np.divide(r, ceiling, out=np.full(len(r), np.nan), where=usable)


def _within_runs(
    repeats: Float32[np.ndarray, "repeats clips windows voxels"], runs: Int[np.ndarray, " clips"]
) -> tuple[Float32[np.ndarray, "repeats clips windows voxels"], Float32[np.ndarray, "clips 1 voxels"]]:
    """Subtract the mean of every repeat within its run; also returns the mean over repeats of these for every clip."""
    within, means = repeats.copy(), np.empty((len(runs), 1, repeats.shape[3]), np.float32)
    for run in np.unique(runs):
        clips = runs == run
        mean = repeats[:, clips].mean(axis=(1, 2), keepdims=True, dtype=np.float64).astype(np.float32)
        within[:, clips] -= mean
        means[clips] = mean.mean(axis=0)
    return within, means


def _between_repeats(of_mean: Any, total: Any, n_repeats: int) -> Any:
    """Mean (co)variance of pairs of different repeats, from that of their mean and the mean of single repeats."""
    return (n_repeats * of_mean - total) / (n_repeats - 1)


def _left_by_drift(
    x: Float32[np.ndarray, "repeats clips windows voxels"], runs: Int[np.ndarray, " clips"]
) -> Float[np.ndarray, " voxels"]:
    """Covariance between repeats that is not due to clips: that of successive clips of a run.

    (Corrected for centring m clips, after which the covariance of a clip with another is -1/m of that of clip means.)
    It cannot be estimated in a single voxel, so the total is distributed by how slow the noise of each voxel is.
    """
    before, averaged = np.flatnonzero(runs[:-1] == runs[1:]), x.mean(axis=0)
    slow = _slow_noise(x)
    if not len(before) or not slow.any():
        return np.zeros(x.shape[3])
    of_mean = _mean_product(averaged[before], averaged[before + 1])
    neighbours = _between_repeats(of_mean, _mean_product(x[:, before], x[:, before + 1]), len(x))
    clips, by_repeat = averaged.mean(axis=1), x.mean(axis=2)
    same = _between_repeats(_mean_product(clips, clips), _mean_product(by_repeat, by_repeat), len(x))
    share = len(np.unique(runs)) / len(runs)
    return slow * ((1 - share) * neighbours + share * same).mean() / slow.mean()


def _slow_noise(x: Float32[np.ndarray, "repeats clips windows voxels"]) -> Float[np.ndarray, " voxels"]:
    """Long-run variance of the differences between repeats: their autocovariance summed over all lags inside a clip.

    This is the power of the noise near frequency 0, which a high-pass filter leaves as covariance at long lags.
    """
    noise, n_windows = x - x.mean(axis=0), x.shape[2]
    at_lags = [_mean_product(noise[:, :, : n_windows - k], noise[:, :, k:]) for k in range(n_windows)]
    return np.maximum(at_lags[0] + 2 * np.sum(at_lags[1:], axis=0), 0) * len(x) / (len(x) - 1)


def _mean_product(a: Float32[np.ndarray, "*rows voxels"], b: Float32[np.ndarray, "*rows voxels"]) -> Any:
    """The mean product of two series over all rows, for every voxel."""
    rows = a.reshape(-1, a.shape[-1]), b.reshape(-1, b.shape[-1])
    return np.einsum("rv,rv->v", *rows, dtype=np.float64) / len(rows[0])


def _p_of_covariance(
    x: Float32[np.ndarray, "repeats clips windows voxels"], covariance: Float[np.ndarray, " voxels"]
) -> Float[np.ndarray, " voxels"]:
    """One-sided p of ``covariance``, the mean over pairs of repeats of their sum of products."""
    n_repeats, n_clips = x.shape[:2]
    sums = x.sum(axis=1, dtype=np.float64)
    about_clips = x - (sums / n_clips)[:, None].astype(np.float32)
    grams = np.einsum("rcuv,rcwv->ruwv", about_clips, about_clips, optimize=True).astype(np.float64)
    mean, variance = np.zeros_like(covariance), np.zeros_like(covariance)
    pairs = n_repeats * (n_repeats - 1) / 2
    for a in range(n_repeats):
        for b in range(a):
            mean += (sums[a] * sums[b]).sum(axis=0) / n_clips / pairs
            variance += (grams[a] * grams[b]).sum(axis=(0, 1)) / (n_clips - 1) / pairs**2
    z = np.divide(covariance - mean, np.sqrt(variance), out=np.zeros_like(mean), where=variance > 0)
    return np.where(variance > 0, norm.sf(z), 1.0)
