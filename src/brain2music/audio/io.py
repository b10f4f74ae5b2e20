"""Sound files: reading (a part of) one, resampling, writing."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from .. import __version__
from ..errors import InputError
from .formats import write_tagged

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")
"""What :func:`brain2music.audio.find.find_audio` takes for a sound file; all are read without ffmpeg."""

MAKER = f"brain2music {__version__}"
"""The tag *software* of the sound files that we write; :mod:`brain2music.outputs` knows them by it."""


def read_audio(
    path: str | Path,
    rate: int | None = None,
    mono: bool = True,
    start: float = 0.0,
    duration: float | None = None,
) -> tuple[Float32[np.ndarray, "*channels samples"], int]:
    """Read a sound file, or only the asked part of it.

    Parameters
    ----------
    path : wav, flac, ogg, opus, mp3, aiff or au.
    rate : Hz to resample to; None keeps the file's own.
    mono : average the channels, giving (samples,); otherwise (channels, samples).
    start, duration : the part to read, in seconds; where the file ends earlier, what there is.

    Returns
    -------
    The waveform in [-1, 1] and its rate in Hz.

    Raises
    ------
    InputError : the file is missing, unreadable, holds no samples in the asked part, or NaN or infinite ones.
    """
    import soundfile

    path = _existing(path)
    try:
        with soundfile.SoundFile(path) as file:
            own_rate, first = file.samplerate, round(start * file.samplerate)
            frames = file.frames if duration is None else round(duration * own_rate)
            if not 0 <= first < file.frames or frames <= 0:
                raise InputError(
                    _nothing_to_read(start, duration, file.frames / own_rate),
                    path,
                    "check the part asked for",
                )
            file.seek(first)
            samples = file.read(frames, dtype="float32", always_2d=True).T
    except soundfile.LibsndfileError as error:
        raise _unreadable(path, error) from None
    if samples.shape[1] == 0:
        raise InputError("the sound file ends before its header says", path, "replace the file with a complete copy")
    if not np.isfinite(samples).all():
        raise InputError("the sound file holds NaN or infinite samples", path, "export it again as 16-bit wav")
    waveform = samples.mean(axis=0) if mono else np.ascontiguousarray(samples)
    return (waveform, own_rate) if rate is None else (resample(waveform, own_rate, rate), rate)


def write_audio(path: str | Path, waveform: Float[np.ndarray, "*channels samples"], rate: int) -> None:
    """Write a sound file atomically; its suffix gives the format: wav and flac in 16 bits, ogg, mp3 (small).

    A waveform whose peak is above 1 is scaled down as a whole to peak 1: nothing is ever clipped.

    Raises
    ------
    InputError : the suffix is not one of these, or the format does not know the rate (mp3 above 48 kHz).
    ValueError : the waveform is empty or not finite.
    """
    if waveform.size == 0 or not np.isfinite(waveform).all():
        raise ValueError("the waveform to write is empty or holds NaN or infinite samples")
    whole = np.atleast_2d(waveform / max(1.0, float(np.abs(waveform).max()))).astype(np.float32)
    write_tagged(Path(path), whole, rate, {"software": MAKER})


def resample(
    waveform: Float[np.ndarray, "*channels samples"], source_rate: int, target_rate: int
) -> Float32[np.ndarray, "*channels resampled"]:
    """Resample along the last axis (soxr "HQ", linear phase); n samples become about n · target / source."""
    import soxr

    waveform = np.asarray(waveform, dtype=np.float32)
    if source_rate == target_rate:
        return waveform
    return np.ascontiguousarray(soxr.resample(waveform.T, source_rate, target_rate).T, dtype=np.float32)


def duration_of(path: str | Path) -> float:
    """Seconds of sound in a file, from its header; :class:`InputError` when it is missing or unreadable."""
    import soundfile

    path = _existing(path)
    try:
        information = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        raise _unreadable(path, error) from None
    return information.frames / information.samplerate


def _existing(path: str | Path) -> Path:
    if not Path(path).is_file():
        raise InputError("the sound file is missing", path, "check the path")
    return Path(path)


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"this is not a readable sound file ({error})", path, "convert it to wav, flac, ogg or mp3")


def _nothing_to_read(start: float, duration: float | None, length: float) -> str:
    if length == 0:
        return "the sound file holds no samples"
    asked = f"{start:g} s to the end" if duration is None else f"{duration:g} s from {start:g} s"
    return f"asked for {asked} of a sound file of {length:.2f} s"
