"""The beat clock of generated music: its tempo from the embedding, the user, or the recording that it continues."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from ..._utils.errors import InputError
from ..generator_parts.windows import SECTION_S
from .clock import CLOCK, FASTEST, SLOWEST, clock_at, count_beats, tempo_of, with_echoes
from .config import StageConfig
from .pace import Pace, Tempo
from .stage import Condition


class Metronome:
    """Clocks for the acoustic stage of a model; none where it was trained without.

    Parameters
    ----------
    config : of the acoustic stage, or None for three stages. pace : predictor of tempi; None where there is no clock.
    """

    def __init__(self, config: StageConfig | None, pace: Pace | None) -> None:
        self.frame_rate = config.frame_rate if config is not None and config.upstream == CLOCK else None
        self._pace = pace

    def check(self, tempo: float | None) -> None:
        """Raise :class:`InputError` for a tempo that cannot be kept."""
        if tempo is None:
            return
        if self.frame_rate is None:
            raise InputError("this model has no beat clock", hint="leave out the tempo, or take musiclm-small")
        if not SLOWEST <= tempo <= FASTEST:
            raise InputError(f"a tempo of {tempo:g} beats per minute", hint=f"choose {SLOWEST:g} to {FASTEST:g}")

    def tempi(self, condition: Condition, tempo: float | None) -> list[Tempo] | None:
        """The tempo of each item: that asked for, or what fits its embedding; None without a clock."""
        if self.frame_rate is None:
            return None
        if self._pace is None:
            return None if tempo is None else [Tempo(float(tempo), None)] * len(condition.vector)
        found = self._pace(condition.vector.cpu().numpy())
        return [each if tempo is None else Tempo(float(tempo), each.beats_per_bar) for each in found]

    def clock(
        self,
        conditions: Sequence[Condition],
        frames: int,
        tempo: float | None,
        beats: Float64[np.ndarray, " beats"] | None = None,
    ) -> Int[Tensor, "batch rows frames"] | None:
        """Clock of every frame, from one condition per section of 15 s; ``beats`` of a recording go on evenly."""
        if self.frame_rate is None:
            return None
        times = np.arange(frames) / self.frame_rate
        if beats is not None:
            count, bpm = count_beats(beats, times)
            codes = clock_at(count, bpm, None)
            clock = with_echoes(codes, tempo_of(beats), None, self.frame_rate)
            return torch.from_numpy(np.stack([clock] * len(conditions[0].vector)))
        sections = [found for condition in conditions if (found := self.tempi(condition, tempo)) is not None]
        if not sections:
            return None
        place = np.minimum((times // SECTION_S).astype(int), len(sections) - 1)
        clocks = []
        for item in zip(*sections, strict=True):
            bpm = np.array([each.bpm for each in item])[place]
            count = np.concatenate([[0.0], np.cumsum(bpm[:-1] / 60 / self.frame_rate)])
            codes = clock_at(count + 1e-9, bpm, item[0].beats_per_bar)
            clocks.append(with_echoes(codes, bpm, item[0].beats_per_bar, self.frame_rate))
        return torch.from_numpy(np.stack(clocks))


def described(tempi: Sequence[Tempo] | None, item: int) -> dict[str, Any]:
    """The tempo of an item, for the origin of its pieces; nothing without a clock."""
    return {} if tempi is None else {"tempo": round(tempi[item].bpm, 2), "beats_per_bar": tempi[item].beats_per_bar}
