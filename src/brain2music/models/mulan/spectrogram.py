"""The log-mel spectrogram of MuLan's spectrogram towers, and its masking in training.

MuLan's windows: 10 s as 1000 frames, 25 ms long, every 10 ms. Its mel range, SpecAugment policy and sample rate are
not published; here 16 kHz, bands from 0 to 8 kHz, and policies in :class:`Masking`.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from ...audio.mel import mel_filters

SAMPLE_RATE, HOP_LENGTH, WINDOW = 16000, 160, 400
FRAMES = 1000
_N_FFT = 512


@dataclass(frozen=True)
class Masking:
    """SpecAugment (Park et al. 2019, arXiv 1904.08779): stripes of bands and of frames set to the mean."""

    bands: int = 8
    frames: int = 60
    stripes: int = 2


def mulan_log_mel(waveform: Float32[np.ndarray, " samples"], mels: int) -> Float32[Tensor, "frames mels"]:
    """Log-mel frames for MuLan, ln(power + 1e-5), of a waveform at 16 kHz: one per 10 ms, ``samples // 160``."""
    signal = torch.from_numpy(np.array(waveform, dtype=np.float32))
    window = torch.nn.functional.pad(torch.hann_window(WINDOW), ((_N_FFT - WINDOW) // 2, (_N_FFT - WINDOW) // 2))
    spectrum = torch.stft(signal, _N_FFT, HOP_LENGTH, window=window, pad_mode="constant", return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()
    return torch.log(
        power.T[: len(signal) // HOP_LENGTH] @ torch.from_numpy(mel_filters(SAMPLE_RATE, _N_FFT, mels)).T + 1e-5
    )


def cut_windows(frames: Float32[Tensor, "frames mels"], starts: list[float]) -> Float32[Tensor, "windows 1000 mels"]:
    """Cut windows of 10 s that begin at the given seconds; a window past the end repeats its own start."""
    windows = []
    for start in starts:
        part = frames[round(start * SAMPLE_RATE / HOP_LENGTH) :][:FRAMES]
        windows.append(part[torch.arange(FRAMES) % len(part)])
    return torch.stack(windows)


def spec_augment(
    windows: Float32[Tensor, "batch frames mels"], masking: Masking
) -> Float32[Tensor, "batch frames mels"]:
    """SpecAugment: mask random stripes of each window, using torch's global generator."""
    batch, frames, mels = windows.shape
    masked = torch.zeros(windows.shape, dtype=torch.bool, device=windows.device)
    for _ in range(masking.stripes):
        masked |= _stripes(batch, frames, masking.frames, windows.device)[:, :, None]
        masked |= _stripes(batch, mels, masking.bands, windows.device)[:, None, :]
    return torch.where(masked, windows.mean(dim=(1, 2), keepdim=True), windows)


def _stripes(batch: int, length: int, widest: int, device: torch.device) -> Tensor:
    """Mask (batch, length) of one random stripe per row, 0 to ``widest`` long."""
    width = torch.randint(0, min(widest, length) + 1, (batch, 1), device=device)
    first = (torch.rand(batch, 1, device=device) * (length - width + 1)).long()
    place = torch.arange(length, device=device)[None]
    return (place >= first) & (place < first + width)
