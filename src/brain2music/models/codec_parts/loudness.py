"""Loudness of a sound, stored beside its codes and restored after decoding.

Vocoders and quantisers lose loudness, some 1 to 5 dB and more in quiet parts, and turn silence into hiss. One byte per
0.4 s (20 bits per second) restores it: root mean square in half decibels, 0 for digital silence.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Float32, UInt8

STEP_S = 0.4
_TOP = 243  # the byte of 0 dB of full scale; 255 is 6 dB above
_SILENT = 1e-6
_LEAST, _MOST = 0.01, 4.0  # gains: -40 to 12 dB

Block = Float32[np.ndarray, "channels samples"]


class Meter:
    """Meter of the loudness of sound that comes in blocks; ``sample_rate`` in Hz."""

    def __init__(self, sample_rate: int) -> None:
        self._step, self._held = round(STEP_S * sample_rate), list[Block]()
        self._found: list[int] = []

    def push(self, block: Block) -> None:
        """Measure the next block."""
        whole = np.concatenate([*self._held, block], axis=1)
        ready = whole.shape[1] - whole.shape[1] % self._step
        self._found += [_loudness_byte(whole[:, first : first + self._step]) for first in range(0, ready, self._step)]
        self._held = [whole[:, ready:]]

    def finish(self) -> UInt8[np.ndarray, " steps"]:
        """Loudness in steps of 0.4 s, one byte each; the last step may be shorter."""
        if self._held and self._held[0].shape[1]:
            self._found.append(_loudness_byte(self._held[0]))
        return np.array(self._found, dtype=np.uint8)


def restore_loudness(
    blocks: Iterable[Block], loudness: UInt8[np.ndarray, " steps"], sample_rate: int
) -> Iterator[Block]:
    """Restore the measured loudness of decoded sound, with gains interpolated between the middles of the steps."""
    before: float | None = None
    held: tuple[Block, float, int] | None = None
    for index, step in enumerate(_in_steps(blocks, round(STEP_S * sample_rate))):
        level = int(loudness[min(index, len(loudness) - 1)]) if len(loudness) else 0
        gain = _gain(step, level) if len(loudness) else 1.0
        if held is not None:
            yield _glided(held[0], before, held[1], gain, held[2])
            before = held[1]
        held = (step, gain, level if len(loudness) else 1)
    if held is not None:
        yield _glided(held[0], before, held[1], None, held[2])


def _in_steps(blocks: Iterable[Block], step: int) -> Iterator[Block]:
    held = list[Block]()
    for block in blocks:
        whole = np.concatenate([*held, block], axis=1)
        ready = whole.shape[1] - whole.shape[1] % step
        yield from (whole[:, first : first + step] for first in range(0, ready, step))
        held = [whole[:, ready:]]
    if held and held[0].shape[1]:
        yield held[0]


def _glided(step: Block, before: float | None, gain: float, after: float | None, level: int) -> Block:
    if level == 0:
        return np.zeros_like(step)
    before, after = gain if before is None else before, gain if after is None else after
    place = (np.arange(step.shape[1]) + 0.5) / step.shape[1]
    gains = np.interp(place, (-0.5, 0.5, 1.5), (before, gain, after))
    return (step * gains).astype(np.float32)


def _gain(step: Block, level: int) -> float:
    if level == 0:
        return 0.0
    real = _rms(step)
    return 1.0 if real < _SILENT else float(np.clip(10 ** ((level - _TOP) / 40) / real, _LEAST, _MOST))


def _loudness_byte(step: Block) -> int:
    real = _rms(step)
    return 0 if real < _SILENT else int(np.clip(round(40 * np.log10(real)) + _TOP, 1, 255))


def _rms(step: Block) -> float:
    return float(np.sqrt(np.mean(np.square(step, dtype=np.float64))))
