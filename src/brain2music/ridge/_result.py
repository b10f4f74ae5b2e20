"""What a fit is: weights, the penalties chosen and how they scored, and prediction."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float

from ._chunked import Array, apply, column_blocks, like


@dataclass(frozen=True)
class RidgeFit:
    """A fitted map ``Y ≈ X @ coef + intercept``, each target with its own penalty.

    Attributes
    ----------
    alphas : (alphas,) the grid, ascending.
    best_alphas : (targets,)
    cv_scores : (alphas, targets) mean over folds; greater is better. Those that are not a target's best may be rounded
        (``score`` of :func:`._ridge_cv.ridge_cv`).
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
        return like(self._coef, self.best_alphas)

    @cached_property
    def intercept(self) -> Array:
        """(targets,)"""
        return like(self._y_mean - self._x_mean.to(self._coef.dtype) @ self._coef, self.best_alphas)

    def predict(self, X: Array) -> Array:
        """(rows, features) -> (rows, targets); a memory map is read a block of features at a time."""
        if X.ndim != 2 or X.shape[1] != len(self._x_mean):
            raise ValueError(f"X has shape {tuple(X.shape)}: this fit needs (rows, {len(self._x_mean)})")
        centred = self._over_rows(X) if self._few(len(X)) else self._over_features(X)
        return like(centred.add_(self._y_mean), self.best_alphas)

    def _over_features(self, X: Array) -> Float[torch.Tensor, "rows targets"]:
        return apply(X, self._x_mean, self._coef, self._block)

    def _over_rows(self, X: Array) -> Float[torch.Tensor, "rows targets"]:
        """By products of the rows of X with those that were fitted, without weights over features."""
        assert self._rows is not None
        work = self._weights.dtype
        inner = torch.zeros(len(X), len(self._rows), dtype=torch.float64, device=self._weights.device)
        blocks = (column_blocks(each, work, self._block) for each in (X, self._rows))
        for (columns, asked), (_, block) in zip(*blocks, strict=True):
            mean = self._x_mean[columns].to(work)
            inner += (asked - mean) @ (block - mean).T
        return (inner @ self._weights.double()).to(self._y_mean.dtype)

    def _few(self, rows: int) -> bool:
        """Whether products with the fitted rows take less work than weights over features would."""
        features, (fitted, targets) = len(self._x_mean), self._weights.shape
        return self._rows is not None and rows * fitted * (features + targets) < features * targets * (fitted + rows)


def predict_many(fits: Sequence[RidgeFit], X: Array) -> list[Array]:
    """What each fit of :func:`._ridge_cv.ridge_cv_many` predicts; work that they share is done once."""
    first = fits[0]
    if any(fit._rows is not first._rows for fit in fits) or first._rows is None:
        return [fit.predict(X) for fit in fits]
    sizes = [fit._weights.shape[1] for fit in fits]
    alphas = torch.cat([torch.as_tensor(fit.best_alphas) for fit in fits])
    weights, y_mean = torch.cat([fit._weights for fit in fits], 1), torch.cat([fit._y_mean for fit in fits])
    joined = replace(first, best_alphas=alphas, _weights=weights, _y_mean=y_mean)
    parts = torch.as_tensor(joined.predict(X)).split(sizes, 1)
    return [like(part, fit.best_alphas) for part, fit in zip(parts, fits, strict=True)]
