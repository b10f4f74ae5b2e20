"""Ridge regression with cross-validated penalties on plain arrays: the functions everything else calls."""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Shaped

from .blocks import Array, Targets, apply, centred_gram, column_blocks, finite_mean, to_tensor
from .dual import DualSolver, factorise
from .folds import assign_folds, check_folds
from .foldwise import FoldwiseSolver, decompose
from .plan import Plan, plan
from .precision import MOST_CONDITION, precisions, too_small
from .scores import check_score

DEFAULT_ALPHAS = np.logspace(-1, 8, 20)
log = logging.getLogger(__name__)


class RidgeWarning(UserWarning):
    """A fit that is computed but should be looked at before it is believed."""


@dataclass(frozen=True)
class RidgeFit:
    """A fitted map ``Y ≈ X @ coef + intercept``, each target with its own penalty.

    Attributes
    ----------
    alphas : (alphas,) the grid, ascending.
    best_alphas : (targets,)
    cv_scores : (alphas, targets) mean over folds; greater is better.
    on_edge : (targets,) whether the best penalty is the grid's first or last.
    held_out : (rows, targets) predictions of every row by a fit that did not see its fold, at the best penalty;
        None unless asked for.
    """

    alphas: Float[np.ndarray, " alphas"]
    best_alphas: Array
    cv_scores: Array
    on_edge: Array
    held_out: Array | None
    _weights: torch.Tensor = field(repr=False)
    _x_mean: torch.Tensor = field(repr=False)
    _y_mean: torch.Tensor = field(repr=False)
    _rows: Array | None = field(repr=False)
    _block: int = field(repr=False)

    @cached_property
    def _coef(self) -> Float[torch.Tensor, "features targets"]:
        if self._rows is None:
            return self._weights
        kept = self._y_mean.dtype
        coef = torch.empty(len(self._x_mean), self._weights.shape[1], dtype=kept, device=self._weights.device)
        for columns, block in column_blocks(self._rows, self._weights.dtype, self._block):
            block -= self._x_mean[columns].to(block.dtype)
            coef[columns] = (block.T @ self._weights).to(kept)
        return coef

    @property
    def coef(self) -> Array:
        """(features, targets); a fit made over rows turns into weights over features when first asked."""
        return _like(self._coef, self.best_alphas)

    @cached_property
    def intercept(self) -> Array:
        """(targets,)"""
        return _like(self._y_mean - self._x_mean.to(self._coef.dtype) @ self._coef, self.best_alphas)

    def predict(self, X: Array) -> Array:
        """(rows, features) -> (rows, targets); a memory map is read a block of features at a time."""
        if X.ndim != 2 or X.shape[1] != len(self._x_mean):
            raise ValueError(f"X has shape {tuple(X.shape)}: this fit needs (rows, {len(self._x_mean)})")
        return _like(apply(X, self._x_mean, self._coef, self._block).add_(self._y_mean), self.best_alphas)


def ridge_cv(
    X: Array,
    Y: Array,
    *,
    alphas: Sequence[float | int] | Shaped[np.ndarray, " alphas"] | None = None,
    groups: Sequence[object] | Shaped[np.ndarray, " rows"] | None = None,
    n_folds: int = 5,
    folds: Shaped[np.ndarray, " rows"] | None = None,
    score: str = "r2",
    fit_intercept: bool = True,
    per_target: bool = True,
    keep_held_out: bool = False,
    dtype: str = "float32",
    memory_gb: float | int = 4,
) -> RidgeFit:
    """Fit ``min ‖Y - XB - b‖² + α‖B‖²`` (b unpenalised) with α by cross-validation.

    Scores and predictions equal those of refitting in every fold (mean removed inside the fold). The work is done
    over rows or over features, whichever the shape makes cheaper.

    Parameters
    ----------
    X : (rows, features); a memory map is read a block of features at a time.
    Y : (rows, targets)
    alphas : penalties to try; default 20 from 0.1 to 1e8.
    groups : (rows,) rows with the same label stay in the same fold; default contiguous folds.
    folds : (rows,) the fold of every row, instead of ``groups`` and ``n_folds``.
    score : ``r2``, ``correlation`` or ``mse`` (minus the mean squared error), averaged over folds.
    per_target : a penalty for every target, else one for all.
    keep_held_out : keep the held-out predictions at the best penalty.
    dtype : ``float32`` or ``float64``; single precision is left by itself where the features are too
        ill-conditioned for it.
    memory_gb : working memory beyond X, Y and the result (``plan`` tells what is needed).

    Raises
    ------
    ValueError
        When shapes disagree, values are NaN or infinite, penalties are not positive or too small for double
        precision, folds cannot be made, or the memory does not suffice.

    Warns
    -----
    RidgeWarning
        When the best penalty of a target is on the grid's edge.
    """
    return ridge_cv_many(
        X,
        [Y],
        alphas=alphas,
        groups=groups,
        n_folds=n_folds,
        folds=folds,
        score=score,
        fit_intercept=fit_intercept,
        per_target=per_target,
        keep_held_out=keep_held_out,
        dtype=dtype,
        memory_gb=memory_gb,
    )[0]


def ridge_cv_many(
    X: Array,
    Ys: Sequence[Array],
    *,
    alphas: Sequence[float | int] | Shaped[np.ndarray, " alphas"] | None = None,
    groups: Sequence[object] | Shaped[np.ndarray, " rows"] | None = None,
    n_folds: int = 5,
    folds: Shaped[np.ndarray, " rows"] | None = None,
    score: str = "r2",
    fit_intercept: bool = True,
    per_target: bool = True,
    keep_held_out: bool = False,
    dtype: str = "float32",
    memory_gb: float | int = 4,
) -> list[RidgeFit]:
    """:func:`ridge_cv` of several target sets on the same X, which is factorised once."""
    grid = _check_alphas(alphas)
    check_score(score)
    problem = prepare(X, Ys, grid, groups, n_folds, folds, fit_intercept, dtype, memory_gb)
    if score != "mse" and min(fold.stop - fold.start for fold in problem.solver.folds) < 2:
        raise ValueError(f"score={score!r} needs 2 rows in every fold: give fewer folds or score='mse'")
    scores = problem.solver.scores(score)
    best = _best(scores, problem.targets.set_of_target, per_target)
    _warn_edge(best.cpu().numpy(), grid)
    return problem.fits(grid, best, scores, keep_held_out)


def ridge(
    X: Array,
    Y: Array,
    alphas: Shaped[np.ndarray, " targets"],
    *,
    fit_intercept: bool = True,
    dtype: str = "float32",
    memory_gb: float | int = 4,
) -> RidgeFit:
    """Ridge at a penalty given for every target, without cross-validation (``cv_scores`` are NaN)."""
    grid, best = np.unique(_check_alphas(alphas, ordered=False), return_inverse=True)
    problem = prepare(X, [Y], grid, None, 2, None, fit_intercept, dtype, memory_gb)
    if len(best) != Y.shape[1]:
        raise ValueError(f"{len(best)} alphas for {Y.shape[1]} targets: give one for each")
    device = problem.targets.order.device
    scores = torch.full((len(grid), len(best)), torch.nan, device=device)
    return problem.fits(grid, torch.as_tensor(best, device=device), scores, keep_held_out=False)[0]


@dataclass(frozen=True)
class Problem:
    """A factorised problem: everything but the choice of penalties."""

    X: Array
    solver: DualSolver | FoldwiseSolver
    targets: Targets
    x_mean: Float[torch.Tensor, " features"]
    how: Plan
    kept: torch.dtype

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
        for like in self.targets.sets:
            mine = slice(first, first + like.shape[1])
            first = mine.stop
            fits.append(
                RidgeFit(
                    alphas=grid,
                    best_alphas=_like(chosen[mine].to(self.kept), like),
                    cv_scores=_like(scores[:, mine].to(self.kept), like),
                    on_edge=_like(edge[mine], like),
                    held_out=None if held_out is None else _like(held_out[:, mine], like),
                    _weights=weights[:, mine],
                    _x_mean=self.x_mean,
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
) -> Problem:
    """Check the arguments, plan, and factorise."""
    _check_shapes(X, Ys)
    kept = _check_dtype(dtype)
    n = X.shape[0]
    fold_of_row = assign_folds(n, groups, n_folds) if folds is None else check_folds(folds, n)
    sizes = np.bincount(fold_of_row)
    n_targets = sum(Y.shape[1] for Y in Ys)
    how = plan(n, X.shape[1], n_targets, len(grid), len(sizes), memory_gb, kept.itemsize)
    log.info("%s", how)
    order = torch.as_tensor(np.argsort(fold_of_row, kind="stable"), device=_device(X))
    slices = tuple(slice(a, b) for a, b in pairwise([0, *sizes.cumsum().tolist()]))
    targets = Targets.of(Ys, order, intercept)
    make = _dual_solver if how.dual else _foldwise_solver
    solver, x_mean = make(X, targets, slices, tuple(grid.tolist()), intercept, kept, how)
    return Problem(X, solver, targets, x_mean, how, kept)


def _dual_solver(
    X: Array,
    targets: Targets,
    folds: tuple[slice, ...],
    alphas: tuple[float, ...],
    intercept: bool,
    kept: torch.dtype,
    how: Plan,
) -> tuple[DualSolver, Float[torch.Tensor, " features"]]:
    """Factorise the Gram matrix in single precision where that is safe, else in double."""
    for work in precisions(X.shape[0], kept):
        K, mean = centred_gram(X, work, how.block, intercept)
        kernel = factorise(_ordered(K, targets.order), intercept)
        condition = kernel.band.condition(alphas[0])
        if condition < MOST_CONDITION[work]:
            return DualSolver(kernel, targets, folds, alphas, how.batch), mean
    raise too_small(alphas[0], condition)


def _foldwise_solver(
    X: Array,
    targets: Targets,
    folds: tuple[slice, ...],
    alphas: tuple[float, ...],
    intercept: bool,
    kept: torch.dtype,
    how: Plan,
) -> tuple[FoldwiseSolver, Float[torch.Tensor, " features"]]:
    """Stay in single precision only where the features are many and well enough conditioned."""
    rows = to_tensor(X, torch.float64, copy=True)
    mean = finite_mean(rows, "X") * float(intercept)
    rows = (rows.sub_(mean))[targets.order]
    if rows.numel() > 2**20:
        rows = rows.to(kept)
    whole = decompose(rows, alphas[0], intercept)
    if whole.condition > 1e6:
        rows = rows.double()
    return FoldwiseSolver(whole, rows, targets, folds, alphas, intercept, how.batch), mean


def _ordered(K: Float[torch.Tensor, "n n"], order: Shaped[torch.Tensor, " n"]) -> Float[torch.Tensor, "n n"]:
    if bool((order.diff() == 1).all()):
        return K
    return K[order][:, order].contiguous()


def _best(
    scores: Float[torch.Tensor, "alphas targets"], set_of_target: np.ndarray, per_target: bool
) -> Shaped[torch.Tensor, " targets"]:
    if per_target:
        return scores.argmax(0)
    best = torch.zeros(scores.shape[1], dtype=torch.long, device=scores.device)
    for i in np.unique(set_of_target):
        mine = torch.as_tensor(set_of_target == i, device=scores.device)
        best[mine] = scores[:, mine].mean(1).argmax()
    return best


def _check_alphas(
    alphas: Sequence[float | int] | np.ndarray | None, ordered: bool = True
) -> Float[np.ndarray, " alphas"]:
    grid = np.asarray(DEFAULT_ALPHAS if alphas is None else alphas, dtype=np.float64).ravel()
    if grid.size == 0 or not np.all(np.isfinite(grid)) or grid.min() <= 0:
        raise ValueError(f"alphas={alphas!r}: give positive finite penalties, such as np.logspace(-1, 8, 20)")
    return np.unique(grid) if ordered else grid


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


def _warn_edge(best: Shaped[np.ndarray, " targets"], grid: Float[np.ndarray, " alphas"]) -> None:
    low, high = int((best == 0).sum()), int((best == len(grid) - 1).sum())
    if len(grid) > 1 and low + high:
        warnings.warn(
            f"the best alpha is the grid's smallest ({grid[0]:g}) for {low} and its largest ({grid[-1]:g}) for "
            f"{high} of {len(best)} targets: widen alphas, or expect nothing to be predictable there",
            RidgeWarning,
            stacklevel=4,
        )


def _device(array: Array) -> torch.device:
    return array.device if isinstance(array, torch.Tensor) else torch.device("cpu")


def _like(tensor: torch.Tensor, example: Array) -> Array:
    return tensor if isinstance(example, torch.Tensor) else tensor.cpu().numpy()
