"""Voxels selected by how well the music predicts them: cross-validated encoding inside the training set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int

from .._utils.threads import map_threads
from ..ridge import ridge, ridge_path
from .fits import Fitted, Pairs, RidgeMapping, correlations, scaling
from .mappings import Restricted
from .problem import Problem
from .voxel_ranking import rank_voxels

Path = Float32[np.ndarray, "alphas held dims"]

SHARES = (0.3, 0.1, 0.03, 0.01)
"""Shares of the voxels that are tried beside all of them."""

FEWEST = 20
"""Voxels that are kept at least, where there are so many."""


def selected(problem: Problem, targets: Sequence[Pairs]) -> list[Fitted]:
    """Fit ridge regression from the voxels that the embedding predicts best, in a cross-validated number.

    The follow-up work keeps voxels by a threshold on encoding r that was tuned on test results (R&B, arXiv 2406.15537:
    identification changes by 0.09 with it). Here every fold ranks voxels without its held-out pairs, and the share with
    the highest correlation of held-out predictions is kept. Penalties are chosen by the same folds.
    """
    whole = problem.ridge(targets)
    return map_threads(lambda each: _best_share(problem, *each), zip(targets, whole, strict=True))


def _best_share(problem: Problem, Y: Pairs, every: Fitted) -> Fitted:
    """The fit from all voxels, or that from the share of them which predicts held-out pairs better."""
    X, folds, n_voxels = problem.views[0].X, problem.folds, problem.views[0].X.shape[1]
    counts = sorted({max(FEWEST, round(share * n_voxels)) for share in SHARES})
    counts = [count for count in counts if count < n_voxels]
    if not counts:
        return every
    ranking = rank_voxels(X, Y, folds, problem.groups)
    tried = [_try(problem, Y, folds, [order[:count] for order in ranking.without_fold]) for count in counts]
    held_outs = [*(each.held_out for each in tried), every.held_out]
    best = int(np.argmax([correlations(held_out, Y).mean() for held_out in held_outs]))
    if best == len(counts):
        return every
    chosen, found = ranking.order[: counts[best]], tried[best]
    scaled = scaling(X[:, chosen]) if problem.settings.standardise else None
    fit = ridge(X[:, chosen] if scaled is None else scaled(X[:, chosen]), Y, found.best_alphas)
    return Fitted(
        Restricted(RidgeMapping(fit, scaled), 0, chosen),
        every.train_mean,
        found.best_alphas[None],
        found.cv_scores[None],
        found.held_out,
    )


@dataclass(frozen=True)
class _Tried:
    """Held-out predictions by some voxels of each fold, at the best penalty of each dimension."""

    held_out: Pairs
    best_alphas: Float64[np.ndarray, " dims"]
    cv_scores: Float64[np.ndarray, " dims"]


def _try(
    problem: Problem, Y: Pairs, folds: Int[np.ndarray, " pairs"], voxels: Sequence[Int[np.ndarray, " chosen"]]
) -> _Tried:
    """Predict every fold from its own selection of voxels; penalties by r², averaged over folds, as in ridge."""
    X, grid = problem.views[0].X, problem.settings.grid

    def predict(fold: int) -> Path:
        held, columns = folds == fold, X[:, np.sort(voxels[fold])]
        fitted, asked = columns[~held], columns[held]
        if problem.settings.standardise:
            scaled = scaling(fitted)
            fitted, asked = scaled(fitted), scaled(asked)
        return ridge_path(fitted, Y[~held], asked, alphas=grid)

    paths = map_threads(predict, range(len(voxels)))
    scores = np.mean([_r2(path, Y[folds == fold]) for fold, path in enumerate(paths)], axis=0)
    best, held_out = scores.argmax(axis=0), np.empty_like(Y)
    for fold, path in enumerate(paths):
        held_out[folds == fold] = path[best, :, np.arange(len(best))].T
    return _Tried(held_out, grid[best], scores.max(axis=0))


def _r2(path: Path, true: Pairs) -> Float64[np.ndarray, "alphas dims"]:
    """1 - SSE / SST about the fold's mean; 0 for dimensions that are constant in it."""
    errors = ((path - true) ** 2).sum(axis=1, dtype=np.float64)
    spread = ((true - true.mean(axis=0)) ** 2).sum(axis=0, dtype=np.float64)
    return np.where(spread > 0, 1 - np.divide(errors, spread, out=np.zeros_like(errors), where=spread > 0), 0.0)
