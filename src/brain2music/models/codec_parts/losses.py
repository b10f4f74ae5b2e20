"""Losses of codecs: mel reconstruction, and the hinge losses of their discriminators.

SoundStream (Zeghidour et al. 2021, arXiv 2107.03312), equations 1-6. There is no loss in the time domain. The
paper weighs them 1 (adversarial), 100 (features), 1 (reconstruction).
"""

from collections.abc import Sequence
from functools import lru_cache
from math import sqrt
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ...audio.mel import mel_filters

WINDOWS = tuple(2**power for power in range(6, 12))
_MELS = 64
_FLOOR = 1e-5  # of a normalised magnitude before the logarithm: -100 dB
Average = Literal["bins", "frames", "none"]
DiscriminatorOutput = tuple[Float[Tensor, "..."], Sequence[Float[Tensor, "..."]]]
"""Output of one discriminator: its logits and the features of its layers."""


def reconstruction_loss(
    wave: Float[Tensor, "batch channels samples"],
    decoded: Float[Tensor, "batch channels samples"],
    sample_rate: int,
    average: Average = "bins",
    windows: Sequence[int] = WINDOWS,
) -> Float[Tensor, ""]:
    """Distance of mel spectrograms over six resolutions: Σ_s Σ_t |S - Ŝ|₁ + α_s |log S - log Ŝ|₂, α_s = √(s/2).

    S is a magnitude spectrogram of window s (Hann, normalised to sum to one) and hop s/4 in 64 mel bands, fewer
    where a window is too short to give each band a bin.

    Parameters
    ----------
    wave, decoded : at ``sample_rate`` Hz. windows : in samples; those longer than the waveform are padded with zeros.
    average : "none" sums over time as the paper writes it, so that the loss grows with the length of a crop;
        "frames" takes the mean over time; "bins" takes, besides, the mean over the bands inside both norms, so
        that a scale with fewer bands weighs no less. Always the mean over batch and channels.
    """
    total = wave.new_zeros((), dtype=torch.float32)
    for window in windows:
        target, ours = mel_pair(wave, decoded, sample_rate, window)
        linear = (target - ours).abs()
        squared = (target.clamp(min=_FLOOR).log() - ours.clamp(min=_FLOOR).log()).square()
        if average == "bins":
            first, second = linear.mean(1), (squared.mean(1) + 1e-12).sqrt()
        else:
            first, second = linear.sum(1), (squared.sum(1) + 1e-12).sqrt()
        per_frame = first + sqrt(window / 2) * second
        total = total + (per_frame.sum(-1).mean() if average == "none" else per_frame.mean())
    return total


def adversarial_loss(decoded: Sequence[DiscriminatorOutput]) -> Float[Tensor, ""]:
    """The generator's hinge loss, mean over discriminators and logits of max(0, 1 - D(x̂)) (equation 2)."""
    return torch.stack([functional.relu(1 - logits.float()).mean() for logits, _ in decoded]).mean()


def discriminator_loss(
    real: Sequence[DiscriminatorOutput], decoded: Sequence[DiscriminatorOutput]
) -> Float[Tensor, ""]:
    """The discriminators' hinge loss: mean max(0, 1 - D(x)) + mean max(0, 1 + D(x̂)) (equation 1)."""
    of_real = torch.stack([functional.relu(1 - logits.float()).mean() for logits, _ in real]).mean()
    of_decoded = torch.stack([functional.relu(1 + logits.float()).mean() for logits, _ in decoded]).mean()
    return of_real + of_decoded


def feature_loss(real: Sequence[DiscriminatorOutput], decoded: Sequence[DiscriminatorOutput]) -> Float[Tensor, ""]:
    """Mean absolute difference of the discriminators' features, over layers and discriminators (equation 3).

    A layer's difference is the mean over channels and positions; the real features get no gradient.
    """
    pairs = [pair for (_, a), (_, b) in zip(real, decoded, strict=True) for pair in zip(a, b, strict=True)]
    return torch.stack([(target.detach().float() - ours.float()).abs().mean() for target, ours in pairs]).mean()


def mel_pair(
    wave: Float[Tensor, "batch channels samples"],
    decoded: Float[Tensor, "batch channels samples"],
    sample_rate: int,
    window: int,
) -> tuple[Float[Tensor, "signals mels frames"], Float[Tensor, "signals mels frames"]]:
    """Mel magnitude spectrograms of two batches, in single precision, from one Fourier transform."""
    with torch.autocast(wave.device.type, enabled=False):
        both = torch.cat([wave.flatten(0, 1), decoded.flatten(0, 1)]).float()
        both = functional.pad(both, (0, max(0, window - both.shape[-1])))
        taper, filters = _taper(window, both.device), mel_bands(window, sample_rate, both.device)
        spectrum = torch.stft(both, window, window // 4, window=taper, center=False, return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        target, ours = (filters @ (power + 1e-14).sqrt()).chunk(2)
        return target, ours


@lru_cache(maxsize=64)
def mel_bands(window: int, sample_rate: int, device: torch.device) -> Float[Tensor, "mels bins"]:
    """Triangles of height one on the mel scale from 0 to sample rate / 2, at most 64 and none of them empty."""
    counts = (mel_filters(sample_rate, window, mels, unit_area=False) for mels in range(_MELS, 0, -1))
    filters = next(filters for filters in counts if (filters.max(axis=1) > 0).all())
    return torch.from_numpy(filters).to(device)


@lru_cache(maxsize=64)
def _taper(window: int, device: torch.device) -> Float[Tensor, " window"]:
    taper = torch.hann_window(window, device=device)
    return taper / taper.sum()
