"""Ridge regression with cross-validated penalties on plain arrays: the functions everything else calls."""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Shaped

from ._chunked import Array, named
from ._problem import GramOf, Problem, prepare
from ._result import RidgeFit
from ._scores import check_score
from ._threads import operations, threads_for

DEFAULT_ALPHAS = np.logspace(-1, 8, 20)


class RidgeWarning(UserWarning):
    """A fit that is computed but should be looked at before it is believed."""


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
    score : ``r2``, ``correlation`` or ``mse`` (minus the mean squared error), averaged over folds. The last is found
        fastest for tens of thousands of targets: where the processor multiplies bfloat16, penalties that cannot be a
        target's best are ruled out by it, or by a sketch of the errors before, and have ``cv_scores`` right to about
        three digits, or estimated to about a tenth.
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
        When the best penalty of a target is on the grid's edge, and naming columns that are constant.
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
    with threads_for(_operations(X, Ys, n_folds)):
        problem = prepare(X, Ys, grid, groups, n_folds, folds, fit_intercept, dtype, memory_gb, per_target=per_target)
        if score != "mse" and min(fold.stop - fold.start for fold in problem.solver.folds) < 2:
            raise ValueError(f"score={score!r} needs 2 rows in every fold: give fewer folds or score='mse'")
        scores = problem.solver.scores(score)
        best = _best(scores, problem.targets.set_of_target, per_target)
        _warn_edge(best.cpu().numpy(), grid)
        _warn_constant(problem)
        problem = problem.scored()  # weights want the memory
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
    return solve(X, Y, alphas, fit_intercept=fit_intercept, dtype=dtype, memory_gb=memory_gb)


def solve(
    X: Array,
    Y: Array,
    alphas: Shaped[np.ndarray, " targets"],
    *,
    fit_intercept: bool,
    dtype: str,
    memory_gb: float | int,
    grams: GramOf | None = None,
) -> RidgeFit:
    """:func:`ridge`, with the Gram matrix of X where it is known already."""
    grid, best = np.unique(_check_alphas(alphas, ordered=False), return_inverse=True)
    with threads_for(_operations(X, [Y], 1)):
        problem = prepare(X, [Y], grid, None, 2, None, fit_intercept, dtype, memory_gb, grams)
        if len(best) != Y.shape[1]:
            raise ValueError(f"{len(best)} alphas for {Y.shape[1]} targets: give one for each")
        device = problem.targets.order.device
        scores = torch.full((len(grid), len(best)), torch.nan, device=device)
        return problem.fits(grid, torch.as_tensor(best, device=device), scores, keep_held_out=False)[0]


def _operations(X: Array, Ys: Sequence[Array], n_folds: int) -> float:
    """The size of the problem; 0 for arrays that are refused later."""
    if X.ndim != 2 or any(Y.ndim != 2 for Y in Ys):
        return 0.0
    return operations(X.shape[0], X.shape[1], sum(Y.shape[1] for Y in Ys), n_folds)


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


def _warn_edge(best: Shaped[np.ndarray, " targets"], grid: Float[np.ndarray, " alphas"]) -> None:
    low, high = int((best == 0).sum()), int((best == len(grid) - 1).sum())
    if len(grid) > 1 and low + high:
        warnings.warn(
            f"the best alpha is the grid's smallest ({grid[0]:g}) for {low} and its largest ({grid[-1]:g}) for "
            f"{high} of {len(best)} targets: widen alphas, or expect nothing to be predictable there",
            RidgeWarning,
            stacklevel=4,
        )


def _warn_constant(problem: Problem) -> None:
    for name, constant, result in [
        ("X", problem.features.constant, "gets no weight"),
        ("Y", problem.targets.constant, "is predicted as its mean"),
    ]:
        if bool(constant.any()):
            columns = named(constant.nonzero().ravel())
            warnings.warn(
                f"{name} is constant in column(s) {columns}, which {result}: drop what tells nothing",
                RidgeWarning,
                stacklevel=4,
            )
