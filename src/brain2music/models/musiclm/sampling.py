"""Sampling codes from logits, with randomness of its own for each piece.

Matrix products differ in their last bits with the size of the batch. A code whose lead over the next is smaller than
that could differ in another batch, and all codes after it; such choices are made again from logits in double precision
of the piece by itself (:class:`CodeSampler`). So a piece does not depend on the others in its batch.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Randomness = torch.Generator | Sequence[torch.Generator]
"""One generator for all rows; or several, each for an equal share of the rows, in order."""
Exact = Callable[[int], Float[Tensor, "slots codes"]]
"""From a row to its logits in double precision, independent of the batch."""

_ROUNDING = 3e-5
"""Bound on the difference of logits between batches before guidance: three times the largest observed."""


@dataclass(frozen=True)
class Sampling:
    """Sampling parameters of a stage.

    MusicLM publishes temperatures only.

    Attributes
    ----------
    temperature : float
        Divisor of the logits; 0 takes the likeliest code.
    top_k : int or None
        Number of likeliest codes that may be sampled; None for all.
    top_p : float or None
        Probability that the fewest likeliest codes which may be sampled hold; None for all.
    guidance : float
        Weight w of classifier-free guidance, null + w (conditional - null); 1 is the condition alone, 0 none.

    Raises
    ------
    ValueError
        A parameter is not finite or out of range.

    Examples
    --------
    >>> from brain2music.models.musiclm import Sampling
    >>> Sampling(temperature=0.9, top_k=50)
    Sampling(temperature=0.9, top_k=50, top_p=None, guidance=1.0)
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


def apply_guidance(logits: Float[Tensor, "twice *rest"], guidance: float) -> Float[Tensor, "batch *rest"]:
    """Apply classifier-free guidance to the logits of a batch whose second half has the null condition."""
    conditional, null = logits.chunk(2)
    return torch.lerp(null, conditional, guidance)


def sample_codes(
    logits: Float[Tensor, "*batch codes"], sampling: Sampling, generator: Randomness
) -> Int[Tensor, "*batch"]:
    """Sample a code for each row: temperature first, then top k, then top p; using the Gumbel maximum."""
    return _pick(logits, _log_exponentials(logits, sampling, generator), sampling)


class CodeSampler:
    """Chooses the codes of one step after the other.

    Parameters
    ----------
    sampling : how. generator : with one for each piece, :meth:`recheck_close` makes the pieces independent of each
        other.
    """

    def __init__(self, sampling: Sampling, generator: Randomness) -> None:
        self._sampling, self._generator = sampling, generator
        self._noise, self._close = torch.empty(0), torch.empty(0, dtype=torch.bool)

    def __call__(self, step: int, logits: Float[Tensor, "batch slots codes"]) -> Int[Tensor, "batch slots"]:
        """Sample the codes of a step, and note the close choices."""
        self._noise = _log_exponentials(logits, self._sampling, self._generator)
        if not isinstance(self._generator, torch.Generator):
            self._close = _is_close(logits, self._noise, self._sampling)
        return _pick(logits, self._noise, self._sampling)

    def recheck_close(self, codes: Int[Tensor, "batch slots"], exact: Exact) -> Int[Tensor, "batch slots"]:
        """Sample rows with a close choice again, using the same randomness and exact logits."""
        if isinstance(self._generator, torch.Generator):
            return codes
        for row in self._close.any(1).nonzero()[:, 0].tolist():
            codes[row] = _pick(exact(row), self._noise[row].double(), self._sampling)
        return codes


def _log_exponentials(
    logits: Float[Tensor, "*batch codes"], sampling: Sampling, generator: Randomness
) -> Float[Tensor, "*batch codes"]:
    """Logarithms of exponential variates, made on the generators' device; zeros at temperature 0."""
    if sampling.temperature == 0:
        return torch.zeros_like(logits)
    generators = [generator] if isinstance(generator, torch.Generator) else generator
    variates = torch.empty(logits.shape, dtype=torch.float32, device=generators[0].device)
    for share, own_generator in zip(variates.unflatten(0, (len(generators), -1)), generators, strict=True):
        share.exponential_(generator=own_generator)
    return variates.log_().to(logits)


def _pick(
    logits: Float[Tensor, "*batch codes"], noise: Float[Tensor, "*batch codes"], sampling: Sampling
) -> Int[Tensor, "*batch"]:
    return (_allowed(logits, sampling) - noise).argmax(-1)


def _is_close(
    logits: Float[Tensor, "*batch codes"], noise: Float[Tensor, "*batch codes"], sampling: Sampling
) -> Bool[Tensor, "*batch"]:
    """Whether rounding of the logits could change the choice of :func:`_pick`."""
    rounding = _ROUNDING * (abs(sampling.guidance) + abs(1 - sampling.guidance)) / (sampling.temperature or 1.0)
    best = (_allowed(logits, sampling, rounding) - noise).topk(2)
    narrowest = _allowed(logits, sampling, -rounding).gather(-1, best.indices[..., :1])[..., 0]
    return (best.values[..., 0] - best.values[..., 1] < 2 * rounding) | narrowest.isinf()


def _allowed(
    logits: Float[Tensor, "*batch codes"], sampling: Sampling, slack: float = 0.0
) -> Float[Tensor, "*batch codes"]:
    """Logits at the temperature, minus infinity outside top k and top p, whose edges are moved by ``slack``."""
    if sampling.temperature != 0:
        logits = logits / sampling.temperature
    if sampling.top_k is not None and sampling.top_k < logits.shape[-1]:
        logits = _exclude(logits, logits < logits.topk(sampling.top_k).values[..., -1:], slack)
    if sampling.top_p is not None:
        logits = _exclude(logits, _outside(logits, sampling.top_p + slack), slack)
    return logits


def _exclude(
    logits: Float[Tensor, "*batch codes"], outside: Bool[Tensor, "*batch codes"], slack: float
) -> Float[Tensor, "*batch codes"]:
    """Minus infinity outside: only where that is certain (slack above 0), or also where it is not (below 0)."""
    if slack > 0:
        outside = logits < logits.masked_fill(outside, float("inf")).amin(-1, keepdim=True) - 2 * slack
    elif slack < 0:
        outside = logits <= logits.masked_fill(~outside, float("-inf")).amax(-1, keepdim=True) - 2 * slack
    return logits.masked_fill(outside, float("-inf"))


def _outside(logits: Float[Tensor, "*batch codes"], top_p: float) -> Tensor:
    """Mask of codes outside the fewest likeliest codes that hold probability ``top_p``."""
    ordered, order = logits.softmax(-1).sort(dim=-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    return torch.zeros_like(before, dtype=torch.bool).scatter(-1, order, before >= top_p)
