"""How a code is chosen from its logits."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How a stage is sampled. MusicLM states temperatures only, and no guidance.

    Attributes
    ----------
    temperature : 0 takes the likeliest code.
    top_k, top_p : keep only the k likeliest codes, or the fewest that hold probability p; None keeps all.
    guidance : w of classifier-free guidance, null + w (conditional - null); 1 is the condition alone, 0 none.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    guidance: float = 1.0

    def __post_init__(self) -> None:
        if self.temperature < 0 or (self.top_k is not None and self.top_k < 1):
            raise ValueError(f"{self} cannot be sampled")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}, not in (0, 1]")


def guided(logits: Float[Tensor, "twice *rest"], guidance: float) -> Float[Tensor, "batch *rest"]:
    """Guided logits of a batch whose second half has the null condition."""
    conditional, null = logits.chunk(2)
    return torch.lerp(null, conditional, guidance)


def choose(
    logits: Float[Tensor, "*batch codes"], sampling: Sampling, generator: torch.Generator
) -> Int[Tensor, "*batch"]:
    """Draw a code from each row: temperature first, then the top k, then the top p; by the Gumbel maximum."""
    if sampling.temperature == 0:
        return logits.argmax(-1)
    logits = logits / sampling.temperature
    if sampling.top_k is not None and sampling.top_k < logits.shape[-1]:
        logits = logits.masked_fill(logits < logits.topk(sampling.top_k).values[..., -1:], float("-inf"))
    if sampling.top_p is not None:
        logits = logits.masked_fill(_outside(logits, sampling.top_p), float("-inf"))
    waiting = torch.empty_like(logits).exponential_(generator=generator)
    return (logits - waiting.log()).argmax(-1)


def _outside(logits: Float[Tensor, "*batch codes"], top_p: float) -> Tensor:
    """Codes that likelier ones, which hold ``top_p`` between them, leave out."""
    ordered, order = logits.softmax(-1).sort(dim=-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    return torch.zeros_like(before, dtype=torch.bool).scatter(-1, order, before >= top_p)
