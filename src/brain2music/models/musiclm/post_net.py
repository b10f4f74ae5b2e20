"""A mel post-net: corrects the spectrograms of sampled tokens towards those of music."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from ..codec_parts.pretrained import Pretrained
from ..mel_tokens.dilated import DilatedBlock, zero_initialised
from ..mel_tokens.hifigan import CENTRE, N_MELS, SCALE

FOLDER = "refiner"  # as in the models that ship


@dataclass(frozen=True)
class MelPostNetConfig:
    """Sizes of a mel post-net. ``blocks`` are dilated by 1, 2, 4, 8, 1, ...: eight of them see 0.7 s."""

    width: int = 160
    blocks: int = 8


class MelPostNet(Pretrained):
    """Mel post-net: log-mel frames of sampled tokens -> of music, with residual convolutions over time.

    A sampled code says less about its frame than its neighbours do together: it was one of many likely ones. Trained
    on tokens sampled given the ground-truth past, whose music is known
    (:mod:`brain2music.models.musiclm.post_net_training`). Discriminators keep it from predicting the mean of all likely
    spectrograms; without them a postfilter makes up for that.
    """

    stored_name = "Refiner"

    Config = MelPostNetConfig

    def __init__(self, config: MelPostNetConfig) -> None:
        super().__init__()
        self.config = config
        self.first = nn.Conv1d(N_MELS, config.width, 3, padding=1)
        self.blocks = nn.ModuleList(DilatedBlock(config.width, 2 ** (number % 4)) for number in range(config.blocks))
        self.last = zero_initialised(nn.Conv1d(config.width, N_MELS, 1))

    def forward(self, mel: Float[Tensor, "batch frames 80"]) -> Float[Tensor, "batch frames 80"]:
        """Correct spectrograms; an untrained post-net is the identity."""
        hidden = self.first((mel.transpose(1, 2) - CENTRE) / SCALE)
        for block in self.blocks:
            hidden = block(hidden)
        return mel + self.last(hidden).transpose(1, 2)

    @torch.inference_mode()
    def apply_to(self, mel: Float32[np.ndarray, "frames 80"]) -> Float32[np.ndarray, "frames 80"]:
        """Correct one spectrogram."""
        tensor = torch.from_numpy(mel).to(self.last.weight.device)
        return self(tensor[None])[0].cpu().numpy()
