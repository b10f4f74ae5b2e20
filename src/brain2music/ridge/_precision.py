"""When single precision suffices, and what to say when double precision does not."""

import torch
from jaxtyping import Float

MAX_CONDITION = {torch.float32: 1e4, torch.float64: 1e13}
"""Condition number of K + αI from which a precision is no longer trusted."""

POWER_STEPS = 20
"""Power iterations for the greatest eigenvalue."""


def check_dtype(dtype: str) -> torch.dtype:
    """The precision of this name; ValueError unless it is float32 or float64."""
    if dtype not in ("float32", "float64"):
        raise ValueError(f"dtype={dtype!r}: give 'float32' or 'float64'")
    return torch.float64 if dtype == "float64" else torch.float32


def dtypes_to_try(n_rows: int, dtype: torch.dtype) -> list[torch.dtype]:
    """Precisions to try, in order, for a factorisation of ``n_rows`` rows.

    Small factorisations go straight to double precision, where it costs nothing.
    """
    return [torch.float64] if n_rows <= 1024 or dtype == torch.float64 else [torch.float32, torch.float64]


def is_ill_conditioned(G: Float[torch.Tensor, "n n"], alpha: float) -> bool:
    """Whether G + αI is too ill-conditioned for its own precision, found without its eigenvalues.

    It is when G + αI less (its greatest eigenvalue / the greatest condition number allowed) is not positive definite:
    a Cholesky factorisation, a tenth of the time of an eigendecomposition. Power iteration does not overestimate the
    greatest eigenvalue.
    """
    vector = torch.ones_like(G[0])
    for _ in range(POWER_STEPS):
        vector = G @ vector
        vector /= vector.norm().clamp_min(1e-30)
    greatest = float(vector @ G @ vector)
    shifted = G.clone()
    shifted.diagonal().add_(alpha - (greatest + alpha) / MAX_CONDITION[G.dtype])
    return bool(torch.linalg.cholesky_ex(shifted).info.any())


def alpha_too_small(alpha: float, condition: float) -> ValueError:
    """The error for a penalty that no precision resolves."""
    smallest = alpha * condition / MAX_CONDITION[torch.float64]
    return ValueError(
        f"alpha={alpha:g} is too small for these features (condition number {condition:.1g}): "
        f"start the grid at {smallest:.1g} or above, or scale the features up"
    )
