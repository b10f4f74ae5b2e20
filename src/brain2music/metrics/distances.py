"""Distances of two sets of embeddings that hold for few sounds: by kernels, and Fréchet's for infinitely many."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64

from .audio import Shrinkage, frechet_value

KAD_SCALE = 100.0
"""By which the squared discrepancy is multiplied in the published distance."""
_FEWEST_SIZES = 3


@dataclass(frozen=True)
class KernelDistance:
    """A kernel distance of two sets of embeddings, with its uncertainty.

    Attributes
    ----------
    value : float
        The distance; unbiased, so that it may be slightly below 0 where the sets are alike.
    low, high : float
        Its 95 % interval over sounds, by the jackknife.
    null : ndarray of shape (permutations,)
        Distances after sounds of both sets were exchanged at random: what sets of one kind of sound give.
    p : float
        Share of these that are at least as large: whether the sets differ.
    bandwidth : float
        Of the Gaussian kernel: the median distance between sounds of the reference.
    n_reference, n_made : int
        Sounds of each set.

    See Also
    --------
    kernel_distance : Computes it.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import KernelDistance
    >>> null = np.array([0.01, -0.02])
    >>> found = KernelDistance(0.4, 0.1, 0.7, null, p=1 / 3, bandwidth=5.0, n_reference=9, n_made=9)
    >>> bool(found.value > found.null.max())
    True
    """

    value: float
    low: float
    high: float
    null: Float64[np.ndarray, " permutations"]
    p: float
    bandwidth: float
    n_reference: int
    n_made: int


def kernel_distance(
    reference: Float[np.ndarray, "n dims"],
    made: Float[np.ndarray, "m dims"],
    rng: np.random.Generator,
    n_permutations: int = 1000,
    *,
    paired: bool = False,
) -> KernelDistance:
    """Compute the kernel audio distance (KAD) of two sets of embeddings [1]_.

    It is 100 times the unbiased squared maximum mean discrepancy [2]_ with a Gaussian kernel, whose bandwidth is the
    median distance between sounds of the reference. Unlike the Fréchet distance it assumes no shape of the sets and is
    not larger for fewer sounds.

    Parameters
    ----------
    reference : ndarray of shape (n, dims)
        Embeddings of the reference, one per sound.
    made : ndarray of shape (m, dims)
        Embeddings of the other sounds, in the same space.
    rng : numpy.random.Generator
        Source of the exchanges.
    n_permutations : int, default 1000
        Exchanges of sounds between the sets: within pairs where they are paired, else at random.
    paired : bool, default False
        Whether row i of both sets belong together, as a reconstruction and its original do. They are then not compared
        with each other (Eq. 4 of [2]_, unbiased too): pairs that are alike would make the sets seem closer.

    Returns
    -------
    KernelDistance
        The distance, its interval and its p.

    Raises
    ------
    ValueError
        A set has fewer than three sounds, dimensions differ, sets that are paired differ in size, or the reference's
        sounds are all alike.

    References
    ----------
    .. [1] Chung et al., "KAD: no more FAD! An effective and efficient evaluation metric for audio generation", 2025,
           arXiv 2502.15602.
    .. [2] Gretton et al., "A kernel two-sample test", JMLR 13, 2012, Eq. 3.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import kernel_distance
    >>> rng = np.random.default_rng(0)
    >>> reference, same, other = rng.normal(size=(40, 8)), rng.normal(size=(40, 8)), 1 + rng.normal(size=(40, 8))
    >>> kernel_distance(reference, same, rng, 99).p > 0.05, kernel_distance(reference, other, rng, 99).p
    (True, 0.01)
    """
    n, m = len(reference), len(made)
    if min(n, m) < 3 or reference.shape[1] != made.shape[1] or (paired and n != m):
        raise ValueError(f"cannot compare embeddings of shapes {reference.shape} and {made.shape}")
    rows = np.concatenate([reference, made]).astype(np.float64)
    squared = _squared_distances(rows)
    bandwidth = float(np.median(np.sqrt(squared[:n, :n][np.triu_indices(n, 1)])))
    if not bandwidth > 0:
        raise ValueError("the sounds of the reference are all alike")
    kernel = np.exp(-squared / (2 * bandwidth**2))
    np.fill_diagonal(kernel, 0)
    first = np.arange(n + m) < n
    own = np.diagonal(kernel[:n, n:]).copy() if paired else np.zeros(0)
    value = float(_discrepancies(kernel, first[None], own)[0])
    low, high = _jackknife(kernel, n, own, value)
    null = _discrepancies(kernel, _exchanged(n, m, rng, n_permutations, paired), own)
    p = float((1 + np.sum(null >= value - 1e-12)) / (1 + n_permutations))
    return KernelDistance(value, low, high, null, p, bandwidth, n, m)


@dataclass(frozen=True)
class FrechetLimit:
    """A Fréchet distance extrapolated to infinitely many sounds.

    Attributes
    ----------
    value : float
        Where the line through the distances meets 1/n = 0; it may be below 0 where the sets are alike.
    low, high : float
        95 % interval of the line there.
    slope : float
        Of the line, in distance times rows: the size of the bias.
    r2 : float
        Share of the distances' variance that the line explains; below about 0.9 do not trust the value.
    sizes : ndarray of shape (sizes,)
        Rows of ``made`` that were sampled.
    distances : ndarray of shape (sizes,)
        The distance of each sample.

    See Also
    --------
    frechet_limit : Computes it.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import FrechetLimit
    >>> sizes, distances = np.array([50.0, 100.0]), np.array([2.0, 1.5])
    >>> FrechetLimit(1.0, 0.8, 1.2, slope=50.0, r2=0.98, sizes=sizes, distances=distances).value
    1.0
    """

    value: float
    low: float
    high: float
    slope: float
    r2: float
    sizes: Float64[np.ndarray, " sizes"]
    distances: Float64[np.ndarray, " sizes"]


def frechet_limit(
    reference: Float[np.ndarray, "n dims"],
    made: Float[np.ndarray, "m dims"],
    rng: np.random.Generator,
    n_sizes: int = 15,
    shrinkage: Shrinkage = "none",
) -> FrechetLimit:
    """Extrapolate the Fréchet distance to infinitely many sounds (FAD∞) [1]_ [2]_.

    The distance is larger the fewer rows it is computed from, linearly in 1/n. It is computed from random samples of
    ``made`` of several sizes, from a quarter of the rows to all, and a line is drawn through them.

    Parameters
    ----------
    reference : ndarray of shape (n, dims)
        Embeddings of the reference, all of which are used each time.
    made : ndarray of shape (m, dims)
        Embeddings of the other sounds, in the same space.
    rng : numpy.random.Generator
        Source of the samples.
    n_sizes : int, default 15
        Number of samples.
    shrinkage : {"none", "ledoit-wolf"}, default "none"
        As for :func:`frechet_distance`.

    Returns
    -------
    FrechetLimit
        The extrapolated distance, and the line.

    Raises
    ------
    ValueError
        There are fewer than four rows in the reference, twelve in ``made`` or three sizes, or dimensions differ.

    References
    ----------
    .. [1] Chong & Forsyth, "Effectively unbiased FID and Inception score and where to find them", CVPR 2020.
    .. [2] Gui et al., "Adapting Frechet audio distance for generative music evaluation", 2024, arXiv 2311.01616.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import frechet_distance, frechet_limit
    >>> rng = np.random.default_rng(0)
    >>> reference, made = rng.normal(size=(2000, 8)), rng.normal(size=(60, 8))
    >>> limit = frechet_limit(reference, made, rng)
    >>> bool(abs(limit.value) < 0.3 < frechet_distance(reference, made, rng).value)
    True
    """
    if len(reference) < 4 or len(made) < 12 or n_sizes < _FEWEST_SIZES or reference.shape[1] != made.shape[1]:
        raise ValueError(f"cannot extrapolate from embeddings of shapes {reference.shape} and {made.shape}")
    from scipy.stats import linregress, t

    sizes = np.linspace(len(made) // 4, len(made), n_sizes).round().astype(int)
    distances = np.array(
        [frechet_value(reference, made[rng.choice(len(made), size, replace=False)], shrinkage) for size in sizes]
    )
    line = linregress(1 / sizes, distances)
    half = float(t.ppf(0.975, n_sizes - 2) * line.intercept_stderr)
    value = float(line.intercept)
    r2 = float(line.rvalue**2)
    return FrechetLimit(value, value - half, value + half, float(line.slope), r2, sizes.astype(float), distances)


def _squared_distances(rows: Float64[np.ndarray, "n dims"]) -> Float64[np.ndarray, "n n"]:
    rows = rows - rows.mean(axis=0)
    lengths = np.sum(rows**2, axis=1)
    return np.maximum(lengths[:, None] + lengths[None, :] - 2 * rows @ rows.T, 0.0)


def _discrepancies(
    kernel: Float64[np.ndarray, "k k"], first: Bool[np.ndarray, "sets k"], own: Float64[np.ndarray, " pairs"]
) -> Float64[np.ndarray, " sets"]:
    """The distance for each division of the sounds (rows of ``first``) into two sets; the kernel's diagonal is 0.

    ``own`` : kernel of each pair, which is left out of the comparison; empty where sets are not paired.
    """
    a = first.astype(np.float64)
    b = 1 - a
    n, m = a.sum(axis=1), b.sum(axis=1)
    of_a, of_b = a @ kernel, b @ kernel
    within = np.sum(of_a * a, axis=1) / (n * (n - 1)) + np.sum(of_b * b, axis=1) / (m * (m - 1))
    between = (np.sum(of_a * b, axis=1) - own.sum()) / (n * m - len(own))
    distances: np.ndarray = KAD_SCALE * (within - 2 * between)
    return distances


def _exchanged(n: int, m: int, rng: np.random.Generator, count: int, paired: bool) -> Bool[np.ndarray, "count k"]:
    """Which sounds are of the first set after an exchange at random, one exchange per row."""
    if paired:
        swapped = rng.random((count, n)) < 0.5
        return np.concatenate([~swapped, swapped], axis=1)
    return rng.permuted(np.tile(np.arange(n + m) < n, (count, 1)), axis=1)


def _jackknife(
    kernel: Float64[np.ndarray, "k k"], n: int, own: Float64[np.ndarray, " pairs"], value: float
) -> tuple[float, float]:
    """95 % interval from leaving out every pair of sounds, or every sound where they are not paired."""
    total, paired = len(kernel), len(own) > 0
    without = [(i, i + n) for i in range(n)] if paired else [(i,) for i in range(total)]
    values = []
    for number, places in enumerate(without):
        kept = np.setdiff1d(np.arange(total), places)
        others = np.delete(own, number) if paired else own
        values.append(_discrepancies(kernel[np.ix_(kept, kept)], (kept < n)[None], others)[0])
    count = len(values)
    half = 1.96 * float(np.sqrt((count - 1) / count * np.sum((np.array(values) - np.mean(values)) ** 2)))
    return value - half, value + half
