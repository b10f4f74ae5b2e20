"""Spectrograms of drawn tokens, brought nearer to the music that they were drawn from."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from ..codec_parts.pretrained import Pretrained
from ..mel_tokens.dilated import DilatedBlock, zero_initialised
from ..mel_tokens.hifigan import CENTRE, MELS, SCALE

FOLDER = "refiner"


@dataclass(frozen=True)
class RefinerConfig:
    """Sizes. ``blocks`` are dilated by 1, 2, 4, 8, 1, ...: eight of them see 0.7 s."""

    width: int = 160
    blocks: int = 8


class Refiner(Pretrained):
    """Log-mel frames of drawn tokens -> of music: residual convolutions over time.

    A drawn code says less of its frame than its neighbours do together: each was one of many that were likely. Learned
    from tokens drawn with the true past in sight, whose music is known
    (:mod:`brain2music.models.musiclm.train_refiner`).
    Discriminators keep it from taking the mean of what could have been meant; without them a postfilter makes up for
    that.
    """

    Config = RefinerConfig

    def __init__(self, config: RefinerConfig) -> None:
        super().__init__()
        self.config = config
        self.first = nn.Conv1d(MELS, config.width, 3, padding=1)
        self.blocks = nn.ModuleList(DilatedBlock(config.width, 2 ** (number % 4)) for number in range(config.blocks))
        self.last = zero_initialised(nn.Conv1d(config.width, MELS, 1))

    def forward(self, mel: Float[Tensor, "batch frames 80"]) -> Float[Tensor, "batch frames 80"]:
        """Frames of the same number; an untrained refiner changes nothing."""
        hidden = self.first((mel.transpose(1, 2) - CENTRE) / SCALE)
        for block in self.blocks:
            hidden = block(hidden)
        return mel + self.last(hidden).transpose(1, 2)

    @torch.inference_mode()
    def refine(self, mel: Float32[np.ndarray, "frames 80"]) -> Float32[np.ndarray, "frames 80"]:
        """One spectrogram."""
        given = torch.from_numpy(mel).to(self.last.weight.device)
        return self(given[None])[0].cpu().numpy()
