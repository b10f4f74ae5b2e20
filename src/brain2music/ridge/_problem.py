"""A problem checked, planned and factorised: all that comes before and after the choice of penalties."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Shaped

from .._utils.cpu import multiplies_bfloat16
from ._chunked import Array, Moments, Targets, centre_, centred_gram, like, to_tensor
from ._dual import DualSolver, factorise
from ._folds import assign_folds, check_folds
from ._plan import Plan, plan
from ._precision import MOST_CONDITION, precisions, too_small
from ._primal_per_fold import FoldwiseSolver
from ._principal_axes import decompose
from ._result import RidgeFit

log = logging.getLogger(__name__)

GramOf = Callable[[torch.dtype], tuple[Float[torch.Tensor, "n n"], Moments]]
"""The centred Gram matrix (in double, of products in the precision given) and the moments of the features."""


@dataclass(frozen=True)
class Problem:
    """A factorised problem: everything but the choice of penalties."""

    X: Array
    solver: DualSolver | FoldwiseSolver
    targets: Targets
    features: Moments
    how: Plan
    kept: torch.dtype

    def scored(self) -> "Problem":
        """The same without what only scores take."""
        return replace(self, solver=self.solver.scored())

    def fits(
        self,
        grid: Float[np.ndarray, " alphas"],
        best: Shaped[torch.Tensor, " targets"],
        scores: Float[torch.Tensor, "alphas targets"],
        keep_held_out: bool,
    ) -> list[RidgeFit]:
        """Refit on all rows at the penalties chosen, one fit per target set."""
        order = self.targets.order
        chosen = torch.as_tensor(grid, device=order.device)[best]
        held_out = None
        if keep_held_out:
            held_out = torch.empty(len(order), len(best), dtype=self.kept, device=order.device)
            held_out[order] = (self.solver.held_out(chosen) + self.targets.mean).to(self.kept)
        weights = self.solver.weights(chosen)
        weights = weights if self.how.dual else weights.to(self.kept)
        edge = (best == 0) | (best == len(grid) - 1)
        first, fits = 0, []
        for given in self.targets.sets:
            mine = slice(first, first + given.shape[1])
            first = mine.stop
            fits.append(
                RidgeFit(
                    alphas=grid,
                    best_alphas=like(chosen[mine].to(self.kept), given),
                    cv_scores=like(scores[:, mine].to(self.kept), given),
                    on_edge=like(edge[mine], given),
                    held_out=None if held_out is None else like(held_out[:, mine], given),
                    _weights=weights[:, mine],
                    _x_mean=self.features.mean,
                    _y_mean=self.targets.mean[mine].to(self.kept),
                    _rows=self.X if self.how.dual else None,
                    _block=self.how.block,
                )
            )
        return fits


def prepare(
    X: Array,
    Ys: Sequence[Array],
    grid: Float[np.ndarray, " alphas"],
    groups: Sequence[object] | Shaped[np.ndarray, " rows"] | None,
    n_folds: int,
    folds: Shaped[np.ndarray, " rows"] | None,
    intercept: bool,
    dtype: str,
    memory_gb: float | int,
    grams: GramOf | None = None,
    per_target: bool = False,
) -> Problem:
    """Check the arguments, plan, and factorise; ``grams`` gives X's Gram matrix where it is known already.

    ``per_target`` says that of the scores only the best of every target counts.
    """
    _check_shapes(X, Ys)
    kept = _check_dtype(dtype)
    n = X.shape[0]
    fold_of_row = assign_folds(n, groups, n_folds) if folds is None else check_folds(folds, n)
    sizes = np.bincount(fold_of_row)
    n_targets = sum(Y.shape[1] for Y in Ys)
    rounded = per_target and kept == torch.float32 and _device(X).type == "cpu" and multiplies_bfloat16()
    how = plan(n, X.shape[1], n_targets, len(grid), len(sizes), memory_gb, kept.itemsize, rounded)
    log.info("%s", how)
    order = torch.as_tensor(np.argsort(fold_of_row, kind="stable"), device=_device(X))
    slices = tuple(slice(a, b) for a, b in pairwise([0, *sizes.cumsum().tolist()]))
    targets = Targets.of(Ys, order, intercept)
    alphas = tuple(grid.tolist())
    solver: DualSolver | FoldwiseSolver
    if how.dual:
        grams = grams or (lambda work: centred_gram(X, work, how.block, intercept))
        solver, features = _dual_solver(grams, n, targets, slices, alphas, intercept, kept, how)
    else:
        solver, features = _foldwise_solver(X, targets, slices, alphas, intercept, kept, how)
    return Problem(X, solver, targets, features, how, kept)


def _dual_solver(
    grams: GramOf,
    n_rows: int,
    targets: Targets,
    folds: tuple[slice, ...],
    alphas: tuple[float, ...],
    intercept: bool,
    kept: torch.dtype,
    how: Plan,
) -> tuple[DualSolver, Moments]:
    """Factorise the Gram matrix in single precision where that is safe, else in double."""
    order = targets.order
    for work in precisions(n_rows, kept):
        K, features = grams(work)
        kernel = factorise(K if targets.in_order else K[order][:, order].contiguous(), work, intercept)
        condition = kernel.band.condition(alphas[0])
        if condition < MOST_CONDITION[work]:
            return DualSolver(kernel, targets, folds, alphas, how.batch), features
    raise too_small(alphas[0], condition)


def _foldwise_solver(
    X: Array,
    targets: Targets,
    folds: tuple[slice, ...],
    alphas: tuple[float, ...],
    intercept: bool,
    kept: torch.dtype,
    how: Plan,
) -> tuple[FoldwiseSolver, Moments]:
    """Stay in single precision only where the features are many and well enough conditioned."""
    large = X.shape[0] * X.shape[1] > 2**20
    for work in [kept, torch.float64] if large and kept != torch.float64 else [torch.float64]:
        rows = to_tensor(X, work, copy=True)
        features = centre_(rows, "X", centre=intercept)
        rows = rows[targets.order]
        whole = decompose(rows, alphas[0], intercept)
        if whole.condition <= 1e6:
            break
    solver = FoldwiseSolver(whole, rows, targets, folds, alphas, intercept, how.batch, how.forms, how.rounded)
    return solver, features


def _check_dtype(dtype: str) -> torch.dtype:
    if dtype not in ("float32", "float64"):
        raise ValueError(f"dtype={dtype!r}: give 'float32' or 'float64'")
    return torch.float64 if dtype == "float64" else torch.float32


def _check_shapes(X: Array, Ys: Sequence[Array]) -> None:
    if X.ndim != 2 or X.shape[1] == 0:
        raise ValueError(f"X has shape {tuple(X.shape)}: it must be (rows, features)")
    if not Ys:
        raise ValueError("no target set was given")
    for Y in Ys:
        if Y.ndim != 2 or Y.shape[0] != X.shape[0] or Y.shape[1] == 0:
            raise ValueError(f"Y has shape {tuple(Y.shape)}: it must be ({X.shape[0]} rows as in X, targets)")


def _device(array: Array) -> torch.device:
    return array.device if isinstance(array, torch.Tensor) else torch.device("cpu")
