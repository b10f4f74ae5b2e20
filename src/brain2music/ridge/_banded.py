"""Banded ridge: several feature spaces, each with a penalty of its own for every target.

    min ‖Y - Σ_b X_b B_b‖² + Σ_b α/γ_b ‖B_b‖²,     γ on the simplex

which is ridge on the features √γ_b X_b. The band weights γ are found per target by random search over Dirichlet
draws (Dupré la Tour et al. 2022, NeuroImage 264, 119728), every draw scored for the whole grid of α from one
factorisation, and may be refined by gradient descent on the same held-out error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped

from ._banded_gradient import descend
from ._chunked import Moments, centred_gram
from ._folds import assign_folds, check_folds
from ._linalg import Square
from ._problem import GramOf, prepare
from ._ridge_cv import DEFAULT_ALPHAS, solve

CONCENTRATIONS = (0.1, 1.0)
"""Dirichlet concentrations the draws alternate between: sparse and even."""

Bands = Sequence[Shaped[np.ndarray, "_rows _features"]]


@dataclass(frozen=True)
class BandedFit:
    """``Y ≈ Σ_b X_b @ coefs[b] + intercept``.

    Attributes
    ----------
    coefs : per band (features of the band, targets).
    intercept : (targets,)
    band_weights : (bands, targets) γ, each column summing to 1.
    best_alphas : (targets,) α; band b is penalised by α / γ_b.
    cv_scores : (targets,) mean held-out r² over folds of the penalties chosen.
    """

    coefs: tuple[Float[np.ndarray, "_features targets"], ...]
    intercept: Float[np.ndarray, " targets"]
    band_weights: Float[np.ndarray, "bands targets"]
    best_alphas: Float[np.ndarray, " targets"]
    cv_scores: Float[np.ndarray, " targets"]

    def predict_bands(self, Xs: Bands) -> Float[np.ndarray, "bands rows targets"]:
        """What every band contributes to the prediction; with the intercept they sum to it."""
        if [X.shape[1] for X in Xs] != [len(coef) for coef in self.coefs]:
            raise ValueError(f"bands of {[X.shape[1] for X in Xs]} features: fitted on {[len(c) for c in self.coefs]}")
        return np.stack([X @ coef for X, coef in zip(Xs, self.coefs, strict=True)])

    def predict(self, Xs: Bands) -> Float[np.ndarray, "rows targets"]:
        """Bands of (rows, features) each -> (rows, targets)."""
        return self.predict_bands(Xs).sum(0) + self.intercept


def banded_ridge_cv(
    Xs: Bands,
    Y: Shaped[np.ndarray, "_rows targets"],
    *,
    alphas: Sequence[float | int] | Shaped[np.ndarray, " alphas"] | None = None,
    groups: Sequence[object] | Shaped[np.ndarray, " rows"] | None = None,
    n_folds: int = 5,
    folds: Shaped[np.ndarray, " rows"] | None = None,
    n_draws: int = 50,
    draws: Float[np.ndarray, "draws bands"] | None = None,
    method: str = "random",
    n_steps: int = 50,
    fit_intercept: bool = True,
    dtype: str = "float32",
    memory_gb: float | int = 4,
    seed: int = 0,
) -> BandedFit:
    """Fit banded ridge with γ and α chosen per target by held-out r².

    Parameters
    ----------
    Xs : bands of (rows, features) each.
    Y : (rows, targets)
    n_draws : Dirichlet draws of γ, the even one first; ``draws`` gives them instead.
    method : ``random``, or ``gradient``: then ``n_steps`` of Adam on log(γ/α) per target, exact gradients of the
        held-out error, from the best draw; the best seen is kept, so it is never worse. It takes a factorisation a
        target and step: for hundreds of rows rather than thousands.

    Raises
    ------
    ValueError
        As :func:`ridge_cv`, and when there is no band or draws are not on the simplex.
    """
    if not Xs:
        raise ValueError("Xs holds no band: give one array of features or more")
    if method not in ("random", "gradient"):
        raise ValueError(f"method={method!r} is unknown: give 'random' or 'gradient'")
    n_rows = len(Y)
    if any(X.ndim != 2 or len(X) != n_rows for X in Xs):
        raise ValueError(f"bands of shapes {[X.shape for X in Xs]}: each must be ({n_rows} rows as in Y, features)")
    grid = np.asarray(DEFAULT_ALPHAS if alphas is None else alphas, dtype=np.float64)
    fold_of_row = assign_folds(n_rows, groups, n_folds) if folds is None else check_folds(folds, n_rows)
    gammas = _draw(len(Xs), n_draws, seed) if draws is None else _check_draws(draws, len(Xs))

    bands = _Scaled(Xs, fit_intercept)
    scores = np.full(Y.shape[1], -np.inf)
    gamma, alpha = np.empty((len(Xs), Y.shape[1])), np.empty(Y.shape[1])
    for drawn in gammas:
        X, grams = bands.features(drawn), bands.grams(drawn)
        problem = prepare(X, [Y], grid, None, 2, fold_of_row, fit_intercept, dtype, memory_gb, grams)
        of_alpha, best = problem.solver.scores("r2").max(0)
        better = of_alpha.numpy() > scores
        scores[better], alpha[better] = of_alpha.numpy()[better], grid[best.numpy()[better]]
        gamma[:, better] = drawn[:, None]
    if method == "gradient":
        weights = np.log(np.maximum(gamma, 1e-6) / alpha)
        scores, weights = descend(Xs, Y, fold_of_row, weights, scores, n_steps, fit_intercept)
        alpha = 1 / np.exp(weights).sum(0)
        gamma = np.exp(weights) * alpha
    return _refit(bands, Y, gamma, alpha, scores, dtype, memory_gb)


def variance_partition(
    Xs: Bands,
    Y: Shaped[np.ndarray, "_rows targets"],
    Xs_test: Bands,
    Y_test: Shaped[np.ndarray, "_test targets"],
    *,
    groups_test: Int[np.ndarray, " _test"] | None = None,
    **settings: Any,
) -> "Partition":
    """Split the variance explained in held-back rows over the bands, by two definitions.

    The product measure of band b, Σ ŷ_b (2y - ŷ) / Σ y² (all centred on the rows' mean), sums to r² over bands. The
    unique share is the loss of r² when the model is refitted without the band; what no band has for itself is
    shared. ``groups_test`` numbers the groups of the held-back rows, to be drawn again for intervals; one by default.
    ``settings`` go to :func:`banded_ridge_cv`.

    Raises ValueError as :func:`banded_ridge_cv`, and for fewer than two bands.
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
        fit = banded_ridge_cv([Xs[i] for i in rest], Y, **(settings | {"draws": None}))
        predicted = fit.predict([Xs_test[i] for i in rest])
        models.append(predicted - predicted.mean(0))
    group = np.zeros(len(truth), dtype=int) if groups_test is None else groups_test
    error, *without = (_summed((truth - model) ** 2, group) for model in models)
    lost, total = np.stack([each - error for each in without]), _summed(truth**2, group)
    unique = lost.sum(1) / sst
    return Partition(r2, product, unique, r2 - unique.sum(0), lost, total)


@dataclass(frozen=True)
class Partition:
    """Variance explained, by band.

    Attributes
    ----------
    r2, product, unique : the whole model's, and each band's. shared : r2 - Σ unique.
    lost : squared error in each test group that leaving a band out adds. total : the groups' sums of squares.
    """

    r2: Float[np.ndarray, " targets"]
    product: Float[np.ndarray, "bands targets"]
    unique: Float[np.ndarray, "bands targets"]
    shared: Float[np.ndarray, " targets"]
    lost: Float[np.ndarray, "bands groups targets"]
    total: Float[np.ndarray, "groups targets"]


def _summed(
    squares: Float[np.ndarray, "rows targets"], group: Int[np.ndarray, " rows"]
) -> Float[np.ndarray, "groups targets"]:
    """Sums over the rows of each group."""
    sums = np.zeros((group.max() + 1, squares.shape[1]))
    np.add.at(sums, group, squares)
    return sums


class _Scaled:
    """Bands side by side under band weights; the Gram matrix of every band is made once and serves all weights."""

    def __init__(self, Xs: Bands, centre: bool) -> None:
        self.Xs, self.centre = Xs, centre
        self._known: dict[torch.dtype, list[tuple[Square, Moments]]] = {}

    def features(self, gamma: Float[np.ndarray, " bands"]) -> Float[np.ndarray, "rows features"]:
        """[√γ_b X_b]"""
        return np.concatenate([X * np.sqrt(g).astype(X.dtype) for X, g in zip(self.Xs, gamma, strict=True)], 1)

    def grams(self, gamma: Float[np.ndarray, " bands"]) -> GramOf:
        """Σ γ_b X_b X_bᵀ of the centred bands, and the moments of :meth:`features`."""

        def combined(work: torch.dtype) -> tuple[Square, Moments]:
            if work not in self._known:
                self._known[work] = [centred_gram(X, work, 4096, self.centre) for X in self.Xs]
            parts = list(zip(gamma.tolist(), *zip(*self._known[work], strict=True), strict=True))
            total = torch.zeros_like(parts[0][1])
            for g, K, _ in parts:
                total.add_(K, alpha=g)
            return total, Moments.join([Moments(moments.mean * g**0.5, moments.constant) for g, _, moments in parts])

        return combined


def _refit(
    bands: _Scaled,
    Y: Shaped[np.ndarray, "_rows targets"],
    gamma: Float[np.ndarray, "bands targets"],
    alpha: Float[np.ndarray, " targets"],
    scores: Float[np.ndarray, " targets"],
    dtype: str,
    memory_gb: float | int,
) -> BandedFit:
    """Solve on all rows, the targets with the same band weights together."""
    kinds, kind = np.unique(gamma.T, axis=0, return_inverse=True)
    sizes = [X.shape[1] for X in bands.Xs]
    coef = np.empty((sum(sizes), Y.shape[1]), dtype=dtype)
    intercept = np.empty(Y.shape[1], dtype=dtype)
    for i, weights in enumerate(kinds):
        mine = np.flatnonzero(kind.ravel() == i)
        fit = solve(
            bands.features(weights),
            Y[:, mine],
            alpha[mine],
            fit_intercept=bands.centre,
            dtype=dtype,
            memory_gb=memory_gb,
            grams=bands.grams(weights),
        )
        coef[:, mine], intercept[mine] = fit.coef, fit.intercept
        coef[:, mine] *= np.repeat(np.sqrt(weights), sizes)[:, None]
    return BandedFit(tuple(np.split(coef, np.cumsum(sizes)[:-1])), intercept, gamma, alpha, scores)


def _draw(n_bands: int, n_draws: int, seed: int) -> Float[np.ndarray, "draws bands"]:
    rng = np.random.default_rng(seed)
    drawn = [rng.dirichlet([CONCENTRATIONS[i % 2]] * n_bands) for i in range(n_draws - 1)]
    return np.array([np.full(n_bands, 1 / n_bands), *drawn])


def _check_draws(draws: Float[np.ndarray, "_draws _bands"], n_bands: int) -> Float[np.ndarray, "_draws bands"]:
    if draws.ndim != 2 or draws.shape[1] != n_bands or (draws < 0).any() or not np.allclose(draws.sum(1), 1):
        raise ValueError(f"draws of shape {draws.shape}: give rows of {n_bands} weights, none negative, summing to 1")
    return draws
