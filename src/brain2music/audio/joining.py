"""Joining generated music to the end of a recording, without a click and without a change to the recording."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32
from scipy.signal import lfilter, lfiltic

from .io import resample
from .limiter import CEILING

CROSSFADE_S = 0.04
_TAIL_S, _ORDER_S, _LEAST_ORDER = 0.25, 0.006, 128  # what linear prediction is fitted to, and its order
_NOISE = 1e-4  # relative to the sound: fitted to pure tones alone, the prediction can explode
_MOST_GAIN = 8.0
_SILENCE = 1e-5


class Joined(NamedTuple):
    """A recording and its continuation.

    ``waveform`` (channels, samples) is the recording followed by new samples; ``gains`` are those of the new samples,
    one per channel.
    """

    waveform: Float32[np.ndarray, "channels samples"]
    gains: list[float]


def join(
    recording: Float[np.ndarray, "channels samples"],
    sample_rate: int,
    generated: Float[np.ndarray, " generated_samples"],
    generated_rate: int,
    start: int,
    seconds: float,
) -> Joined:
    """Join ``seconds`` of generated mono sound to every channel of a recording.

    The generated sound is resampled to the recording's sample rate and scaled to the level of each channel. Over the
    first 40 ms it is cross-faded with a linear prediction of the recording (Burg's method, as in packet-loss
    concealment), so that the waveform has no step.

    Parameters
    ----------
    recording : at ``sample_rate`` Hz. generated : mono at ``generated_rate`` Hz. Its samples before ``start`` are the
        model's version of the end of the recording; comparing their levels gives the gains.
    """
    resampled = resample(generated, generated_rate, sample_rate)
    first = round(start * sample_rate / generated_rate)
    count = round(seconds * sample_rate)
    new = np.pad(resampled[first : first + count], (0, max(0, first + count - len(resampled))))
    gains = _gains(recording[:, -first:], resampled[:first])
    peak = max(gains) * float(np.abs(new).max(initial=0))
    gains = gains * min(1.0, CEILING / max(peak, 1e-9))
    fade = min(count, round(CROSSFADE_S * sample_rate))
    rise = np.ones(count)
    rise[:fade] = (1 - np.cos(np.pi * np.arange(1, fade + 1) / (fade + 1))) / 2
    following = gains[:, None] * new * rise
    for channel, row in zip(following, recording, strict=True):
        channel[:fade] += (1 - rise[:fade]) * extrapolate(
            row[-round(_TAIL_S * sample_rate) :], fade, round(_ORDER_S * sample_rate)
        )
    waveform = np.concatenate([recording, following], axis=1, dtype=np.float32)
    return Joined(waveform, [float(f"{gain:.4g}") for gain in gains])


def extrapolate(tail: Float[np.ndarray, " samples"], count: int, order: int = 0) -> Float[np.ndarray, " count"]:
    """Extrapolate a sound by linear prediction from ``order`` samples; the result is never louder than the sound."""
    import librosa

    loudest = float(np.abs(tail).max())
    if loudest < _SILENCE:
        return np.zeros(count)
    wave = tail.astype(np.float64)
    order = min(max(order, _LEAST_ORDER), len(wave) // 3)
    noise = np.random.default_rng(0).standard_normal(len(wave))
    filtered = librosa.lpc(wave + _NOISE * wave.std() * noise, order=order)
    state = lfiltic([1.0], filtered, wave[::-1][:order])
    return lfilter([1.0], filtered, np.zeros(count), zi=state)[0].clip(-loudest, loudest)


def _gains(
    recording: Float[np.ndarray, "channels samples"], resampled: Float[np.ndarray, " samples"]
) -> Float[np.ndarray, " channels"]:
    """Gains that bring a mono sound to the level of each channel; 0 for silent channels unless all are silent."""
    level = float(np.sqrt(np.mean(np.square(resampled, dtype=np.float64)))) if len(resampled) else 0.0
    levels = np.sqrt(np.mean(np.square(recording, dtype=np.float64), axis=1))
    if level < _SILENCE or levels.max() < _SILENCE:
        return np.ones(len(recording))
    return np.minimum(levels / level, _MOST_GAIN)
