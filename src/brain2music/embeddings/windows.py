"""Division of a sound into the windows that are embedded."""

from math import floor

import numpy as np
from jaxtyping import Float32

from ..audio.waveforms import AnyWaveform, as_waveform

_TOLERANCE_S = 0.02
"""The most that may be missing at the end of the last window, as decoders and resamplers drop a few samples."""


def n_windows(duration: float, window_s: float, step_s: float) -> int:
    """Count the windows of a sound: floor((T - w) / step) + 1, and one if the sound is shorter than a window.

    A 15-s clip gives 10, 7, 4 and 1 windows of 1.5, 5, 10 and 15 s at a step of 1.5 s (Brain2Music, Table 1).
    """
    return max(0, floor((duration - window_s + _TOLERANCE_S) / step_s)) + 1


def window_starts(duration: float, window_s: float, step_s: float) -> list[float]:
    """List the start of every window in seconds."""
    return [index * step_s for index in range(n_windows(duration, window_s, step_s))]


def mono_at(waveform: AnyWaveform, sample_rate: int, target: int) -> Float32[np.ndarray, " resampled"]:
    """Convert a waveform to mono at ``target`` Hz; raises as :func:`brain2music.audio.waveforms.as_waveform`."""
    from ..audio.io import resample

    return resample(*as_waveform(waveform, sample_rate), target)
