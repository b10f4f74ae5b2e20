"""Features of the presented sound, ten per second, to which simulated voxels are tuned.

There are three families, after findings on the regions (Santoro et al. 2014; Norman-Haignere et al. 2015; Nakai et al.
2021): ``early``, spectro-temporal energy and modulation; ``middle``, timbre, pitch and onsets; ``late``, genre, mood
and instruments. None of them is an embedding that a decoder predicts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Complex64, Float, Float32

from ...study.study import Clip

RATE = 10
"""Feature frames per second."""

_MELS = 64
_FRAMES_S = 50
_TEMPORAL_HZ = (1.0, 2.0, 4.0, 8.0, 16.0)
_SPECTRAL_CYCLES = (0.25, 0.5, 1.0, 2.0)
_LATE_S = 2.0


@dataclass(frozen=True)
class FeatureSpace:
    """Names and families of features, and their time courses in every clip.

    ``frames`` maps a clip to (frames, features) float32 at :data:`RATE`, z-scored over the training clips.
    """

    names: tuple[str, ...]
    families: tuple[str, ...]
    frames: Mapping[Clip, Float32[np.ndarray, "frames features"]]

    def columns(self, family: str) -> slice:
        """The columns of the features of a family, which are contiguous."""
        first = self.families.index(family)
        return slice(first, first + self.families.count(family))


def sound_features(waveform: Float[np.ndarray, " samples"], rate: int) -> dict[str, Float32[np.ndarray, " frames"]]:
    """Compute the early and middle features of a sound, by ``family.name``, at :data:`RATE`.

    Early: energy in 32 mel bands (dB) and, in four quarters of the mel axis, the energy of modulations of
    1-16 Hz and 0.25-2 cycles per octave (2-D Gabor filters; Chi, Ru and Shamma 2005). Middle: 13 mel cepstra,
    12 pitch classes, brightness, spread, flatness, roll-off, and onset strength, instantaneous and over 2 s.
    """
    power, mel = _spectrogram(waveform, rate)
    decibels = 10 * np.log10(mel + 1e-6)
    features = {f"early.mel{i:02d}": band for i, band in enumerate(decibels.reshape(32, 2, -1).mean(1))}
    features |= (
        _modulations(decibels) | _timbre(power, decibels, rate) | _chroma_features(power, rate) | _onsets(decibels)
    )
    n_frames = round(len(waveform) / rate * RATE)
    return {name: _at_feature_rate(values, n_frames) for name, values in features.items()}


def label_features(clip: Clip, truth: pd.DataFrame | None, genres: Sequence[str]) -> dict[str, float]:
    """Compute the late features of a clip, 0 or 1: genre, and mood and instruments if there is a truth table."""
    features = {f"late.genre.{genre}": float(clip.genre == genre) for genre in genres}
    if truth is None:
        return features
    row = truth.loc[clip.track]
    for column, values in (("mood", _values(truth["mood"])), ("instruments", _values(truth["instruments"]))):
        present = _split(str(row[column]))
        features |= {f"late.{column}.{value}": float(value in present) for value in values}
    return features


def feature_space(
    sounds: Mapping[Clip, Mapping[str, Float32[np.ndarray, " frames"]]],
    truth: pd.DataFrame | None,
    train: Sequence[Clip],
) -> FeatureSpace:
    """Combine the three families of features of all clips.

    Parameters
    ----------
    sounds : dict of Clip to dict
        The result of :func:`sound_features` for each clip.
    truth : pandas.DataFrame or None
        A table indexed by track with ``mood`` and ``instruments`` (comma-separated). Without it the late family
        contains genre, and the cepstra of the middle family averaged over seconds.
    train : sequence of Clip
        The clips over whose frames features are z-scored.
    """
    genres = sorted({clip.genre for clip in sounds})
    tables = {}
    for clip, features in sounds.items():
        table = dict(features)
        n_frames = len(next(iter(table.values())))
        rise = 1 - np.exp(-np.arange(1, n_frames + 1) / RATE / _LATE_S)
        table |= {name: value * rise for name, value in label_features(clip, truth, genres).items()}
        if truth is None:
            slow = [name for name in features if name.startswith("middle.mfcc")]
            table |= {f"late.{name.split('.')[1]}": _smooth(features[name], 3 * RATE) for name in slow}
        tables[clip] = table
    names = tuple(next(iter(tables.values())))
    frames = {clip: np.stack([table[name] for name in names], axis=1) for clip, table in tables.items()}
    reference = np.concatenate([frames[clip] for clip in train])
    mean, scale = reference.mean(0), reference.std(0)
    scale[scale < 1e-9] = np.inf
    # rounded to the written precision, so that the stored truth gives exactly the same responses
    scaled = {clip: ((values - mean) / scale).astype(np.float16).astype(np.float32) for clip, values in frames.items()}
    return FeatureSpace(names, tuple(name.split(".")[0] for name in names), scaled)


def _spectrogram(
    waveform: Float[np.ndarray, " samples"], rate: int
) -> tuple[Float32[np.ndarray, "bins steps"], Float32[np.ndarray, "mels steps"]]:
    import librosa

    hop = round(rate / _FRAMES_S)
    n_fft = 2 ** round(np.log2(rate * 0.046))
    power = np.abs(librosa.stft(waveform.astype(np.float32), n_fft=n_fft, hop_length=hop)) ** 2
    mel = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=_MELS, fmin=60) @ power
    return power, mel


def _modulations(decibels: Float32[np.ndarray, "mels steps"]) -> dict[str, Float32[np.ndarray, " steps"]]:
    from scipy import fft

    centred = decibels - decibels.mean(1, keepdims=True)
    shape = (fft.next_fast_len(_MELS * 2), fft.next_fast_len(decibels.shape[1] + _FRAMES_S * 2))
    spectrum = fft.fft2(centred, shape)
    rates = fft.fftfreq(shape[1], 1 / _FRAMES_S)
    # 64 mel bands from 60 Hz up span about 7.5 octaves
    scales = fft.fftfreq(shape[0], 7.5 / _MELS)
    features = {}
    for temporal in _TEMPORAL_HZ:
        for spectral in _SPECTRAL_CYCLES:
            passed = fft.ifft2(spectrum * _gabor(scales, spectral)[:, None] * _gabor(rates, temporal)[None])
            energy = _energy(passed[:_MELS, : decibels.shape[1]])
            for quarter, values in enumerate(energy):
                features[f"early.mod{temporal:g}hz{spectral:g}cpo{quarter}"] = values
    return features


def _gabor(frequencies: Float[np.ndarray, " n"], centre: float) -> Float32[np.ndarray, " n"]:
    """A Gaussian of one octave around a centre frequency, symmetric in the sign of frequencies."""
    octaves = np.log2(np.maximum(np.abs(frequencies), 1e-3) / centre)
    return np.exp(-0.5 * (octaves / 0.5) ** 2).astype(np.float32)


def _energy(passed: Complex64[np.ndarray, "mels steps"]) -> Float32[np.ndarray, "quarters steps"]:
    power = (np.abs(passed) ** 2).reshape(4, _MELS // 4, -1).mean(1)
    return np.log(power + 1e-3).astype(np.float32)


def _timbre(
    power: Float32[np.ndarray, "bins steps"], decibels: Float32[np.ndarray, "mels steps"], rate: int
) -> dict[str, Float32[np.ndarray, " steps"]]:
    from scipy import fft

    cepstra = fft.dct(decibels, axis=0, norm="ortho")[:13]
    octaves = np.log2(np.linspace(0, rate / 2, len(power)) + 30)[:, None]
    share = power / (power.sum(0) + 1e-9)
    centroid = (share * octaves).sum(0)
    return {f"middle.mfcc{i:02d}": values for i, values in enumerate(cepstra)} | {
        "middle.brightness": centroid,
        "middle.spread": np.sqrt((share * (octaves - centroid) ** 2).sum(0)),
        "middle.flatness": np.log(power + 1e-9).mean(0) - np.log(power.mean(0) + 1e-9),
        "middle.rolloff": np.log2(1 + (np.cumsum(share, axis=0) < 0.85).sum(0)),
    }


def _chroma_features(power: Float32[np.ndarray, "bins steps"], rate: int) -> dict[str, Float32[np.ndarray, " steps"]]:
    import librosa

    chroma = librosa.filters.chroma(sr=rate, n_fft=2 * (len(power) - 1)) @ np.sqrt(power)
    chroma = chroma / (chroma.sum(0) + 1e-6)
    return {f"middle.chroma{i:02d}": values for i, values in enumerate(chroma)}


def _onsets(decibels: Float32[np.ndarray, "mels steps"]) -> dict[str, Float32[np.ndarray, " steps"]]:
    rises = np.maximum(np.diff(decibels, axis=1, prepend=decibels[:, :1]), 0).mean(0)
    return {"middle.onset": rises, "middle.onset2s": _smooth(rises, 2 * _FRAMES_S)}


def _at_feature_rate(values: Float[np.ndarray, " steps"], n_frames: int) -> Float32[np.ndarray, " frames"]:
    """Average the 50-Hz steps within each frame of :data:`RATE`."""
    per_frame = _FRAMES_S // RATE
    padded = np.pad(values, (0, max(0, n_frames * per_frame - len(values))), mode="edge")
    return padded[: n_frames * per_frame].reshape(n_frames, per_frame).mean(1).astype(np.float32)


def _smooth(values: Float[np.ndarray, " n"], width: int) -> Float[np.ndarray, " n"]:
    from scipy.ndimage import uniform_filter1d

    return uniform_filter1d(values, width, mode="nearest")


def _values(column: "pd.Series[str]") -> list[str]:
    return sorted({value for cell in column for value in _split(cell)})


def _split(cell: str) -> list[str]:
    return [value.strip() for value in cell.replace(";", ",").split(",") if value.strip()]
