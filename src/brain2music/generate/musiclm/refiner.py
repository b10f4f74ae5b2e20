"""Spectrograms of drawn tokens, brought nearer to the music that they were drawn from."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional

from ...codec.hifigan import MELS
from ...codec.pretrained import Pretrained

FOLDER = "refiner"
_CENTRE, _SCALE = -4.0, 2.0  # of log-mel frames of music, roughly


@dataclass(frozen=True)
class RefinerConfig:
    """Sizes. ``blocks`` are dilated by 1, 2, 4, 8, 1, ...: eight of them see 0.7 s."""

    width: int = 160
    blocks: int = 8


class Refiner(Pretrained):
    """Log-mel frames of drawn tokens -> of music: residual convolutions over time.

    A drawn code says less of its frame than its neighbours do together: each was one of many that were likely. Learned
    from tokens drawn with the true past in sight, whose music is known (:mod:`brain2music.train.refiner`); what is
    lost in taking the mean of what could have been meant, the postfilter makes up for.
    """

    Config = RefinerConfig

    def __init__(self, config: RefinerConfig) -> None:
        super().__init__()
        self.config = config
        self.first = nn.Conv1d(MELS, config.width, 3, padding=1)
        self.blocks = nn.ModuleList(_Block(config.width, 2 ** (number % 4)) for number in range(config.blocks))
        self.last = nn.Conv1d(config.width, MELS, 1)
        _silence(self.last)

    def forward(self, mel: Float[Tensor, "batch frames 80"]) -> Float[Tensor, "batch frames 80"]:
        """Frames of the same number; an untrained refiner changes nothing."""
        hidden = self.first((mel.transpose(1, 2) - _CENTRE) / _SCALE)
        for block in self.blocks:
            hidden = block(hidden)
        return mel + self.last(hidden).transpose(1, 2)

    @torch.inference_mode()
    def refine(self, mel: Float32[np.ndarray, "frames 80"]) -> Float32[np.ndarray, "frames 80"]:
        """One spectrogram."""
        given = torch.from_numpy(mel).to(self.last.weight.device)
        return self(given[None])[0].cpu().numpy()


class _Block(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.across = nn.Conv1d(width, width, 5, padding=2 * dilation, dilation=dilation)
        self.out = nn.Conv1d(width, width, 1)
        _silence(self.out)

    def forward(self, x: Float[Tensor, "batch width frames"]) -> Float[Tensor, "batch width frames"]:
        return x + self.out(functional.gelu(self.across(self.norm(x))))


def _silence(convolution: nn.Conv1d) -> None:
    nn.init.zeros_(convolution.weight)
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
