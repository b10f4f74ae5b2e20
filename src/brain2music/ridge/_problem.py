"""A problem checked, planned and factorised: everything before and after the choice of penalties."""

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
from ._folds import Groups, assign_folds, renumber_folds
from ._plan import Plan, plan
from ._precision import MAX_CONDITION, alpha_too_small, check_dtype, dtypes_to_try
from ._primal_per_fold import PrimalPerFoldSolver
from ._principal_axes import principal_axes
from ._result import RidgeFit

log = logging.getLogger(__name__)

GramOf = Callable[[torch.dtype], tuple[Float[torch.Tensor, "n n"], Moments]]
"""Function of a precision that gives the centred Gram matrix (products in that precision, sums in double) and the
moments of the features. The matrix is overwritten."""


@dataclass(frozen=True)
class RidgeProblem:
    """A factorised problem: everything but the choice of penalties."""

    X: Array
    solver: DualSolver | PrimalPerFoldSolver
    targets: Targets
    features: Moments
    plan: Plan
    dtype: torch.dtype

    def for_refit(self) -> "RidgeProblem":
        """The same without what only scores need."""
        return replace(self, solver=self.solver.for_refit())

    def refit(
        self,
        grid: Float[np.ndarray, " alphas"],
        best: Shaped[torch.Tensor, " targets"],
        scores: Float[torch.Tensor, "alphas targets"],
        keep_held_out: bool = False,
    ) -> list[RidgeFit]:
        """Fit all rows at the chosen penalties (``best``: their indices); one fit per target set."""
        order, dual = self.targets.order, self.plan.solver == "dual"
        chosen = torch.as_tensor(grid, device=order.device)[best]
        held_out = None
        if keep_held_out:
            held_out = torch.empty(len(order), len(best), dtype=self.dtype, device=order.device)
            held_out[order] = (self.solver.held_out(chosen) + self.targets.mean).to(self.dtype)
        weights = self.solver.weights(chosen)
        weights = weights if dual else weights.to(self.dtype)
        on_edge = (best == 0) | (best == len(grid) - 1)
        first, fits = 0, []
        for y in self.targets.sets:
            columns = slice(first, first + y.shape[1])
            first = columns.stop
            fits.append(
                RidgeFit(
                    alphas=grid,
                    best_alphas=like(chosen[columns].to(self.dtype), y),
                    cv_scores=like(scores[:, columns].to(self.dtype), y),
                    on_edge=like(on_edge[columns], y),
                    held_out=None if held_out is None else like(held_out[:, columns], y),
                    _weights=weights[:, columns],
                    _x_mean=self.features.mean,
                    _y_mean=self.targets.mean[columns].to(self.dtype),
                    _rows=self.X if dual else None,
                    _chunk=self.plan.chunk,
                )
            )
        return fits


def prepare_problem(
    X: Array,
    Ys: Sequence[Array],
    grid: Float[np.ndarray, " alphas"],
    *,
    groups: Groups | None = None,
    n_folds: int = 2,
    folds: Shaped[np.ndarray, " rows"] | None = None,
    fit_intercept: bool,
    dtype: str,
    memory_gb: float | int,
    solver: str = "auto",
    grams: GramOf | None = None,
    per_target: bool = False,
    planned: Plan | None = None,
) -> RidgeProblem:
    """Check the arguments, plan, and factorise.

    Parameters
    ----------
    grid : (alphas,) ascending.
    grams : gives the Gram matrix of X where it is already known; used by the dual solver.
    per_target : whether of the scores only the best of every target matters.
    planned : a plan to follow instead of making one.
    """
    _check_shapes(X, Ys)
    kept = check_dtype(dtype)
    n, n_targets = X.shape[0], sum(Y.shape[1] for Y in Ys)
    fold_of_row = assign_folds(n, groups, n_folds) if folds is None else renumber_folds(folds, n)
    sizes = np.bincount(fold_of_row)
    screened = per_target and kept == torch.float32 and _device(X).type == "cpu" and multiplies_bfloat16()
    planned = planned or plan(
        n, X.shape[1], n_targets, len(grid), len(sizes), memory_gb, solver=solver, dtype=dtype, screened=screened
    )
    log.info("%s", planned)
    order = torch.as_tensor(np.argsort(fold_of_row, kind="stable"), device=_device(X))
    slices = tuple(slice(a, b) for a, b in pairwise([0, *sizes.cumsum().tolist()]))
    targets = Targets.from_sets(Ys, order, fit_intercept)
    alphas = tuple(grid.tolist())
    chosen: DualSolver | PrimalPerFoldSolver
    if planned.solver == "dual":
        grams = grams or (lambda work: centred_gram(X, work, planned.chunk, fit_intercept))
        chosen, features = _dual_solver(grams, n, targets, slices, alphas, fit_intercept, kept, planned)
    else:
        chosen, features = _primal_solver(X, targets, slices, alphas, fit_intercept, kept, planned)
    return RidgeProblem(X, chosen, targets, features, planned, kept)


def _dual_solver(
    grams: GramOf,
    n_rows: int,
    targets: Targets,
    folds: tuple[slice, ...],
    alphas: tuple[float, ...],
    intercept: bool,
    dtype: torch.dtype,
    planned: Plan,
) -> tuple[DualSolver, Moments]:
    """Factorise the Gram matrix in single precision where that is safe, else in double."""
    order = targets.order
    for work in dtypes_to_try(n_rows, dtype):
        K, features = grams(work)
        kernel = factorise(K if targets.is_sorted else K[order][:, order].contiguous(), work, intercept)
        condition = kernel.tridiagonal.condition(alphas[0])
        if condition < MAX_CONDITION[work]:
            return DualSolver(kernel, targets, folds, alphas, planned.batch), features
    raise alpha_too_small(alphas[0], condition)


def _primal_solver(
    X: Array,
    targets: Targets,
    folds: tuple[slice, ...],
    alphas: tuple[float, ...],
    intercept: bool,
    dtype: torch.dtype,
    planned: Plan,
) -> tuple[PrimalPerFoldSolver, Moments]:
    """Stay in single precision only where the features are many and well enough conditioned."""
    large = X.shape[0] * X.shape[1] > 2**20
    for work in [dtype, torch.float64] if large and dtype != torch.float64 else [torch.float64]:
        rows = to_tensor(X, work, copy=True)
        features = centre_(rows, "X", centre=intercept)
        rows = rows[targets.order]
        axes = principal_axes(rows, alphas[0], intercept)
        if axes.condition <= 1e6:
            break
    solver = PrimalPerFoldSolver(
        axes, rows, targets, folds, alphas, intercept, planned.batch, planned.quadratic_errors, planned.screened
    )
    return solver, features


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
