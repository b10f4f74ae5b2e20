"""How well held-out rows were predicted: one number per target, greater is better."""

import torch
from jaxtyping import Float

SCORES = ("r2", "correlation", "mse")
"""1 - SSE / SST about the held-out fold's mean; Pearson's r; *minus* the mean squared error."""

Rows = Float[torch.Tensor, "rows targets"]
PerTarget = Float[torch.Tensor, " targets"]


def check_score(score: str) -> None:
    """ValueError unless ``score`` is one of the names known here."""
    if score not in SCORES:
        raise ValueError(f"score={score!r} is unknown: give one of {', '.join(SCORES)}")


def score_fold(truth: Rows, prediction: Rows, score: str) -> PerTarget:
    """Score every target of one fold, as scikit-learn and himalaya do (a constant target scores 0)."""
    centred = truth - truth.mean(0)
    if score == "correlation":
        shape = prediction - prediction.mean(0)
        return from_moments(
            n=len(truth),
            sst=centred.square().sum(0),
            sse=torch.zeros_like(truth[0]),
            cross=(centred * shape).sum(0),
            spread=shape.square().sum(0),
            score=score,
        )
    nothing = torch.zeros_like(truth[0])
    return from_moments(
        n=len(truth),
        sst=centred.square().sum(0),
        sse=(truth - prediction).square().sum(0),
        cross=nothing,
        spread=nothing,
        score=score,
    )


def from_moments(
    n: int,
    sst: Float[torch.Tensor, "..."],
    sse: Float[torch.Tensor, "..."],
    cross: Float[torch.Tensor, "..."],
    spread: Float[torch.Tensor, "..."],
    score: str,
) -> Float[torch.Tensor, "..."]:
    """Scores from sums over a fold's rows.

    ``sst`` = Σ (y - mean y)², ``sse`` = Σ (y - ŷ)², ``cross`` = Σ (y - mean y)(ŷ - mean ŷ),
    ``spread`` = Σ (ŷ - mean ŷ)²; the result has their common shape.
    """
    if score == "mse":
        return -sse / n
    if score == "r2":
        return torch.where(sst > 0, 1 - sse / sst, 0.0)
    product = (sst * spread).sqrt()
    return torch.where(product > 0, (cross / product).clamp(-1, 1), 0.0)
