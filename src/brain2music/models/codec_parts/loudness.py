"""Loudness of a sound, stored beside its codes and restored after decoding.

Vocoders and quantizers lose loudness, some 1 to 5 dB and more in quiet parts, and turn silence into hiss. One byte per
0.4 s (20 bits per second) restores it: root mean square in half decibels, 0 for digital silence.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import UInt8

from ...audio.waveforms import AudioBlock

STEP_S = 0.4
_TOP = 243  # the byte of 0 dB of full scale; 255 is 6 dB above
_SILENT = 1e-6
_MIN_GAIN, _MAX_GAIN = 0.01, 4.0  # -40 and 12 dB


class LoudnessMeter:
    """Meter of the loudness of sound that comes in blocks; ``sample_rate`` in Hz."""

    def __init__(self, sample_rate: int) -> None:
        self._step, self._pending = round(STEP_S * sample_rate), list[AudioBlock]()
        self._levels: list[int] = []

    def push(self, block: AudioBlock) -> None:
        """Measure the next block."""
        whole = np.concatenate([*self._pending, block], axis=1)
        ready = whole.shape[1] - whole.shape[1] % self._step
        self._levels += [_loudness_byte(whole[:, first : first + self._step]) for first in range(0, ready, self._step)]
        self._pending = [whole[:, ready:]]

    def finish(self) -> UInt8[np.ndarray, " steps"]:
        """Loudness in steps of 0.4 s, one byte each; the last step may be shorter."""
        if self._pending and self._pending[0].shape[1]:
            self._levels.append(_loudness_byte(self._pending[0]))
        return np.array(self._levels, dtype=np.uint8)


def restore_loudness(
    blocks: Iterable[AudioBlock], loudness: UInt8[np.ndarray, " steps"], sample_rate: int
) -> Iterator[AudioBlock]:
    """Restore the measured loudness of decoded sound, with gains interpolated between the middles of the steps."""
    before: float | None = None
    previous: tuple[AudioBlock, float, int] | None = None
    for index, step in enumerate(_split_steps(blocks, round(STEP_S * sample_rate))):
        level = int(loudness[min(index, len(loudness) - 1)]) if len(loudness) else 0
        gain = _gain(step, level) if len(loudness) else 1.0
        if previous is not None:
            yield _apply_gain_ramp(previous[0], before, previous[1], gain, previous[2])
            before = previous[1]
        previous = (step, gain, level if len(loudness) else 1)
    if previous is not None:
        yield _apply_gain_ramp(previous[0], before, previous[1], None, previous[2])


def _split_steps(blocks: Iterable[AudioBlock], step: int) -> Iterator[AudioBlock]:
    pending = list[AudioBlock]()
    for block in blocks:
        whole = np.concatenate([*pending, block], axis=1)
        ready = whole.shape[1] - whole.shape[1] % step
        yield from (whole[:, first : first + step] for first in range(0, ready, step))
        pending = [whole[:, ready:]]
    if pending and pending[0].shape[1]:
        yield pending[0]


def _apply_gain_ramp(
    step: AudioBlock, before: float | None, gain: float, after: float | None, level: int
) -> AudioBlock:
    if level == 0:
        return np.zeros_like(step)
    before, after = gain if before is None else before, gain if after is None else after
    place = (np.arange(step.shape[1]) + 0.5) / step.shape[1]
    gains = np.interp(place, (-0.5, 0.5, 1.5), (before, gain, after))
    return (step * gains).astype(np.float32)


def _gain(step: AudioBlock, level: int) -> float:
    if level == 0:
        return 0.0
    real = _rms(step)
    return 1.0 if real < _SILENT else float(np.clip(10 ** ((level - _TOP) / 40) / real, _MIN_GAIN, _MAX_GAIN))


def _loudness_byte(step: AudioBlock) -> int:
    real = _rms(step)
    return 0 if real < _SILENT else int(np.clip(round(40 * np.log10(real)) + _TOP, 1, 255))


def _rms(step: AudioBlock) -> float:
    return float(np.sqrt(np.mean(np.square(step, dtype=np.float64))))
