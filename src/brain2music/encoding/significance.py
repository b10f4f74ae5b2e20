"""Significance of voxels: permutation tests over whole clips, corrected for the number of voxels.

Windows of a clip overlap and the haemodynamic response is slow, so windows are not independent samples, and a null
that assumes it, as in the paper, has too many false positives. Here clips are permuted with all their windows, and only
within runs: responses are z-scored by run and have no mean of their own there, so that clips are exchangeable within
runs only (exchangeability blocks: Winkler et al. 2014, NeuroImage 92:381). If every run has one clip of each genre,
unrestricted permutations give a fifth too many false positives.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from scipy.sparse import csr_array
from scipy.special import gammaln
from scipy.stats import false_discovery_control, t

from ..study.folds import draw_permutations
from .encoder import standardise_voxels

_ROUNDING = 1e-6  # of a correlation: permuted ones that differ by less are ties
_BATCH_BYTES = 32 << 20


@dataclass(frozen=True)
class Chance:
    """The null distribution of clips predicted in folds, relative to that of clips permuted after the fit.

    In standard deviations of the latter; measured by :func:`brain2music.encoding.chance.chance_in_folds`.

    Attributes
    ----------
    shift : float
        The mean.
    scale : float
        The spread, estimated from the upper tail.
    n : int
        Number of refits.
    mean_scale : float
        The spread of means over many voxels, whose tails are not longer than those of permuted clips.
    """

    shift: float
    scale: float
    n: int
    mean_scale: float = 1.0

    def corrected(
        self, r: Float[np.ndarray, "..."], mean: Float[np.ndarray, "..."], sd: Float[np.ndarray, "..."]
    ) -> Float[np.ndarray, "..."]:
        """The correlation that is as rare among permuted clips (with ``mean`` and ``sd``) as ``r`` among refits."""
        return mean + (r - mean - self.shift * sd) / self.scale

    def corrected_in_sets(
        self, r: Float[np.ndarray, "..."], mean: Float[np.ndarray, "..."], sd: Float[np.ndarray, "..."]
    ) -> Float[np.ndarray, "..."]:
        """The correction for means over half of the voxels or more."""
        return mean + (r - mean - self.shift * sd) / self.mean_scale

    def expected(self, mean: Float[np.ndarray, "..."], sd: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """The correlation expected by chance."""
        return mean + self.shift * sd


@dataclass(frozen=True)
class Permuted:
    """Correlations of predicted with measured responses, tested by permutations of clips.

    Attributes
    ----------
    r : ndarray of shape (voxels,)
        Correlations of predicted with measured responses.
    p : ndarray of shape (voxels,)
        One-sided p, at least 1 / (1 + n_permutations).
    p_max : ndarray of shape (voxels,)
        p corrected for the family-wise error by the largest correlation of all voxels [1]_; NaN in folds.
    p_mean : ndarray of shape (sets,)
        p of the mean correlation in each set of voxels.
    chance : ndarray of shape (voxels,)
        The correlation expected without signal: 0 unless clips were predicted in folds.

    See Also
    --------
    voxel_permutation_test : Computes them.

    References
    ----------
    .. [1] Nichols & Holmes, Human Brain Mapping 15:1, 2002.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.encoding import voxel_permutation_test
    >>> rng = np.random.default_rng(0)
    >>> measured = rng.normal(size=(20, 1, 2)).astype(np.float32)
    >>> tested = voxel_permutation_test(measured, measured, rng, 99)
    >>> tested.r.round(2).tolist(), tested.p.tolist()
    ([1.0, 1.0], [0.01, 0.01])
    """

    r: Float[np.ndarray, " voxels"]
    p: Float[np.ndarray, " voxels"]
    p_max: Float[np.ndarray, " voxels"]
    p_mean: Float[np.ndarray, " sets"]
    chance: Float[np.ndarray, " voxels"]


def voxel_permutation_test(
    predicted: Float32[np.ndarray, "clips windows voxels"],
    measured: Float32[np.ndarray, "clips windows voxels"],
    rng: np.random.Generator,
    n_permutations: int = 10_000,
    sets: Bool[np.ndarray, "sets voxels"] | None = None,
    blocks: Int[np.ndarray, " clips"] | None = None,
    *,
    groups: Int[np.ndarray, " clips"] | None = None,
    chance: Chance | None = None,
) -> Permuted:
    """Test the correlations of predicted with measured responses by permuting clips, in the same way for all voxels.

    Windows of a clip overlap and the haemodynamic response is slow, so that windows are not independent samples: clips
    are permuted with all their windows, and within runs only [1]_, as responses are z-scored by run.

    Parameters
    ----------
    predicted : ndarray of shape (clips, windows, voxels)
        Predicted responses, in single precision.
    measured : ndarray of shape (clips, windows, voxels)
        Measured responses, in single precision.
    rng : numpy.random.Generator
        Source of permutations.
    n_permutations : int, default 10,000
        Number of permutations, among which the order presented is counted.
    sets : ndarray of bool of shape (sets, voxels), optional
        Sets of voxels, such as regions, whose mean correlation is tested too.
    blocks : ndarray of int of shape (clips,), optional
        The run of each clip, within which clips are permuted; ignored if there are fewer than ``n_permutations`` ways
        to permute within runs.
    groups : ndarray of int of shape (clips,), optional
        The recording of each clip; recordings with several clips are permuted as a whole.
    chance : Chance, optional
        The null distribution for clips predicted in folds (:func:`brain2music.encoding.chance.chance_in_folds`).

    Returns
    -------
    Permuted
        Correlations and p of every voxel, and p of every set.

    Raises
    ------
    ValueError
        There are fewer than two clips.

    Notes
    -----
    The sums of products of every prediction with every response are computed once, of shape (clips, clips, voxels) in
    batches of voxels; a permutation then adds one entry per clip.

    References
    ----------
    .. [1] Winkler et al., NeuroImage 92:381, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.encoding import voxel_permutation_test
    >>> rng = np.random.default_rng(0)
    >>> signal = rng.normal(size=(40, 2, 2)).astype(np.float32)
    >>> noise = rng.normal(size=(40, 2, 2)).astype(np.float32)
    >>> tested = voxel_permutation_test(signal, np.array([1, 0], np.float32) * signal + noise, rng, 999)
    >>> tested.p[0], bool(tested.p[1] > 0.05)
    (np.float64(0.001), True)
    """
    n_clips, _, n_voxels = predicted.shape
    if n_clips < 2:
        raise ValueError(f"{n_clips} clip: a permutation test needs two or more")
    a, b = standardise_voxels(predicted), standardise_voxels(measured)
    if groups is None or (chance is None and len(np.unique(groups)) == n_clips):
        permutations = _permute_within(np.zeros(n_clips, int) if blocks is None else blocks, n_permutations, rng)
    else:
        permutations = draw_permutations(groups, n_permutations, rng, blocks)
    picks = _picks(np.vstack([np.arange(n_clips), permutations]), n_clips)
    weights = np.zeros((0, n_voxels)) if sets is None else sets / np.maximum(sets.sum(axis=1, keepdims=True), 1)
    r, above, tested, expected = np.empty(n_voxels), np.empty(n_voxels), np.empty(n_voxels), np.zeros(n_voxels)
    large = weights.max(axis=1, initial=0) * n_voxels <= 2  # sets of half of the voxels or more
    largest, means = np.full(n_permutations, -np.inf), np.zeros((n_permutations + 1, len(weights)))
    size = max(1, _BATCH_BYTES // (4 * max(n_clips**2, n_permutations)))
    for first in range(0, n_voxels, size):
        batch = slice(first, first + size)
        null = picks @ _clip_products(a[..., batch], b[..., batch])
        r[batch], permuted = null[0], null[1:]
        if chance is not None:
            moments = permuted.mean(axis=0), permuted.std(axis=0)
            expected[batch] = chance.expected(*moments)
            in_sets = chance.corrected_in_sets(r[batch], *moments)
            null[0] = chance.corrected(r[batch], *moments)
            means[0, large] += (in_sets - null[0]) @ weights[large][:, batch].T
        tested[batch] = null[0]
        above[batch] = (permuted >= null[0] - _ROUNDING).sum(axis=0)
        largest = np.maximum(largest, permuted.max(axis=1))
        means += null @ weights[:, batch].T
    above_max = n_permutations - np.searchsorted(np.sort(largest), tested - _ROUNDING)
    above_mean = (means[1:] >= means[0] - _ROUNDING).sum(axis=0)
    p, p_max, p_mean = ((1 + count) / (1 + n_permutations) for count in (above, above_max, above_mean))
    if chance is not None:  # the null distribution of the largest correlation is not measured
        p_max = np.full(n_voxels, np.nan)
    return Permuted(r, p, p_max, p_mean, expected)


def without_p(permuted: Permuted) -> Permuted:
    """Set p to NaN, for tests whose null distribution is unknown."""
    nothing = {name: np.full_like(getattr(permuted, name), np.nan) for name in ("p", "p_max", "p_mean")}
    return replace(permuted, **nothing)


def permuted_correlations(
    predicted: Float32[np.ndarray, "clips windows voxels"],
    measured: Float32[np.ndarray, "clips windows voxels"],
    orders: Int[np.ndarray, "orders clips"],
) -> Float32[np.ndarray, "more voxels"]:
    """Correlate every voxel with measured responses as they are, and with those of clips in other orders."""
    n_clips, _, n_voxels = predicted.shape
    a, b = standardise_voxels(predicted), standardise_voxels(measured)
    picks = _picks(np.vstack([np.arange(n_clips), orders]), n_clips)
    size = max(1, _BATCH_BYTES // (4 * max(n_clips**2, len(orders))))
    batches = [slice(first, first + size) for first in range(0, n_voxels, size)]
    return np.concatenate([picks @ _clip_products(a[..., each], b[..., each]) for each in batches], axis=1)


def gaussian_p(r: Float[np.ndarray, " voxels"], n: int) -> Float[np.ndarray, " voxels"]:
    """Compute one-sided p of r between two independent Gaussian vectors of length ``n``, the null of the paper.

    r √((n - 2) / (1 - r²)) follows Student's t with n - 2 degrees of freedom. Overlapping windows are not independent
    samples, so p is too small if there are several windows per clip.
    """
    with np.errstate(divide="ignore"):
        return t.sf(r * np.sqrt((n - 2) / np.maximum(1 - r**2, 0)), n - 2)


def fdr(p: Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """Convert p-values to q, the false discovery rate of each test (Benjamini & Hochberg 1995).

    Parameters
    ----------
    p : ndarray of shape (tests,)
        Values of p; NaN where a test was not made.

    Returns
    -------
    ndarray of shape (tests,)
        False discovery rate of each test; NaN stays NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.encoding import fdr
    >>> fdr(np.array([0.01, 0.02, np.nan, 0.5])).round(2)
    array([0.03, 0.03,  nan, 0.5 ])
    """
    q, known = np.full(len(p), np.nan), ~np.isnan(p)
    if known.any():
        q[known] = false_discovery_control(p[known])
    return q


def _permute_within(blocks: Int[np.ndarray, " clips"], n: int, rng: np.random.Generator) -> Int[np.ndarray, "n clips"]:
    """Draw permutations that leave every clip in its block."""
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


def _clip_products(
    a: Float32[np.ndarray, "clips windows batch"], b: Float32[np.ndarray, "clips windows batch"]
) -> Float32[np.ndarray, "pairs batch"]:
    """Sums over windows of the products of every clip with every clip."""
    products = np.zeros((len(a), len(a), a.shape[2]), np.float32)
    for window in range(a.shape[1]):
        products += a[:, None, window] * b[None, :, window]
    return products.reshape(len(a) ** 2, -1)
