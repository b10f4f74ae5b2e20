"""The beat clock: where in the beat and in the bar every frame of the acoustic tokens lies.

A small model of a few seconds of tokens does not count time, and what it writes has no pulse. The clock counts for it:
three codes per frame (phase of the beat, beat of the bar, tempo), added to the step that predicts the frame, as aligned
upstream tokens are; and three echoes, the frames one beat, two beats and one bar before, whose tokens the step reads
(music is most alike at such distances: Yu et al. 2022, Museformer, arXiv 2210.10349). In training the clock is exact
for composed pieces and tracked for recordings; when music is generated, it runs at a given tempo, or at one that
:class:`.pace.Pace` predicts from the embedding.
"""

import numpy as np
import torch
from jaxtyping import Float64, Int, Int8, Int64
from torch import Tensor

CLOCK = "clock"
"""Name of the family of tokens."""
LEVELS, CODES, ECHOES = 3, 32, 3
"""Codes per frame, how many there are of each, and echoes per frame; a clock has a row for each code and echo."""
UNKNOWN = CODES - 1
"""Code of what is not known: all three for music without a pulse, that of the bar where only beats are."""
PHASES = 24
SLOWEST, FASTEST = 40.0, 230.0
"""Tempi that the clock tells apart, in beats per minute; twelve steps per doubling."""
_STEPS_PER_OCTAVE = 12


def clock_at(
    beats: Float64[np.ndarray, " frames"],
    tempo: Float64[np.ndarray, " frames"] | float,
    beats_per_bar: int | None,
) -> Int8[np.ndarray, "3 frames"]:
    """Codes of frames, from the number of beats since the first downbeat and the tempo at each frame."""
    phase = np.floor(beats % 1.0 * PHASES).astype(np.int8)
    bar = np.floor(beats) % beats_per_bar if beats_per_bar else np.full(len(beats), UNKNOWN)
    pace = np.clip(np.round(_STEPS_PER_OCTAVE * np.log2(np.asarray(tempo) / SLOWEST)), 0, UNKNOWN - 1)
    return np.stack([phase, bar.astype(np.int8), np.broadcast_to(pace, beats.shape).astype(np.int8)])


def steady_clock(
    frames: int, frame_rate: float, tempo: float, beats_per_bar: int | None
) -> Int8[np.ndarray, "3 frames"]:
    """Codes of a constant tempo from the first downbeat."""
    return clock_at(np.arange(frames) / frame_rate * tempo / 60, tempo, beats_per_bar)


def with_echoes(
    codes: Int[np.ndarray, "3 frames"],
    tempo: Float64[np.ndarray, " frames"] | float | None,
    beats_per_bar: int | None,
    frame_rate: float,
) -> Int64[np.ndarray, "6 frames"]:
    """A clock: its codes, and how many frames before each its echoes are; 0 where there is no tempo."""
    distances = np.array([1.0, 2.0, float(beats_per_bar or 4)])[:, None]
    lags = np.zeros((ECHOES, codes.shape[1])) if tempo is None else distances * 60 / np.asarray(tempo) * frame_rate
    lags = np.broadcast_to(np.round(lags), (ECHOES, codes.shape[1]))
    return np.concatenate([codes, lags]).astype(np.int64)


def echoed_clock(
    beats: Float64[np.ndarray, " frames"],
    tempo: Float64[np.ndarray, " frames"],
    beats_per_bar: int | None,
    frame_rate: float,
) -> Int64[np.ndarray, "6 frames"]:
    """The clock of MusicLM's frames, from the beats until each and the tempo there."""
    return with_echoes(clock_at(beats, tempo, beats_per_bar), tempo, beats_per_bar, frame_rate)


def tempo_of(beats: Float64[np.ndarray, " beats"]) -> float:
    """Beats per minute of tracked beats, by the median of their distances."""
    return 60 / float(np.median(np.diff(beats)))


def tracked_clock(
    beats: Float64[np.ndarray, " beats"] | None, frames: int, frame_rate: float
) -> Int8[np.ndarray, "3 frames"]:
    """Codes of tracked beats (times in seconds); unknown where there are none, and the bar always."""
    if beats is None:
        return np.full((LEVELS, frames), UNKNOWN, np.int8)
    count, tempo = count_beats(beats, np.arange(frames) / frame_rate)
    return clock_at(count, tempo, None)


def count_beats(
    beats: Float64[np.ndarray, " beats"], times: Float64[np.ndarray, " times"]
) -> tuple[Float64[np.ndarray, " times"], Float64[np.ndarray, " times"]]:
    """Beats since a first one before all times, and the tempo, at any times; beyond the beats they go on evenly."""
    period = 60 / tempo_of(beats)
    before = int(np.ceil(max(0.0, beats[0] - min(0.0, times[0])) / period)) + 1
    after = int(np.ceil(max(0.0, times[-1] - beats[-1]) / period)) + 1
    early = beats[0] - period * np.arange(before, 0, -1)
    late = beats[-1] + period * np.arange(1, after + 1)
    grid = np.concatenate([early, beats, late])
    count = np.interp(times, grid, np.arange(len(grid), dtype=np.float64))
    gaps = np.diff(grid)
    tempo = 60 / gaps[np.clip(count.astype(int), 0, len(gaps) - 1)]
    return count, tempo


def without_clock(clock: Int[Tensor, "batch rows frames"]) -> Int[Tensor, "batch rows frames"]:
    """The null clock: nothing is known, and nothing echoes."""
    null = torch.full_like(clock, UNKNOWN)
    null[:, LEVELS:] = 0
    return null


def hide_clock(
    clock: Int[Tensor, "batch rows frames"], unconditioned: Tensor, dropout: tuple[float, float, float]
) -> Int[Tensor, "batch rows frames"]:
    """Hide the clocks of some examples of a batch in training.

    Parameters
    ----------
    unconditioned : (batch,), whether an example has no condition either.
    dropout : probabilities that a clock is hidden of an example with a condition, of one without, and that only its bar
        is.
    """
    conditioned, alone, bar = dropout
    draw = torch.rand(len(clock), device=clock.device)
    hidden = draw < torch.where(unconditioned, alone, conditioned)
    no_bar = torch.rand(len(clock), device=clock.device) < bar
    rows = [hidden, hidden | no_bar, *[hidden] * (clock.shape[1] - 2)]
    return torch.where(torch.stack(rows, dim=1)[:, :, None], without_clock(clock), clock)
