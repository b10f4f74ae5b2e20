"""Sample rate, channels, duration and bit depth of a sound file, found without keeping its samples."""

import warnings
from pathlib import Path
from typing import NamedTuple

from .reading import open_sound


class AudioInfo(NamedTuple):
    """Sample rate in Hz, number of channels, duration in seconds, and bits per sample of a sound file.

    ``seconds`` is how much decodes. ``bits`` is what the samples need: 16, 24, or 32 for floats; 24 for lossy formats.
    """

    sample_rate: int
    channels: int
    seconds: float
    bits: int


def audio_info(path: str | Path) -> AudioInfo:
    """Read the sample rate, channels, duration and bit depth of a sound file.

    The duration is what decodes, whatever the header says. Errors are those of :func:`.reading.open_sound`; warnings
    about the file are left to whoever reads its samples.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with open_sound(path) as sound:
            return AudioInfo(sound.sample_rate, sound.channels, sound.frames / sound.sample_rate, sound.bits)
