"""Mel spectrograms in torch, equal to librosa's defaults without loading librosa (and numba with it)."""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Float32


def mel_spectrogram(
    waveform: Float32[np.ndarray, " samples"], sample_rate: int, n_fft: int, hop_length: int, n_mels: int
) -> Float32[torch.Tensor, "frames mels"]:
    """Power mel spectrogram as ``librosa.feature.melspectrogram``: Hann, centred, zero-padded.

    Frame i is centred on sample ``i * hop_length``; there are ``1 + samples // hop_length`` frames.
    """
    signal = torch.tensor(waveform)
    window = torch.hann_window(n_fft)
    spectrum = torch.stft(signal, n_fft, hop_length, window=window, pad_mode="constant", return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()
    return power.T @ torch.from_numpy(mel_filters(sample_rate, n_fft, n_mels)).T


@lru_cache
def mel_filters(sample_rate: int, n_fft: int, n_mels: int, unit_area: bool = True) -> Float32[np.ndarray, "mels bins"]:
    """Triangular mel filters from 0 Hz to half the sample rate (Slaney's mel scale), of unit area or unit height."""
    edges = _mel_to_hz(np.linspace(0.0, _hz_to_mel(sample_rate / 2), n_mels + 2))
    bins = np.linspace(0.0, sample_rate / 2, n_fft // 2 + 1)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    heights = 2.0 / (edges[2:] - edges[:-2])[:, None] if unit_area else 1.0
    return (triangles * heights).astype(np.float32)


# Slaney's mel (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above.
_HZ_PER_MEL, _BREAK_HZ, _LOG_STEP = 200.0 / 3.0, 1000.0, np.log(6.4) / 27.0


def _hz_to_mel(hz: float) -> float:
    return hz / _HZ_PER_MEL if hz < _BREAK_HZ else _BREAK_HZ / _HZ_PER_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP


def _mel_to_hz(mel: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    above = np.maximum(0.0, mel - _BREAK_HZ / _HZ_PER_MEL)
    return np.where(above > 0, _BREAK_HZ * np.exp(_LOG_STEP * above), _HZ_PER_MEL * mel)
