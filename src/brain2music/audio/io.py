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
    """Read a sound file, or a part of it, as a waveform.

    The first bytes of the file decide its format, not its name. A file that is damaged or shorter than its header
    says is read as far as it decodes, with a warning, if at least half of it does.

    Parameters
    ----------
    path : str or Path
        Sound file in wav, flac, ogg, opus, mp3, aiff, au, caf, w64 or rf64; with PyAV (the extra ``formats``) also in
        m4a, aac, mp4, webm, wma and others.
    sample_rate : int, optional
        Sample rate in Hz to resample to; default that of the file.
    mono : bool, default True
        Whether to average the channels (:func:`mix`).
    start : float, default 0.0
        Beginning of the part to read, in seconds.
    duration : float, optional
        Duration of the part to read, in seconds; default to the end. The part is shorter where the file ends before.

    Returns
    -------
    waveform : ndarray of float32, of shape (samples,), or (channels, samples) where not ``mono``
        Samples within ±1.
    sample_rate : int
        Sample rate of the waveform in Hz.

    Raises
    ------
    InputError
        The file is missing, empty, not sound, or largely damaged; it holds no samples in the requested part; or its
        samples are NaN, infinite, or floats that look like unscaled integers.

    See Also
    --------
    audio_info : Read sample rate, channels and duration only.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.audio import read_audio, write_audio
    >>> tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(32000) / 16000)
    >>> write_audio("tone.wav", tone, 16000)
    >>> sound, sample_rate = read_audio("tone.wav", sample_rate=8000, start=0.5, duration=1.0)
    >>> sound.shape, sample_rate
    ((8000,), 8000)
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
    """Write a waveform to a sound file in the format of its suffix.

    The file is written atomically: wav and flac with 16 bits, ogg (Vorbis) or mp3. A waveform whose peak is above 1 is
    scaled to peak 1, never clipped.

    Parameters
    ----------
    path : str or Path
        File to write, with the suffix .wav, .flac, .ogg or .mp3.
    waveform : ndarray of shape (samples,) or (channels, samples)
        Samples within ±1. Integers are divided by their full scale.
    sample_rate : int
        Sample rate in Hz.

    Raises
    ------
    InputError
        The suffix is another, the format does not have the sample rate (mp3 above 48 kHz), or the disk is full.
    ValueError
        The waveform is empty or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.audio import audio_info, write_audio
    >>> noise = np.random.default_rng(0).uniform(-0.1, 0.1, (2, 22050))
    >>> write_audio("noise.flac", noise, 44100)
    >>> audio_info("noise.flac")
    AudioInfo(sample_rate=44100, channels=2, seconds=0.5, bits=16)
    """
    waveform = as_floats(np.asarray(waveform))
    if waveform.size == 0 or not np.isfinite(waveform).all():
        raise ValueError("the waveform to write is empty or holds NaN or infinite samples")
    whole = np.atleast_2d(waveform / max(1.0, float(np.abs(waveform).max()))).astype(np.float32)
    write_tagged(Path(path), whole, sample_rate, {"software": MAKER})


def resample(
    waveform: Float[np.ndarray, "*channels samples"], source_rate: int, target_rate: int
) -> Float32[np.ndarray, "*channels resampled"]:
    """Resample a waveform along its last axis.

    soxr resamples with its quality "HQ" and a linear phase, so sounds are not delayed.

    Parameters
    ----------
    waveform : ndarray of shape (..., samples)
        Samples, of one channel or of several.
    source_rate : int
        Sample rate of the waveform in Hz.
    target_rate : int
        Sample rate of the result in Hz.

    Returns
    -------
    ndarray of float32, of shape (..., resampled)
        About ``samples * target_rate / source_rate`` samples per channel.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.audio import resample
    >>> resample(np.zeros((2, 44100)), 44100, 24000).shape
    (2, 24000)
    """
    import soxr

    waveform = np.asarray(waveform, dtype=np.float32)
    if source_rate == target_rate:
        return waveform
    return np.ascontiguousarray(soxr.resample(waveform.T, source_rate, target_rate).T, dtype=np.float32)


def duration_of(path: str | Path) -> float:
    """Measure the duration of a sound file.

    The duration is what decodes, whatever the header says.

    Parameters
    ----------
    path : str or Path
        Sound file.

    Returns
    -------
    float
        Duration in seconds; 0 for a file without samples.

    Raises
    ------
    InputError
        The file cannot be read (:func:`read_audio`).

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.audio import duration_of, write_audio
    >>> write_audio("silence.wav", np.zeros(12000), 24000)
    >>> duration_of("silence.wav")
    0.5
    """
    with open_sound(path, least_s=0.0) as sound:
        return sound.frames / sound.sample_rate


def _nothing_to_read(start: float, duration: float | None, length: float) -> str:
    asked = f"{start:g} s to the end" if duration is None else f"{duration:g} s from {start:g} s"
    return f"asked for {asked} of a sound file of {length:.2f} s"
