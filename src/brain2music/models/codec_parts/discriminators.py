"""Discriminators of SoundStream: three for waveforms, and one or more for complex spectrograms.

Zeghidour et al. 2021 (arXiv 2107.03312), section III-D; those for waveforms are from MelGAN (Kumar et al. 2019, arXiv
1910.06711). Each returns logits that vary over time, and the features of all layers before.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from .losses import DiscriminatorOutput

_SLOPE = 0.2


class Discriminators(nn.Module):
    """Discriminators of a waveform at three sample rates and of its spectrograms.

    Parameters
    ----------
    channels : channels of sound (1 or 2).
    width : width of the first layer of the waveform discriminators (16); later ones have up to 64 times as much.
    stft_width : width of the first layer of the spectrogram discriminators (32); the last has 16 times as much. Must be
        a multiple of 16: the backward pass of oneDNN on AVX-512 corrupts memory at 2, 4 and 8 (torch 2.13).
    scales : downsampling factors of the waveform. stft_windows : window lengths, one spectrogram discriminator per
        window, with a hop of a quarter.
    """

    def __init__(
        self,
        channels: int = 1,
        width: int = 16,
        stft_width: int = 32,
        scales: Sequence[int] = (1, 2, 4),
        stft_windows: Sequence[int] = (1024,),
    ) -> None:
        super().__init__()
        if stft_width % 16:
            raise ValueError(f"the spectrogram discriminators' width is {stft_width}; make it a multiple of 16")
        self.scales = tuple(scales)
        self.waves = nn.ModuleList(WaveDiscriminator(channels, width) for _ in scales)
        self.spectrograms = nn.ModuleList(StftDiscriminator(channels, stft_width, window) for window in stft_windows)

    def forward(self, wave: Float[Tensor, "batch channels samples"]) -> list[DiscriminatorOutput]:
        """Compute one (logits, features) per discriminator: logits (batch, 1, positions), features of every layer."""
        scaled = [wave if scale == 1 else _downsample(wave, scale) for scale in self.scales]
        outputs = [discriminator(signal) for discriminator, signal in zip(self.waves, scaled, strict=True)]
        return outputs + [discriminator(wave) for discriminator in self.spectrograms]


class WaveDiscriminator(nn.Module):
    """Discriminator of waveforms: a convolution, four grouped ones with stride 4, and two more."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        widths = [width, *(min(width * 4**step, 64 * width) for step in range(1, 5))]
        grouped = [
            nn.Conv1d(before, after, 41, stride=4, padding=20, groups=before // 4) for before, after in pairwise(widths)
        ]
        layers = [
            nn.Conv1d(channels, width, 15, padding=7),
            *grouped,
            nn.Conv1d(widths[-1], widths[-1], 5, padding=2),
        ]
        self.layers = nn.ModuleList(weight_norm(layer) for layer in layers)
        self.last = weight_norm(nn.Conv1d(widths[-1], 1, 3, padding=1))

    def forward(self, x: Float[Tensor, "batch channels samples"]) -> DiscriminatorOutput:
        return discriminator_output(x, self.layers, self.last)


class StftDiscriminator(nn.Module):
    """Discriminator of complex spectrograms: six residual blocks over images of time and frequency.

    The highest frequency bin is left out, so that six halvings leave window / 128 bins.
    """

    taper: Float[Tensor, " window"]
    _GROWTH = (2, 2, 1, 2, 1, 2)

    def __init__(self, channels: int, width: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.register_buffer("taper", torch.hann_window(window) * window**-0.5, persistent=False)
        blocks, inputs = [], width
        for index, growth in enumerate(self._GROWTH):
            blocks.append(_StftBlock(inputs, growth * inputs, (1 + index % 2, 2)))
            inputs *= growth
        self.first = weight_norm(nn.Conv2d(2 * channels, width, 7, padding=3))
        self.blocks = nn.ModuleList(blocks)
        self.last = weight_norm(nn.Conv2d(inputs, 1, (1, window // 128)))

    def forward(self, wave: Float[Tensor, "batch channels samples"]) -> DiscriminatorOutput:
        x = functional.leaky_relu(self.first(self._image(wave)), _SLOPE)
        features = [x]
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return self.last(x).squeeze(-1), features

    def _image(self, wave: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch parts frames bins"]:
        batch, channels, _ = wave.shape
        with torch.autocast(wave.device.type, enabled=False):
            signals = functional.pad(wave.flatten(0, 1).float(), (0, max(0, self.window - wave.shape[-1])))
            spectrum = torch.stft(signals, self.window, self.window // 4, window=self.taper, return_complex=True)
            parts = torch.view_as_real(spectrum[:, :-1]).permute(0, 3, 2, 1)
        return parts.reshape(batch, 2 * channels, *parts.shape[2:])


class _StftBlock(nn.Module):
    """Residual block of a 3 × 3 convolution and a strided one, with a strided 1 × 1 shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int]) -> None:
        super().__init__()
        kernel = (stride[0] + 2, stride[1] + 2)
        self.same = weight_norm(nn.Conv2d(inputs, inputs, 3, padding=1))
        self.strided = weight_norm(nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=1))
        self.shortcut = weight_norm(nn.Conv2d(inputs, outputs, 1, stride=stride))

    def forward(self, x: Float[Tensor, "batch inputs frames bins"]) -> Float[Tensor, "batch outputs less fewer"]:
        branch = self.strided(functional.leaky_relu(self.same(x), _SLOPE))
        shortcut = self.shortcut(x)[..., : branch.shape[-2], : branch.shape[-1]]
        return functional.leaky_relu(branch + shortcut, _SLOPE)


def discriminator_output(x: Tensor, layers: nn.ModuleList, last: nn.Module) -> DiscriminatorOutput:
    """Compute logits and features of a discriminator whose layers are each followed by a leaky ReLU."""
    features = []
    for layer in layers:
        x = functional.leaky_relu(layer(x), _SLOPE)
        features.append(x)
    return last(x), features


def _downsample(wave: Float[Tensor, "batch channels samples"], scale: int) -> Float[Tensor, "batch channels fewer"]:
    """Downsample a waveform by average pooling, as in MelGAN."""
    for _ in range(scale.bit_length() - 1):
        wave = functional.avg_pool1d(wave, 4, stride=2, padding=1, count_include_pad=False)
    return wave
