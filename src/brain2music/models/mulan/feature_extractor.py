"""Features of the small MuLan: frozen musicnn-MSD, and spectrum, pitch and pulse, which its pooling loses.

Every window is one vector of :data:`DIMS` numbers, in this order:

=========  ====  ==================================================================================
mean, max  1506  musicnn-MSD, pooled over the frames of each 3-s patch, averaged over the patches
spectrum    288  96 log-mel bands: mean, deviation, mean rise from frame to frame
pitch        72  mean log energy of the semitones E1 to D#7
chroma       24  share of each pitch class, of all notes and of those below E3
pulse       240  60 tempi from 40 to 260 per minute: autocorrelation of onsets (all, low, high), Fourier
=========  ====  ==================================================================================

musicnn-MTT is left out on purpose: it stays an independent evaluation embedding of generated music.
"""

from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32

from ...audio.waveforms import AnyWaveform
from ...embeddings.windows import mono_at, window_starts
from ..musicnn.musicnn_embedder import HOP_LENGTH, SAMPLE_RATE, MusicnnEmbedder
from ..musicnn.network import PATCH_FRAMES, MusicnnNetwork

VERSION = "1"
_N_FFT, _PITCH_HOP_LENGTH = 8192, 2048
_LOWEST, _HIGHEST, _BASS = 28, 99, 52  # MIDI
_TEMPI = np.geomspace(40, 260, 60)
_LOW, _HIGH = slice(0, 6), slice(48, 96)  # mel bands below 220 Hz and above 2.3 kHz
_SECTIONS = {"mean": 753, "max": 753, "spectrum": 288, "pitch": 72, "chroma": 24, "pulse": 240}
DIMS = sum(_SECTIONS.values())


class PreparedSound(NamedTuple):
    """A sound as prepared for the network: log-mel frames, the patches of each window, and the other features."""

    frames: Float32[torch.Tensor, "frames 96"]
    patches: list[list[int]]
    descriptors: Float32[np.ndarray, "windows 624"]


class FeatureExtractor:
    """Extractor of the features of a sound's windows, in two halves: :meth:`prepare` without, :meth:`forward` with a
    network.

    Parameters
    ----------
    window_s, step_s : seconds of sound per vector, and between vectors.

    Raises
    ------
    InputError : musicnn's weights are not installed, or the window is shorter than its 3 s.
    """

    def __init__(self, window_s: float = 10.0, step_s: float = 1.0) -> None:
        self.musicnn = MusicnnEmbedder("msd", window_s, step_s)

    def __call__(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows 2130"]:
        """Extract the features (windows, 2130) of a waveform at any sample rate, mono or stereo."""
        return self.forward(self.prepare(waveform, sample_rate), self.musicnn.network)[0]

    def prepare(self, waveform: AnyWaveform, sample_rate: int) -> PreparedSound:
        """Compute all that needs no network."""
        space = self.musicnn.space
        sound = mono_at(waveform, sample_rate, SAMPLE_RATE)
        duration = len(sound) / SAMPLE_RATE
        frames, patches = self.musicnn.prepare(sound, SAMPLE_RATE)
        pitches = pitch_energies(sound)
        descriptors = []
        for start in window_starts(duration, space.window_s, space.step_s):
            mel = _window_rows(frames, start, space.window_s, SAMPLE_RATE / HOP_LENGTH, PATCH_FRAMES)
            notes = _window_rows(pitches, start, space.window_s, SAMPLE_RATE / _PITCH_HOP_LENGTH, 1)
            descriptors.append(np.concatenate([_spectrum(mel), _pitch_features(notes), _chroma(notes), _pulse(mel)]))
        return PreparedSound(frames, patches, np.stack(descriptors).astype(np.float32))

    def forward(
        self, prepared: PreparedSound, network: MusicnnNetwork
    ) -> tuple[Float32[np.ndarray, "windows 2130"], Float32[np.ndarray, "windows 50"]]:
        """Compute the features of every window and the network's tags; ``prepared.frames`` is on its device."""
        starts = sorted({start for window in prepared.patches for start in window})
        outputs = network(prepared.frames, starts)
        row_of = {start: row for row, start in enumerate(starts)}
        rows = [[row_of[start] for start in window] for window in prepared.patches]
        pooled = torch.cat([outputs.mean_pool, outputs.max_pool], dim=1).cpu().numpy()
        tags = outputs.tags.cpu().numpy()
        features = [
            np.concatenate([pooled[row].mean(axis=0), other])
            for row, other in zip(rows, prepared.descriptors, strict=True)
        ]
        return np.stack(features).astype(np.float32), np.stack([tags[row].mean(axis=0) for row in rows])


def pitch_energies(sound: Float32[np.ndarray, " samples"]) -> Float32[torch.Tensor, "frames 72"]:
    """Power of every semitone from E1 to D#7, one frame per 128 ms."""
    signal = torch.from_numpy(np.array(sound, dtype=np.float32))
    window = torch.hann_window(_N_FFT)
    spectrum = torch.stft(signal, _N_FFT, _PITCH_HOP_LENGTH, window=window, pad_mode="constant", return_complex=True)
    return (spectrum.real.square() + spectrum.imag.square()).T @ _semitones().T


@cache
def _semitones() -> Float32[torch.Tensor, "72 bins"]:
    """Triangles in pitch, a semitone to either side; where bins are farther apart, the nearest two share."""
    bins = np.maximum(np.arange(_N_FFT // 2 + 1) * SAMPLE_RATE / _N_FFT, 1e-3)
    pitch = 69 + 12 * np.log2(bins / 440)
    distance = np.abs(pitch[None] - np.arange(_LOWEST, _HIGHEST + 1)[:, None])
    return torch.from_numpy(np.clip(1 - distance, 0, None).astype(np.float32))


def _window_rows(rows: torch.Tensor, start: float, seconds: float, per_second: float, min_rows: int) -> np.ndarray:
    """Rows of a window, at least ``min_rows``, of a sound that may end before it."""
    first = round(start * per_second)
    last = min(len(rows), max(first + min_rows, round((start + seconds) * per_second)))
    return rows[min(first, max(0, last - min_rows)) : last].numpy()


def _spectrum(mel: Float32[np.ndarray, "frames 96"]) -> np.ndarray:
    return np.concatenate([mel.mean(axis=0), mel.std(axis=0), _rises(mel).mean(axis=0)])


def _pitch_features(notes: Float32[np.ndarray, "frames 72"]) -> np.ndarray:
    return np.log10(1 + notes).mean(axis=0)


def _chroma(notes: Float32[np.ndarray, "frames 72"]) -> np.ndarray:
    strength = np.sqrt(notes)
    classes = (np.arange(_LOWEST, _HIGHEST + 1) % 12)[:, None] == np.arange(12)
    bass = strength[:, : _BASS - _LOWEST] @ classes[: _BASS - _LOWEST]
    return np.concatenate([_shares(strength @ classes), _shares(bass)])


def _shares(energies: Float32[np.ndarray, "frames 12"]) -> np.ndarray:
    return (energies / np.maximum(energies.sum(axis=1, keepdims=True), 1e-6)).mean(axis=0)


def _pulse(mel: Float32[np.ndarray, "frames 96"]) -> np.ndarray:
    rises = _rises(mel)
    onsets = [rises[:, bands].mean(axis=1) for bands in (slice(None), _LOW, _HIGH)]
    return np.concatenate([*map(_autocorrelation, onsets), _fourier(onsets[0])])


def _rises(mel: Float32[np.ndarray, "frames 96"]) -> Float32[np.ndarray, "steps 96"]:
    return np.maximum(0.0, np.diff(mel, axis=0))


def _autocorrelation(onsets: Float32[np.ndarray, " frames"]) -> np.ndarray:
    """Autocorrelation of onset strength at the lags of the tempi, 1 at lag 0."""
    centred = onsets - onsets.mean()
    spectrum = np.fft.rfft(centred, 2 * len(centred))
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[: len(centred)]
    lags = 60 * SAMPLE_RATE / HOP_LENGTH / _TEMPI
    values = np.interp(lags, np.arange(len(centred)), correlation, right=0.0)
    return values / max(float(correlation[0]), 1e-9)


def _fourier(onsets: Float32[np.ndarray, " frames"]) -> np.ndarray:
    """Strength of the pulse at each tempo, relative to the strength of all onsets."""
    times = np.arange(len(onsets)) * HOP_LENGTH / SAMPLE_RATE
    waves = np.exp(-2j * np.pi * np.outer(_TEMPI / 60, times))
    centred = (onsets - onsets.mean()) * np.hanning(len(onsets))
    return np.abs(waves @ centred) / max(float(onsets.sum()), 1e-9)


def sections() -> dict[str, slice]:
    """The slice of a feature vector for each kind of feature, by name."""
    ends = np.cumsum([0, *_SECTIONS.values()])
    return {name: slice(first, last) for name, (first, last) in zip(_SECTIONS, pairwise(ends), strict=True)}
