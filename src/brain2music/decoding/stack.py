"""Decoders of several lags and regions in one: a weighted sum, its weights fitted on held-out predictions."""

import numpy as np
from jaxtyping import Float, Float32
from scipy.optimize import nnls

from .fits import Fitted, Views
from .problem import HeldOut, Problem, regions

MIN_VOXELS = 10


def stacked(problem: Problem) -> Fitted:
    """Ridge for the whole brain and for each region, at each lag given, summed with weights of at least 0.

    Stacked regression (Breiman 1996, doi:10.1007/BF00117832): non-negative least squares of the embedding, its
    dimensions standardised, on the members' cross-validated predictions. The held-out predictions of the sum come
    from weights fitted to the other folds.
    """
    parts = [
        (lag, voxels) for lag, view in enumerate(problem.views) for voxels in _members(view.roi, view.train.X.shape[1])
    ]
    members = [problem.ridge(problem.views[lag].train.X[:, voxels]) for lag, voxels in parts]
    held_out = [HeldOut.of(each, problem) for each in members]
    folds, true = held_out[0].fold, held_out[0].true
    about = np.stack([each.predicted for each in held_out])
    scale = _scale(true)
    moments = [_moments(about[:, folds == f] * scale, true[folds == f] * scale) for f in range(held_out[0].n_folds)]
    gram, product = (np.sum([each[i] for each in moments], axis=0) for i in range(2))
    across = problem.Y - true
    for fold, (own_gram, own_product) in enumerate(moments):
        weights = convex_weights(gram - own_gram, product - own_product)
        across[folds == fold] += np.tensordot(weights, about[:, folds == fold], 1)
    weights = convex_weights(gram, product)
    mean = members[0].train_mean

    def summed(views: Views) -> Float32[np.ndarray, "asked dims"]:
        each = [fit.mapping([views[lag][:, voxels]]) for fit, (lag, voxels) in zip(members, parts, strict=True)]
        return mean + np.tensordot(weights, np.stack(each) - mean, 1)

    return Fitted(
        summed,
        mean,
        np.concatenate([each.best_alphas for each in members]),
        np.concatenate([each.cv_scores for each in members]),
        across,
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


def _members(roi: tuple[str, ...] | None, n_voxels: int) -> list[np.ndarray]:
    whole = np.ones(n_voxels, dtype=bool)
    return [whole, *(regions(roi, MIN_VOXELS).values() if roi is not None else ())]


def _scale(true: Float32[np.ndarray, "pairs dims"]) -> Float32[np.ndarray, " dims"]:
    """One over the standard deviation; 0 for constant dimensions."""
    sd = true.std(axis=0)
    return np.divide(1, sd, out=np.zeros_like(sd), where=sd > 1e-6 * sd.max())


def _moments(
    predicted: Float32[np.ndarray, "members rows dims"], true: Float32[np.ndarray, "rows dims"]
) -> tuple[Float[np.ndarray, "members members"], Float[np.ndarray, " members"]]:
    flat = predicted.reshape(len(predicted), -1).astype(np.float64)
    return flat @ flat.T, flat @ true.ravel().astype(np.float64)
