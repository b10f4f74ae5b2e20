"""A recording followed by new music, without a click where they meet and without a change to the recording."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32
from scipy.signal import lfilter, lfiltic

from .io import resample
from .sound import LOUDEST

CROSSFADE_S = 0.04
_TAIL_S, _ORDER_S, _LEAST_ORDER = 0.25, 0.006, 128  # what linear prediction learns from, and how far it looks back
_NOISE = 1e-4  # beside the sound: of pure tones Burg's method learns to explode
_MOST_GAIN = 8.0
_SILENCE = 1e-5


class Joined(NamedTuple):
    """``waveform`` (channels, samples): the recording's own samples, then new ones; ``gains`` of these by channel."""

    waveform: Float32[np.ndarray, "channels samples"]
    gains: list[float]


def join(
    own: Float[np.ndarray, "channels samples"],
    sample_rate: int,
    made: Float[np.ndarray, " made_samples"],
    made_rate: int,
    start: int,
    seconds: float,
) -> Joined:
    """The recording, then ``seconds`` of what was made in mono, in every channel.

    What was made is resampled to the recording's sample rate and brought to the level of each of its channels. Over the
    first 40 ms it is faded in against what linear prediction says the recording would have gone on with (Burg's method,
    as for the concealment of lost packets), so that there is no step in the waveform.

    Parameters
    ----------
    own : the recording, at ``sample_rate`` Hz. made : mono at ``made_rate`` Hz; up to ``start`` it stands for the end
        of the recording, and tells how much louder or softer than that it is.
    """
    heard = resample(made, made_rate, sample_rate)
    first = round(start * sample_rate / made_rate)
    count = round(seconds * sample_rate)
    new = np.pad(heard[first : first + count], (0, max(0, first + count - len(heard))))
    gains = _gains(own[:, -first:], heard[:first])
    peak = max(gains) * float(np.abs(new).max(initial=0))
    gains = gains * min(1.0, LOUDEST / max(peak, 1e-9))
    fade = min(count, round(CROSSFADE_S * sample_rate))
    rise = np.ones(count)
    rise[:fade] = (1 - np.cos(np.pi * np.arange(1, fade + 1) / (fade + 1))) / 2
    following = gains[:, None] * new * rise
    for channel, row in zip(following, own, strict=True):
        channel[:fade] += (1 - rise[:fade]) * predicted(
            row[-round(_TAIL_S * sample_rate) :], fade, round(_ORDER_S * sample_rate)
        )
    waveform = np.concatenate([own, following], axis=1, dtype=np.float32)
    return Joined(waveform, [float(f"{gain:.4g}") for gain in gains])


def predicted(tail: Float[np.ndarray, " samples"], count: int, order: int = 0) -> Float[np.ndarray, " count"]:
    """What a sound would go on with, by linear prediction from ``order`` samples; never louder than it was."""
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
    own: Float[np.ndarray, "channels samples"], heard: Float[np.ndarray, " samples"]
) -> Float[np.ndarray, " channels"]:
    """What brings a mono sound to the level of each channel; channels stay silent beside others that are not."""
    level = float(np.sqrt(np.mean(np.square(heard, dtype=np.float64)))) if len(heard) else 0.0
    levels = np.sqrt(np.mean(np.square(own, dtype=np.float64), axis=1))
    if level < _SILENCE or levels.max() < _SILENCE:
        return np.ones(len(own))
    return np.minimum(levels / level, _MOST_GAIN)
