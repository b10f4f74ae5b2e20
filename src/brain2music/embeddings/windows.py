"""How a sound is cut into the windows that embeddings are made of."""

from math import floor

import numpy as np
from jaxtyping import Float32

from ..audio.arrays import AnyWaveform, as_waveform

_TOLERANCE_S = 0.02
"""A file may end this much before its last window does: decoders and resamplers drop a few samples."""


def n_windows(duration: float, window_s: float, step_s: float) -> int:
    """How many windows fit: floor((T - w) / step) + 1, and one where the sound is shorter than a window.

    A 15-s clip gives 10, 7, 4 and 1 windows of 1.5, 5, 10 and 15 s at a step of 1.5 s (Brain2Music, Table 1).
    """
    return max(0, floor((duration - window_s + _TOLERANCE_S) / step_s)) + 1


def window_starts(duration: float, window_s: float, step_s: float) -> list[float]:
    """The start of every window in seconds."""
    return [index * step_s for index in range(n_windows(duration, window_s, step_s))]


def mono_at(waveform: AnyWaveform, sample_rate: int, target: int) -> Float32[np.ndarray, " resampled"]:
    """Any waveform in mono at ``target`` Hz; errors as :func:`brain2music.audio.arrays.as_waveform`."""
    from ..audio.io import resample

    return resample(*as_waveform(waveform, sample_rate), target)
