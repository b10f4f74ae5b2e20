"""Fits of matched pairs: ridge with cross-validated penalties, asked for predictions as often as wanted."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32, Int

from ..embeddings.alignment import Matched
from ..ridge import DEFAULT_ALPHAS, RidgeWarning, ridge_cv
from ..study.folds import inner_groups

Grouping = Literal["clip", "run"]
Views = Sequence[Float32[np.ndarray, "asked voxels"]]
"""Responses at one lag or several, the main lag first."""


@dataclass(frozen=True)
class Fit:
    """How one decoder is fitted: see :func:`.decoder.decode`."""

    alphas: Sequence[float] | None = None
    n_folds: int = 5
    groups: Grouping = "clip"
    standardise: bool = False

    @property
    def grid(self) -> Float[np.ndarray, " alphas"]:
        """The penalties tried."""
        return np.array(DEFAULT_ALPHAS if self.alphas is None else sorted(self.alphas), dtype=np.float64)


@dataclass(frozen=True)
class Prediction:
    """What fits gave: ``values`` (pairs, dims), and per fit and dimension the best penalty and its score.

    ``train_mean`` (pairs, dims) is the mean of the training targets in the fit that predicted the pair;
    ``held_out`` the cross-validated prediction of every training pair, where it was asked for.
    """

    values: Float32[np.ndarray, "pairs dims"]
    train_mean: Float32[np.ndarray, "pairs dims"]
    best_alphas: Float[np.ndarray, "fits dims"]
    cv_scores: Float[np.ndarray, "fits dims"]
    held_out: Float32[np.ndarray, "training dims"] | None = None


@dataclass(frozen=True)
class Fitted:
    """A fitted decoder of matched pairs, which may be asked for predictions as often as wanted.

    Attributes
    ----------
    mapping : responses (asked, voxels), one array per view of the training pairs, to (asked, dims).
    train_mean : (dims,) mean of the training targets.
    best_alphas, cv_scores, held_out : as in :class:`Prediction`.
    """

    mapping: Callable[[Views], Float32[np.ndarray, "asked dims"]]
    train_mean: Float32[np.ndarray, " dims"]
    best_alphas: Float[np.ndarray, "fits dims"]
    cv_scores: Float[np.ndarray, "fits dims"]
    held_out: Float32[np.ndarray, "training dims"] | None = None

    def predict(self, *views: Float32[np.ndarray, "asked voxels"]) -> Prediction:
        """What the decoder says of responses, given in the views that it was fitted in."""
        values = np.asarray(self.mapping(views), dtype=np.float32)
        mean = np.tile(self.train_mean, (len(values), 1))
        return Prediction(values, mean, self.best_alphas, self.cv_scores, self.held_out)


def fit_predict(
    train: Matched,
    test_X: Float32[np.ndarray, "test voxels"],
    units: Int[np.ndarray, " clips"],
    fit: Fit,
    keep_held_out: bool = False,
) -> Prediction:
    """Fit on matched pairs, predict for other responses; nothing of ``test_X`` enters the fit."""
    return fit_ridge(train, units, fit, keep_held_out).predict(test_X)


def fit_ridge(train: Matched, units: Int[np.ndarray, " clips"], fit: Fit, keep_held_out: bool = False) -> Fitted:
    """Ridge of matched pairs, the penalty of each dimension chosen by cross-validation."""
    groups = cv_groups(train, units, fit)
    scaled = _scaling(train.X) if fit.standardise else lambda X: X
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RidgeWarning)  # said once for all fits, by warn_on_edge
        ridge = ridge_cv(
            scaled(train.X),
            train.Y,
            alphas=fit.grid,
            groups=groups,
            n_folds=fit.n_folds,
            keep_held_out=keep_held_out,
        )
    return Fitted(
        lambda views: np.asarray(ridge.predict(scaled(views[0])), dtype=np.float32),
        train.Y.mean(axis=0),
        np.asarray(ridge.best_alphas, dtype=np.float64)[None],
        np.asarray(ridge.cv_scores, dtype=np.float64).max(axis=0)[None],
        None if ridge.held_out is None else np.asarray(ridge.held_out, dtype=np.float32),
    )


def _scaling(X: Float32[np.ndarray, "pairs voxels"]) -> Callable[[np.ndarray], np.ndarray]:
    """What brings responses to the mean 0 and variance 1 of these; voxels that are constant in these become 0."""
    mean, sd = X.mean(axis=0), X.std(axis=0)
    scale = np.divide(1, sd, out=np.zeros_like(sd), where=sd > 1e-6 * np.abs(mean))
    return lambda rows: (rows - mean) * scale


def cv_groups(train: Matched, units: Int[np.ndarray, " clips"], fit: Fit) -> Int[np.ndarray, " pairs"]:
    """What the cross-validation inside the training set may not divide; :class:`InputError` where it is too little."""
    return inner_groups(units, train.groups, fit.n_folds, fit.groups)


def correlations(
    a: Float32[np.ndarray, "rows dims"], b: Float32[np.ndarray, "rows dims"]
) -> Float32[np.ndarray, " dims"]:
    """Pearson correlation per column; 0 where one is constant."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    norms = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
    return np.divide((a * b).sum(axis=0), norms, out=np.zeros_like(norms), where=norms > 0)


def predict_folds(
    pairs: Matched, units: Int[np.ndarray, " clips"], folds: Sequence[Int[np.ndarray, " _"]], fit: Fit
) -> Prediction:
    """Predict the clips held out in each fold from all others."""
    values, train_mean = np.empty_like(pairs.Y), np.empty_like(pairs.Y)
    fits = []
    for held_out in folds:
        test = np.isin(pairs.groups, held_out)
        train = Matched(pairs.X[~test], pairs.Y[~test], pairs.groups[~test], pairs.window[~test])
        fitted = fit_predict(train, pairs.X[test], units, fit)
        values[test], train_mean[test] = fitted.values, fitted.train_mean
        fits.append(fitted)
    return Prediction(
        values,
        train_mean,
        np.concatenate([each.best_alphas for each in fits]),
        np.concatenate([each.cv_scores for each in fits]),
    )
