"""Filling a gap of a recording with other sound, without a click and without a change to the rest."""

import numpy as np
from jaxtyping import Float, Float32

SEAM_S = 0.01
"""Seconds over which recording and filling are cross-faded, before the gap and after it."""
NEAR_S = 1.5
"""Seconds on either side of a gap whose level the filling is brought to."""
_SILENCE = 1e-5
_MOST_GAIN = 8.0
_EDGE_S, _EASE_S, _MOST_EDGE_GAIN = 0.02, 0.3, 4.0


def fill_gap(
    recording: Float32[np.ndarray, "channels samples"],
    filling: Float32[np.ndarray, "channels samples"],
    first: int,
    last: int,
    sample_rate: int,
) -> Float32[np.ndarray, "channels samples"]:
    """Put other sound into the gap of a recording.

    Parameters
    ----------
    recording : (channels, samples)
        At ``sample_rate`` Hz; what it holds in the gap is not read.
    filling : (channels, samples)
        Sound of the same length and rate, of which the gap and 10 ms around it are read.
    first, last : int
        The gap: its first sample, and the one after its last.
    sample_rate : int
        In Hz.

    Returns
    -------
    (channels, samples)
        The recording, to the bit but for the gap and 10 ms before and after it.

    Examples
    --------
    >>> recording, filling = np.zeros((1, 300), np.float32), np.ones((1, 300), np.float32)
    >>> filled = fill_gap(recording, filling, 100, 200, 1000)
    >>> filled[0, [89, 100, 199, 210]].tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    filled = recording.copy()
    filled[:, first:last] = filling[:, first:last]
    length = recording.shape[1]
    seam = round(SEAM_S * sample_rate)
    before, after = min(seam, first), min(seam, length - last)
    rise = _rise(before)
    part = slice(first - before, first)
    filled[:, part] = (1 - rise) * recording[:, part] + rise * filling[:, part]
    fall = _rise(after)[::-1]
    part = slice(last, last + after)
    filled[:, part] = (1 - fall) * recording[:, part] + fall * filling[:, part]
    return filled


def meet_levels(
    recording: Float32[np.ndarray, "channels samples"],
    filling: Float32[np.ndarray, "channels samples"],
    first: int,
    last: int,
    sample_rate: int,
) -> Float32[np.ndarray, "channels samples"]:
    """Bring both ends of a filling to the level that the recording has there, easing off within 0.3 s.

    Parameters
    ----------
    recording : (channels, samples)
        With the gap.
    filling : (channels, samples)
        Sound of the same length and rate.
    first, last : int
        The gap: its first sample, and the one after its last.
    sample_rate : int
        In Hz.

    Returns
    -------
    (channels, samples)
        The filling; by at most 12 dB louder or softer at an end, and as it was where either side is silent.

    Examples
    --------
    >>> recording, filling = np.full((1, 3000), 0.2, np.float32), np.full((1, 3000), 0.1, np.float32)
    >>> met = meet_levels(recording, filling, 1000, 2000, 1000)
    >>> met[0, [1000, 1500, 1999]].astype(float).round(2).tolist()
    [0.2, 0.1, 0.2]
    """
    edge, ease = round(_EDGE_S * sample_rate), min(_EASE_S * sample_rate, (last - first) / 2)
    places = np.arange(filling.shape[1])
    sides = (
        (slice(max(0, first - edge), first), slice(first, min(first + edge, last)), places - first),
        (slice(last, last + edge), slice(max(first, last - edge), last), last - 1 - places),
    )
    met = filling.astype(np.float64)
    for outside, inside, distance in sides:
        share = np.clip(1 - distance / ease, 0.0, 1.0)
        for channel, (own, made) in enumerate(zip(recording[:, outside], filling[:, inside], strict=True)):
            wanted, found = _level(own), _level(made)
            if min(wanted, found) > _SILENCE:
                gain = np.clip(wanted / found, 1 / _MOST_EDGE_GAIN, _MOST_EDGE_GAIN)
                met[channel] *= gain**share
    return met.astype(np.float32)


def gains_around(
    recording: Float32[np.ndarray, "channels samples"],
    other: Float32[np.ndarray, " samples"],
    first: int,
    last: int,
    sample_rate: int,
) -> Float[np.ndarray, " channels"]:
    """Gains that bring a mono sound to the level that each channel of a recording has around a gap.

    Parameters
    ----------
    recording : (channels, samples)
        With the gap.
    other : (samples,)
        Sound of the same length.
    first, last : int
        The gap: its first sample, and the one after its last.
    sample_rate : int
        In Hz.

    Returns
    -------
    (channels,)
        0 for channels that are silent there, unless all are; 1 where the other sound is silent.

    Examples
    --------
    >>> recording = np.stack([np.full(100, 0.2), np.full(100, 0.1)]).astype(np.float32)
    >>> gains_around(recording, np.full(100, 0.1, np.float32), 40, 60, 1000).round(2).tolist()
    [2.0, 1.0]
    """
    near = round(NEAR_S * sample_rate)
    places = np.r_[max(0, first - near) : first, last : min(last + near, recording.shape[1])]
    level = float(np.sqrt(np.mean(np.square(other[places], dtype=np.float64)))) if len(places) else 0.0
    levels = np.sqrt(np.mean(np.square(recording[:, places], dtype=np.float64), axis=1)) if len(places) else np.ones(1)
    if level < _SILENCE or levels.max() < _SILENCE:
        return np.ones(len(recording))
    return np.minimum(levels / level, _MOST_GAIN)


def _level(sound: Float32[np.ndarray, " samples"]) -> float:
    """Root mean square; 0 of no samples."""
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) if sound.size else 0.0


def _rise(count: int) -> Float32[np.ndarray, " count"]:
    """Weights that rise from 0 to 1 within ``count`` samples, neither included."""
    return ((1 - np.cos(np.pi * np.arange(1, count + 1) / (count + 1))) / 2).astype(np.float32)
