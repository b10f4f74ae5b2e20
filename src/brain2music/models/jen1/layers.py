"""Layers of the omnidirectional U-Net: each has one set of weights and two modes, bidirectional and causal.

In causal mode no output frame depends on a later input frame, to the bit: convolutions are padded on the left only,
strided ones end their window at the first frame of their output, norms work within a frame, attention is masked.
JEN-1 (Li et al. 2023, arXiv 2308.04729, section 4.2) says so of convolutions and attention; norms and resampling
have to follow, or the future leaks through them.
"""

from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

_ROTARY_BASE = 1e4
Layer = TypeVar("Layer", bound=nn.Module)


class OmniConv(nn.Conv1d):
    """Convolution over frames, padded on both sides, or on the left only where it is causal.

    With a ``stride`` the input must have a multiple of it, and output frame k stands for the input frames from
    ``stride`` · k on; a causal one sees only the first of these, and those before.

    Parameters
    ----------
    inputs, outputs : channels. kernel, stride : in frames; a stride of 1 needs an odd kernel.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride=stride)
        context = kernel - stride
        self.sides = (context // 2, context - context // 2)

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "batch inputs frames"], causal: bool
    ) -> Float[Tensor, "batch outputs strided"]:
        """Convolve in one of the modes."""
        sides = (self.kernel_size[0] - 1, 0) if causal else self.sides
        return super().forward(functional.pad(x, sides))


class FrameNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each frame: group normalisation would use later frames."""

    def forward(self, x: Float[Tensor, "batch channels frames"]) -> Float[Tensor, "batch channels frames"]:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class OmniResidual(nn.Module):
    """Residual block of two convolutions, the second scaled and shifted by what the whole item has in common.

    Parameters
    ----------
    inputs, outputs : channels. shared : dimensions of the vector of diffusion time, mode and condition.
    """

    def __init__(self, inputs: int, outputs: int, shared: int, dropout: float) -> None:
        super().__init__()
        self.first_norm, self.second_norm = FrameNorm(inputs), FrameNorm(outputs)
        self.first = OmniConv(inputs, outputs, 3)
        self.second = OmniConv(outputs, outputs, 3)
        self.modulation = nn.Linear(shared, 2 * outputs)
        self.dropout = nn.Dropout(dropout)
        self.around = nn.Identity() if inputs == outputs else nn.Conv1d(inputs, outputs, 1)
        begin_at_zero(self.second)
        begin_at_zero(self.modulation)

    def forward(
        self, x: Float[Tensor, "batch inputs frames"], shared: Float[Tensor, "batch shared"], causal: bool
    ) -> Float[Tensor, "batch outputs frames"]:
        """Apply the block in one of the modes."""
        scale, shift = self.modulation(shared)[:, :, None].chunk(2, dim=1)
        hidden = self.first(functional.silu(self.first_norm(x)), causal)
        hidden = functional.silu(self.second_norm(hidden) * (1 + scale) + shift)
        return self.around(x) + self.second(self.dropout(hidden), causal)


class SelfAttention(nn.Module):
    """Self-attention over frames with rotary positions (Su et al. 2021, arXiv 2104.09864), full or causal."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.projection = nn.Linear(width, 3 * width, bias=False)
        self.out = begin_at_zero(nn.Linear(width, width))

    def forward(self, x: Float[Tensor, "batch frames width"], causal: bool) -> Float[Tensor, "batch frames width"]:
        """Attend to all frames, or to those up to each."""
        query, key, value = (_heads(each, self.heads) for each in self.projection(self.norm(x)).chunk(3, dim=-1))
        frames = x.shape[1]
        allowed = torch.ones(frames, frames, dtype=torch.bool, device=x.device).tril() if causal else None
        mixed = attend(rotate(query), rotate(key), value, allowed)
        return x + self.out(mixed.transpose(1, 2).flatten(2))


class CrossAttention(nn.Module):
    """Attention of frames to the tokens of a condition; those that are not shown are masked before the softmax."""

    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.projection = nn.Linear(context, 2 * width, bias=False)
        self.out = begin_at_zero(nn.Linear(width, width))

    def forward(
        self,
        x: Float[Tensor, "batch frames width"],
        context: Float[Tensor, "batch tokens context"],
        shown: Bool[Tensor, "batch tokens"],
    ) -> Float[Tensor, "batch frames width"]:
        """Attend to the tokens that are shown, of which each item needs one at least."""
        key, value = (_heads(each, self.heads) for each in self.projection(context).chunk(2, dim=-1))
        query = _heads(self.query(self.norm(x)), self.heads)
        mixed = attend(query, key, value, shown[:, None, None])
        return x + self.out(mixed.transpose(1, 2).flatten(2))


class AttentionBlock(nn.Module):
    """Self-attention over frames, cross-attention to the condition, and a feed-forward, each residual.

    Parameters
    ----------
    width : channels. context : dimensions of a token of the condition. hidden : of the feed-forward.
    """

    def __init__(self, width: int, context: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        if width % heads or width // heads % 2:
            raise ValueError(f"{heads} heads cannot share a width of {width} in even parts")
        self.attention = SelfAttention(width, heads)
        self.condition = CrossAttention(width, context, heads)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            begin_at_zero(nn.Linear(hidden, width)),
        )

    def forward(
        self,
        x: Float[Tensor, "batch channels frames"],
        context: Float[Tensor, "batch tokens context"],
        shown: Bool[Tensor, "batch tokens"],
        causal: bool,
    ) -> Float[Tensor, "batch channels frames"]:
        """Apply the block in one of the modes."""
        rows = self.condition(self.attention(x.transpose(1, 2), causal), context, shown)
        return (rows + self.feed_forward(rows)).transpose(1, 2)


class Upsampling(nn.Module):
    """Every frame repeated ``stride`` times and convolved: a frame sees no later one of the coarser sequence."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.convolution = OmniConv(inputs, outputs, 3)

    def forward(
        self, x: Float[Tensor, "batch inputs frames"], causal: bool
    ) -> Float[Tensor, "batch outputs more_frames"]:
        """Upsample in one of the modes."""
        return self.convolution(x.repeat_interleave(self.stride, dim=2), causal)


def attend(
    query: Float[Tensor, "batch heads frames dims"],
    key: Float[Tensor, "batch heads others dims"],
    value: Float[Tensor, "batch heads others dims"],
    allowed: Bool[Tensor, "*batch frames_or_one others"] | None = None,
) -> Float[Tensor, "batch heads frames dims"]:
    """Scaled dot-product attention to what is allowed.

    On a CPU it is written out: the backward pass of torch's takes five times as long for so few frames.
    """
    if query.device.type != "cpu":
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
    scores = query @ key.transpose(2, 3) / query.shape[3] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    return scores.softmax(dim=-1).to(value.dtype) @ value


def rotate(x: Float[Tensor, "batch heads frames dims"]) -> Float[Tensor, "batch heads frames dims"]:
    """Rotate pairs of dimensions by angles in proportion to the frame's number: products depend on distances only."""
    frames, half = x.shape[2], x.shape[3] // 2
    speeds = _ROTARY_BASE ** (-torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angles = torch.arange(frames, device=x.device, dtype=torch.float32)[:, None] * speeds
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)


def _heads(x: Float[Tensor, "batch length width"], heads: int) -> Float[Tensor, "batch heads length dims"]:
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


def begin_at_zero(layer: Layer) -> Layer:
    """Set weights and biases to zero, so that the branch that ends in the layer begins as nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
