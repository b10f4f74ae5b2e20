"""How certain a score is: permutation p over clips, bootstrap interval over clips, interval over subjects.

Permutation: under the null, predictions do not depend on the clip, so that any assignment of clips to predictions was
as likely as the true one. A score that is a mean over clips is tested from its payoff matrix, ``payoff[i, j]`` = the
score of clip ``i`` if ``j`` were the right candidate (see :mod:`.ranking`), from which every permutation takes other
entries.

Clips predicted in folds are different: every fit has seen most of the other clips, so that predictions of different
folds are wrong together, and clips permuted after the fit vary by a fifth less than chance does. There p is computed
from decoders refitted to permuted recordings (:func:`refitted_p`), or is not given.

Bootstrap: clips are resampled as a whole, so that a resampled clip takes part both as a scored clip and as a candidate
for others. Copies of a clip are not compared with each other. The interval is the bias-corrected and accelerated one
(Efron 1987), which scores near 1 need: there a symmetric interval exceeds the bound.
"""

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import chi2, norm, t

from ..study.folds import draw_permutations
from .ranking import members

Interval = tuple[float, float]
Statistic = Callable[[Float[np.ndarray, "bootstraps n"]], Float[np.ndarray, " bootstraps"]]

_CHUNK = 1000  # permutations or bootstraps at a time: bounds memory


def permutation_p(
    payoff: Float[np.ndarray, "n n"],
    rng: np.random.Generator,
    n_permutations: int = 10_000,
    *,
    rows: Bool[np.ndarray, " n"] | None = None,
    blocks: Sequence[Hashable] | None = None,
    recordings: Int[np.ndarray, " n"] | None = None,
) -> float:
    """Test a mean over clips against random assignments of clips to predictions.

    Parameters
    ----------
    payoff : ndarray of shape (clips, clips)
        Score of clip ``i`` if ``j`` were the right candidate; the tested score is the mean of the diagonal.
        Similarities are themselves the payoff of the mean correlation.
    rng : numpy.random.Generator
        Source of permutations.
    n_permutations : int, default 10000
        Number of permutations; the smallest p is 1 / (n_permutations + 1).
    rows : ndarray of bool of shape (clips,), optional
        Clips that are scored; default all.
    blocks : sequence of hashable, optional
        A label per clip; clips are permuted only among those of the same label (for scores within a genre).
    recordings : ndarray of int of shape (clips,), optional
        Recording of each clip; recordings with several clips are permuted as a whole.

    Returns
    -------
    float
        One-sided p, (1 + count) / (1 + n_permutations), of permutations that score at least as high.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import permutation_p
    >>> rng = np.random.default_rng(0)
    >>> similar = rng.normal(size=(20, 20)) + 3 * np.eye(20)
    >>> permutation_p(similar, rng, 999), permutation_p(similar[::-1], rng, 999) > 0.05
    (0.001, True)
    """
    null = permutation_null(payoff, rng, n_permutations, rows=rows, blocks=blocks, recordings=recordings)
    scored = slice(None) if rows is None else rows
    observed = np.diagonal(payoff)[scored].mean()
    return float((1 + np.sum(null >= observed - 1e-12)) / (1 + n_permutations))


def permutation_null(
    payoff: Float[np.ndarray, "n n"],
    rng: np.random.Generator,
    n_permutations: int = 10_000,
    *,
    rows: Bool[np.ndarray, " n"] | None = None,
    blocks: Sequence[Hashable] | None = None,
    recordings: Int[np.ndarray, " n"] | None = None,
) -> Float[np.ndarray, " permutations"]:
    """Score under random assignments of clips to predictions.

    Parameters
    ----------
    payoff, rng, n_permutations, rows, blocks, recordings
        As for :func:`permutation_p`.

    Returns
    -------
    (permutations,) array
        The score of every permutation.
    """
    clips = np.arange(len(payoff))
    scored = clips if rows is None else clips[rows]
    null = []
    for first in range(0, n_permutations, _CHUNK):
        order = _permutations(min(_CHUNK, n_permutations - first), len(payoff), rng, blocks, recordings)
        null.append(payoff[scored, order[:, scored]].mean(axis=1))
    return np.concatenate(null)


def refitted_p(
    observed: float, refits: Float[np.ndarray, " refits"], null: Float[np.ndarray, " permutations"]
) -> float | None:
    """Test a score against those of a few decoders refitted to permuted clips.

    The refits say where chance is and how far it spreads, ``null`` (clips permuted after the fit) what form it has.
    With a normal form this is Student's prediction interval: the score is one more sample from the distribution of the
    R refits if (score - mean) / (SD √(1 + 1/R)) is t with R - 1 degrees of freedom. Another form replaces the normal.

    Parameters
    ----------
    observed : float
        The score.
    refits : (refits,) array
        The scores of the refits.
    null : (permutations,) array
        Of :func:`permutation_null`.

    Returns
    -------
    float or None
        One-sided p, at least 1 / (1 + permutations); None where the refits or the permutations do not vary.
    """
    n, spread = len(refits), float(null.std())
    sd = float(refits.std(ddof=1)) if n > 1 else 0.0
    if not (sd > 1e-12 and spread > 1e-12):
        return None
    z = (observed - refits.mean()) / (sd * np.sqrt(1 + 1 / n))
    form = (null - null.mean()) / spread
    if abs(z) < 1e-9:
        return float((form >= 0).mean())
    beyond = form[form * z > 0] / z
    p = float(chi2.cdf((n - 1) * beyond**2, n - 1).sum() / len(form))
    return float(max(p if z > 0 else 1 - p, 1 / (1 + len(null))))


def bootstrap_interval(
    values: Float[np.ndarray, " n"], rng: np.random.Generator, n_bootstraps: int = 10_000, level: float = 0.95
) -> Interval:
    """Compute the interval of the mean of a per-clip score, with clips resampled and candidates as they are.

    It suits top-k and n-way accuracy, whose meaning depends on how many different candidates there are.

    Parameters
    ----------
    values : ndarray of shape (clips,)
        Score of each clip; NaN is left out.
    rng : numpy.random.Generator
        Source of resampling.
    n_bootstraps : int, default 10000
        Bootstrap samples.
    level : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    low : float
        Lower bound, bias-corrected and accelerated [1]_; NaN for fewer than two clips.
    high : float
        Upper bound.

    References
    ----------
    .. [1] Efron, "Better bootstrap confidence intervals", JASA 82:171, 1987.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import bootstrap_interval
    >>> hits = np.repeat([1.0, 0.0], [30, 10])
    >>> low, high = bootstrap_interval(hits, np.random.default_rng(0), 1000)
    >>> low < 0.75 < high, 0.2 < high - low < 0.4
    (True, True)
    """
    values = values[~np.isnan(values)]

    def mean(weights: Float[np.ndarray, "bootstraps n"]) -> Float[np.ndarray, " bootstraps"]:
        return weights @ values / weights.sum(axis=1)

    return bootstrap(mean, len(values), rng, n_bootstraps, level)


def bootstrap_identification(
    c: Float[np.ndarray, "n n"],
    rng: np.random.Generator,
    n_bootstraps: int = 10_000,
    level: float = 0.95,
    *,
    rows: Bool[np.ndarray, " n"] | None = None,
    blocks: Sequence[Hashable] | None = None,
) -> Interval:
    """Compute the interval of identification accuracy, with clips resampled as scored clips and as candidates.

    Parameters
    ----------
    c : ndarray of shape (clips, clips)
        Similarity of predictions (rows) to candidates (columns), the right ones on the diagonal.
    rng : numpy.random.Generator
        Source of resampling.
    n_bootstraps : int, default 10000
        Bootstrap samples.
    level : float, default 0.95
        Coverage of the interval.
    rows : ndarray of bool of shape (clips,), optional
        Clips that are scored; default all.
    blocks : sequence of hashable, optional
        A label per clip; only clips of the same label are compared (identification within a genre).

    Returns
    -------
    low : float
        Lower bound, bias-corrected and accelerated [1]_; NaN for fewer than two clips.
    high : float
        Upper bound.

    References
    ----------
    .. [1] Efron, "Better bootstrap confidence intervals", JASA 82:171, 1987.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import bootstrap_identification, identification_accuracy
    >>> rng = np.random.default_rng(0)
    >>> c = rng.normal(size=(40, 40)) + np.eye(40)
    >>> low, high = bootstrap_identification(c, rng, 1000)
    >>> 0.5 < low < identification_accuracy(c) < high < 1
    True
    """
    compared = ~np.eye(len(c), dtype=bool)
    if blocks is not None:
        codes = _codes(blocks)
        compared &= codes[:, None] == codes[None, :]
    beaten = compared & (np.diagonal(c)[:, None] > c)
    scored = np.ones(len(c)) if rows is None else rows.astype(np.float64)

    def accuracy(weights: Float[np.ndarray, "bootstraps n"]) -> Float[np.ndarray, " bootstraps"]:
        wins, pairs = weights @ beaten.T.astype(np.float64), weights @ compared.T.astype(np.float64)
        share = np.divide(wins, pairs, out=np.zeros_like(wins), where=pairs > 0)
        counted = weights * scored * (pairs > 0)
        return np.divide((counted * share).sum(axis=1), counted.sum(axis=1))

    return bootstrap(accuracy, len(c), rng, n_bootstraps, level)


def bootstrap(
    statistic: Statistic, clips: int, rng: np.random.Generator, n_bootstraps: int = 10_000, level: float = 0.95
) -> Interval:
    """Bias-corrected and accelerated interval of a statistic of resampled clips.

    Parameters
    ----------
    statistic : callable
        Of (bootstraps, clips) counts, how often each clip was resampled, to the (bootstraps,) scores. Bootstraps for
        which it is not defined (NaN) are left out.
    clips : int
        Number of clips.
    rng, n_bootstraps, level
        As for :func:`bootstrap_interval`.

    Returns
    -------
    (float, float)
        Lower and upper bound; NaN for fewer than two clips.

    References
    ----------
    Efron, "Better bootstrap confidence intervals", JASA 82:171 (1987).
    """
    if clips < 2:
        return float("nan"), float("nan")
    with np.errstate(invalid="ignore"):
        sizes = [min(_CHUNK, n_bootstraps - at) for at in range(0, n_bootstraps, _CHUNK)]
        values = np.concatenate([statistic(_resampled(size, clips, rng)) for size in sizes])
        observed = float(statistic(np.ones((1, clips)))[0])
        without = statistic(1 - np.eye(clips))
    values, without = values[~np.isnan(values)], without[~np.isnan(without)]
    if not len(values) or np.ptp(values) == 0:
        return (observed, observed) if len(values) else (float("nan"), float("nan"))
    below = (np.sum(values < observed) + np.sum(values == observed) / 2) / len(values)
    bias = norm.ppf(np.clip(below, 1 / (2 * len(values)), 1 - 1 / (2 * len(values))))
    pull = without.mean() - without
    spread = (pull**2).sum() ** 1.5
    acceleration = (pull**3).sum() / (6 * spread) if spread > 0 else 0.0
    z = bias + norm.ppf([(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(values, norm.cdf(bias + z / (1 - acceleration * z)))
    return float(low), float(high)


def mean_interval(values: Float[np.ndarray, " subjects"], level: float = 0.95) -> Interval:
    """Compute the interval of the mean over subjects (Student's t), for another sample of subjects.

    Parameters
    ----------
    values : ndarray of shape (subjects,)
        Score of each subject. Subjects listened to the same clips, so that the interval says nothing about other clips.
    level : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    low : float
        Lower bound; NaN for fewer than two subjects.
    high : float
        Upper bound.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import mean_interval
    >>> low, high = mean_interval(np.array([0.8, 0.85, 0.9]))
    >>> round(low, 2), round(high, 2)
    (0.73, 0.97)
    """
    if len(values) < 2:
        return float("nan"), float("nan")
    half = t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def _permutations(
    count: int,
    n: int,
    rng: np.random.Generator,
    blocks: Sequence[Hashable] | None,
    recordings: Int[np.ndarray, " n"] | None,
) -> Int[np.ndarray, "permutations n"]:
    """Random orders of ``range(n)``, one per row; inside blocks where given, and of whole recordings."""
    if recordings is not None and len(np.unique(recordings)) < n:
        order = np.empty((count, n), dtype=int)
        for rows in members([0] * n if blocks is None else blocks).values():
            order[:, rows] = rows[draw_permutations(recordings[rows], count, rng)]
        return order
    if blocks is None:
        return rng.permuted(np.tile(np.arange(n), (count, 1)), axis=1)
    order = np.tile(np.arange(n), (count, 1))
    for rows in members(blocks).values():
        order[:, rows] = rng.permuted(order[:, rows], axis=1)
    return order


def _resampled(count: int, n: int, rng: np.random.Generator) -> Float[np.ndarray, "bootstraps n"]:
    """How often each clip occurs when ``n`` are sampled with replacement."""
    sampled = rng.integers(n, size=(count, n)) + n * np.arange(count)[:, None]
    return np.bincount(sampled.ravel(), minlength=count * n).reshape(count, n).astype(np.float64)


def _codes(labels: Sequence[Hashable]) -> Int[np.ndarray, " n"]:
    codes = np.empty(len(labels), np.int64)
    for code, rows in enumerate(members(labels).values()):
        codes[rows] = code
    return codes
