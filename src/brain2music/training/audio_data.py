"""Batches of random crops of sound, each a pure function of seed and batch number.

Sounds are decoded once into a memory map of 16-bit samples; where that would grow past a limit, crops are read
directly from the files, which is slower.
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
from .decoded_audio import as_int16, decode_all, decoded_blocks, n_frames
from .manifest import AudioSource

SILENT_RMS = 1e-3
"""RMS below which a crop counts as silent (-60 dB)."""
MAX_ATTEMPTS = 4
"""Random choices of a crop before a silent one is accepted."""


@runtime_checkable
class AudioCorpus(Protocol):
    """Sounds from which random crops are taken.

    This is the protocol of what :func:`open_corpus` returns.

    Attributes
    ----------
    channels : int
        Channels of all sounds.
    frames : ndarray of int, of shape (sounds,)
        Length of each sound in samples per channel.
    cumulative_shares : ndarray of float, of shape (sounds,)
        Cumulative probability of the sounds; the last is 1.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.audio import write_audio
    >>> from brain2music.training import open_corpus, read_sources
    >>> write_audio("music/short.wav", np.zeros(8000), 16000)
    >>> write_audio("music/long.wav", np.zeros(24000), 16000)
    >>> corpus = open_corpus(read_sources("music"), sample_rate=16000, channels=1, cache="cache", n_jobs=1)
    >>> corpus.frames, corpus.cumulative_shares
    (array([24000,  8000]), array([0.75, 1.  ]))
    """

    channels: int
    frames: np.ndarray
    cumulative_shares: np.ndarray

    def read(self, sound: int, first: int, frames: int) -> Int16[np.ndarray, "frames channels"]:
        """Read a part of a sound.

        Parameters
        ----------
        sound : int
            Number of the sound.
        first : int
            First sample.
        frames : int
            Samples per channel.

        Returns
        -------
        ndarray of int16, of shape (frames, channels)
            Samples.
        """


class MemoryMappedCorpus:
    """Sounds in a memory map of 16-bit samples."""

    def __init__(self, samples: Path, rows: Sequence[dict[str, int]], weights: Sequence[float], channels: int) -> None:
        self.channels = channels
        self._samples = np.memmap(samples, dtype=np.int16, mode="r").reshape(-1, channels)
        self._first = np.array([row["first"] for row in rows])
        self.frames = np.array([row["frames"] for row in rows])
        self.cumulative_shares = _cumulative_shares(self.frames, [weights[row["source"]] for row in rows])

    def read(self, sound: int, first: int, frames: int) -> Int16[np.ndarray, "frames channels"]:
        """Samples of a sound, from frame ``first`` on."""
        start = self._first[sound] + first
        return self._samples[start : start + frames]


class FileCorpus:
    """Sounds that are read from their files, crop by crop."""

    def __init__(self, sources: Sequence[AudioSource], frames: Sequence[int], sample_rate: int, channels: int) -> None:
        self.sample_rate, self.channels, self._sources = sample_rate, channels, sources
        self.frames = np.array(frames)
        self.cumulative_shares = _cumulative_shares(self.frames, [source.weight for source in sources])

    def read(self, sound: int, first: int, frames: int) -> Int16[np.ndarray, "frames channels"]:
        """Samples of a sound, from frame ``first`` on."""
        source = self._sources[sound]
        part = AudioSource(source.file, source.start + first / self.sample_rate, frames / self.sample_rate)
        wave = np.concatenate(list(decoded_blocks(part, self.sample_rate, self.channels)))[:frames]
        return as_int16(np.pad(wave, ((0, frames - len(wave)), (0, 0))))


def open_corpus(
    sources: Sequence[AudioSource],
    sample_rate: int,
    channels: int,
    cache: str | Path,
    limit_gb: float = 50.0,
    n_jobs: int | None = None,
) -> AudioCorpus:
    """Open sounds for random crops.

    Sounds are decoded once to a file of 16-bit samples in ``cache``, or read from their files where that file would be
    larger than ``limit_gb``, which is slower.

    Parameters
    ----------
    sources : sequence of AudioSource
        Sound files or their parts.
    sample_rate : int
        Sample rate of the crops in Hz.
    channels : int
        Channels of the crops.
    cache : str or Path
        Folder of decoded sound, which later calls use again.
    limit_gb : float, default 50.0
        Largest size of the file of samples in GB.
    n_jobs : int, optional
        Processes that decode sound; default one per core.

    Returns
    -------
    AudioCorpus
        Readable sounds.

    Raises
    ------
    InputError
        None of the sounds can be read.

    Warns
    -----
    Brain2MusicWarning
        Some sounds cannot be read and are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.audio import write_audio
    >>> from brain2music.training import open_corpus, read_sources
    >>> write_audio("music/noise.wav", np.random.default_rng(0).uniform(-0.1, 0.1, 48000), 24000)
    >>> corpus = open_corpus(read_sources("music"), sample_rate=24000, channels=1, cache="cache", n_jobs=1)
    >>> corpus.read(0, first=100, frames=5).shape
    (5, 1)
    """
    cache = Path(cache)
    lengths, failures = _sound_lengths(sources, sample_rate)
    if 2e-9 * channels * sum(lengths.values()) > limit_gb:
        corpus: AudioCorpus = FileCorpus([sources[n] for n in lengths], list(lengths.values()), sample_rate, channels)
    else:
        samples, rows, failures = decode_all(sources, sample_rate, channels, cache, n_jobs)
        if rows:
            corpus = MemoryMappedCorpus(samples, rows, [source.weight for source in sources], channels)
        lengths = {row["source"]: row["frames"] for row in rows}
    for failure in failures:
        warnings.warn(Brain2MusicWarning(f"left out: {failure}"), stacklevel=2)
    if not lengths:
        raise InputError("none of the sounds can be read", sources[0].file, "look at the warnings above")
    return corpus


@dataclass(frozen=True)
class Crops:
    """Batches of random crops of a corpus.

    Crops are uniform over the seconds of the corpus; silent crops are replaced, a few times at most. Gain, polarity
    and, in stereo, sides are random.

    Attributes
    ----------
    corpus : AudioCorpus
        Sounds.
    frames : int
        Samples per channel of a crop.
    batch_size : int
        Crops per batch.
    seed : int
        Seed of the random choices.
    gain_db : tuple of float, or None
        Range of the random gain in dB; a gain that would clip is lowered to peak 1. None for no gain and no flips.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.audio import write_audio
    >>> from brain2music.training import Crops, open_corpus, read_sources
    >>> write_audio("music/noise.wav", np.random.default_rng(0).uniform(-0.1, 0.1, 48000), 24000)
    >>> corpus = open_corpus(read_sources("music"), sample_rate=24000, channels=1, cache="cache", n_jobs=1)
    >>> batch = Crops(corpus, frames=12000, batch_size=4).batch(step=0)
    >>> tuple(batch.shape)  # batch, channels, samples
    (4, 1, 12000)
    """

    corpus: AudioCorpus
    frames: int
    batch_size: int
    seed: int = 0
    gain_db: tuple[float, float] | None = (-12.0, 6.0)

    def batch(self, step: int) -> Float32[Tensor, "batch channels frames"]:
        """Make a batch, which depends only on the seed and the step.

        Parameters
        ----------
        step : int
            Number of the batch.

        Returns
        -------
        Tensor of shape (batch, channels, frames)
            Crops within ±1.
        """
        rng = np.random.default_rng((self.seed, step))
        crops = np.zeros((self.batch_size, self.frames, self.corpus.channels), dtype=np.int16)
        pending = np.arange(self.batch_size)
        for _ in range(MAX_ATTEMPTS):
            self._fill(crops, pending, rng)
            power = np.square(crops[pending, ::4], dtype=np.float32).mean(axis=(1, 2))
            pending = pending[power <= (SILENT_RMS * 32767) ** 2]
            if pending.size == 0:
                break
        if self.gain_db is not None and self.corpus.channels == 2:
            swapped = rng.random(self.batch_size) < 0.5
            crops[swapped] = crops[swapped][:, :, ::-1]
        gains = self._gains(crops, rng)[:, None, None]
        return torch.from_numpy(np.multiply(crops.transpose(0, 2, 1), gains, dtype=np.float32, order="C"))

    def _fill(
        self, crops: Int16[np.ndarray, "batch frames channels"], pending: np.ndarray, rng: np.random.Generator
    ) -> None:
        """Choose the pending crops at random; a sound shorter than a crop is padded with zeros on both sides."""
        corpus = self.corpus
        sounds = np.searchsorted(corpus.cumulative_shares, rng.random(pending.size), side="right")
        lengths = corpus.frames[sounds]
        first = (rng.random(pending.size) * (np.abs(lengths - self.frames) + 1)).astype(int)
        for index, sound, start, length in zip(*(x.tolist() for x in (pending, sounds, first, lengths)), strict=True):
            if length >= self.frames:
                crops[index] = corpus.read(sound, start, self.frames)
            else:
                crops[index] = 0
                crops[index, start : start + length] = corpus.read(sound, 0, length)

    def _gains(
        self, crops: Int16[np.ndarray, "batch frames channels"], rng: np.random.Generator
    ) -> Float32[np.ndarray, " batch"]:
        """Random gains, as factors from 16-bit integers to [-1, 1]."""
        unit = np.full(self.batch_size, 1 / 32767, dtype=np.float32)
        if self.gain_db is None:
            return unit
        gains = 10 ** (rng.uniform(*self.gain_db, self.batch_size) / 20)
        peaks = np.maximum(crops.max(axis=(1, 2)), -crops.min(axis=(1, 2))) / 32767
        signs = rng.choice([-1, 1], self.batch_size)
        return (unit * signs * np.minimum(gains, 1 / np.maximum(peaks, 1e-3))).astype(np.float32)


def _cumulative_shares(frames: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Cumulative shares of lengths times weights; the last one is exactly 1."""
    cumulative = np.cumsum(frames * np.asarray(weights, dtype=float))
    return cumulative / cumulative[-1]


def _sound_lengths(sources: Sequence[AudioSource], sample_rate: int) -> tuple[dict[int, int], list[str]]:
    """Number of frames by source number, and messages about sources that cannot be read."""
    lengths, failures = {}, []
    for number, source in enumerate(sources):
        try:
            lengths[number] = n_frames(source, sample_rate)
        except InputError as error:
            failures.append(str(error))
    return lengths, failures
