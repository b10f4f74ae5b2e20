"""Refinement of band weights by gradient descent on the exact held-out error of every target."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped

TARGETS_AT_ONCE = 32
LEARNING_RATE = 0.3
MAX_CHANGE = 25.0
"""Greatest change of log(γ/α)."""


def descend(
    Xs: Sequence[Shaped[np.ndarray, "_rows _features"]],
    Y: Shaped[np.ndarray, "rows targets"],
    fold_of_row: Int[np.ndarray, " rows"],
    weights: Float[np.ndarray, "bands targets"],
    scores: Float[np.ndarray, " targets"],
    n_steps: int,
    fit_intercept: bool,
) -> tuple[Float[np.ndarray, " targets"], Float[np.ndarray, "bands targets"]]:
    """Refine ``weights`` = log(γ/α), which have the given ``scores``; returns the best scores and weights per target.

    The held-out residual of a fold is (G_FF)⁻¹ (G y)_F with G = (I + Σ_b exp(w_b) K_b)⁻¹ less the constant
    direction; the loss is the mean over folds of SSE / SST, that is 1 - r².
    """
    centred = [np.asarray(X, dtype=np.float64) - X.mean(0) * float(fit_intercept) for X in Xs]
    kernels = torch.from_numpy(np.stack([X @ X.T for X in centred]))
    targets = torch.from_numpy(np.asarray(Y, dtype=np.float64) - Y.mean(0) * float(fit_intercept))
    folds = [torch.from_numpy(np.flatnonzero(fold_of_row == f)) for f in np.unique(fold_of_row)]
    best_scores, best_weights = scores.copy(), weights.copy()
    for first in range(0, Y.shape[1], TARGETS_AT_ONCE):
        columns = slice(first, first + TARGETS_AT_ONCE)
        w = torch.from_numpy(weights[:, columns].copy()).requires_grad_()
        optimiser = torch.optim.Adam([w], lr=LEARNING_RATE)
        for _ in range(n_steps):
            optimiser.zero_grad()
            loss = held_out_loss(kernels, targets[:, columns], folds, w, fit_intercept)
            _keep(best_scores[columns], best_weights[:, columns], 1 - loss.detach().numpy(), w.detach().numpy())
            loss.sum().backward()
            optimiser.step()
            with torch.no_grad():
                w.clamp_(w.new_tensor(weights[:, columns]) - MAX_CHANGE, w.new_tensor(weights[:, columns]) + MAX_CHANGE)
    return best_scores, best_weights


def held_out_loss(
    kernels: Float[torch.Tensor, "bands rows rows"],
    targets: Float[torch.Tensor, "rows targets"],
    folds: Sequence[Int[torch.Tensor, " _held"]],
    weights: Float[torch.Tensor, "bands targets"],
    fit_intercept: bool,
) -> Float[torch.Tensor, " targets"]:
    """Mean over folds of SSE / SST of every target with its own band weights; differentiable in the weights."""
    n = len(targets)
    eye = torch.eye(n, dtype=targets.dtype)
    K = torch.einsum("bt,bij->tij", weights.exp(), kernels) + eye
    G = torch.cholesky_inverse(torch.linalg.cholesky(K)) - float(fit_intercept) / n
    residual = (G @ targets.T[:, :, None])[:, :, 0]
    loss = torch.zeros(targets.shape[1], dtype=targets.dtype)
    for rows in folds:
        held = torch.linalg.solve(G[:, rows][:, :, rows], residual[:, rows, None])[:, :, 0]
        truth = targets[rows].T
        spread = (truth - truth.mean(1, keepdim=True)).square().sum(1)
        loss = loss + held.square().sum(1) / spread / len(folds)
    return loss


def _keep(
    best_scores: Float[np.ndarray, " t"],
    best_weights: Float[np.ndarray, "bands t"],
    scores: Float[np.ndarray, " t"],
    weights: Float[np.ndarray, "bands t"],
) -> None:
    """Replace the best scores and weights by better ones, in place."""
    better = scores > best_scores
    best_scores[better], best_weights[:, better] = scores[better], weights[:, better]
