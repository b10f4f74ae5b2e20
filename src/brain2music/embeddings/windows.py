"""Division of a sound into the windows that are embedded."""

from math import floor

import numpy as np
from jaxtyping import Float32

from ..audio.waveforms import AnyWaveform, as_waveform

TOLERANCE_S = 0.02
"""The most that may be missing at the end of the last window, as decoders and resamplers drop a few samples."""


def n_windows(duration: float, window_s: float, step_s: float) -> int:
    """Count the windows of a sound: ⌊(T - w) / step⌋ + 1, and one if the sound is shorter than a window.

    Parameters
    ----------
    duration : float
        Duration T of the sound in seconds, of which 0.02 s may be missing.
    window_s : float
        Duration w of a window in seconds.
    step_s : float
        Step from one window to the next in seconds.

    Returns
    -------
    int
        Number of windows.

    Examples
    --------
    >>> from brain2music.embeddings import n_windows
    >>> [n_windows(15.0, window, 1.5) for window in (1.5, 5.0, 10.0, 15.0)]  # Table 1 of Brain2Music
    [10, 7, 4, 1]
    """
    return max(0, floor((duration - window_s + TOLERANCE_S) / step_s)) + 1


def window_starts(duration: float, window_s: float, step_s: float) -> list[float]:
    """List the start of every window in seconds."""
    return [index * step_s for index in range(n_windows(duration, window_s, step_s))]


def mono_at(waveform: AnyWaveform, sample_rate: int, target: int) -> Float32[np.ndarray, " resampled"]:
    """Convert a waveform to mono at ``target`` Hz; raises as :func:`brain2music.audio.waveforms.as_waveform`."""
    from ..audio.io import resample

    return resample(*as_waveform(waveform, sample_rate), target)
