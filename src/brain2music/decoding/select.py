"""Voxels chosen by how well the music predicts them: cross-validated encoding inside the training set."""

import warnings
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Float32, Int

from ..embeddings.alignment import Matched
from ..ridge import RidgeWarning, ridge_cv
from .fits import Fitted, correlations, cv_groups
from .problem import Problem

SHARES = (1.0, 0.3, 0.1, 0.03, 0.01)
"""Shares of the voxels that are tried."""

FEWEST = 20
"""Voxels that are kept at least, where there are so many."""

_ALPHAS = np.logspace(0, 6, 7)


def selected(problem: Problem) -> Fitted:
    """Ridge from the voxels best predicted by the embedding; how many is chosen by nested cross-validation.

    The follow-up work keeps voxels by a threshold on encoding r that was tuned on test results (R&B, arXiv
    2406.15537: identification moves by 0.09 with it). Here every fold ranks voxels without its held-out pairs, and
    the share with the highest correlation of held-out predictions is kept.
    """
    view, folds = problem.views[0], problem.folds
    train = view.train
    counts = sorted({_count(share, train.X.shape[1]) for share in SHARES})
    held_out = np.empty((len(counts), *train.Y.shape), np.float32)
    for fold in np.unique(folds):
        rest, held = _rows(train, folds != fold), folds == fold
        part = Problem((type(view)(rest, train.X[held]),), problem.units, problem.fit, problem.seed)
        order = _ranked(part)
        for k, count in enumerate(counts):
            chosen = order[:count]
            held_out[k, held] = part.ridge(rest.X[:, chosen]).predict(train.X[held][:, chosen]).values
    best = int(np.argmax([correlations(each, train.Y).mean() for each in held_out]))
    chosen = _ranked(problem)[: counts[best]]
    final = problem.ridge(train.X[:, chosen])
    return replace(final, mapping=lambda views: final.mapping([views[0][:, chosen]]), held_out=held_out[best])


def encoding_scores(
    train: Matched, groups: Int[np.ndarray, " pairs"], n_folds: int = 5
) -> Float[np.ndarray, " voxels"]:
    """Cross-validated correlation of every voxel with its prediction from the embedding, dimensions standardised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RidgeWarning)  # voxels that do not hear choose the largest penalty
        fit = ridge_cv(
            _standardised(train.Y), train.X, alphas=_ALPHAS, groups=groups, n_folds=n_folds, scoring="correlation"
        )
    return np.asarray(fit.cv_scores, dtype=np.float64).max(axis=0)


def _ranked(problem: Problem) -> Int[np.ndarray, " voxels"]:
    """Voxels, best predicted first."""
    train = problem.views[0].train
    groups = cv_groups(train, problem.units, problem.fit)
    return np.argsort(-encoding_scores(train, groups, problem.fit.n_folds), kind="stable")


def _count(share: float, n_voxels: int) -> int:
    return min(n_voxels, max(FEWEST, round(share * n_voxels)))


def _rows(train: Matched, keep: np.ndarray) -> Matched:
    return Matched(train.X[keep], train.Y[keep], train.groups[keep], train.window[keep])


def _standardised(Y: Float32[np.ndarray, "pairs dims"]) -> Float32[np.ndarray, "pairs dims"]:
    sd = Y.std(axis=0)
    return (Y - Y.mean(axis=0)) * np.divide(1, sd, out=np.zeros_like(sd), where=sd > 1e-6 * np.abs(Y).max())
