"""Residual convolutions over the frames of spectrograms."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class DilatedBlock(nn.Module):
    """A convolution of five frames, ``dilation`` apart, beside a shortcut; at first it changes nothing."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.across = nn.Conv1d(width, width, 5, padding=2 * dilation, dilation=dilation)
        self.out = silent(nn.Conv1d(width, width, 1))

    def forward(self, x: Float[Tensor, "batch width frames"]) -> Float[Tensor, "batch width frames"]:
        return x + self.out(functional.gelu(self.across(self.norm(x))))


def silent(convolution: nn.Conv1d) -> nn.Conv1d:
    """The convolution with zeros for weights, so that what it is added to is left as it is until it learns."""
    assert convolution.bias is not None
    with torch.no_grad():
        convolution.weight.zero_()
        convolution.bias.zero_()
    return convolution
