"""Edges and level of a clip that is a part of what was presented: those of the whole piece, not its own."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from ..audio.channels import mix
from ..audio.reading import open_sound

_BLOCK = 1 << 20
"""Samples of a piece that are read at once."""


def part_of_fades(first: int, count: int, length: int, fade_s: float, rate: int) -> Float32[np.ndarray, " samples"]:
    """The gain of ``count`` samples, from ``first`` on, of a sound of ``length`` samples that fades in and out.

    A quarter sine over ``fade_s`` seconds, as :func:`.stimuli.fade` gives for the whole sound.
    """
    ramp = min(round(fade_s * rate), length // 2)
    place = np.arange(first, first + count)
    from_edge = np.clip(np.minimum(place, length - 1 - place), 0, None)
    if ramp < 2:
        return np.where(from_edge < ramp, 0, 1).astype(np.float32)
    return np.sin(np.minimum(from_edge / (ramp - 1), 1) * np.pi / 2).astype(np.float32)


def level_of_piece(path: Path, start: float, end: float, fade_s: float) -> float:
    """Root mean square of a piece with its fades, mono; it is read in parts, and once."""
    stat = path.stat()
    return _level(path, start, end, fade_s, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1024)
def _level(path: Path, start: float, end: float, fade_s: float, changed: int, size: int) -> float:
    del changed, size  # the key of another file of this name
    with open_sound(path) as sound:
        rate, first = sound.sample_rate, round(start * sound.sample_rate)
        length, total, done = round((end - start) * rate), 0.0, 0
        for block in sound.blocks(_BLOCK, first):
            part = mix(block[:, : length - done], source=path)
            gain = part_of_fades(done, len(part), length, fade_s, rate)
            total += float(np.square(part * gain, dtype=np.float64).sum())
            done += len(part)
            if done >= length:
                break
    return float(np.sqrt(total / length))
