"""What a sound file holds, by its header: how many channels, at which rate, in how many bits."""

import os
from pathlib import Path

from .io import read_audio
from .paths import as_path

_BITS = dict.fromkeys(("PCM_16", "PCM_S8", "PCM_U8", "ULAW", "ALAW", "ALAC_16"), 16)
_LONGEST_S = 1e5
_BITS |= dict.fromkeys(("FLOAT", "DOUBLE", "PCM_32", "ALAC_32"), 32)


def shape_of(path: str | Path) -> tuple[int, int]:
    """(rate in Hz, channels); :class:`InputError` where there is no such file, or it cannot be read."""
    import soundfile

    try:
        information = soundfile.info(os.fsencode(as_path(path)))
    except soundfile.LibsndfileError:  # says why, or knows the file
        waveform, rate = read_audio(path, mono=False)
        return rate, len(waveform)
    return information.samplerate, information.channels


def seconds_of(path: str | Path) -> float:
    """Seconds of sound by the header; 0 where it does not say, or lies beyond belief."""
    import soundfile

    try:
        information = soundfile.info(path)
    except soundfile.LibsndfileError:
        return 0.0
    return information.duration if information.duration < _LONGEST_S else 0.0


def bits_of(path: str | Path) -> int:
    """Bits that the samples of a sound file need: 16, 24, or 32 for floats; 24 of what is lossy."""
    import soundfile

    try:
        return _BITS.get(soundfile.info(os.fsencode(as_path(path))).subtype, 24)
    except soundfile.LibsndfileError:
        return 24
