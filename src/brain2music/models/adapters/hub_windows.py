"""What the adapters to public models share: windows of sound, one pass each, and vectors of unit length."""

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
    """Every window of a mono waveform at the space's sample rate; the whole sound where it is shorter than one.

    ``shortest_s`` : sound shorter than this is repeated from its start, for networks that need so much.
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


def pieces(
    window: Float32[np.ndarray, " samples"], sample_rate: int, longest_s: float
) -> list[Float32[np.ndarray, " piece"]]:
    """A window cut into the fewest pieces of at most ``longest_s``, of one length, evenly spread over all of it.

    Joint models read 10 s, and crop longer sound at random: the same clip would give two vectors. These cuts depend
    on the length alone. 15 s give [0, 10] and [5, 15].
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
    of_sound: Callable[[Float32[np.ndarray, " piece"]], Float32[np.ndarray, " dims"]],
) -> Float32[np.ndarray, "windows dims"]:
    """(windows, dims) unit rows of any waveform: the mean direction of each window's pieces."""
    return np.stack(
        [
            mean_direction([of_sound(piece) for piece in pieces(window, space.sample_rate, longest_s)])
            for window in each_window(waveform, sample_rate, space)
        ]
    )


def unit(vectors: Float32[np.ndarray, "*rows dims"]) -> Float32[np.ndarray, "*rows dims"]:
    """Vectors scaled to length 1 (a vector of zeros stays what it is)."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)


def mean_direction(vectors: list[Float32[np.ndarray, " dims"]]) -> Float32[np.ndarray, " dims"]:
    """The mean of unit vectors, scaled back to length 1 (the mean of unit vectors is shorter)."""
    return unit(unit(np.stack(vectors)).mean(axis=0, dtype=np.float32))


def best_device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
