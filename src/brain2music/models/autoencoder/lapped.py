"""A linear way round the autoencoder's networks: the best linear code of the sound that it is trained on.

A modified discrete cosine transform (Princen & Bradley 1986) of every channel, with one block of coefficients a
latent frame, is followed by the principal components of all channels' coefficients. Both are one convolution whose
kernel is two hops long, and its transpose. They are fitted once and stay; the networks learn what they cannot. A codec
that has to be trained in an hour starts from sound in this way, not from noise.
"""

from math import pi

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..codec_parts.layers import Conv, Up

EMPHASIS = 0.5
"""How far coefficients are brought to one variance before components are chosen: 0 not at all, 1 wholly."""

GAIN = 0.02
"""Of the networks beside the linear way: a step of Adam moves their outputs as far whatever the sound's level is, and
unscaled it would add more noise than the linear code leaves to be mended."""


class Lapped(nn.Module):
    """Sound (batch, channels, frames · hop) <-> latents (batch, dim, frames); linear, without offset.

    Parameters
    ----------
    channels : of sound. dim : of a latent frame. hop : samples of a frame. causal : a frame sees no later sample.
    """

    def __init__(self, channels: int, dim: int, hop: int, causal: bool = False) -> None:
        super().__init__()
        self.hop = hop
        self.analysis = Conv(channels, dim, 2 * hop, stride=hop, causal=causal)
        self.synthesis = Up(dim, channels, hop, causal)
        for layer in (self.analysis, self.synthesis):
            layer.bias = None
        self.requires_grad_(False)

    @torch.no_grad()
    def fit(self, sound: Float[Tensor, "batch channels samples"], emphasis: float = EMPHASIS) -> None:
        """Become the code of ``dim`` numbers a frame that loses least of ``sound``; each has variance one there.

        Loss is squared error of the coefficients, each divided by its standard deviation to the power ``emphasis``,
        so that the quiet treble counts for something beside the loud bass.

        Raises
        ------
        ValueError : there are fewer frames than coefficients in one.
        """
        basis = mdct(self.hop).to(sound)
        parts = sound.unfold(-1, 2 * self.hop, self.hop) @ basis.T  # batch, channels, frames, hop
        coefficients = parts.movedim(1, 2).flatten(0, 1)  # frames, channels, hop
        if len(coefficients) < coefficients[0].numel():
            raise ValueError(f"{len(coefficients)} frames are too few for {coefficients[0].numel()} coefficients")
        spread = coefficients.square().mean((0, 1)).sqrt() + 1e-6  # the same for all channels
        weight = spread.pow(-emphasis)
        flat = (coefficients * weight).flatten(1).double()
        values, vectors = torch.linalg.eigh(flat.T @ flat / len(flat))
        dim = self.analysis.out_channels
        scale = values[-dim:].clamp(min=1e-12).sqrt()
        kept = vectors[:, -dim:].T.to(sound).unflatten(1, (-1, self.hop))  # dim, channels, hop
        scale = scale.to(sound)[:, None, None]
        self.analysis.weight.copy_((kept * weight / scale) @ basis)
        self.synthesis.weight.copy_((kept / weight * scale) @ basis)


def mdct(hop: int) -> Float[Tensor, "hop samples"]:
    """The orthonormal lapped transform: ``hop`` cosines over two hops under a sine window (Princen & Bradley 1986)."""
    time = torch.arange(2 * hop, dtype=torch.float64)
    pitch = torch.arange(hop, dtype=torch.float64)[:, None]
    cosines = torch.cos(pi / hop * (pitch + 0.5) * (time + 0.5 + hop / 2))
    return (torch.sin(pi * (time + 0.5) / (2 * hop)) * cosines * (2 / hop) ** 0.5).float()
