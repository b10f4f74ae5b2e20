"""Batches of random crops of sound, each a pure function of the seed and its number.

Sounds are decoded once into a memory map of 16-bit samples; where that would grow past a limit, crops are read
straight from the files, which is slower.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32, Int16
from torch import Tensor

from .._utils.errors import Brain2MusicWarning, InputError
from .decoding import as_int16, decode_all, decoded_blocks, frames_of
from .manifest import Source

SILENT = 1e-3
"""RMS below which a crop counts as silent (-60 dB)."""
REDRAWN = 4
"""Draws of a crop before a silent one is taken."""


@runtime_checkable
class Corpus(Protocol):
    """Sounds to crop from: ``frames`` is the length of each; a uniform number below ``drawn_below[i]`` draws sound i
    or an earlier one."""

    channels: int
    frames: np.ndarray
    drawn_below: np.ndarray

    def read(self, sound: int, first: int, frames: int) -> Int16[np.ndarray, "frames channels"]:
        """Part of a sound."""


class MappedCorpus:
    """Sounds in a memory map."""

    def __init__(self, samples: Path, rows: Sequence[dict[str, int]], weights: Sequence[float], channels: int) -> None:
        self.channels = channels
        self._samples = np.memmap(samples, dtype=np.int16, mode="r").reshape(-1, channels)
        self._first = np.array([row["first"] for row in rows])
        self.frames = np.array([row["frames"] for row in rows])
        self.drawn_below = _cumulated(self.frames, [weights[row["source"]] for row in rows])

    def read(self, sound: int, first: int, frames: int) -> Int16[np.ndarray, "frames channels"]:
        """Part of a sound."""
        start = self._first[sound] + first
        return self._samples[start : start + frames]


class FileCorpus:
    """Sounds in their files."""

    def __init__(self, sources: Sequence[Source], frames: Sequence[int], rate: int, channels: int) -> None:
        self.rate, self.channels, self._sources = rate, channels, sources
        self.frames = np.array(frames)
        self.drawn_below = _cumulated(self.frames, [source.weight for source in sources])

    def read(self, sound: int, first: int, frames: int) -> Int16[np.ndarray, "frames channels"]:
        """Part of a sound."""
        source = self._sources[sound]
        part = Source(source.file, source.start + first / self.rate, frames / self.rate)
        wave = np.concatenate(list(decoded_blocks(part, self.rate, self.channels)))[:frames]
        return as_int16(np.pad(wave, ((0, frames - len(wave)), (0, 0))))


def open_corpus(
    sources: Sequence[Source],
    rate: int,
    channels: int,
    cache: Path,
    limit_gb: float = 50.0,
    n_jobs: int | None = None,
) -> Corpus:
    """The sounds at ``rate`` Hz: decoded into ``cache``, or left in their files where that takes over ``limit_gb``.

    Unreadable ones are listed in a warning and left out.

    Raises
    ------
    InputError : none of the sounds can be read.
    """
    lengths, failures = _lengths(sources, rate)
    if 2e-9 * channels * sum(lengths.values()) > limit_gb:
        corpus: Corpus = FileCorpus([sources[n] for n in lengths], list(lengths.values()), rate, channels)
    else:
        samples, rows, failures = decode_all(sources, rate, channels, cache, n_jobs)
        if rows:
            corpus = MappedCorpus(samples, rows, [source.weight for source in sources], channels)
        lengths = {row["source"]: row["frames"] for row in rows}
    for failure in failures:
        warnings.warn(Brain2MusicWarning(f"left out: {failure}"), stacklevel=2)
    if not lengths:
        raise InputError("none of the sounds can be read", sources[0].file, "look at the warnings above")
    return corpus


@dataclass(frozen=True)
class Crops:
    """Random crops of a corpus, uniform over its seconds; silent ones are drawn anew a few times.

    Attributes
    ----------
    frames, batch_size : of a batch.
    gain_db : range of the random gain; a gain that would clip is lowered to peak 1. None: no gain, no flips.
    """

    corpus: Corpus
    frames: int
    batch_size: int
    seed: int = 0
    gain_db: tuple[float, float] | None = (-12.0, 6.0)

    def batch(self, step: int) -> Float32[Tensor, "batch channels frames"]:
        """A batch: a pure function of the seed and ``step``; gains, polarity and, in stereo, sides are random."""
        rng = np.random.default_rng((self.seed, step))
        crops = np.zeros((self.batch_size, self.frames, self.corpus.channels), dtype=np.int16)
        wanted = np.arange(self.batch_size)
        for _ in range(REDRAWN):
            self._fill(crops, wanted, rng)
            power = np.square(crops[wanted, ::4], dtype=np.float32).mean(axis=(1, 2))
            wanted = wanted[power <= (SILENT * 32767) ** 2]
            if wanted.size == 0:
                break
        if self.gain_db is not None and self.corpus.channels == 2:
            swapped = rng.random(self.batch_size) < 0.5
            crops[swapped] = crops[swapped][:, :, ::-1]
        gains = self._gains(crops, rng)[:, None, None]
        return torch.from_numpy(np.multiply(crops.transpose(0, 2, 1), gains, dtype=np.float32, order="C"))

    def _fill(
        self, crops: Int16[np.ndarray, "batch frames channels"], wanted: np.ndarray, rng: np.random.Generator
    ) -> None:
        """Draw the wanted crops; a sound shorter than a crop lies somewhere between zeros."""
        corpus = self.corpus
        sounds = np.searchsorted(corpus.drawn_below, rng.random(wanted.size), side="right")
        lengths = corpus.frames[sounds]
        first = (rng.random(wanted.size) * (np.abs(lengths - self.frames) + 1)).astype(int)
        for index, sound, start, length in zip(*(x.tolist() for x in (wanted, sounds, first, lengths)), strict=True):
            if length >= self.frames:
                crops[index] = corpus.read(sound, start, self.frames)
            else:
                crops[index] = 0
                crops[index, start : start + length] = corpus.read(sound, 0, length)

    def _gains(
        self, crops: Int16[np.ndarray, "batch frames channels"], rng: np.random.Generator
    ) -> Float32[np.ndarray, " batch"]:
        """Factors from 16-bit integers to [-1, 1]."""
        unit = np.full(self.batch_size, 1 / 32767, dtype=np.float32)
        if self.gain_db is None:
            return unit
        gains = 10 ** (rng.uniform(*self.gain_db, self.batch_size) / 20)
        peaks = np.maximum(crops.max(axis=(1, 2)), -crops.min(axis=(1, 2))) / 32767
        signs = rng.choice([-1, 1], self.batch_size)
        return (unit * signs * np.minimum(gains, 1 / np.maximum(peaks, 1e-3))).astype(np.float32)


def _cumulated(frames: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """The cumulated shares of lengths times weights; the last one is exactly 1."""
    cumulated = np.cumsum(frames * np.asarray(weights, dtype=float))
    return cumulated / cumulated[-1]


def _lengths(sources: Sequence[Source], rate: int) -> tuple[dict[int, int], list[str]]:
    """Frames by source number, and what cannot be read."""
    lengths, failures = {}, []
    for number, source in enumerate(sources):
        try:
            lengths[number] = frames_of(source, rate)
        except InputError as error:
            failures.append(str(error))
    return lengths, failures
