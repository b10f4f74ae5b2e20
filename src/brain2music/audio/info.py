"""Sample rate, channels, duration and bit depth of a sound file, found without keeping its samples."""

import warnings
from pathlib import Path
from typing import NamedTuple

from .reading import open_sound


class AudioInfo(NamedTuple):
    """Properties of a sound file.

    Attributes
    ----------
    sample_rate : int
        Sample rate in Hz.
    channels : int
        Number of channels.
    seconds : float
        Duration in seconds of what decodes.
    bits : int
        Bits per sample that keep its samples exactly: 16, 24, or 32 for floats; 24 for lossy formats.

    Examples
    --------
    >>> from brain2music.audio import AudioInfo
    >>> info = AudioInfo(sample_rate=44100, channels=2, seconds=180.0, bits=16)
    >>> info.seconds * info.sample_rate
    7938000.0
    """

    sample_rate: int
    channels: int
    seconds: float
    bits: int


def audio_info(path: str | Path) -> AudioInfo:
    """Read the sample rate, channels, duration and bit depth of a sound file.

    The file is decoded where its header is not reliable. Warnings about damage are left to functions that read its
    samples.

    Parameters
    ----------
    path : str or Path
        Sound file.

    Returns
    -------
    AudioInfo
        Its properties.

    Raises
    ------
    InputError
        The file cannot be read (:func:`read_audio`).

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.audio import audio_info, write_audio
    >>> write_audio("tone.wav", np.zeros(8000), 16000)
    >>> audio_info("tone.wav")
    AudioInfo(sample_rate=16000, channels=1, seconds=0.5, bits=16)
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with open_sound(path) as sound:
            return AudioInfo(sound.sample_rate, sound.channels, sound.frames / sound.sample_rate, sound.bits)
