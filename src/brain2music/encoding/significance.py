"""Which voxels are predicted beyond chance: clips permuted whole, and what that says over all voxels.

Windows of a clip overlap and the haemodynamic response is slow, so that windows are no independent samples: a null
that takes them as such, the paper's, finds too much. Here clips change places with all of their windows, and only
with clips of the same run: responses are z-scored by run and have no mean of their own there, so that clips are
exchangeable within runs only (exchangeability blocks: Winkler et al. 2014, NeuroImage 92:381). Where every run holds
one clip of each genre, permuting freely finds a fifth too many of the voxels without signal.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from scipy.sparse import csr_array
from scipy.special import gammaln
from scipy.stats import false_discovery_control, t

from ..study.folds import draw_permutations
from .encoder import standardised

_ROUNDING = 1e-6  # of a correlation: permuted ones that differ by less are ties
_BATCH_BYTES = 32 << 20


@dataclass(frozen=True)
class Chance:
    """Where a voxel without signal lies among clips permuted after the fit, in their standard deviations.

    For clips predicted in folds; :func:`brain2music.encoding.chance.chance_in_folds` measures it.

    Attributes
    ----------
    shift : its mean. scale : its spread, as the upper tail has it. mean_scale : the spread of the mean over many
        voxels, whose tails are no longer than those of permuted clips.
    n : refits that tell.
    """

    shift: float
    scale: float
    n: int
    mean_scale: float = 1.0

    def calibrated(
        self, r: Float[np.ndarray, "..."], mean: Float[np.ndarray, "..."], sd: Float[np.ndarray, "..."]
    ) -> Float[np.ndarray, "..."]:
        """The correlation that is as rare among permuted clips (``mean``, ``sd``) as ``r`` is among refits."""
        return mean + (r - mean - self.shift * sd) / self.scale

    def calibrated_in_sets(
        self, r: Float[np.ndarray, "..."], mean: Float[np.ndarray, "..."], sd: Float[np.ndarray, "..."]
    ) -> Float[np.ndarray, "..."]:
        """The same as a part of the mean over half of the voxels or more."""
        return mean + (r - mean - self.shift * sd) / self.mean_scale

    def expected(self, mean: Float[np.ndarray, "..."], sd: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """The correlation that chance brings."""
        return mean + self.shift * sd


@dataclass(frozen=True)
class Permuted:
    """Correlations beside those of permuted clips.

    Attributes
    ----------
    r : (voxels,)
    p : (voxels,) one-sided, at least 1 / (1 + permutations).
    p_max : (voxels,) the same against the largest correlation of all voxels: family-wise (Nichols & Holmes 2002); NaN
        in folds.
    p_mean : (sets,) of the mean correlation of each set of voxels asked for.
    chance : (voxels,) the correlation expected without signal: 0 but where clips were predicted in folds.
    """

    r: Float[np.ndarray, " voxels"]
    p: Float[np.ndarray, " voxels"]
    p_max: Float[np.ndarray, " voxels"]
    p_mean: Float[np.ndarray, " sets"]
    chance: Float[np.ndarray, " voxels"]


def permutation_test(
    predicted: Float32[np.ndarray, "clips windows voxels"],
    measured: Float32[np.ndarray, "clips windows voxels"],
    rng: np.random.Generator,
    n: int = 1000,
    sets: Bool[np.ndarray, "sets voxels"] | None = None,
    blocks: Int[np.ndarray, " clips"] | None = None,
    *,
    groups: Int[np.ndarray, " clips"] | None = None,
    chance: Chance | None = None,
) -> Permuted:
    """Correlate predictions with the responses to other clips, ``n`` times, all voxels by the same permutations.

    The sum of products of every prediction with every response is made once, (clips, clips, voxels) in batches of
    voxels; a permutation then adds one entry a clip. p counts the observed order among the permuted ones.

    Parameters
    ----------
    sets : (sets, voxels) groups of voxels, such as regions, whose mean correlation is tested too.
    blocks : (clips,) the run of each clip, within which clips change places; all of them do by default, and where
        there are fewer than ``n`` ways to permute within runs.
    groups : (clips,) the recording of each clip; recordings with several clips change places whole.
    chance : for clips predicted in folds, where chance lies (:func:`brain2music.encoding.chance.chance_in_folds`).

    Raises ValueError for fewer than two clips.
    """
    n_clips, _, n_voxels = predicted.shape
    if n_clips < 2:
        raise ValueError(f"{n_clips} clip: a permutation test needs two or more")
    a, b = standardised(predicted), standardised(measured)
    if groups is None or (chance is None and len(np.unique(groups)) == n_clips):
        drawn = _orders(np.zeros(n_clips, int) if blocks is None else blocks, n, rng)
    else:
        drawn = draw_permutations(groups, n, rng, blocks)
    picks = _picks(np.vstack([np.arange(n_clips), drawn]), n_clips)
    weights = np.zeros((0, n_voxels)) if sets is None else sets / np.maximum(sets.sum(axis=1, keepdims=True), 1)
    r, above, tested, expected = np.empty(n_voxels), np.empty(n_voxels), np.empty(n_voxels), np.zeros(n_voxels)
    large = weights.max(axis=1, initial=0) * n_voxels <= 2  # sets of half of the voxels or more
    largest, means = np.full(n, -np.inf), np.zeros((n + 1, len(weights)))
    size = max(1, _BATCH_BYTES // (4 * max(n_clips**2, n)))
    for first in range(0, n_voxels, size):
        batch = slice(first, first + size)
        null = picks @ _products(a[..., batch], b[..., batch])
        r[batch], permuted = null[0], null[1:]
        if chance is not None:
            moments = permuted.mean(axis=0), permuted.std(axis=0)
            expected[batch] = chance.expected(*moments)
            in_sets = chance.calibrated_in_sets(r[batch], *moments)
            null[0] = chance.calibrated(r[batch], *moments)
            means[0, large] += (in_sets - null[0]) @ weights[large][:, batch].T
        tested[batch] = null[0]
        above[batch] = (permuted >= null[0] - _ROUNDING).sum(axis=0)
        largest = np.maximum(largest, permuted.max(axis=1))
        means += null @ weights[:, batch].T
    above_max = n - np.searchsorted(np.sort(largest), tested - _ROUNDING)
    above_mean = (means[1:] >= means[0] - _ROUNDING).sum(axis=0)
    p_max = (1 + above_max) / (1 + n)
    if chance is not None:  # how the largest of refits lies among the largest of permuted clips is not measured
        p_max = np.full(n_voxels, np.nan)
    return Permuted(r, (1 + above) / (1 + n), p_max, (1 + above_mean) / (1 + n), expected)


def without_p(permuted: Permuted) -> Permuted:
    """The same where nothing can be said of chance: p is NaN."""
    nothing = {name: np.full_like(getattr(permuted, name), np.nan) for name in ("p", "p_max", "p_mean")}
    return replace(permuted, **nothing)


def permuted_correlations(
    predicted: Float32[np.ndarray, "clips windows voxels"],
    measured: Float32[np.ndarray, "clips windows voxels"],
    orders: Int[np.ndarray, "orders clips"],
) -> Float32[np.ndarray, "more voxels"]:
    """(1 + orders, voxels): the correlation of every voxel, then those with the responses to clips in other orders."""
    n_clips, _, n_voxels = predicted.shape
    a, b = standardised(predicted), standardised(measured)
    picks = _picks(np.vstack([np.arange(n_clips), orders]), n_clips)
    size = max(1, _BATCH_BYTES // (4 * max(n_clips**2, len(orders))))
    batches = [slice(first, first + size) for first in range(0, n_voxels, size)]
    return np.concatenate([picks @ _products(a[..., each], b[..., each]) for each in batches], axis=1)


def gaussian_p(r: Float[np.ndarray, " voxels"], n: int) -> Float[np.ndarray, " voxels"]:
    """The paper's null, "gaussian (paper)": one-sided p of r between two independent Gaussian vectors of length ``n``.

    r √((n - 2) / (1 - r²)) follows Student's t with n - 2 degrees of freedom. Overlapping windows are no independent
    samples, so that p is too small wherever there are several windows a clip.
    """
    with np.errstate(divide="ignore"):
        return t.sf(r * np.sqrt((n - 2) / np.maximum(1 - r**2, 0)), n - 2)


def fdr(p: Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """q values: the false discovery rate at which each test is kept (Benjamini & Hochberg 1995); NaN stays NaN."""
    q, known = np.full(len(p), np.nan), ~np.isnan(p)
    if known.any():
        q[known] = false_discovery_control(p[known])
    return q


def _orders(blocks: Int[np.ndarray, " clips"], n: int, rng: np.random.Generator) -> Int[np.ndarray, "n clips"]:
    """Permutations that leave every clip in its block."""
    members = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    if sum(gammaln(len(each) + 1) for each in members) < np.log(n):
        members = [np.arange(len(blocks))]
    orders = np.empty((n, len(blocks)), dtype=int)
    for each in members:
        orders[:, each] = rng.permuted(np.tile(each, (n, 1)), axis=1)
    return orders


def _picks(orders: np.ndarray, n_clips: int) -> csr_array:
    """Permutations as a sparse matrix that adds up the entries (i, order[i]) of a flattened (clips, clips)."""
    rows = len(orders)
    columns = (np.arange(n_clips) * n_clips + orders).ravel()
    ones = np.ones(rows * n_clips, np.float32)
    return csr_array((ones, columns, np.arange(rows + 1) * n_clips), shape=(rows, n_clips**2))


def _products(
    a: Float32[np.ndarray, "clips windows batch"], b: Float32[np.ndarray, "clips windows batch"]
) -> Float32[np.ndarray, "pairs batch"]:
    """Sum over windows of every clip's product with every clip."""
    products = np.zeros((len(a), len(a), a.shape[2]), np.float32)
    for window in range(a.shape[1]):
        products += a[:, None, window] * b[None, :, window]
    return products.reshape(len(a) ** 2, -1)
