"""Residual dilated convolutions over the frames of spectrograms."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class DilatedBlock(nn.Module):
    """Residual convolution of five frames, ``dilation`` apart; zero-initialised, so it begins as the identity."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.across = nn.Conv1d(width, width, 5, padding=2 * dilation, dilation=dilation)
        self.out = zero_initialised(nn.Conv1d(width, width, 1))

    def forward(self, x: Float[Tensor, "batch width frames"]) -> Float[Tensor, "batch width frames"]:
        return x + self.out(functional.gelu(self.across(self.norm(x))))


def zero_initialised(convolution: nn.Conv1d) -> nn.Conv1d:
    """Set the weights of a convolution to zero, so that a residual branch that ends in it starts as the identity."""
    assert convolution.bias is not None
    with torch.no_grad():
        convolution.weight.zero_()
        convolution.bias.zero_()
    return convolution
