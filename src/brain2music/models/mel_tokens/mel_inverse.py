"""Magnitudes of all frequencies from those of mel bands: what Griffin-Lim needs and the bands leave open."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from ..codec_parts.pretrained import Pretrained
from .dilated import DilatedBlock, zero_initialised
from .hifigan import CENTRE, MELS, N_FFT, SCALE, hifigan_mel_filters

BINS = N_FFT // 2 + 1
FLOOR = 1e-3
"""Of magnitudes before the logarithm; a full-scale sine has 256."""
_AGREEING = 5


@dataclass(frozen=True)
class MelInverseConfig:
    """Sizes. ``blocks`` are dilated by 1, 2, 4, 1, ...: six of them see 0.7 s."""

    width: int = 256
    blocks: int = 6


class MelInverse(Pretrained):
    """Log-mel frames -> magnitudes of the Fourier transform that they were summed from.

    A band holds up to twelve bins, and what is in it, one partial or noise, shows in the bands around it: harmonics lie
    at multiples, onsets are broad, noise moves. The least-squares inverse spreads a band evenly instead, and every
    sound made so shares what that does to it. Learned from music
    (:mod:`brain2music.models.mel_tokens.mel_inverse_training`).
    """

    Config = MelInverseConfig
    filters: Float[Tensor, "80 bins"]
    spread: Float[Tensor, "bins 80"]

    def __init__(self, config: MelInverseConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MelInverseConfig()
        filters = hifigan_mel_filters()
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("spread", _even_spread(filters), persistent=False)
        self.first = nn.Conv1d(MELS, config.width, 5, padding=2)
        self.blocks = nn.ModuleList(DilatedBlock(config.width, 2 ** (i % 3)) for i in range(config.blocks))
        self.last = zero_initialised(nn.Conv1d(config.width, BINS, 1))

    def forward(self, mel: Float[Tensor, "batch 80 frames"]) -> Float[Tensor, "batch bins frames"]:
        """Log magnitudes; an untrained one spreads the bands evenly."""
        hidden = self.first((mel - CENTRE) / SCALE)
        for block in self.blocks:
            hidden = block(hidden)
        return (self.spread @ mel.exp()).clamp(min=FLOOR).log() + self.last(hidden)

    @torch.inference_mode()
    def magnitudes(self, mel: Float32[np.ndarray, "frames 80"]) -> Float32[np.ndarray, "bins frames"]:
        """Magnitudes of one spectrogram, whose bands are again those given, nearly.

        They are brought there by multiplicative updates of the Kullback-Leibler divergence (Lee & Seung 2001,
        "Algorithms for non-negative matrix factorization", equation 5) of the bins; those above 8 kHz are in no band.
        """
        given = torch.from_numpy(mel).T.to(self.filters.device)
        found, wanted, weight = self(given[None])[0].exp(), given.exp(), self.filters.sum(0)[:, None]
        for _ in range(_AGREEING):
            shares = self.filters.T @ (wanted / (self.filters @ found).clamp(min=1e-8))
            found = torch.where(weight > 0, found * shares / weight.clamp(min=1e-8), found)
        return found.cpu().numpy()


def _even_spread(filters: Float[Tensor, "80 bins"]) -> Float[Tensor, "bins 80"]:
    """Bins as means of their bands, of the levels that even spectra would have; the last one's above all bands."""
    shares = filters / filters.sum(0).clamp(min=1e-8) / filters.sum(1, keepdim=True)
    outside = filters.sum(0) == 0
    shares[-1, outside] = 1 / filters[-1].sum()
    return shares.T.contiguous()
