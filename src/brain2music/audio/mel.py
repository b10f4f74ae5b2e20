"""Mel spectrograms in torch, equal to librosa's defaults without loading librosa (and numba with it)."""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Float32


def mel_spectrogram(
    waveform: Float32[np.ndarray, " samples"], sample_rate: int, n_fft: int, hop_length: int, n_mels: int
) -> Float32[torch.Tensor, "frames mels"]:
    """Compute the power mel spectrogram of a waveform.

    The result equals ``librosa.feature.melspectrogram`` with its defaults: Hann window, centred frames, zero padding,
    Slaney's mel scale and filters of unit area.

    Parameters
    ----------
    waveform : ndarray of float32, of shape (samples,)
        Mono waveform.
    sample_rate : int
        Sample rate in Hz.
    n_fft : int
        Window length in samples.
    hop_length : int
        Samples from frame to frame.
    n_mels : int
        Number of mel bands from 0 Hz to half the sample rate.

    Returns
    -------
    torch.Tensor of float32, of shape (frames, mels)
        Power per frame and band. Frame i is centred on sample ``i * hop_length``, and there are
        ``1 + samples // hop_length`` frames.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.audio import mel_spectrogram
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    >>> mel = mel_spectrogram(tone, 16000, n_fft=512, hop_length=160, n_mels=40)
    >>> tuple(mel.shape)
    (101, 40)
    """
    signal = torch.tensor(waveform)
    window = torch.hann_window(n_fft)
    spectrum = torch.stft(signal, n_fft, hop_length, window=window, pad_mode="constant", return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()
    return power.T @ torch.from_numpy(mel_filters(sample_rate, n_fft, n_mels)).T


@lru_cache
def mel_filters(sample_rate: int, n_fft: int, n_mels: int, unit_area: bool = True) -> Float32[np.ndarray, "mels bins"]:
    """Compute triangular mel filters from 0 Hz to half the sample rate.

    Parameters
    ----------
    sample_rate : int
        Sample rate in Hz.
    n_fft : int
        Window length in samples; there are ``n_fft // 2 + 1`` frequency bins.
    n_mels : int
        Number of filters.
    unit_area : bool, default True
        Whether filters have unit area; otherwise their height is 1.

    Returns
    -------
    ndarray of float32, of shape (mels, bins)
        Weights of the frequency bins, on the mel scale of Slaney's Auditory Toolbox (1998).

    Examples
    --------
    >>> from brain2music.audio import mel_filters
    >>> filters = mel_filters(24000, 1024, 64)
    >>> filters.shape
    (64, 513)
    """
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
