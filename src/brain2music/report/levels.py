"""Level of a sound file: by how much a player turns it down, so that sounds on a page are about as loud."""

from pathlib import Path

import numpy as np

from brain2music._utils.errors import InputError
from brain2music.audio.reading import open_sound

TARGET_RMS = 0.07
"""Root mean square that louder sounds are turned down to, -23 dB of full scale; quieter ones are left as they are."""
_BLOCK = 1 << 16


def playback_gain(path: Path) -> float:
    """Compute the volume, up to 1, at which a sound file has the level that all players share.

    Files are not changed. 1 for silence, and where the file cannot be read.
    """
    total, count = 0.0, 0
    try:
        with open_sound(path, least_s=0.0) as sound:
            for block in sound.blocks(_BLOCK):
                total += float(np.sum(block.astype(np.float64).mean(axis=0) ** 2))
                count += block.shape[1]
    except InputError:
        return 1.0
    level = np.sqrt(total / count) if count else 0.0
    return float(min(1.0, TARGET_RMS / level)) if level > 0 else 1.0
