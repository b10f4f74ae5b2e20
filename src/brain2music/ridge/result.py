"""What a fit is: weights, the penalties chosen and how they scored, and prediction."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float

from .blocks import Array, apply, column_blocks, like


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
        return like(self._coef, self.best_alphas)

    @cached_property
    def intercept(self) -> Array:
        """(targets,)"""
        return like(self._y_mean - self._x_mean.to(self._coef.dtype) @ self._coef, self.best_alphas)

    def predict(self, X: Array) -> Array:
        """(rows, features) -> (rows, targets); a memory map is read a block of features at a time."""
        if X.ndim != 2 or X.shape[1] != len(self._x_mean):
            raise ValueError(f"X has shape {tuple(X.shape)}: this fit needs (rows, {len(self._x_mean)})")
        return like(apply(X, self._x_mean, self._coef, self._block).add_(self._y_mean), self.best_alphas)
