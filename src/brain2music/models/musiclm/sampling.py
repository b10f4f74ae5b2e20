"""How a code is chosen from its logits, by randomness that belongs to its own piece and to no other.

Products of matrices differ in their last bits with the size of the batch. A code whose lead over the next is smaller
than that could be another one in another company, and all that follows with it; such choices are made again from logits
in double precision, of the piece by itself (:class:`Draws`). So a piece does not depend on those made beside it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Randomness = torch.Generator | Sequence[torch.Generator]
"""One for all rows; or several, each for an equal share of the rows, in order."""
Exact = Callable[[int], Float[Tensor, "slots codes"]]
"""Row -> its logits in double precision, as they are whatever the batch."""

_ROUNDING = 3e-5
"""Logits of two batches differ by less than this before guidance: three times the most that was seen."""


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
        numbers = math.isfinite(self.temperature) and math.isfinite(self.guidance)
        if not numbers or self.temperature < 0 or (self.top_k is not None and self.top_k < 1):
            raise ValueError(f"{self} cannot be sampled")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}, not in (0, 1]")


def guided(logits: Float[Tensor, "twice *rest"], guidance: float) -> Float[Tensor, "batch *rest"]:
    """Guided logits of a batch whose second half has the null condition."""
    conditional, null = logits.chunk(2)
    return torch.lerp(null, conditional, guidance)


def choose(logits: Float[Tensor, "*batch codes"], sampling: Sampling, generator: Randomness) -> Int[Tensor, "*batch"]:
    """Draw a code from each row: temperature first, then the top k, then the top p; by the Gumbel maximum."""
    return _picked(logits, _waiting(logits, sampling, generator), sampling)


class Draws:
    """Chooses the codes of one step after the other.

    Parameters
    ----------
    sampling : how. generator : with one for each piece, :meth:`settled` makes the pieces independent of each other.
    """

    def __init__(self, sampling: Sampling, generator: Randomness) -> None:
        self._sampling, self._generator = sampling, generator
        self._waiting, self._close = torch.empty(0), torch.empty(0, dtype=torch.bool)

    def __call__(self, step: int, logits: Float[Tensor, "batch slots codes"]) -> Int[Tensor, "batch slots"]:
        """The codes of a step; what was close is remembered."""
        self._waiting = _waiting(logits, self._sampling, self._generator)
        if not isinstance(self._generator, torch.Generator):
            self._close = _is_close(logits, self._waiting, self._sampling)
        return _picked(logits, self._waiting, self._sampling)

    def settled(self, codes: Int[Tensor, "batch slots"], exact: Exact) -> Int[Tensor, "batch slots"]:
        """The codes, those of rows with a close choice made again by the same randomness from exact logits."""
        if isinstance(self._generator, torch.Generator):
            return codes
        for row in self._close.any(1).nonzero()[:, 0].tolist():
            codes[row] = _picked(exact(row), self._waiting[row].double(), self._sampling)
        return codes


def _waiting(
    logits: Float[Tensor, "*batch codes"], sampling: Sampling, generator: Randomness
) -> Float[Tensor, "*batch codes"]:
    """Logarithms of exponential waiting times; made where the generators are, and nothing at temperature 0."""
    if sampling.temperature == 0:
        return torch.zeros_like(logits)
    generators = [generator] if isinstance(generator, torch.Generator) else generator
    found = torch.empty(logits.shape, dtype=torch.float32, device=generators[0].device)
    for share, own in zip(found.unflatten(0, (len(generators), -1)), generators, strict=True):
        share.exponential_(generator=own)
    return found.log_().to(logits)


def _picked(
    logits: Float[Tensor, "*batch codes"], waiting: Float[Tensor, "*batch codes"], sampling: Sampling
) -> Int[Tensor, "*batch"]:
    return (_allowed(logits, sampling) - waiting).argmax(-1)


def _is_close(
    logits: Float[Tensor, "*batch codes"], waiting: Float[Tensor, "*batch codes"], sampling: Sampling
) -> Bool[Tensor, "*batch"]:
    """Whether rounding of the logits could change what :func:`_picked` picks."""
    rounding = _ROUNDING * (abs(sampling.guidance) + abs(1 - sampling.guidance)) / (sampling.temperature or 1.0)
    best = (_allowed(logits, sampling, rounding) - waiting).topk(2)
    narrowest = _allowed(logits, sampling, -rounding).gather(-1, best.indices[..., :1])[..., 0]
    return (best.values[..., 0] - best.values[..., 1] < 2 * rounding) | narrowest.isinf()


def _allowed(
    logits: Float[Tensor, "*batch codes"], sampling: Sampling, slack: float = 0.0
) -> Float[Tensor, "*batch codes"]:
    """Logits at the temperature, minus infinity outside the top k and the top p, whose edges are moved by ``slack``."""
    if sampling.temperature != 0:
        logits = logits / sampling.temperature
    if sampling.top_k is not None and sampling.top_k < logits.shape[-1]:
        logits = _without(logits, logits < logits.topk(sampling.top_k).values[..., -1:], slack)
    if sampling.top_p is not None:
        logits = _without(logits, _outside(logits, sampling.top_p + slack), slack)
    return logits


def _without(
    logits: Float[Tensor, "*batch codes"], outside: Bool[Tensor, "*batch codes"], slack: float
) -> Float[Tensor, "*batch codes"]:
    """Minus infinity outside; and only where that is sure (slack above 0), or also where it is not (below)."""
    if slack > 0:
        outside = logits < logits.masked_fill(outside, float("inf")).amin(-1, keepdim=True) - 2 * slack
    elif slack < 0:
        outside = logits <= logits.masked_fill(~outside, float("-inf")).amax(-1, keepdim=True) - 2 * slack
    return logits.masked_fill(outside, float("-inf"))


def _outside(logits: Float[Tensor, "*batch codes"], top_p: float) -> Tensor:
    """Codes that likelier ones, which hold ``top_p`` between them, leave out."""
    ordered, order = logits.softmax(-1).sort(dim=-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    return torch.zeros_like(before, dtype=torch.bool).scatter(-1, order, before >= top_p)
