"""Ridge regression with cross-validated penalties on plain arrays: the functions everything else calls."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped

from .blocks import Array, apply, centred_gram, column_blocks, finite_mean, to_tensor
from .dual import Spectrum, dual_coefficients, factorise, held_out
from .folds import assign_folds, check_folds
from .scores import Score, check_score, score_fold

DEFAULT_ALPHAS = np.logspace(-1, 8, 20)


class RidgeWarning(UserWarning):
    """A fit that is computed but should be looked at before it is believed."""


@dataclass(frozen=True)
class RidgeFit:
    """A fitted map ``Y ≈ X @ coef + intercept``, each target with its own penalty.

    Attributes
    ----------
    intercept : (targets,)
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
    _width: int = field(repr=False)

    @cached_property
    def _coef(self) -> Float[torch.Tensor, "features targets"]:
        if self._rows is None:
            return self._weights
        coef = torch.empty(len(self._x_mean), self._weights.shape[1], dtype=self._y_mean.dtype)
        coef = coef.to(self._weights.device)
        for columns, block in column_blocks(self._rows, self._weights.dtype, self._width):
            block -= self._x_mean[columns].to(block.dtype)
            coef[columns] = (block.T @ self._weights).to(coef.dtype)
        return coef

    @property
    def coef(self) -> Array:
        """(features, targets); a fit made over rows turns into weights over features when first asked."""
        return _like(self._coef, self.best_alphas)

    @cached_property
    def intercept(self) -> Array:
        """(targets,)"""
        offset = self._x_mean.to(self._coef.dtype) @ self._coef
        return _like(self._y_mean - offset, self.best_alphas)

    def predict(self, X: Array) -> Array:
        """(rows, features) -> (rows, targets)."""
        if X.ndim != 2 or X.shape[1] != len(self._x_mean):
            raise ValueError(f"X has shape {tuple(X.shape)}: this fit needs (rows, {len(self._x_mean)})")
        out = apply(X, self._x_mean, self._coef, self._width)
        out += self._y_mean
        return _like(out, self.best_alphas)


def ridge_cv(
    X: Array,
    Y: Array,
    *,
    alphas: Sequence[float] | Shaped[np.ndarray, " alphas"] | None = None,
    groups: Sequence[object] | Shaped[np.ndarray, " rows"] | None = None,
    n_folds: int = 5,
    folds: Shaped[np.ndarray, " rows"] | None = None,
    score: Score = "r2",
    fit_intercept: bool = True,
    per_target: bool = True,
    keep_held_out: bool = False,
    dtype: str = "float32",
    memory_gb: float = 4.0,
) -> RidgeFit:
    """Fit ``min ‖Y - XB - b‖² + α‖B‖²`` (b unpenalised) with α by cross-validation.

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
    dtype : ``float32`` or ``float64``; single precision is left by itself where the problem is too
        ill-conditioned for it.
    memory_gb : working memory beyond X and Y.

    Raises
    ------
    ValueError
        When shapes disagree, values are NaN or infinite, penalties are not positive, or folds cannot be made.

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
    alphas: Sequence[float] | Shaped[np.ndarray, " alphas"] | None = None,
    groups: Sequence[object] | Shaped[np.ndarray, " rows"] | None = None,
    n_folds: int = 5,
    folds: Shaped[np.ndarray, " rows"] | None = None,
    score: Score = "r2",
    fit_intercept: bool = True,
    per_target: bool = True,
    keep_held_out: bool = False,
    dtype: str = "float32",
    memory_gb: float = 4.0,
) -> list[RidgeFit]:
    """:func:`ridge_cv` of several target sets on the same X, which is factorised once."""
    grid = _check_alphas(alphas)
    check_score(score)
    _check_shapes(X, Ys)
    n = X.shape[0]
    fold_of_row = assign_folds(n, groups, n_folds) if folds is None else check_folds(folds, n)
    if score != "mse" and np.bincount(fold_of_row).min() < 2:
        raise ValueError(
            f"score={score!r} needs 2 rows or more in every fold: give fewer folds or score='mse'"
        )
    kept = getattr(torch, dtype)
    width = max(64, int(memory_gb * 2**30 / 8 / (8 * n)))

    order = np.argsort(fold_of_row, kind="stable")
    bounds = np.searchsorted(fold_of_row[order], np.arange(fold_of_row.max() + 2))
    slices = [slice(int(a), int(b)) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    spectrum, x_mean = _spectrum(X, order, fit_intercept, float(grid[0]), kept, width)
    work = spectrum.values.dtype

    Y = torch.cat([to_tensor(y, work) for y in Ys], 1).to(spectrum.values.device)
    y_mean = finite_mean(Y, "Y") * (1.0 if fit_intercept else 0.0)
    Y = (Y - y_mean.to(work))[torch.as_tensor(order, device=Y.device)]
    sets = np.repeat(np.arange(len(Ys)), [y.shape[1] for y in Ys])
    scores = torch.zeros(len(grid), Y.shape[1], dtype=work, device=Y.device)
    for k, f, prediction in held_out(spectrum, Y, slices, grid.tolist()):
        scores[k] += score_fold(Y[slices[f]], prediction, score) / len(slices)
    best = _best(scores, sets, per_target)
    chosen = torch.as_tensor(grid, device=Y.device)[best]
    predictions = None
    if keep_held_out:
        predictions = torch.empty_like(Y)
        for k, f, prediction in held_out(spectrum, Y, slices, grid.tolist()):
            mine = best == k
            predictions[slices[f], mine] = prediction[:, mine]
        predictions = _unsort(predictions, order) + y_mean.to(work)
    weights = _unsort(dual_coefficients(spectrum, Y, chosen), order)
    edge = (best == 0) | (best == len(grid) - 1)
    _warn_edge(edge, best, grid)

    def part(i: int) -> RidgeFit:
        mine = torch.as_tensor(sets == i, device=Y.device)
        like = Ys[i]
        return RidgeFit(
            alphas=grid,
            best_alphas=_like(chosen[mine].to(kept), like),
            cv_scores=_like(scores[:, mine].to(kept), like),
            on_edge=_like(edge[mine], like),
            held_out=None if predictions is None else _like(predictions[:, mine].to(kept), like),
            _weights=weights[:, mine],
            _x_mean=x_mean,
            _y_mean=y_mean[mine].to(kept),
            _rows=X,
            _width=width,
        )

    return [part(i) for i in range(len(Ys))]


def _spectrum(
    X: Array, order: np.ndarray, intercept: bool, least: float, kept: torch.dtype, width: int
) -> tuple[Spectrum, Float[torch.Tensor, " features"]]:
    """Decompose in single precision where that is safe; small problems are solved in double, where it costs nothing."""
    small = X.shape[0] <= 1000
    for work in [torch.float64] if small or kept == torch.float64 else [torch.float32, torch.float64]:
        K, mean = centred_gram(X, work, width, intercept)
        rows = torch.as_tensor(order, device=K.device)
        spectrum = factorise(K[rows][:, rows].contiguous(), intercept)
        if work == torch.float64 or spectrum.condition(least) < 1e4:
            break
    return spectrum, mean


def _best(
    scores: Float[torch.Tensor, "alphas targets"], sets: np.ndarray, per_target: bool
) -> Shaped[torch.Tensor, " targets"]:
    if per_target:
        return scores.argmax(0)
    best = torch.zeros(scores.shape[1], dtype=torch.long, device=scores.device)
    for i in np.unique(sets):
        mine = torch.as_tensor(sets == i, device=scores.device)
        best[mine] = scores[:, mine].mean(1).argmax()
    return best


def _check_alphas(alphas: Sequence[float] | np.ndarray | None) -> Float[np.ndarray, " alphas"]:
    grid = np.sort(np.atleast_1d(np.asarray(DEFAULT_ALPHAS if alphas is None else alphas, dtype=np.float64)))
    if grid.ndim != 1 or grid.size == 0 or not np.all(np.isfinite(grid)) or grid[0] <= 0:
        raise ValueError(f"alphas={alphas!r}: give positive finite penalties, such as np.logspace(-1, 8, 20)")
    return grid


def _check_shapes(X: Array, Ys: Sequence[Array]) -> None:
    if X.ndim != 2 or X.shape[1] == 0:
        raise ValueError(f"X has shape {tuple(X.shape)}: it must be (rows, features)")
    if not Ys:
        raise ValueError("no target set was given")
    for Y in Ys:
        if Y.ndim != 2 or Y.shape[0] != X.shape[0] or Y.shape[1] == 0:
            raise ValueError(f"Y has shape {tuple(Y.shape)}: it must be ({X.shape[0]} rows as in X, targets)")


def _warn_edge(
    edge: Bool[torch.Tensor, " targets"],
    best: Shaped[torch.Tensor, " targets"],
    grid: Float[np.ndarray, " alphas"],
) -> None:
    if len(grid) > 1 and bool(edge.any()):
        low, high = int((best == 0).sum()), int((best == len(grid) - 1).sum())
        warnings.warn(
            f"the best alpha is the grid's smallest ({grid[0]:g}) for {low} and its largest ({grid[-1]:g}) for {high} "
            f"of {len(best)} targets: widen alphas, or expect nothing to be predictable there",
            RidgeWarning,
            stacklevel=4,
        )


def _unsort(
    rows: Float[torch.Tensor, "rows targets"], order: np.ndarray
) -> Float[torch.Tensor, "rows targets"]:
    out = torch.empty_like(rows)
    out[torch.as_tensor(order, device=rows.device)] = rows
    return out


def _like(tensor: torch.Tensor, example: Array) -> Array:
    return tensor if isinstance(example, torch.Tensor) else tensor.cpu().numpy()
