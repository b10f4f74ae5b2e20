"""Network that estimates STFT magnitudes from mel bands, for Griffin-Lim."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from ..codec_parts.pretrained import Pretrained
from .dilated import DilatedBlock, zero_initialised
from .hifigan import CENTRE, N_FFT, N_MELS, SCALE, hifigan_mel_filters

BINS = N_FFT // 2 + 1
FLOOR = 1e-3
"""Lower limit of magnitudes before the logarithm; a full-scale sine has 256."""
_N_UPDATES = 5  # multiplicative updates towards the mel bands


@dataclass(frozen=True)
class MelInverseConfig:
    """Sizes of a :class:`MelInverse`; ``blocks`` have dilations 1, 2, 4, 1, ..., and six of them read 0.7 s."""

    width: int = 256
    blocks: int = 6


class MelInverse(Pretrained):
    """Network that estimates STFT magnitudes from log-mel frames.

    A band holds up to twelve bins, and the bands around it show whether it holds a partial or noise: harmonics are at
    multiples, onsets are broad, noise varies. The least-squares inverse spreads a band evenly instead, which is audible
    in every sound. The network is trained on music (:mod:`brain2music.models.mel_tokens.mel_inverse_training`).
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
        self.first = nn.Conv1d(N_MELS, config.width, 5, padding=2)
        self.blocks = nn.ModuleList(DilatedBlock(config.width, 2 ** (i % 3)) for i in range(config.blocks))
        self.last = zero_initialised(nn.Conv1d(config.width, BINS, 1))

    def forward(self, mel: Float[Tensor, "batch 80 frames"]) -> Float[Tensor, "batch bins frames"]:
        """Estimate log magnitudes; an untrained network spreads the bands evenly."""
        hidden = self.first((mel - CENTRE) / SCALE)
        for block in self.blocks:
            hidden = block(hidden)
        return (self.spread @ mel.exp()).clamp(min=FLOOR).log() + self.last(hidden)

    @torch.inference_mode()
    def magnitudes(self, mel: Float32[np.ndarray, "frames 80"]) -> Float32[np.ndarray, "bins frames"]:
        """Estimate the magnitudes of one spectrogram, whose mel bands are nearly equal to ``mel``.

        Multiplicative updates for the Kullback-Leibler divergence (Lee & Seung 2001, "Algorithms for non-negative
        matrix factorization", equation 5) bring the bins there, except for those above 8 kHz, which are in no band.
        """
        log_mel = torch.from_numpy(mel).T.to(self.filters.device)
        magnitudes, target, weight = self(log_mel[None])[0].exp(), log_mel.exp(), self.filters.sum(0)[:, None]
        for _ in range(_N_UPDATES):
            shares = self.filters.T @ (target / (self.filters @ magnitudes).clamp(min=1e-8))
            magnitudes = torch.where(weight > 0, magnitudes * shares / weight.clamp(min=1e-8), magnitudes)
        return magnitudes.cpu().numpy()


def _even_spread(filters: Float[Tensor, "80 bins"]) -> Float[Tensor, "bins 80"]:
    """Weights that spread bands evenly over their bins, and the highest band over the bins above all bands."""
    shares = filters / filters.sum(0).clamp(min=1e-8) / filters.sum(1, keepdim=True)
    outside = filters.sum(0) == 0
    shares[-1, outside] = 1 / filters[-1].sum()
    return shares.T.contiguous()
