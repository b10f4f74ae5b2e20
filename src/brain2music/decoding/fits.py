"""Fits of matched pairs: ridge with cross-validated penalties, asked for predictions as often as wanted."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32, Int

from ..ridge import DEFAULT_ALPHAS, Gram, RidgeFit, RidgeWarning, ridge_cv_many

Pairs = Float32[np.ndarray, "pairs dims"]
Asked = Sequence[Float32[np.ndarray, "asked voxels"]]
"""Responses that are to be decoded, at one lag or several, the main lag first."""


Mapping = Callable[[Asked], Float32[np.ndarray, "asked dims"]]
"""Maps responses of shape (asked, voxels), one array per view of the training pairs, to (asked, dims)."""


@dataclass(frozen=True)
class RidgeSettings:
    """Settings of the ridge regressions of a decoder.

    Attributes
    ----------
    alphas : sequence of float or None
        Penalties tried; default 20 from 0.1 to 1e8 (the paper does not give its own).
    n_folds : int
        Folds of the cross-validation inside the training set that chooses among them, for each dimension.
    standardise : bool
        Whether to scale every voxel to unit variance over the training pairs first.
    """

    alphas: Sequence[float] | None = None
    n_folds: int = 5
    standardise: bool = False

    @property
    def grid(self) -> Float[np.ndarray, " alphas"]:
        """The penalties tried, ascending."""
        return np.array(DEFAULT_ALPHAS if self.alphas is None else sorted(self.alphas), dtype=np.float64)


@dataclass(frozen=True)
class Fitted:
    """A decoder fitted to matched pairs, which can be asked for predictions as often as needed.

    Attributes
    ----------
    mapping : callable
        Maps responses of shape (asked, voxels), one array per view of the training pairs, to (asked, dims).
    train_mean : ndarray of shape (dims,)
        Mean of the training targets.
    best_alphas, cv_scores : ndarray of shape (fits, dims)
        The penalty chosen in each ridge regression, and its cross-validated score.
    held_out : ndarray of shape (pairs, dims)
        Cross-validated prediction of every training pair.
    """

    mapping: Mapping
    train_mean: Float32[np.ndarray, " dims"]
    best_alphas: Float[np.ndarray, "fits dims"]
    cv_scores: Float[np.ndarray, "fits dims"]
    held_out: Pairs

    def predict(self, *views: Float32[np.ndarray, "asked voxels"]) -> Float32[np.ndarray, "asked dims"]:
        """Predict embeddings from responses, given in the views that the decoder was fitted in."""
        return np.asarray(self.mapping(views), dtype=np.float32)

    def only(self, asked: Asked) -> "Fitted":
        """Reduce the decoder to its predictions from these responses, which frees what it was fitted to."""
        values = self.predict(*asked)
        return replace(self, mapping=lambda _: values)


def fit_ridge(
    X: Float32[np.ndarray, "pairs voxels"],
    targets: Sequence[Pairs],
    groups: Int[np.ndarray, " pairs"],
    settings: RidgeSettings,
    gram: Gram | None = None,
) -> list[Fitted]:
    """Fit ridge regressions from X to each set of targets, with cross-validated penalties for each dimension.

    Parameters
    ----------
    X : ndarray of shape (pairs, voxels)
        Responses.
    targets : sequence of ndarray of shape (pairs, dims)
        Sets of embeddings.
    groups : ndarray of int of shape (pairs,)
        Groups of pairs that no fold divides.
    settings : RidgeSettings
        Penalties, folds and scaling.
    gram : Gram, optional
        Gram matrix of X, if other fits share it.

    Returns
    -------
    list of Fitted
        One fit per set of targets.
    """
    scaled = scaling(X) if settings.standardise else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RidgeWarning)  # said once for all fits, by warn_on_edge
        fits = ridge_cv_many(
            X if scaled is None else scaled(X),
            targets,
            alphas=settings.grid,
            groups=groups,
            n_folds=settings.n_folds,
            keep_held_out=True,
            gram=None if settings.standardise else gram,
        )
    return [
        Fitted(
            RidgeMapping(ridge, scaled),
            Y.mean(axis=0),
            np.asarray(ridge.best_alphas, dtype=np.float64)[None],
            np.asarray(ridge.cv_scores, dtype=np.float64).max(axis=0)[None],
            np.asarray(ridge.held_out, dtype=np.float32),
        )
        for ridge, Y in zip(fits, targets, strict=True)
    ]


@dataclass(frozen=True)
class Scaling:
    """Scaling of voxels: a mean is subtracted, and the rest multiplied."""

    mean: Float32[np.ndarray, " voxels"]
    scale: Float32[np.ndarray, " voxels"]

    def __call__(self, rows: Float32[np.ndarray, "rows voxels"]) -> Float32[np.ndarray, "rows voxels"]:
        return (rows - self.mean) * self.scale


@dataclass(frozen=True)
class RidgeMapping:
    """A ridge regression from all voxels at the main lag, which may be scaled first."""

    ridge: RidgeFit
    scaled: Scaling | None = None

    def __call__(self, views: Asked) -> Float32[np.ndarray, "asked dims"]:
        X = views[0] if self.scaled is None else self.scaled(views[0])
        return np.asarray(self.ridge.predict(X), dtype=np.float32)


def scaling(X: Float32[np.ndarray, "pairs voxels"]) -> Scaling:
    """Make the scaling of responses by the mean and variance of these; constant voxels become 0."""
    mean, sd = X.mean(axis=0), X.std(axis=0)
    return Scaling(mean, np.divide(1, sd, out=np.zeros_like(sd), where=sd > 1e-6 * np.abs(mean)))


def correlations(
    a: Float32[np.ndarray, "rows dims"], b: Float32[np.ndarray, "rows dims"]
) -> Float32[np.ndarray, " dims"]:
    """Pearson correlation per column; 0 where one is constant."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    norms = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
    return np.divide((a * b).sum(axis=0), norms, out=np.zeros_like(norms), where=norms > 0)
