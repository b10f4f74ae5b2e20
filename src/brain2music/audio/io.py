"""Reading of sound files and parts of them, resampling, and writing."""

from math import isfinite
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Shaped

from .. import __version__
from .._utils.errors import InputError
from .channels import mix
from .formats import write_tagged
from .reading import open_sound
from .waveforms import LOUDEST, as_floats

NEEDS_PYAV = (".m4a", ".m4b", ".aac", ".mp4", ".webm", ".weba", ".wma", ".mka", ".ac3", ".ape", ".wv", ".tta", ".amr")
"""Suffixes of sound files that only PyAV reads (the extra ``formats``)."""
COMMON = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")
SUFFIXES: tuple[str, ...] = (
    *COMMON,
    *(".wave", ".aifc", ".snd", ".caf", ".w64", ".rf64", ".bwf", ".mp2"),
    *NEEDS_PYAV,
)
"""Suffixes that mark a sound file in folders, and that are tried for a name without a suffix."""

MAKER = f"brain2music {__version__}"
"""The tag *software* of the sound files that we write, by which :mod:`brain2music._utils.destinations` knows them."""


def read_audio(
    path: str | Path,
    sample_rate: int | None = None,
    mono: bool = True,
    start: float = 0.0,
    duration: float | None = None,
) -> tuple[Float32[np.ndarray, "*channels samples"], int]:
    """Read a sound file or a part of it.

    Parameters
    ----------
    path : wav, flac, ogg, opus, mp3, aiff, au, caf, w64 or rf64; with PyAV also m4a, aac, mp4, webm, wma and others.
        The first bytes decide, not the name.
    sample_rate : sample rate in Hz to resample to; None keeps that of the file.
    mono : average the channels (:func:`.channels.mix`), giving (samples,); otherwise (channels, samples).
    start, duration : the part to read, in seconds; shorter where the file ends before.

    Returns
    -------
    The waveform in [-1, 1] and its sample rate in Hz.

    Raises
    ------
    InputError : the file cannot be read (:func:`.reading.open_sound`), holds no samples in the requested part, or
        holds NaN, infinite or unscaled samples.
    """
    path = Path(path)
    with open_sound(path) as sound:
        if not (isfinite(start) and isfinite(duration or 0.0)):
            raise InputError(_nothing_to_read(start, duration, sound.frames / sound.sample_rate), path, "give seconds")
        file_rate, first = sound.sample_rate, round(start * sound.sample_rate)
        frames = sound.frames if duration is None else round(duration * file_rate)
        if not 0 <= first < sound.frames or frames <= 0:
            what = _nothing_to_read(start, duration, sound.frames / file_rate)
            raise InputError(what, path, "check the part asked for")
        samples = sound.read(first, frames)
    require_sound(samples, path)
    waveform = mix(samples, source=path) if mono else samples
    return (waveform, file_rate) if sample_rate is None else (resample(waveform, file_rate, sample_rate), sample_rate)


def require_sound(samples: Float32[np.ndarray, "channels samples"], path: Path) -> None:
    """Raise :class:`InputError` where samples are NaN, infinite, or floats that look like unscaled integers."""
    if not np.isfinite(samples).all():
        raise InputError("the sound file holds NaN or infinite samples", path, "export it again as 16-bit wav")
    if (peak := float(np.abs(samples).max(initial=0.0))) > LOUDEST:
        raise InputError(f"the sound file reaches {peak:g}: floats are within ±1", path, "export it as 16-bit wav")


def write_audio(path: str | Path, waveform: Shaped[np.ndarray, "*channels samples"], sample_rate: int) -> None:
    """Write a sound file atomically, in the format of its suffix: wav and flac in 16 bits, ogg or mp3.

    Integers are divided by their full scale. A waveform whose peak is above 1 is scaled to peak 1, never clipped.

    Raises
    ------
    InputError : the suffix is another, or the format does not have the sample rate (mp3 above 48 kHz).
    ValueError : the waveform is empty or not finite.
    """
    waveform = as_floats(np.asarray(waveform))
    if waveform.size == 0 or not np.isfinite(waveform).all():
        raise ValueError("the waveform to write is empty or holds NaN or infinite samples")
    whole = np.atleast_2d(waveform / max(1.0, float(np.abs(waveform).max()))).astype(np.float32)
    write_tagged(Path(path), whole, sample_rate, {"software": MAKER})


def resample(
    waveform: Float[np.ndarray, "*channels samples"], source_rate: int, target_rate: int
) -> Float32[np.ndarray, "*channels resampled"]:
    """Resample along the last axis using soxr ("HQ", linear phase); n samples become about n · target / source."""
    import soxr

    waveform = np.asarray(waveform, dtype=np.float32)
    if source_rate == target_rate:
        return waveform
    return np.ascontiguousarray(soxr.resample(waveform.T, source_rate, target_rate).T, dtype=np.float32)


def duration_of(path: str | Path) -> float:
    """Duration of a sound file in seconds, whatever its header says; 0 is allowed, errors as in :func:`read_audio`."""
    with open_sound(path, least_s=0.0) as sound:
        return sound.frames / sound.sample_rate


def _nothing_to_read(start: float, duration: float | None, length: float) -> str:
    asked = f"{start:g} s to the end" if duration is None else f"{duration:g} s from {start:g} s"
    return f"asked for {asked} of a sound file of {length:.2f} s"
