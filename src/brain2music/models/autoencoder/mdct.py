"""Linear bypass of the networks of an autoencoder: MDCT and principal components of the training sound.

A modified discrete cosine transform (MDCT; Princen & Bradley 1986) of every channel, with one block of coefficients per
latent frame, is followed by the principal components of all channels' coefficients. Both together are one convolution
whose kernel is two hops long, and its transpose. They are fitted once and then fixed, and the networks learn the rest.
So a codec that is trained for an hour starts from sound, not from noise.
"""

from math import pi

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..codec_parts.layers import Conv, Upsample

EMPHASIS = 0.5
"""Exponent with which coefficients are scaled to equal variance before components are chosen (0: not, 1: fully)."""

GAIN = 0.02
"""Factor of the outputs of the networks beside the linear bypass. A step of Adam changes them equally at any loudness,
and without the factor it would add more noise than the linear code leaves."""


class MDCTCode(nn.Module):
    """Linear code between sound (batch, channels, frames · hop_length) and latents (batch, dim, frames).

    Parameters
    ----------
    channels : channels of sound. dim : dimensions of a latent frame. hop_length : samples per frame.
    causal : whether frames depend only on past samples.
    """

    def __init__(self, channels: int, dim: int, hop_length: int, causal: bool = False) -> None:
        super().__init__()
        self.hop_length = hop_length
        self.analysis = Conv(channels, dim, 2 * hop_length, stride=hop_length, causal=causal)
        self.synthesis = Upsample(dim, channels, hop_length, causal)
        for layer in (self.analysis, self.synthesis):
            layer.bias = None
        self.requires_grad_(False)

    @torch.no_grad()
    def fit(self, sound: Float[Tensor, "batch channels samples"], emphasis: float = EMPHASIS) -> None:
        """Fit the linear code with the least loss on ``sound``, whose latents have unit variance there.

        The loss is the squared error of the coefficients, each divided by its standard deviation to the power
        ``emphasis``, so that the quiet treble has weight beside the loud bass.

        Raises
        ------
        ValueError : there are fewer frames than coefficients per frame.
        """
        basis = mdct_basis(self.hop_length).to(sound)
        parts = sound.unfold(-1, 2 * self.hop_length, self.hop_length) @ basis.T  # batch, channels, frames, hop_length
        coefficients = parts.movedim(1, 2).flatten(0, 1)  # frames, channels, hop_length
        if len(coefficients) < coefficients[0].numel():
            raise ValueError(f"{len(coefficients)} frames are too few for {coefficients[0].numel()} coefficients")
        spread = coefficients.square().mean((0, 1)).sqrt() + 1e-6  # the same for all channels
        weight = spread.pow(-emphasis)
        flat = (coefficients * weight).flatten(1).double()
        values, vectors = torch.linalg.eigh(flat.T @ flat / len(flat))
        dim = self.analysis.out_channels
        scale = values[-dim:].clamp(min=1e-12).sqrt()
        kept = vectors[:, -dim:].T.to(sound).unflatten(1, (-1, self.hop_length))  # dim, channels, hop_length
        scale = scale.to(sound)[:, None, None]
        self.analysis.weight.copy_((kept * weight / scale) @ basis)
        self.synthesis.weight.copy_((kept / weight * scale) @ basis)


def mdct_basis(hop_length: int) -> Float[Tensor, "hop samples"]:
    """Basis of the orthonormal MDCT: ``hop_length`` cosines over two hops under a sine window."""
    time = torch.arange(2 * hop_length, dtype=torch.float64)
    pitch = torch.arange(hop_length, dtype=torch.float64)[:, None]
    cosines = torch.cos(pi / hop_length * (pitch + 0.5) * (time + 0.5 + hop_length / 2))
    return (torch.sin(pi * (time + 0.5) / (2 * hop_length)) * cosines * (2 / hop_length) ** 0.5).float()
