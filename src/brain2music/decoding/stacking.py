"""Decoders of several lags and regions in one: a weighted sum, its weights fitted on held-out predictions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy.optimize import nnls

from .fits import Fitted, Pairs
from .mappings import Restricted, WeightedSum
from .problem import HeldOut, Problem, regions

MIN_VOXELS = 10


def stacked(problem: Problem, targets: Sequence[Pairs]) -> list[Fitted]:
    """Sum ridge regressions from the whole brain and from each region, at each lag, with weights of at least 0.

    This is stacked regression (Breiman 1996, doi:10.1007/BF00117832): non-negative least squares of the embedding, with
    its dimensions standardised, on the cross-validated predictions of the members. The held-out predictions of the sum
    are computed with weights fitted to the other folds.
    """
    members: list[list[_Member]] = [[] for _ in targets]
    for lag, view in enumerate(problem.views):
        for voxels in _members(view.roi):
            whole = voxels is None
            X = view.X if voxels is None else view.X[:, voxels]
            fits = problem.ridge_from(X, targets, gram=view.gram if whole else None)
            for fitted, of_targets in zip(fits, members, strict=True):
                of_targets.append(_Member(lag, voxels, fitted))
    return [_sum(each, Y, problem) for each, Y in zip(members, targets, strict=True)]


@dataclass(frozen=True)
class _Member:
    """One decoder of the sum: its lag, by the number of its view, and its voxels, None for all."""

    lag: int
    voxels: Bool[np.ndarray, " voxels"] | None
    fitted: Fitted

    @property
    def mapping(self) -> Restricted:
        return Restricted(self.fitted.mapping, self.lag, self.voxels)


def _sum(members: Sequence[_Member], Y: Pairs, problem: Problem) -> Fitted:
    """The members, summed with weights that their held-out predictions give."""
    held_out = [HeldOut.of(each.fitted, Y, problem) for each in members]
    folds, true = held_out[0].fold, held_out[0].true
    predicted = np.stack([each.predicted for each in held_out])
    scale = _inverse_sd(true)
    moments = [
        _second_moments(predicted[:, folds == f] * scale, true[folds == f] * scale) for f in range(held_out[0].n_folds)
    ]
    gram, product = (np.sum([each[i] for each in moments], axis=0) for i in range(2))
    cross_validated = Y - true
    for fold, (own_gram, own_product) in enumerate(moments):
        weights = convex_weights(gram - own_gram, product - own_product)
        cross_validated[folds == fold] += np.tensordot(weights, predicted[:, folds == fold], 1)
    weights = convex_weights(gram, product)
    mean = members[0].fitted.train_mean
    return Fitted(
        WeightedSum(tuple(each.mapping for each in members), weights, mean),
        mean,
        np.concatenate([each.fitted.best_alphas for each in members]),
        np.concatenate([each.fitted.cv_scores for each in members]),
        cross_validated,
    )


def convex_weights(
    gram: Float[np.ndarray, "members members"], product: Float[np.ndarray, " members"]
) -> Float32[np.ndarray, " members"]:
    """Least squares with weights of at least 0, from AᵀA and Aᵀb; where no member helps, their mean.

    A trace of ridge decides between members that say the same.
    """
    size = max(float(np.trace(gram)) / len(gram), np.finfo(float).tiny)
    root = np.linalg.cholesky(gram + 1e-6 * size * np.eye(len(gram)))
    weights = nnls(root.T, np.linalg.solve(root, product))[0]
    return (weights if weights.any() else np.full(len(gram), 1 / len(gram))).astype(np.float32)


def _members(roi: tuple[str, ...] | None) -> list[Bool[np.ndarray, " voxels"] | None]:
    return [None, *(regions(roi, MIN_VOXELS).values() if roi is not None else ())]


def _inverse_sd(true: Float32[np.ndarray, "pairs dims"]) -> Float32[np.ndarray, " dims"]:
    """One over the standard deviation; 0 for constant dimensions."""
    sd = true.std(axis=0)
    return np.divide(1, sd, out=np.zeros_like(sd), where=sd > 1e-6 * sd.max())


def _second_moments(
    predicted: Float32[np.ndarray, "members rows dims"], true: Float32[np.ndarray, "rows dims"]
) -> tuple[Float[np.ndarray, "members members"], Float[np.ndarray, " members"]]:
    flat = predicted.reshape(len(predicted), -1).astype(np.float64)
    return flat @ flat.T, flat @ true.ravel().astype(np.float64)
