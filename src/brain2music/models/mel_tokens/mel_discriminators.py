"""Discriminators of log-mel spectrograms: one for images of bands and frames, and one for frames of all bands.

A convolution over images finds errors anywhere, and knows the band only from an additional channel with its position; a
convolution over frames knows every band, and so finds a wrong spectral balance.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from ..codec_parts.discriminators import discriminator_output
from ..codec_parts.losses import DiscriminatorOutput
from ..codec_parts.pretrained import rename_tensors
from .hifigan import CENTRE, N_MELS, SCALE


class MelDiscriminators(nn.Module):
    """Discriminators of log-mel frames.

    Parameters
    ----------
    width : width of the first layer of the image discriminator; the last layers have three times as much. Must be a
        multiple of 16, as in :class:`~brain2music.models.codec_parts.discriminators.Discriminators`.
    frames_width : width of all layers of the frame discriminator.
    """

    def __init__(self, width: int = 32, frames_width: int = 128) -> None:
        super().__init__()
        rename_tensors(self, (("discriminators.", "judges."),))
        if width % 16:
            raise ValueError(f"the width of the image discriminator is {width}; make it a multiple of 16")
        self.discriminators = nn.ModuleList([ImageDiscriminator(width), FrameDiscriminator(frames_width)])

    def forward(self, mel: Float[Tensor, "batch frames 80"]) -> list[DiscriminatorOutput]:
        """Compute one (logits, features) per discriminator; logits vary over time, and of the first also over bands."""
        scaled = ((mel - CENTRE) / SCALE).transpose(1, 2)
        return [discriminator(scaled) for discriminator in self.discriminators]


class ImageDiscriminator(nn.Module):
    """Discriminator of images: strided convolutions of 3 bands × 5 frames, with a channel of band positions."""

    bands: Float[Tensor, "1 1 80 1"]

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("bands", torch.linspace(-1, 1, N_MELS)[None, None, :, None], persistent=False)
        layers = [
            nn.Conv2d(2, width, (3, 5), (1, 2), (1, 2)),
            nn.Conv2d(width, 2 * width, (3, 5), (2, 2), (1, 2)),
            nn.Conv2d(2 * width, 3 * width, (3, 5), (2, 2), (1, 2)),
            nn.Conv2d(3 * width, 3 * width, 3, padding=1),
        ]
        self.layers = nn.ModuleList(weight_norm(layer) for layer in layers)
        self.last = weight_norm(nn.Conv2d(3 * width, 1, 3, padding=1))

    def forward(self, mel: Float[Tensor, "batch 80 frames"]) -> DiscriminatorOutput:
        image = mel[:, None]
        return discriminator_output(torch.cat([image, self.bands.expand_as(image)], 1), self.layers, self.last)


class FrameDiscriminator(nn.Module):
    """Discriminator of frames: convolutions of five frames over all bands, with strides from the second layer on."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers = [nn.Conv1d(N_MELS, width, 5, padding=2)]
        layers += [nn.Conv1d(width, width, 5, stride=2, padding=2) for _ in range(3)]
        self.layers = nn.ModuleList(weight_norm(layer) for layer in layers)
        self.last = weight_norm(nn.Conv1d(width, 1, 3, padding=1))

    def forward(self, mel: Float[Tensor, "batch 80 frames"]) -> DiscriminatorOutput:
        return discriminator_output(mel, self.layers, self.last)
