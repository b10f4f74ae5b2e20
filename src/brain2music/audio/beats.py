"""The beats of a recording, where it has any."""

import numpy as np
from jaxtyping import Float32, Float64

RATE, HOP = 22_050, 256
"""Hz of the sound that is analysed, and its samples per frame of onset strength."""
_FRAMES_PER_S = RATE / HOP
_FASTEST_S, _SLOWEST_S = 0.25, 2.0
CLEAR_PULSE = 0.35
"""Pulse from which beats are taken for beats: music with a beat has 0.6 to 0.9, noise about 0.1."""


def onset_strength(mono: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, " frames"]:
    """Strength of onsets of a sound at 22.05 kHz, 86 per second (spectral flux, as librosa computes it)."""
    import librosa

    return librosa.onset.onset_strength(y=mono, sr=RATE, hop_length=HOP)


def pulse_of(strength: Float32[np.ndarray, " frames"]) -> float:
    """Highest unbiased autocorrelation of onset strength at periods of 0.25 to 2 s."""
    centred = strength - strength.mean()
    energy = float(centred @ centred)
    if energy <= 0:
        return 0.0
    frames = len(centred)
    lags = range(int(_FASTEST_S * _FRAMES_PER_S), min(int(_SLOWEST_S * _FRAMES_PER_S), frames - 1))
    products = (float(centred[lag:] @ centred[: frames - lag]) / (frames - lag) for lag in lags)
    return max(products, default=0.0) * frames / energy


def track_beats(
    sound: Float32[np.ndarray, " samples"], sample_rate: int, clear: float = CLEAR_PULSE
) -> Float64[np.ndarray, " beats"] | None:
    """Times of the beats in seconds (Ellis 2007, as librosa tracks them); None where there is no clear pulse."""
    import librosa

    from .io import resample

    mono = resample(sound, sample_rate, RATE)
    strength = onset_strength(mono)
    if pulse_of(strength) < clear:
        return None
    _, beats = librosa.beat.beat_track(onset_envelope=strength, sr=RATE, hop_length=HOP, trim=False, units="time")
    return np.asarray(beats, np.float64) if len(beats) > 3 else None
