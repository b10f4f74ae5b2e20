"""Baseline embedders: log-mel spectra, timbre and harmony, and the genre label."""

import re
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float32

from .._utils.errors import InputError
from .._utils.files import digest_text
from ..audio.mel import mel_spectrogram
from ..audio.waveforms import AnyWaveform
from ..embeddings.embeddings import EmbeddingSpace
from ..embeddings.windows import mono_at, n_windows, window_starts
from ..study.study import Clip

GTZAN_GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")


class LogMel:
    """Baseline embedder: mean log-mel spectrum per window, log10(10000 mel + 1), 96 bands at 16 kHz as in musicnn."""

    def __init__(self, window_s: float = 10.0, step_s: float = 1.5) -> None:
        self.space = EmbeddingSpace("logmel", "1", "none", 96, window_s, step_s, 16000)

    def embed(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows 96"]:
        """Embed a waveform at any sample rate, mono or stereo: (windows, 96)."""
        sound = mono_at(waveform, sample_rate, self.space.sample_rate)
        frames = torch.log10(10000.0 * mel_spectrogram(sound, 16000, 512, 256, 96) + 1.0).numpy()
        return _over_windows(frames, len(sound), 256, self.space, lambda frames: frames.mean(axis=0))


class MfccChroma:
    """Baseline embedder of timbre and harmony: mean and deviation per window of 20 MFCCs and 12 chroma bins.

    Frames have 2048 samples every 512 at 22.05 kHz. Order: MFCC means, chroma means, MFCC deviations, chroma
    deviations.
    """

    def __init__(self, window_s: float = 10.0, step_s: float = 1.5) -> None:
        self.space = EmbeddingSpace("mfcc-chroma", "1", "none", 64, window_s, step_s, 22050)

    def embed(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows 64"]:
        """Embed a waveform at any sample rate, mono or stereo: (windows, 64); sound under one frame is repeated."""
        from librosa.feature import chroma_stft, mfcc

        sound = mono_at(waveform, sample_rate, self.space.sample_rate)
        if len(sound) < 2048:
            sound = np.resize(sound, 2048)
        timbre = mfcc(y=sound, sr=22050, n_mfcc=20, n_fft=2048, hop_length=512)
        harmony = chroma_stft(y=sound, sr=22050, n_fft=2048, hop_length=512, tuning=0.0)
        frames = np.concatenate([timbre, harmony]).T.astype(np.float32)
        return _over_windows(frames, len(sound), 512, self.space, _mean_and_deviation)


class GenreOneHot:
    """Baseline embedder: the genre of a clip as a unit vector, repeated over its windows (Brain2Music, section 3.4).

    Parameters
    ----------
    genres : labels in the order of the dimensions; by default those of GTZAN. Case, spaces and hyphens of labels do
        not matter.
    """

    def __init__(self, window_s: float = 15.0, step_s: float = 1.5, genres: tuple[str, ...] = GTZAN_GENRES) -> None:
        self.genres = genres
        digest = digest_text("\n".join(genres))
        self.space = EmbeddingSpace("genre-onehot", "1", digest, len(genres), window_s, step_s, 0)
        self._rows = {_plain_genre(genre): row for row, genre in enumerate(genres)}

    def embed(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows dims"]:
        """Always raise :class:`InputError`, because the genre is a label and cannot be read from sound."""
        raise InputError("genre-onehot reads a clip's label, not its sound", hint="choose another embedding")

    def label(self, clip: Clip) -> Float32[np.ndarray, "windows dims"]:
        """Embed the genre of a clip: (windows, dims); :class:`InputError` when it is not one of :attr:`genres`."""
        if (row := self._rows.get(_plain_genre(clip.genre))) is None:
            raise InputError(
                f"clip {clip.name} has the genre {clip.genre!r}, which is not one of {', '.join(self.genres)}",
                hint="choose an embedding that reads the sound",
            )
        windows = n_windows(clip.duration, self.space.window_s, self.space.step_s)
        return np.tile(np.eye(len(self.genres), dtype=np.float32)[row], (windows, 1))


def _over_windows(
    frames: Float32[np.ndarray, "frames features"],
    samples: int,
    hop_length: int,
    space: EmbeddingSpace,
    summary: Callable[[np.ndarray], np.ndarray],
) -> Float32[np.ndarray, "windows dims"]:
    """Summaries of the frames centred in each window."""
    per_second = space.sample_rate / hop_length
    starts = window_starts(samples / space.sample_rate, space.window_s, space.step_s)
    bounds = [(round(start * per_second), round((start + space.window_s) * per_second)) for start in starts]
    return np.stack([summary(frames[first : max(last, first + 1)]) for first, last in bounds])


def _mean_and_deviation(frames: Float32[np.ndarray, "frames features"]) -> Float32[np.ndarray, " twice"]:
    return np.concatenate([frames.mean(axis=0), frames.std(axis=0)])


def _plain_genre(genre: str) -> str:
    return re.sub(r"[^a-z0-9]", "", genre.lower())
