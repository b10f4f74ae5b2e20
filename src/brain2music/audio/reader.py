"""Interface of an open sound file, and the checks that all of its implementations share."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .._utils.errors import Brain2MusicWarning, InputError
from .waveforms import AudioBlock

LEAST_SHARE = 0.5
"""Share of the sound promised by the header that has to decode."""
HINT_REPLACE = "replace the file with a complete copy"


class Reader(ABC):
    """A sound file that is open for reading.

    Attributes
    ----------
    path : path of the file. sample_rate : in Hz. channels : number of channels.
    frames : number of samples per channel that decode.
    bits : bits per sample that the sound needs: 16, 24, or 32 for floats; 24 for lossy formats.
    """

    path: Path
    sample_rate: int
    channels: int
    frames: int
    bits: int = 24

    @abstractmethod
    def blocks(self, size: int, first: int = 0) -> Iterator[AudioBlock]:
        """Yield the sound from sample ``first`` to its end, in blocks of at most ``size`` samples."""

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    def read(self, first: int, count: int) -> AudioBlock:
        """Read ``count`` samples from sample ``first``; fewer where the sound ends before."""
        parts, missing = [np.zeros((self.channels, 0), np.float32)], min(count, self.frames - first)
        blocks = self.blocks(max(1, missing), first)
        while missing > 0 and (block := next(blocks, None)) is not None:
            parts.append(block[:, :missing])
            missing -= block.shape[1]
        whole = np.concatenate(parts, axis=1) if len(parts) > 2 else parts[-1]
        self.report_damage(whole.shape[1])
        return whole

    @abstractmethod
    def report_damage(self, samples: int) -> None:
        """Warn of damage in the last ``samples`` samples; :class:`InputError` where most of them are damaged."""

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def warn(self, message: str) -> None:
        """Warn with the path of the file and a message."""
        warnings.warn(f"{self.path}: {message}", Brain2MusicWarning, 3)

    def _check_claimed_length(self, claimed: int | float, strict: bool = True) -> None:
        """Warn where the header claims another number of samples; where ``strict``, refuse less than LEAST_SHARE."""
        seconds, there = claimed / self.sample_rate, self.frames / self.sample_rate
        if strict and self.frames < LEAST_SHARE * claimed:
            raise InputError(f"only {there:.2f} s of {seconds:.2f} s of sound can be read", self.path, HINT_REPLACE)
        if abs(self.frames - claimed) > 0.01 * self.sample_rate:
            self.warn(f"the header says {seconds:.2f} s of sound, {there:.2f} s are there; what is there is used")
