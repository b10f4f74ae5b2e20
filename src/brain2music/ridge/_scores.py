"""Scores of held-out predictions: one number per target, greater is better."""

import torch
from jaxtyping import Float

SCORES = ("r2", "correlation", "neg_mean_squared_error")
"""1 - SSE / SST about the held-out fold's mean; Pearson's r; minus the mean squared error."""

Rows = Float[torch.Tensor, "rows targets"]
PerTarget = Float[torch.Tensor, " targets"]


def check_scoring(scoring: str) -> None:
    """Raise ValueError unless ``scoring`` is one of ``SCORES``."""
    if scoring not in SCORES:
        raise ValueError(f"scoring={scoring!r} is unknown: give one of {', '.join(SCORES)}")


def score_fold(truth: Rows, prediction: Rows, scoring: str) -> PerTarget:
    """Score every target of one fold as scikit-learn and himalaya do (a constant target scores 0)."""
    centred, zeros = truth - truth.mean(0), torch.zeros_like(truth[0])
    sst = centred.square().sum(0)
    if scoring == "correlation":
        predicted = prediction - prediction.mean(0)
        cross, spread = (centred * predicted).sum(0), predicted.square().sum(0)
        return score_from_sums(len(truth), sst, zeros, cross, spread, scoring)
    return score_from_sums(len(truth), sst, (truth - prediction).square().sum(0), zeros, zeros, scoring)


def score_from_sums(
    n: int,
    sst: Float[torch.Tensor, "..."],
    sse: Float[torch.Tensor, "..."],
    cross: Float[torch.Tensor, "..."],
    spread: Float[torch.Tensor, "..."],
    scoring: str,
) -> Float[torch.Tensor, "..."]:
    """Scores from sums over the rows of a fold, in their common shape.

    ``sst`` = Σ (y - mean y)², ``sse`` = Σ (y - ŷ)², ``cross`` = Σ (y - mean y)(ŷ - mean ŷ),
    ``spread`` = Σ (ŷ - mean ŷ)².
    """
    if scoring == "neg_mean_squared_error":
        return -sse / n
    if scoring == "r2":
        return torch.where(sst > 0, 1 - sse / sst, 0.0)
    product = (sst * spread).sqrt()
    return torch.where(product > 0, (cross / product).clamp(-1, 1), 0.0)
