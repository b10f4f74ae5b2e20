"""The beat clock of generated music: its tempo from the embedding, the user, or the recording that it continues."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int64
from torch import Tensor

from ..._utils.errors import InputError
from .clock import FASTEST, SLOWEST, count_beats
from .pace import Pace, Tempo
from .windows import SECTION_S

WITH_CLOCK = "musiclm-small or jen1-small"
"""Models that ship with a beat clock, in words."""
Codes = Callable[
    [Float64[np.ndarray, " frames"], Float64[np.ndarray, " frames"], int | None], Int64[np.ndarray, "rows frames"]
]
"""From the beats until each frame, the tempo there, and the beats per bar to a model's clock."""


class Metronome:
    """Clocks of a model; none where it was trained without.

    Parameters
    ----------
    frame_rate : of the clock, None for a model without one. pace : predictor of tempi. codes : the model's clock.
    """

    def __init__(self, frame_rate: float | None, pace: Pace | None, codes: Codes) -> None:
        self.frame_rate, self._pace, self._codes = frame_rate, pace, codes

    def check(self, tempo: float | None) -> None:
        """Raise :class:`InputError` for a tempo that cannot be kept."""
        if tempo is None:
            return
        if self.frame_rate is None:
            raise InputError("this model has no beat clock", hint=f"leave out the tempo, or take {WITH_CLOCK}")
        if not SLOWEST <= tempo <= FASTEST:
            raise InputError(f"a tempo of {tempo:g} beats per minute", hint=f"choose {SLOWEST:g} to {FASTEST:g}")

    def tempi(self, vectors: Float[Tensor, "items dims"], tempo: float | None) -> list[Tempo] | None:
        """The tempo of each item: that asked for, or what fits its embedding; None without a clock."""
        if self.frame_rate is None:
            return None
        if self._pace is None:
            return None if tempo is None else [Tempo(float(tempo), None)] * len(vectors)
        found = self._pace(vectors.cpu().numpy())
        return [each if tempo is None else Tempo(float(tempo), each.beats_per_bar) for each in found]

    def clock(
        self, sections: Sequence[Float[Tensor, "items dims"]], frames: int, tempo: float | None
    ) -> Int[Tensor, "items rows frames"] | None:
        """Clock of every frame, from the embeddings of each section of 15 s."""
        tempi = [found for vectors in sections if (found := self.tempi(vectors, tempo)) is not None]
        if self.frame_rate is None or not tempi:
            return None
        place = np.minimum((np.arange(frames) / self.frame_rate // SECTION_S).astype(int), len(tempi) - 1)
        clocks = []
        for item in zip(*tempi, strict=True):
            bpm = np.array([each.bpm for each in item])[place]
            count = np.concatenate([[0.0], np.cumsum(bpm[:-1] / 60 / self.frame_rate)])
            clocks.append(self._codes(count + 1e-9, bpm, item[0].beats_per_bar))
        return torch.from_numpy(np.stack(clocks))

    def follow(
        self, beats: Float64[np.ndarray, " beats"] | None, frames: int, items: int
    ) -> Int[Tensor, "items rows frames"] | None:
        """Clock of the beats of a recording (in seconds), which go on evenly; None where there are none."""
        if self.frame_rate is None or beats is None:
            return None
        clock = self._codes(*count_beats(beats, np.arange(frames) / self.frame_rate), None)
        return torch.from_numpy(np.stack([clock] * items))


def described(tempi: Sequence[Tempo] | None, item: int) -> dict[str, Any]:
    """The tempo of an item, for the origin of its pieces; nothing without a clock."""
    return {} if tempi is None else {"tempo": round(tempi[item].bpm, 2), "beats_per_bar": tempi[item].beats_per_bar}
