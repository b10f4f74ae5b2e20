"""The beat clock of the diffusion model, and echoes: what stands at the same place of other beats and bars.

A diffusion model of this size does not find by itself that music repeats. Where the beat is known, it is shown every
frame's place in the beat and the bar, and its features averaged over the frames at the same place: noise averages out
there, and what repeats stands out, from the first steps of sampling on.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int, Int64
from torch import Tensor, nn

from ..generator_parts.clock import CODES, LEVELS, PHASES, UNKNOWN, clock_at
from .layers import FrameNorm, begin_at_zero

ROWS = LEVELS + 1
"""Rows of a clock: phase of the beat, beat of the bar, tempo, and the place in the bar; 0 is no place."""
_USUAL_BAR = 4


def clock_of(
    beat_count: Float32[np.ndarray, " frames"] | Float64[np.ndarray, " frames"],
    tempo: Float64[np.ndarray, " frames"] | float | None,
    beats_per_bar: int | None,
) -> Int64[np.ndarray, "4 frames"]:
    """Clock of frames, from the beats until each and the tempo in beats per minute; unknown without a tempo."""
    if tempo is None:
        unknown = np.full((ROWS, len(beat_count)), UNKNOWN, np.int64)
        unknown[LEVELS] = 0
        return unknown
    count = beat_count.astype(np.float64)
    places = np.floor(count % (beats_per_bar or _USUAL_BAR) * PHASES) + 1
    return np.concatenate([clock_at(count, tempo, beats_per_bar), places[None]]).astype(np.int64)


class SamePlaces(NamedTuple):
    """Weights (batch, frames, frames) that average over the same place of the beat, and of the bar."""

    of_beat: Float[Tensor, "batch frames frames"]
    of_bar: Float[Tensor, "batch frames frames"]

    @classmethod
    def of(cls, clock: Int[Tensor, "batch rows frames"], causal: bool) -> "SamePlaces":
        """From a clock; causal weights are of earlier frames only, and of the frame itself."""
        place = clock[:, LEVELS]
        return cls(_alike(place, (place - 1) % PHASES, causal), _alike(place, place, causal))


class ClockCodes(nn.Module):
    """Learned features of a clock's phase, beat of the bar and tempo, side by side."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.codes = nn.ModuleList(nn.Embedding(CODES, dim) for _ in range(LEVELS))

    def forward(self, clock: Int[Tensor, "batch rows frames"]) -> Float[Tensor, "batch features frames"]:
        """Features of every frame."""
        return torch.cat([codes(clock[:, row]) for row, codes in enumerate(self.codes)], dim=2).transpose(1, 2)


class Echoes(nn.Module):
    """Residual branch of what stands at the same places of other beats and bars; it begins as nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = FrameNorm(width)
        self.beat = begin_at_zero(nn.Conv1d(width, width, 1))
        self.bar = begin_at_zero(nn.Conv1d(width, width, 1))

    def forward(
        self, x: Float[Tensor, "batch channels frames"], places: SamePlaces
    ) -> Float[Tensor, "batch channels frames"]:
        """Add the echoes of each frame."""
        normed = self.norm(x)
        beat, bar = (torch.einsum("bts,bcs->bct", each.to(x.dtype), normed) for each in places)
        return x + self.beat(beat) + self.bar(bar)


def without_beat(batch: int, frames: int, device: torch.device) -> Int[Tensor, "batch rows frames"]:
    """The clock of music whose beat is not known."""
    clock = torch.full((batch, ROWS, frames), UNKNOWN, device=device)
    clock[:, LEVELS:] = 0
    return clock


def _alike(
    place: Int[Tensor, "batch frames"], key: Int[Tensor, "batch frames"], causal: bool
) -> Float[Tensor, "batch frames frames"]:
    """Weights over frames of one key, such that white noise keeps its variance; none where there is no place."""
    there = place > 0
    same: Bool[Tensor, "batch frames frames"] = (key[:, :, None] == key[:, None]) & there[:, :, None] & there[:, None]
    if causal:
        same = same.tril()
    weights = same.float()
    return weights / weights.sum(dim=2, keepdim=True).clamp(min=1).sqrt()
