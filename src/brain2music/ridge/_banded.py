"""Banded ridge: several feature spaces (bands), each with its own penalty for every target.

    min ‖Y - Σ_b X_b B_b‖² + Σ_b α/γ_b ‖B_b‖²,     γ on the simplex

which is ridge on the features √γ_b X_b. The band weights γ are found per target by random search over candidates from
Dirichlet distributions (Dupré la Tour et al. 2022, NeuroImage 264, 119728), each scored for the whole grid of α from
one factorisation, and may be refined by gradient descent on the same held-out error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped

from ._banded_gradient import descend
from ._chunked import Moments, centred_gram
from ._folds import Groups, assign_folds, renumber_folds
from ._linalg import Square
from ._problem import GramOf, prepare_problem
from ._ridge import solve
from ._ridge_cv import Alphas, check_alphas

CONCENTRATIONS = (0.1, 1.0)
"""Dirichlet concentrations that candidates alternate between: sparse and uniform."""

METHODS = ("random", "gradient")

Bands = Sequence[Shaped[np.ndarray, "_rows _features"]]


@dataclass(frozen=True)
class BandedFit:
    """A fitted linear map of several feature spaces, ``Y ≈ Σ_b X_b @ coefs[b] + intercept``.

    Attributes
    ----------
    coefs : tuple of ndarray of shape (features of the band, targets)
        Weights, one array per band.
    intercept : ndarray of shape (targets,)
        Predictions where all features are 0.
    band_weights : ndarray of shape (bands, targets)
        γ; every column sums to 1.
    best_alphas : ndarray of shape (targets,)
        α; band b is penalised by α / γ_b.
    cv_scores : ndarray of shape (targets,)
        Held-out r² of the chosen penalties, averaged over folds.

    See Also
    --------
    banded_ridge_cv : Fits it.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.ridge import banded_ridge_cv
    >>> rng = np.random.default_rng(0)
    >>> bands = [rng.normal(size=(100, 8)), rng.normal(size=(100, 20))]
    >>> fit = banded_ridge_cv(bands, bands[0][:, :2] + bands[1][:, :2], n_candidates=5)
    >>> parts = fit.predict_bands(bands)
    >>> parts.shape, bool(np.allclose(parts.sum(0) + fit.intercept, fit.predict(bands)))
    ((2, 100, 2), True)
    """

    coefs: tuple[Float[np.ndarray, "_features targets"], ...]
    intercept: Float[np.ndarray, " targets"]
    band_weights: Float[np.ndarray, "bands targets"]
    best_alphas: Float[np.ndarray, " targets"]
    cv_scores: Float[np.ndarray, " targets"]

    def predict_bands(self, Xs: Bands) -> Float[np.ndarray, "bands rows targets"]:
        """Predict the contribution of every band; with the intercept they sum to the prediction.

        Parameters
        ----------
        Xs : sequence of ndarray of shape (rows, features of the band)
            Bands in the order of the fit.

        Returns
        -------
        ndarray of shape (bands, rows, targets)
            Contributions.

        Raises
        ------
        ValueError
            The bands do not have the features of the fit.
        """
        if [X.shape[1] for X in Xs] != [len(coef) for coef in self.coefs]:
            raise ValueError(f"bands of {[X.shape[1] for X in Xs]} features: fitted on {[len(c) for c in self.coefs]}")
        return np.stack([X @ coef for X, coef in zip(Xs, self.coefs, strict=True)])

    def predict(self, Xs: Bands) -> Float[np.ndarray, "rows targets"]:
        """Predict the targets of further rows.

        Parameters
        ----------
        Xs : sequence of ndarray of shape (rows, features of the band)
            Bands in the order of the fit.

        Returns
        -------
        ndarray of shape (rows, targets)
            Predictions.

        Raises
        ------
        ValueError
            The bands do not have the features of the fit.
        """
        return self.predict_bands(Xs).sum(0) + self.intercept


def banded_ridge_cv(
    Xs: Bands,
    Y: Shaped[np.ndarray, "_rows targets"],
    *,
    alphas: Alphas | None = None,
    groups: Groups | None = None,
    n_folds: int = 5,
    folds: Shaped[np.ndarray, " rows"] | None = None,
    n_candidates: int = 50,
    candidates: Float[np.ndarray, "_candidates _bands"] | None = None,
    method: str = "random",
    n_steps: int = 50,
    fit_intercept: bool = True,
    solver: str = "auto",
    dtype: str = "float32",
    memory_gb: float | int = 4,
    random_state: int | np.random.Generator | None = 0,
) -> BandedFit:
    """Fit banded ridge regression, with band weights γ and penalties α chosen per target by held-out r².

    The fit minimises ``‖Y - Σ_b X_b B_b‖² + Σ_b α/γ_b ‖B_b‖²`` [1]_.

    Parameters
    ----------
    Xs : sequence of ndarray of shape (rows, features of the band)
        Feature spaces.
    Y : ndarray of shape (rows, targets)
        Targets.
    alphas : sequence of float, optional
        Penalties to try; default 20 from 0.1 to 1e8.
    groups : array-like of shape (rows,), optional
        Label per row; rows with the same label stay in the same fold. By default folds are contiguous.
    n_folds : int, default 5
        Number of folds.
    folds : ndarray of shape (rows,), optional
        The fold of every row, instead of ``groups`` and ``n_folds``.
    n_candidates : int, default 50
        Number of candidates of γ: the uniform one, then samples of Dirichlet distributions.
    candidates : ndarray of shape (candidates, bands), optional
        Candidates of γ to use instead, each summing to 1.
    method : {"random", "gradient"}
        ``"random"`` takes the best candidate. ``"gradient"`` starts from it: ``n_steps`` of Adam on log(γ/α) per target
        with exact gradients of the held-out error. The best weights found are kept, so it is never worse. It takes one
        factorisation per target and step, so it is for hundreds of rows rather than thousands.
    n_steps : int, default 50
        Steps of gradient descent.
    fit_intercept : bool, default True
        Whether to fit an unpenalised intercept.
    solver : {"auto", "dual", "primal_per_fold"}
        Solver to use, as in :func:`ridge_cv`.
    dtype : {"float32", "float64"}
        Precision.
    memory_gb : float, default 4
        Working memory allowed beyond the data and the result, in GiB.
    random_state : int, Generator or None, default 0
        Seed of the candidates; None for a new one on every call.

    Returns
    -------
    BandedFit
        Weights per band, band weights, penalties and their scores.

    Raises
    ------
    ValueError
        As for :func:`ridge_cv`, and if there is no band, bands differ in rows, or candidates are not on the simplex.

    See Also
    --------
    BandedRidgeCV : The same as a scikit-learn estimator.
    variance_partition : The variance that every band explains.

    References
    ----------
    .. [1] Dupré la Tour, Eickenberg, Nunez-Elizalde & Gallant, "Feature-space selection with banded ridge regression",
       NeuroImage 264:119728, 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.ridge import banded_ridge_cv
    >>> rng = np.random.default_rng(0)
    >>> melody, rhythm = rng.normal(size=(100, 8)), rng.normal(size=(100, 20))
    >>> Y = melody @ rng.normal(size=(8, 2)) + rng.normal(size=(100, 2))
    >>> fit = banded_ridge_cv([melody, rhythm], Y, n_candidates=10)
    >>> bool((fit.band_weights[0] > 0.5).all())
    True
    """
    grid, fold_of_row = check_alphas(alphas), _check_banded(Xs, Y, method, groups, n_folds, folds)
    if candidates is None:
        candidates = _sample_candidates(len(Xs), n_candidates, np.random.default_rng(random_state))
    else:
        _check_candidates(candidates, len(Xs))
    bands = _ScaledBands(Xs, fit_intercept)
    scores = np.full(Y.shape[1], -np.inf)
    gamma, alpha = np.empty((len(Xs), Y.shape[1])), np.empty(Y.shape[1])
    settings: dict[str, Any] = {
        "fit_intercept": fit_intercept,
        "dtype": dtype,
        "memory_gb": memory_gb,
        "solver": solver,
    }
    for candidate in candidates:
        problem = prepare_problem(
            bands.features(candidate), [Y], grid, folds=fold_of_row, grams=bands.grams(candidate), **settings
        )
        of_alpha, best = problem.solver.scores("r2").max(0)
        better = of_alpha.numpy() > scores
        scores[better], alpha[better] = of_alpha.numpy()[better], grid[best.numpy()[better]]
        gamma[:, better] = candidate[:, None]
    if method == "gradient":
        weights = np.log(np.maximum(gamma, 1e-6) / alpha)
        scores, weights = descend(Xs, Y, fold_of_row, weights, scores, n_steps, fit_intercept)
        alpha = 1 / np.exp(weights).sum(0)
        gamma = np.exp(weights) * alpha
    return _refit(bands, Y, gamma, alpha, scores, settings)


class _ScaledBands:
    """Bands side by side under band weights; the Gram matrix of every band is computed once and serves all weights."""

    def __init__(self, Xs: Bands, centre: bool) -> None:
        self.Xs, self.centre = Xs, centre
        self._cached: dict[torch.dtype, list[tuple[Square, Moments]]] = {}

    def features(self, gamma: Float[np.ndarray, " bands"]) -> Float[np.ndarray, "rows features"]:
        """[√γ_b X_b]"""
        return np.concatenate([X * np.sqrt(g).astype(X.dtype) for X, g in zip(self.Xs, gamma, strict=True)], 1)

    def grams(self, gamma: Float[np.ndarray, " bands"]) -> GramOf:
        """Σ γ_b X_b X_bᵀ of the centred bands, and the moments of :meth:`features`."""

        def combined(work: torch.dtype) -> tuple[Square, Moments]:
            if work not in self._cached:
                self._cached[work] = [centred_gram(X, work, 4096, self.centre) for X in self.Xs]
            parts = list(zip(gamma.tolist(), *zip(*self._cached[work], strict=True), strict=True))
            total = torch.zeros_like(parts[0][1])
            for g, K, _ in parts:
                total.add_(K, alpha=g)
            return total, Moments.join([Moments(moments.mean * g**0.5, moments.constant) for g, _, moments in parts])

        return combined


def _refit(
    bands: _ScaledBands,
    Y: Shaped[np.ndarray, "_rows targets"],
    gamma: Float[np.ndarray, "bands targets"],
    alpha: Float[np.ndarray, " targets"],
    scores: Float[np.ndarray, " targets"],
    settings: Mapping[str, Any],
) -> BandedFit:
    """Solve on all rows, targets with the same band weights together."""
    distinct, index = np.unique(gamma.T, axis=0, return_inverse=True)
    sizes = [X.shape[1] for X in bands.Xs]
    coef = np.empty((sum(sizes), Y.shape[1]), dtype=settings["dtype"])
    intercept = np.empty(Y.shape[1], dtype=settings["dtype"])
    for i, weights in enumerate(distinct):
        same = np.flatnonzero(index.ravel() == i)
        fit = solve(bands.features(weights), Y[:, same], alpha[same], grams=bands.grams(weights), **settings)
        coef[:, same], intercept[same] = fit.coef, fit.intercept
        coef[:, same] *= np.repeat(np.sqrt(weights), sizes)[:, None]
    return BandedFit(tuple(np.split(coef, np.cumsum(sizes)[:-1])), intercept, gamma, alpha, scores)


def _check_banded(
    Xs: Bands,
    Y: Shaped[np.ndarray, "_rows targets"],
    method: str,
    groups: Groups | None,
    n_folds: int,
    folds: Shaped[np.ndarray, " rows"] | None,
) -> Int[np.ndarray, " _rows"]:
    """Check the arguments; returns the fold of every row."""
    if not Xs:
        raise ValueError("Xs holds no band: give at least one array of features")
    if method not in METHODS:
        raise ValueError(f"method={method!r} is unknown: give one of {', '.join(METHODS)}")
    n_rows = len(Y)
    if any(X.ndim != 2 or len(X) != n_rows for X in Xs):
        raise ValueError(f"bands of shapes {[X.shape for X in Xs]}: each must be ({n_rows} rows as in Y, features)")
    fold_of_row = assign_folds(n_rows, groups, n_folds) if folds is None else renumber_folds(folds, n_rows)
    if np.bincount(fold_of_row).min() < 2:
        raise ValueError("banded ridge is scored by r2, which needs 2 rows in every fold: give fewer folds")
    return fold_of_row


def _sample_candidates(n_bands: int, n_candidates: int, rng: np.random.Generator) -> Float[np.ndarray, "_n _bands"]:
    if n_candidates < 1:
        raise ValueError(f"n_candidates={n_candidates}: give at least 1")
    sampled = [rng.dirichlet([CONCENTRATIONS[i % 2]] * n_bands) for i in range(n_candidates - 1)]
    return np.array([np.full(n_bands, 1 / n_bands), *sampled])


def _check_candidates(candidates: Float[np.ndarray, "_n _bands"], n_bands: int) -> None:
    shape = candidates.shape
    if (
        len(shape) != 2
        or 0 in shape
        or shape[1] != n_bands
        or (candidates < 0).any()
        or not np.allclose(candidates.sum(1), 1)
    ):
        raise ValueError(f"candidates of shape {shape}: give rows of {n_bands} weights, none negative, summing to 1")
