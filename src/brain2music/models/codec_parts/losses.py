"""Losses of codecs: mel reconstruction, and the hinge losses of discriminators.

SoundStream (Zeghidour et al. 2021, arXiv 2107.03312), equations 1-6, without a loss in the time domain. The weights in
the paper are 1 (adversarial), 100 (features) and 1 (reconstruction).
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
_N_MELS = 64
_FLOOR = 1e-5  # lower limit of normalised magnitudes before the logarithm: -100 dB
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
    """Multi-resolution mel spectrogram loss: Σ_s Σ_t |S - Ŝ|₁ + α_s |log S - log Ŝ|₂, α_s = √(s/2).

    S is a magnitude spectrogram of window s (Hann, normalised to sum to one) and hop s/4 in 64 mel bands, or fewer
    where a short window would leave a band without a bin.

    Parameters
    ----------
    wave, decoded : waveforms at ``sample_rate`` Hz. windows : window lengths in samples; shorter waveforms are padded
        with zeros.
    average : "none" sums over time as in the paper, so the loss grows with the length of a crop; "frames" is the mean
        over time; "bins" is also the mean over bands in both norms, so that scales with fewer bands have the same
        weight. All are means over batch and channels.
    """
    total = wave.new_zeros((), dtype=torch.float32)
    for window in windows:
        target, estimate = mel_pair(wave, decoded, sample_rate, window)
        linear = (target - estimate).abs()
        squared = (target.clamp(min=_FLOOR).log() - estimate.clamp(min=_FLOOR).log()).square()
        if average == "bins":
            first, second = linear.mean(1), (squared.mean(1) + 1e-12).sqrt()
        else:
            first, second = linear.sum(1), (squared.sum(1) + 1e-12).sqrt()
        per_frame = first + sqrt(window / 2) * second
        total = total + (per_frame.sum(-1).mean() if average == "none" else per_frame.mean())
    return total


def adversarial_loss(decoded: Sequence[DiscriminatorOutput]) -> Float[Tensor, ""]:
    """Hinge loss of the generator: mean over discriminators and logits of max(0, 1 - D(x̂)) (equation 2)."""
    return torch.stack([functional.relu(1 - logits.float()).mean() for logits, _ in decoded]).mean()


def discriminator_loss(
    real: Sequence[DiscriminatorOutput], decoded: Sequence[DiscriminatorOutput]
) -> Float[Tensor, ""]:
    """Hinge loss of the discriminators: mean max(0, 1 - D(x)) + mean max(0, 1 + D(x̂)) (equation 1)."""
    real_loss = torch.stack([functional.relu(1 - logits.float()).mean() for logits, _ in real]).mean()
    decoded_loss = torch.stack([functional.relu(1 + logits.float()).mean() for logits, _ in decoded]).mean()
    return real_loss + decoded_loss


def feature_loss(real: Sequence[DiscriminatorOutput], decoded: Sequence[DiscriminatorOutput]) -> Float[Tensor, ""]:
    """Feature loss: mean absolute difference of features over layers and discriminators (equation 3).

    The difference of a layer is the mean over channels and positions; the real features have no gradient.
    """
    pairs = [pair for (_, a), (_, b) in zip(real, decoded, strict=True) for pair in zip(a, b, strict=True)]
    return torch.stack([(target.detach().float() - estimate.float()).abs().mean() for target, estimate in pairs]).mean()


def mel_pair(
    wave: Float[Tensor, "batch channels samples"],
    decoded: Float[Tensor, "batch channels samples"],
    sample_rate: int,
    window: int,
) -> tuple[Float[Tensor, "signals mels frames"], Float[Tensor, "signals mels frames"]]:
    """Compute mel magnitude spectrograms of two batches in single precision, with one Fourier transform."""
    with torch.autocast(wave.device.type, enabled=False):
        both = torch.cat([wave.flatten(0, 1), decoded.flatten(0, 1)]).float()
        both = functional.pad(both, (0, max(0, window - both.shape[-1])))
        taper, filters = _taper(window, both.device), mel_bands(window, sample_rate, both.device)
        spectrum = torch.stft(both, window, window // 4, window=taper, center=False, return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        target, estimate = (filters @ (power + 1e-14).sqrt()).chunk(2)
        return target, estimate


@lru_cache(maxsize=64)
def mel_bands(window: int, sample_rate: int, device: torch.device) -> Float[Tensor, "mels bins"]:
    """Triangular mel filters of height one from 0 to sample rate / 2, at most 64 and none of them empty."""
    counts = (mel_filters(sample_rate, window, n_mels, unit_area=False) for n_mels in range(_N_MELS, 0, -1))
    filters = next(filters for filters in counts if (filters.max(axis=1) > 0).all())
    return torch.from_numpy(filters).to(device)


@lru_cache(maxsize=64)
def _taper(window: int, device: torch.device) -> Float[Tensor, " window"]:
    taper = torch.hann_window(window, device=device)
    return taper / taper.sum()
