"""When single precision is enough, and what to say when not even double is."""

import torch
from jaxtyping import Float

MOST_CONDITION = {torch.float32: 1e4, torch.float64: 1e13}
"""Condition number of K + αI from which a precision is not trusted any more."""


def precisions(n_rows: int, kept: torch.dtype) -> list[torch.dtype]:
    """The precisions to try for a factorisation of this size: small ones go to double, where it costs nothing."""
    return [torch.float64] if n_rows <= 1024 or kept == torch.float64 else [torch.float32, torch.float64]


def beyond(G: Float[torch.Tensor, "n n"], alpha: float) -> bool:
    """Whether G + αI is too ill-conditioned for its own precision, told without its eigenvalues.

    It is, where less its greatest one over the most allowed it is not positive definite any more: a Cholesky
    factorisation, a tenth of the time. The greatest is found by powers, and so not overestimated.
    """
    vector = torch.ones_like(G[0])
    for _ in range(20):
        vector = G @ vector
        vector /= vector.norm().clamp_min(1e-30)
    greatest = float(vector @ G @ vector)
    shifted = G.clone()
    shifted.diagonal().add_(alpha - (greatest + alpha) / MOST_CONDITION[G.dtype])
    return bool(torch.linalg.cholesky_ex(shifted).info.any())


def too_small(alpha: float, condition: float) -> ValueError:
    """The error for a penalty that no precision can resolve."""
    least = alpha * condition / MOST_CONDITION[torch.float64]
    return ValueError(
        f"alpha={alpha:g} is too small for these features (condition number {condition:.1g}): "
        f"start the grid at {least:.1g} or above, or scale the features up"
    )
