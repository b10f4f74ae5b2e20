"""Limiter: peaks of waveforms are kept below full scale without clipping, and the rest is left unchanged."""

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Float

from .waveforms import AudioBlock

CEILING = 0.999
"""Highest peak of a waveform that was limited or scaled."""
_AHEAD_S = 0.005


def limit(waveform: Float[np.ndarray, "channels samples"], sample_rate: int) -> AudioBlock:
    """Reduce the gain around peaks above :data:`CEILING`, smoothly over 10 ms to either side.

    The gain is the same in all channels. Samples farther from such a peak stay the same to the bit.
    """
    return np.concatenate(list(limit_blocks([np.asarray(waveform, np.float32)], sample_rate)), axis=1)


def limit_blocks(blocks: Iterable[AudioBlock], sample_rate: int) -> Iterator[AudioBlock]:
    """Limit sound that comes in blocks; the result does not depend on the sizes of the blocks (:func:`limit`)."""
    ahead = max(1, round(_AHEAD_S * sample_rate))
    context, n_done = None, 0  # samples with their neighbours, and how many of them were yielded before
    for block in blocks:
        context = block if context is None else np.concatenate([context, block], axis=1)
        ready = context.shape[1] - 2 * ahead
        if ready > n_done:
            yield _apply_gains(context, ahead)[:, n_done:ready]
            drop = max(0, ready - 2 * ahead)
            context, n_done = context[:, drop:], ready - drop
    if context is not None:
        yield _apply_gains(context, ahead)[:, n_done:]


def _apply_gains(sound: AudioBlock, ahead: int) -> AudioBlock:
    """Multiply by the moving average of the moving minimum of the needed gains, which never exceeds what is needed."""
    peaks = np.abs(sound).max(axis=0, initial=0.0)
    if not (peaks > CEILING).any():
        return sound
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    span = 2 * ahead + 1
    needed = np.minimum(1.0, CEILING / np.maximum(peaks, 1e-9).astype(np.float64))
    gain = uniform_filter1d(minimum_filter1d(needed, span), span)
    return np.where(gain < 1.0 - 1e-9, sound * gain, sound).astype(np.float32)
