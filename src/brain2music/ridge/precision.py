"""When single precision is enough, and what to say when not even double is."""

import torch

MOST_CONDITION = {torch.float32: 1e4, torch.float64: 1e13}
"""Condition number of K + αI from which a precision is not trusted any more."""


def precisions(n_rows: int, kept: torch.dtype) -> list[torch.dtype]:
    """The precisions to try for a factorisation of this size: small ones go to double, where it costs nothing."""
    return [torch.float64] if n_rows <= 1024 or kept == torch.float64 else [torch.float32, torch.float64]


def too_small(alpha: float, condition: float) -> ValueError:
    """The error for a penalty that no precision can resolve."""
    least = alpha * condition / MOST_CONDITION[torch.float64]
    return ValueError(
        f"alpha={alpha:g} is too small for these features (condition number {condition:.1g}): "
        f"start the grid at {least:.1g} or above, or scale the features up"
    )
