"""Variance that every band of a banded ridge explains in held-back rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from ._banded import Bands, banded_ridge_cv


@dataclass(frozen=True)
class Partition:
    """The variance of every target that each feature space (band) explains in held-back rows.

    Attributes
    ----------
    r2 : ndarray of shape (targets,)
        Variance explained by the full model.
    product : ndarray of shape (bands, targets)
        Product measure; sums to ``r2`` over bands.
    unique : ndarray of shape (bands, targets)
        Decrease of r² if the model is refitted without the band.
    shared : ndarray of shape (targets,)
        ``r2`` minus the sum of ``unique``.
    error_increase : ndarray of shape (bands, groups, targets)
        Increase of the squared error in each test group if the model is refitted without the band.
    sum_of_squares : ndarray of shape (groups, targets)
        Squares of the centred targets, summed over each test group.

    See Also
    --------
    variance_partition : Computes it.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.ridge import variance_partition
    >>> rng = np.random.default_rng(0)
    >>> bands = [rng.normal(size=(200, 4)), rng.normal(size=(200, 6))]
    >>> Y = bands[0] @ rng.normal(size=(4, 3)) + bands[1] @ rng.normal(size=(6, 3))
    >>> train, test = [each[:150] for each in bands], [each[150:] for each in bands]
    >>> parts = variance_partition(train, Y[:150], test, Y[150:], n_candidates=5)
    >>> bool(np.allclose(parts.product.sum(0), parts.r2)), bool((parts.r2 > 0.95).all())
    (True, True)
    """

    r2: Float[np.ndarray, " targets"]
    product: Float[np.ndarray, "bands targets"]
    unique: Float[np.ndarray, "bands targets"]
    shared: Float[np.ndarray, " targets"]
    error_increase: Float[np.ndarray, "bands groups targets"]
    sum_of_squares: Float[np.ndarray, "groups targets"]


def variance_partition(
    Xs: Bands,
    Y: Shaped[np.ndarray, "_rows targets"],
    Xs_test: Bands,
    Y_test: Shaped[np.ndarray, "_test targets"],
    *,
    groups_test: Int[np.ndarray, " _test"] | None = None,
    **settings: Any,
) -> Partition:
    """Split the variance explained in held-back rows among feature spaces (bands), by two definitions.

    The product measure of band b is Σ ŷ_b (2y - ŷ) / Σ y², all centred on the mean of the rows. The unique variance is
    the decrease of r² if the model is refitted without the band; variance that is unique to no band is shared [1]_.

    Parameters
    ----------
    Xs : sequence of ndarray of shape (rows, features of the band)
        Feature spaces of the training rows.
    Y : ndarray of shape (rows, targets)
        Targets of the training rows.
    Xs_test : sequence of ndarray of shape (test rows, features of the band)
        Feature spaces of the held-back rows.
    Y_test : ndarray of shape (test rows, targets)
        Targets of the held-back rows.
    groups_test : ndarray of int of shape (test rows,), optional
        Group of every held-back row, from 0, to be resampled for intervals; default one group.
    **settings
        Further arguments of :func:`banded_ridge_cv`.

    Returns
    -------
    Partition
        Variance explained by the full model, and its parts.

    Raises
    ------
    ValueError
        As for :func:`banded_ridge_cv`, and for fewer than two bands.

    References
    ----------
    .. [1] Dupré la Tour et al., NeuroImage 264:119728, 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.ridge import variance_partition
    >>> rng = np.random.default_rng(0)
    >>> melody, rhythm = rng.normal(size=(200, 8)), rng.normal(size=(200, 20))
    >>> Y = melody @ rng.normal(size=(8, 2))
    >>> train, test = slice(0, 150), slice(150, 200)
    >>> bands = [melody[train], rhythm[train]], [melody[test], rhythm[test]]
    >>> parts = variance_partition(bands[0], Y[train], bands[1], Y[test], n_candidates=10)
    >>> bool((parts.unique[0] > 0.9).all()), bool((abs(parts.unique[1]) < 0.1).all())
    (True, True)
    """
    if len(Xs) < 2:
        raise ValueError(f"{len(Xs)} band: a partition needs 2 or more")
    full = banded_ridge_cv(Xs, Y, **settings)
    parts = full.predict_bands(Xs_test)
    truth = Y_test - Y_test.mean(0)
    parts = parts - parts.mean(1, keepdims=True)
    sst = (truth**2).sum(0)
    product = (parts * (2 * truth - parts.sum(0))).sum(1) / sst
    r2 = product.sum(0)
    models = [parts.sum(0)]
    for b in range(len(Xs)):
        rest = [i for i in range(len(Xs)) if i != b]
        fit = banded_ridge_cv([Xs[i] for i in rest], Y, **(settings | {"candidates": None}))
        predicted = fit.predict([Xs_test[i] for i in rest])
        models.append(predicted - predicted.mean(0))
    group = np.zeros(len(truth), dtype=int) if groups_test is None else groups_test
    error, *reduced = (_sum_by_group((truth - model) ** 2, group) for model in models)
    increase = np.stack([each - error for each in reduced])
    unique = increase.sum(1) / sst
    return Partition(r2, product, unique, r2 - unique.sum(0), increase, _sum_by_group(truth**2, group))


def _sum_by_group(
    squares: Float[np.ndarray, "rows targets"], group: Int[np.ndarray, " rows"]
) -> Float[np.ndarray, "groups targets"]:
    """Sums over the rows of each group."""
    sums = np.zeros((group.max() + 1, squares.shape[1]))
    np.add.at(sums, group, squares)
    return sums
