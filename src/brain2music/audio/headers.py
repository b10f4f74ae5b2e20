"""What a sound file holds, before it is read: how many channels, at which sample rate, how long, in how many bits."""

import warnings
from pathlib import Path
from typing import NamedTuple

from .reading import open_sound


class Shape(NamedTuple):
    """``sample_rate`` in Hz, ``channels``, ``seconds`` that decode, and the ``bits`` that its samples need: 16, 24, or
    32 for floats; 24 of what is lossy."""

    sample_rate: int
    channels: int
    seconds: float
    bits: int


def shape_of(path: str | Path) -> Shape:
    """The shape of a sound file as :func:`.reading.open_sound` finds it, whatever its header says, and as it fails.

    What there is to warn of is left to whoever reads the sound.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with open_sound(path) as sound:
            return Shape(sound.sample_rate, sound.channels, sound.frames / sound.sample_rate, sound.bits)
