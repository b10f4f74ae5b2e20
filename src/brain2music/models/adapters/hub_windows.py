"""Windows of sound and vectors of unit length, for the adapters to public models."""

from collections.abc import Callable, Iterator
from math import ceil

import numpy as np
import torch
from jaxtyping import Float32

from ...audio.waveforms import AnyWaveform
from ...embeddings.embeddings import EmbeddingSpace
from ...embeddings.windows import mono_at, window_starts

_TOLERANCE = 1e-6


def each_window(
    waveform: AnyWaveform, sample_rate: int, space: EmbeddingSpace, shortest_s: float = 0.0
) -> Iterator[Float32[np.ndarray, " window"]]:
    """Yield every window of a waveform, in mono at the sample rate of the space; the whole sound where it is shorter.

    Sound shorter than ``shortest_s`` is repeated from its start, for networks that need a minimum.
    """
    sound = mono_at(waveform, sample_rate, space.sample_rate)
    shortest = ceil(shortest_s * space.sample_rate)
    starts = window_starts(len(sound) / space.sample_rate, space.window_s, space.step_s)
    if len(sound) < shortest:
        sound = np.resize(sound, shortest)
    length = max(round(space.window_s * space.sample_rate), shortest)
    for start in starts:
        first = max(0, min(round(start * space.sample_rate), len(sound) - shortest))
        yield sound[first : first + length]


def split_window(
    window: Float32[np.ndarray, " samples"], sample_rate: int, longest_s: float
) -> list[Float32[np.ndarray, " piece"]]:
    """Split a window into the fewest evenly spaced pieces of equal length, at most ``longest_s``, that cover it.

    Joint models read 10 s and crop longer sound at random, so the same clip would have several vectors. These pieces
    depend on the length alone: 15 s give [0, 10] and [5, 15].
    """
    longest = round(longest_s * sample_rate)
    count = max(1, ceil(len(window) / longest - _TOLERANCE))
    if count == 1:
        return [window[:longest]]
    firsts = np.linspace(0, len(window) - longest, count).round().astype(int)
    return [window[first : first + longest] for first in firsts]


def embed_in_pieces(
    waveform: AnyWaveform,
    sample_rate: int,
    space: EmbeddingSpace,
    longest_s: float,
    embed_piece: Callable[[Float32[np.ndarray, " piece"]], Float32[np.ndarray, " dims"]],
) -> Float32[np.ndarray, "windows dims"]:
    """Embed each window of a waveform as the mean direction of its pieces: (windows, dims) of unit length."""
    return np.stack(
        [
            mean_direction([embed_piece(piece) for piece in split_window(window, space.sample_rate, longest_s)])
            for window in each_window(waveform, sample_rate, space)
        ]
    )


def to_unit_length(vectors: Float32[np.ndarray, "*rows dims"]) -> Float32[np.ndarray, "*rows dims"]:
    """Scale vectors to length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)


def mean_direction(vectors: list[Float32[np.ndarray, " dims"]]) -> Float32[np.ndarray, " dims"]:
    """Mean of the directions of vectors, as a unit vector."""
    return to_unit_length(to_unit_length(np.stack(vectors)).mean(axis=0, dtype=np.float32))


def best_device() -> torch.device:
    """The GPU where one is available, otherwise the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
