"""Keeping waveforms below full scale without clipping them and without turning down what is not too loud."""

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Float, Float32

CEILING = 0.999
_AHEAD_S = 0.005

Block = Float32[np.ndarray, "channels samples"]


def limit(waveform: Float[np.ndarray, "channels samples"], sample_rate: int) -> Block:
    """A waveform whose peaks above :data:`CEILING` are turned down to it, smoothly over 10 ms to either side.

    All channels are turned down alike. What lies farther from such a peak stays as it is, bit for bit.
    """
    return np.concatenate(list(limit_blocks([np.asarray(waveform, np.float32)], sample_rate)), axis=1)


def limit_blocks(blocks: Iterable[Block], sample_rate: int) -> Iterator[Block]:
    """The same of sound that comes in blocks; what comes out does not depend on where they were cut."""
    ahead = max(1, round(_AHEAD_S * sample_rate))
    held, given = None, 0  # samples with their neighbours, and how many of them were given before
    for block in blocks:
        held = block if held is None else np.concatenate([held, block], axis=1)
        ready = held.shape[1] - 2 * ahead
        if ready > given:
            yield _turned_down(held, ahead)[:, given:ready]
            drop = max(0, ready - 2 * ahead)
            held, given = held[:, drop:], ready - drop
    if held is not None:
        yield _turned_down(held, ahead)[:, given:]


def _turned_down(sound: Block, ahead: int) -> Block:
    """The mean over a span of the least gains needed around each sample of it: nowhere more than is needed there."""
    peaks = np.abs(sound).max(axis=0, initial=0.0)
    if not (peaks > CEILING).any():
        return sound
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    span = 2 * ahead + 1
    needed = np.minimum(1.0, CEILING / np.maximum(peaks, 1e-9).astype(np.float64))
    gain = uniform_filter1d(minimum_filter1d(needed, span), span)
    return np.where(gain < 1.0 - 1e-9, sound * gain, sound).astype(np.float32)
