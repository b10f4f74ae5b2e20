"""Conversion of arrays to waveforms: any number type, mono or stereo, channels first or last.

Every function of the package that takes a waveform and a sample rate converts them here, so that they mean the same
everywhere.
"""

from typing import Any

import numpy as np
from jaxtyping import Float32, Shaped

from .._utils.errors import InputError
from .channels import mix

AnyWaveform = Shaped[np.ndarray, "..."]
"""(samples,), (channels, samples) or (samples, channels), as :func:`as_waveform` takes it."""
AudioBlock = Float32[np.ndarray, "channels samples"]
"""A part of a sound with its channels."""
LOUDEST = 64.0
"""Floats beyond this are taken for unscaled integers; a recording is within ±1, or a little above."""
_FULL_SCALE = {"int8": 2.0**7, "int16": 2.0**15, "int32": 2.0**31, "uint8": 2.0**7}
_HINT = "give floats within ±1, or int16"


def as_waveform(array: Any, sample_rate: Any) -> tuple[Float32[np.ndarray, " samples"], int]:
    """Convert an array to a mono waveform.

    All functions of this package that take a waveform and a sample rate convert them in this way. Stereo is mixed
    (:func:`mix`).

    Parameters
    ----------
    array : array_like of shape (samples,), (channels, samples) or (samples, channels)
        Samples of one or two channels. Floats are used as they are; int8, int16, int32 and uint8 are divided by their
        full scale.
    sample_rate : int
        Sample rate in Hz, 1,000 to 768,000.

    Returns
    -------
    waveform : ndarray of float32, of shape (samples,)
        Samples, about within ±1.
    sample_rate : int
        Sample rate in Hz.

    Raises
    ------
    InputError
        The array is empty, has another shape or number type, or holds NaN or infinite samples; floats or int32 look
        like unscaled 16-bit samples; or the sample rate is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.audio import as_waveform
    >>> waveform, sample_rate = as_waveform(np.array([0, 16384, -32768], dtype=np.int16), 16000)
    >>> waveform
    array([ 0. ,  0.5, -1. ], dtype=float32)
    """
    samples, sample_rate = as_channels(array, sample_rate)
    return mix(samples), sample_rate


def as_channels(array: Any, sample_rate: Any) -> tuple[Float32[np.ndarray, "channels samples"], int]:
    """Convert an array to a waveform with its channels.

    Parameters
    ----------
    array : array_like of shape (samples,), (channels, samples) or (samples, channels)
        Samples of one or two channels, as for :func:`as_waveform`; the shorter axis is that of the channels.
    sample_rate : int
        Sample rate in Hz, 1,000 to 768,000.

    Returns
    -------
    waveform : ndarray of float32, of shape (channels, samples)
        Samples, about within ±1.
    sample_rate : int
        Sample rate in Hz.

    Raises
    ------
    InputError
        Array or sample rate cannot be used, as for :func:`as_waveform`.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.audio import as_channels
    >>> waveform, sample_rate = as_channels(np.zeros((44100, 2), dtype=np.int16), 44100)
    >>> waveform.shape, waveform.dtype.name
    ((2, 44100), 'float32')
    """
    sample_rate = as_sample_rate(sample_rate)
    if isinstance(array, str | bytes) or hasattr(array, "__fspath__"):
        raise InputError(f"a waveform is an array of samples, not {array!r}", hint="read the file with read_audio")
    try:
        numbers = np.asarray(array)
    except Exception as error:  # from whatever library the object comes
        raise InputError(f"this is not a waveform ({error})", hint=_HINT) from None
    samples = _channels_first(numbers)
    if samples.size == 0:
        raise InputError("the waveform holds no samples", hint="leave it out, or give one with sound")
    scaled = as_floats(samples)
    if not np.isfinite(scaled).all():
        raise InputError("the waveform holds NaN or infinite samples", hint="clean it first")
    if (peak := float(np.abs(scaled).max())) > LOUDEST:
        raise InputError(f"the waveform reaches {peak:g}: floats are within ±1", hint="divide integers by full scale")
    return scaled, sample_rate


def as_sample_rate(sample_rate: Any) -> int:
    """Convert a sample rate in Hz to an integer; :class:`InputError` where it is not whole or not 1 to 768 kHz."""
    try:
        whole = int(sample_rate)
        fits = whole == float(sample_rate) and 1000 <= whole <= 768_000 and not isinstance(sample_rate, bool | str)
    except (TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        raise InputError(
            f"the sound has a sample rate of {_short_repr(sample_rate)} Hz",
            hint="give a whole one between 1 and 768 kHz",
        )
    return whole


def _channels_first(array: np.ndarray) -> np.ndarray:
    """Transpose an array to (channels, samples); the shorter axis is taken for the channels."""
    if array.ndim == 1:
        return array[None]
    if array.ndim != 2:
        what = "a single number" if array.ndim == 0 else f"an array of shape {array.shape}"
        raise InputError(
            f"{what} is not a waveform", hint="give (samples,) or (channels, samples), one sound at a time"
        )
    channels, samples = sorted(array.shape)
    if channels > 2 or (channels == samples == 2):
        raise InputError(
            f"an array of shape {array.shape} has {channels} channels, and a waveform one or two",
            hint="mix it down to mono or stereo, or give one sound at a time",
        )
    return array if array.shape[0] <= array.shape[1] else array.T


def as_floats(samples: np.ndarray) -> Float32[np.ndarray, "*channels samples"]:
    """Convert samples to float32, integers by their full scale; :class:`InputError` for other number types."""
    kind = samples.dtype.name
    if samples.dtype.kind == "f":
        return np.ascontiguousarray(samples, dtype=np.float32)
    if kind not in _FULL_SCALE:
        raise InputError(f"a waveform of {kind} has no full scale to go by", hint=_HINT)
    numbers = samples.astype(np.float64)
    if kind == "uint8":
        numbers -= 128.0
    peak = np.abs(numbers).max(initial=0.0)
    if kind == "int32" and 0 < peak <= 2**15:
        raise InputError(f"the waveform of int32 reaches {peak:.0f} only, as 16-bit samples do", hint="give int16")
    return np.ascontiguousarray(numbers / _FULL_SCALE[kind], dtype=np.float32)


def _short_repr(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
