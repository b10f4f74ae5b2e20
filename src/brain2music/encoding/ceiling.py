"""How well a voxel could be predicted at best: the noise ceiling from repeats of the same clips.

A voxel's response to a presentation is signal + noise, of variances S and N; the average of n repeats has variance
S + N/n, and the best prediction, the signal itself, correlates with it by

    ceiling = √(S / (S + N/n)),        S = mean covariance between repeats

(Sahani & Linden 2003, NIPS 15; Hsu, Borst & Theunissen 2004, Network 15:91; Schoppe et al. 2016, Front. Comput.
Neurosci. 10:10). Averaging scans in windows changes S and N differently (noise that scans share stays), so the
ceiling is taken from repeats that went through the windows of the predictions it is set beside.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from scipy.stats import norm

from ..brain.responses import Responses
from .features import Windows, average_in

FLOOR = 0.2
"""Ceilings below it are not divided by: the quotient would be noise."""


@dataclass(frozen=True)
class Ceiling:
    """What repeats tell of every voxel.

    Attributes
    ----------
    r : (voxels,) correlation of the noiseless response with the average of the repeats; 0 where repeats do not covary.
    signal, noise : (voxels,) variances of one presentation; the signal's may come out below 0.
    p : (voxels,) probability of as much covariance between repeats if they had heard different clips.
    """

    r: Float[np.ndarray, " voxels"]
    signal: Float[np.ndarray, " voxels"]
    noise: Float[np.ndarray, " voxels"]
    p: Float[np.ndarray, " voxels"]


def noise_ceiling(
    repeats: Float32[np.ndarray, "repeats clips windows voxels"], runs: Int[np.ndarray, " clips"] | None = None
) -> Ceiling:
    """Ceilings, their variances and p from two repeats or more.

    A run's slow drift, and the filter that took it out, would pass for covariance between repeats that were heard in
    one run (removing slow fluctuations makes scans minutes apart covary negatively, by as much as a weak signal, most
    where noise is slow). So repeats are brought to one mean within their run, and the covariance of different clips
    heard next to each other, pooled over voxels and shared out by how slow the noise of each is, is taken off that of
    the same clips. Means of runs over repeats count as signal (0 where voxels were z-scored per run).

    p is the upper tail of the mean covariance between repeats, had each repeat's clips been dealt anew (whole, their
    windows together): normal, with the mean and variance over all permutations (Hoeffding 1951, Ann. Math. Stat.
    22:558), which the windows' sums of products give without drawing any.

    Parameters
    ----------
    repeats : (repeats, clips, windows, voxels), clips in the order in which they were heard.
    runs : (clips,) the run each was heard in; default one.

    Raises ValueError for fewer than two repeats or clips.
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
    """The ceiling of responses averaged in windows of scans; None where clips were not repeated alike."""
    if responses.repeats is None or len(responses.repeats) < 2:
        return None
    averaged = np.stack([average_in(repeat, windows) for repeat in responses.repeats])
    return noise_ceiling(averaged, responses.runs)


def shrunken_ceiling(
    ceiling: Ceiling,
    n_repeats: int,
    r: Float[np.ndarray, " voxels"],
    found: Bool[np.ndarray, " voxels"],
    learned: Float[np.ndarray, " voxels"] | None = None,
) -> Float[np.ndarray, " voxels"]:
    """Ceilings of single voxels, steadied by how well an encoder predicts them; for maps, not for dividing r by.

    The share of signal in the average of repeats, ceiling², is known from a few repeats of a few minutes only to about
    0.08 in any one voxel. An encoder that explains the same part of the signal everywhere would have r² in proportion
    to it. The composite estimator of Fay & Herriot (1979, J. Am. Stat. Assoc. 74:269) weighs both: the regression of
    the shares on r² over voxels that the encoder found, and the share from repeats, each by its own variance (of
    repeats: the spread of shares, robustly, over voxels that were not found).

    With ``learned``, r² inside the training set is a second regressor, and the regression is over as many voxels as
    were found, those with the highest: voxels chosen by the repeats themselves have too high a share there.

    Parameters
    ----------
    n_repeats : averaged. r : of the encoder's predictions with that average. found : voxels predicted beyond chance.
    learned : cross-validated r² inside a training set of other clips, as of that average (:func:`of_average`).

    Returns
    -------
    (voxels,) ceilings; the plain ones of voxels that were not found, and of all where fewer than three were, or all.
    """
    of_mean = ceiling.signal + ceiling.noise / n_repeats
    share = np.divide(ceiling.signal, of_mean, out=np.zeros_like(of_mean), where=of_mean > 0)
    if found.sum() < 3 or found.all():
        return ceiling.r
    design, chosen = np.stack([np.ones_like(r), r**2], axis=1), found
    if learned is not None:
        design = np.column_stack([design, learned])
        chosen = learned >= np.sort(learned)[-found.sum()]
    known = share[~found]
    error = (1.4826 * np.median(np.abs(known - np.median(known)))) ** 2
    predicted = design @ np.linalg.lstsq(design[chosen], share[chosen])[0]
    spread = max(float(np.square(share - predicted)[chosen].mean() - error), 0.0)
    own = spread / max(spread + error, np.finfo(float).tiny)
    composite = np.sqrt(np.clip(predicted + own * (share - predicted), 0, 1))
    return np.where(found, composite, ceiling.r)


def of_average(r2: Float[np.ndarray, " voxels"], times: float | int) -> Float[np.ndarray, " voxels"]:
    """r² of one presentation as of the average of so many (Spearman 1910, Brown 1910); below 0 counts as 0."""
    explained = np.maximum(r2, 0)
    return times * explained / (1 + (times - 1) * explained)


def normalised(
    r: Float[np.ndarray, " voxels"],
    ceiling: Float[np.ndarray, " voxels"],
    *,
    reliable: Bool[np.ndarray, " voxels"] | None = None,
    floor: float = FLOOR,
) -> Float[np.ndarray, " voxels"]:
    """Correlations relative to what noise allows (CC_norm of Schoppe et al. 2016), r / ceiling.

    NaN where the ceiling is below ``floor`` or the voxel not ``reliable``. Values above 1 are left: cut off, they
    would pull averages down.
    """
    usable = ceiling >= max(floor, np.finfo(float).tiny)
    if reliable is not None:
        usable &= reliable
    return np.divide(r, ceiling, out=np.full(len(r), np.nan), where=usable)


def _within_runs(
    repeats: Float32[np.ndarray, "repeats clips windows voxels"], runs: Int[np.ndarray, " clips"]
) -> tuple[Float32[np.ndarray, "repeats clips windows voxels"], Float32[np.ndarray, "clips 1 voxels"]]:
    """Every repeat less its mean in the run, and for every clip the mean over repeats of the means in its run."""
    within, means = repeats.copy(), np.empty((len(runs), 1, repeats.shape[3]), np.float32)
    for run in np.unique(runs):
        clips = runs == run
        mean = repeats[:, clips].mean(axis=(1, 2), keepdims=True, dtype=np.float64).astype(np.float32)
        within[:, clips] -= mean
        means[clips] = mean.mean(axis=0)
    return within, means


def _between_repeats(of_mean: Any, total: Any, n_repeats: int) -> Any:
    """Mean (co)variance of pairs of different repeats, from that of the mean of repeats and the mean of theirs."""
    return (n_repeats * of_mean - total) / (n_repeats - 1)


def _left_by_drift(
    x: Float32[np.ndarray, "repeats clips windows voxels"], runs: Int[np.ndarray, " clips"]
) -> Float[np.ndarray, " voxels"]:
    """Covariance between repeats that is not the clips': that of clips that followed each other in a run.

    (But for what centring m clips takes off: a clip's own covariance with another is -1/m of that of clip means.) It is
    hardly known in a single voxel: the total of all is shared out by how slow each voxel's noise is.
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
    """Long-run variance of what differs between repeats: its autocovariance summed over all lags inside a clip.

    It is what the noise has near frequency 0, which a filter that takes it out leaves as covariance at long lags.
    """
    noise, n_windows = x - x.mean(axis=0), x.shape[2]
    at_lags = [_mean_product(noise[:, :, : n_windows - k], noise[:, :, k:]) for k in range(n_windows)]
    return np.maximum(at_lags[0] + 2 * np.sum(at_lags[1:], axis=0), 0) * len(x) / (len(x) - 1)


def _mean_product(a: Float32[np.ndarray, "*rows voxels"], b: Float32[np.ndarray, "*rows voxels"]) -> Any:
    """Of every voxel, over all rows."""
    rows = a.reshape(-1, a.shape[-1]), b.reshape(-1, b.shape[-1])
    return np.einsum("rv,rv->v", *rows, dtype=np.float64) / len(rows[0])


def _p_of_covariance(
    x: Float32[np.ndarray, "repeats clips windows voxels"], covariance: Float[np.ndarray, " voxels"]
) -> Float[np.ndarray, " voxels"]:
    """``covariance`` is the mean over pairs of repeats of their sum of products."""
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
