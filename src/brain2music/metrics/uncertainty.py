"""How sure a score is: permutation p over clips, bootstrap interval over clips, interval over subjects.

Permutation: under the null the predictions do not know which clip they belong to, so any assignment of clips
to predictions was as likely as the true one. A score that is a mean over clips is tested from its payoff
matrix, ``payoff[i, j]`` = what clip ``i`` would score were ``j`` the right candidate (see
``identification``), whose entries are picked anew for every permutation.

Clips predicted in folds are no such case: every fit has seen most of the other clips, so that predictions of different
folds are wrong together, and clips permuted after the fit vary by a fifth less than chance does. There p is made from
decoders refitted to permuted recordings (:func:`refitted_p`), or not given.

Bootstrap: clips are resampled as a whole, so a clip that is drawn takes part both as one scored and as a
candidate that others are compared with. Copies of a clip are not compared with each other. The interval is
the bias-corrected and accelerated one (Efron 1987), which scores near 1 need: there a symmetric interval runs
past the end.
"""

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import chi2, norm, t

from ..study.folds import draw_permutations
from .ranking import members

Interval = tuple[float, float]
Statistic = Callable[[Float[np.ndarray, "draws n"]], Float[np.ndarray, " draws"]]

_CHUNK = 1000  # draws at a time: bounds memory


def permutation_p(
    payoff: Float[np.ndarray, "n n"],
    rng: np.random.Generator,
    n: int = 10_000,
    *,
    rows: Bool[np.ndarray, " n"] | None = None,
    blocks: Sequence[Hashable] | None = None,
    together: Int[np.ndarray, " n"] | None = None,
) -> float:
    """One-sided p, (1 + count) / (1 + n): how often a random assignment of clips scores as high as the true.

    Parameters
    ----------
    payoff : what clip ``i`` would score were ``j`` right; the score is the mean of its diagonal. C itself is
        the payoff of the mean correlation.
    n : permutations; the smallest p is 1 / (n + 1).
    rows : clips that are scored; all by default.
    blocks : permute only among clips of the same label (for scores within a genre).
    together : the recording of each clip; recordings with several clips change places whole.
    """
    null = permutation_null(payoff, rng, n, rows=rows, blocks=blocks, together=together)
    scored = slice(None) if rows is None else rows
    observed = np.diagonal(payoff)[scored].mean()
    return float((1 + np.sum(null >= observed - 1e-12)) / (1 + n))


def permutation_null(
    payoff: Float[np.ndarray, "n n"],
    rng: np.random.Generator,
    n: int = 10_000,
    *,
    rows: Bool[np.ndarray, " n"] | None = None,
    blocks: Sequence[Hashable] | None = None,
    together: Int[np.ndarray, " n"] | None = None,
) -> Float[np.ndarray, " permutations"]:
    """The score under ``n`` random assignments of clips; see :func:`permutation_p`."""
    clips = np.arange(len(payoff))
    scored = clips if rows is None else clips[rows]
    null = []
    for first in range(0, n, _CHUNK):
        order = _permutations(min(_CHUNK, n - first), len(payoff), rng, blocks, together)
        null.append(payoff[scored, order[:, scored]].mean(axis=1))
    return np.concatenate(null)


def refitted_p(
    observed: float, refits: Float[np.ndarray, " refits"], null: Float[np.ndarray, " permutations"]
) -> float | None:
    """One-sided p of a score among those of a few refits to permuted clips; None where they tell nothing.

    The refits say where chance lies and how far it spreads, ``null`` (clips permuted after the fit) of what form it is.
    With a normal form this is Student's prediction interval: the score is one more draw from the distribution that R
    refits came from where (score - mean) / (SD √(1 + 1/R)) is t with R - 1 degrees of freedom. Another form takes the
    place of the normal in t. p is at least 1 / (1 + permutations).
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
    values: Float[np.ndarray, " n"], rng: np.random.Generator, n: int = 10_000, level: float = 0.95
) -> Interval:
    """Interval of the mean of a per-clip score, clips resampled; candidates stay as they are.

    Right for top-k and n-way, whose meaning depends on how many different candidates there are; NaN is left
    out.
    """
    values = values[~np.isnan(values)]

    def mean(weights: Float[np.ndarray, "draws n"]) -> Float[np.ndarray, " draws"]:
        return weights @ values / weights.sum(axis=1)

    return bootstrap(mean, len(values), rng, n, level)


def bootstrap_identification(
    c: Float[np.ndarray, "n n"],
    rng: np.random.Generator,
    n: int = 10_000,
    level: float = 0.95,
    *,
    rows: Bool[np.ndarray, " n"] | None = None,
    blocks: Sequence[Hashable] | None = None,
) -> Interval:
    """Interval of identification accuracy: clips resampled both as scored and as candidates.

    Parameters
    ----------
    c : similarity of predictions (rows) to candidates (columns), the right ones on the diagonal.
    rows : clips that are scored; all by default.
    blocks : compare only clips of the same label (identification within a genre).
    """
    compared = ~np.eye(len(c), dtype=bool)
    if blocks is not None:
        codes = _codes(blocks)
        compared &= codes[:, None] == codes[None, :]
    beaten = compared & (np.diagonal(c)[:, None] > c)
    scored = np.ones(len(c)) if rows is None else rows.astype(np.float64)

    def accuracy(weights: Float[np.ndarray, "draws n"]) -> Float[np.ndarray, " draws"]:
        wins, pairs = weights @ beaten.T.astype(np.float64), weights @ compared.T.astype(np.float64)
        share = np.divide(wins, pairs, out=np.zeros_like(wins), where=pairs > 0)
        counted = weights * scored * (pairs > 0)
        return np.divide((counted * share).sum(axis=1), counted.sum(axis=1))

    return bootstrap(accuracy, len(c), rng, n, level)


def bootstrap(
    statistic: Statistic, clips: int, rng: np.random.Generator, n: int = 10_000, level: float = 0.95
) -> Interval:
    """Bias-corrected and accelerated interval (Efron 1987, JASA 82:171).

    Parameters
    ----------
    statistic : (draws, clips) how often each clip was drawn → (draws,) the score of each draw. Draws for
        which it is not defined (NaN) are left out.
    clips : how many there are; with fewer than two the interval is (NaN, NaN).
    """
    if clips < 2:
        return float("nan"), float("nan")
    with np.errstate(invalid="ignore"):
        draws = np.concatenate([statistic(_draws(min(_CHUNK, n - at), clips, rng)) for at in range(0, n, _CHUNK)])
        observed = float(statistic(np.ones((1, clips)))[0])
        without = statistic(1 - np.eye(clips))
    draws, without = draws[~np.isnan(draws)], without[~np.isnan(without)]
    if not len(draws) or np.ptp(draws) == 0:
        return (observed, observed) if len(draws) else (float("nan"), float("nan"))
    below = (np.sum(draws < observed) + np.sum(draws == observed) / 2) / len(draws)
    bias = norm.ppf(np.clip(below, 1 / (2 * len(draws)), 1 - 1 / (2 * len(draws))))
    pull = without.mean() - without
    spread = (pull**2).sum() ** 1.5
    acceleration = (pull**3).sum() / (6 * spread) if spread > 0 else 0.0
    z = bias + norm.ppf([(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(draws, norm.cdf(bias + z / (1 - acceleration * z)))
    return float(low), float(high)


def mean_interval(values: Float[np.ndarray, " subjects"], level: float = 0.95) -> Interval:
    """Interval of the mean over subjects (Student's t): what another sample of subjects would give.

    The subjects heard the same clips, so it says nothing of other clips. (NaN, NaN) for fewer than two.
    """
    if len(values) < 2:
        return float("nan"), float("nan")
    half = t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def _permutations(
    draws: int,
    n: int,
    rng: np.random.Generator,
    blocks: Sequence[Hashable] | None,
    together: Int[np.ndarray, " n"] | None,
) -> Int[np.ndarray, "draws n"]:
    """Random orders of ``range(n)``, one a row; inside blocks where given, and of whole recordings."""
    if together is not None and len(np.unique(together)) < n:
        order = np.empty((draws, n), dtype=int)
        for rows in members([0] * n if blocks is None else blocks).values():
            order[:, rows] = rows[draw_permutations(together[rows], draws, rng)]
        return order
    if blocks is None:
        return rng.permuted(np.tile(np.arange(n), (draws, 1)), axis=1)
    order = np.tile(np.arange(n), (draws, 1))
    for rows in members(blocks).values():
        order[:, rows] = rng.permuted(order[:, rows], axis=1)
    return order


def _draws(draws: int, n: int, rng: np.random.Generator) -> Float[np.ndarray, "draws n"]:
    """How often each clip is drawn when ``n`` are drawn with replacement."""
    drawn = rng.integers(n, size=(draws, n)) + n * np.arange(draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=draws * n).reshape(draws, n).astype(np.float64)


def _codes(labels: Sequence[Hashable]) -> Int[np.ndarray, " n"]:
    codes = np.empty(len(labels), np.int64)
    for code, rows in enumerate(members(labels).values()):
        codes[rows] = code
    return codes
