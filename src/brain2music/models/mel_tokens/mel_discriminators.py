"""Discriminators of log-mel spectrograms: one sees an image of bands and frames, the other frames of all bands.

A convolution over an image finds what is wrong anywhere, and so cannot tell one band from another but by a channel
that says where it is; one over frames alone knows every band, and so hears a balance that is off throughout.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from ..codec_parts.discriminators import discriminator_output
from ..codec_parts.losses import DiscriminatorOutput
from ..codec_parts.pretrained import rename_tensors
from .hifigan import CENTRE, MELS, SCALE


class MelDiscriminators(nn.Module):
    """Discriminators of log-mel frames.

    Parameters
    ----------
    width : of the image discriminator's first layer; the last have three times this. A multiple of 16, as is
        :class:`~brain2music.models.codec_parts.discriminators.Discriminators`'s and for the same reason.
    frames_width : of all layers of the frame discriminator.
    """

    def __init__(self, width: int = 32, frames_width: int = 128) -> None:
        super().__init__()
        rename_tensors(self, (("discriminators.", "judges."),))
        if width % 16:
            raise ValueError(f"the image discriminator's width is {width}; make it a multiple of 16")
        self.discriminators = nn.ModuleList([ImageDiscriminator(width), FrameDiscriminator(frames_width)])

    def forward(self, mel: Float[Tensor, "batch frames 80"]) -> list[DiscriminatorOutput]:
        """One (logits, features) for each discriminator: logits vary over time, the first's over bands too."""
        scaled = ((mel - CENTRE) / SCALE).transpose(1, 2)
        return [discriminator(scaled) for discriminator in self.discriminators]


class ImageDiscriminator(nn.Module):
    """Convolutions of 3 bands × 5 frames, strided, beside a channel that rises from the lowest band to the highest."""

    bands: Float[Tensor, "1 1 80 1"]

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("bands", torch.linspace(-1, 1, MELS)[None, None, :, None], persistent=False)
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
    """Convolutions of five frames, whose channels are bands at first, strided from the second on."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers = [nn.Conv1d(MELS, width, 5, padding=2)]
        layers += [nn.Conv1d(width, width, 5, stride=2, padding=2) for _ in range(3)]
        self.layers = nn.ModuleList(weight_norm(layer) for layer in layers)
        self.last = weight_norm(nn.Conv1d(width, 1, 3, padding=1))

    def forward(self, mel: Float[Tensor, "batch 80 frames"]) -> DiscriminatorOutput:
        return discriminator_output(mel, self.layers, self.last)
