"""Conformer (Gulati et al. 2020, arXiv 2005.08100) with rotary positions, for weights of wav2vec2-conformer.

Parameters have the names of ``Wav2Vec2ConformerEncoder`` in transformers, so published encoders of that family (MuQ)
load without changes; as there, states are rotated before queries and keys are projected.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class ConformerSize:
    """Sizes of a conformer.

    Attributes
    ----------
    width : width of the states. blocks : number of blocks. heads : attention heads, whose width must be even.
    feed_forward : inner width of the two feed-forward layers of a block.
    kernel : kernel size of the depthwise convolution in frames, odd.
    activation : activation of the feed-forward layers and the convolution.
    norm : normalisation after the depthwise convolution; "batch" as published, "layer" for small batches.
    dropout : dropout of all layers.
    """

    width: int
    blocks: int
    heads: int
    feed_forward: int
    kernel: int = 31
    activation: Literal["silu", "gelu"] = "silu"
    norm: Literal["batch", "layer"] = "layer"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads) or not self.kernel % 2:
            raise ValueError(f"heads of width {self.width / self.heads:g} must be even, and the kernel odd: {self}")


class Conformer(nn.Module):
    """Stack of conformer blocks."""

    def __init__(self, size: ConformerSize) -> None:
        super().__init__()
        self.head_width = size.width // size.heads
        self.dropout = nn.Dropout(size.dropout)
        self.layers = nn.ModuleList(ConformerBlock(size) for _ in range(size.blocks))
        self.layer_norm = nn.LayerNorm(size.width)

    def forward(self, states: Float[Tensor, "batch frames width"]) -> list[Float[Tensor, "batch frames width"]]:
        """Hidden states before the first block and after each; the last are normalised, as in transformers."""
        rotations = rotary_embedding(states.shape[1], self.head_width, states)
        states = self.dropout(states)
        hidden = [states]
        for block in self.layers:
            states = block(states, rotations)
            hidden.append(states)
        hidden[-1] = self.layer_norm(hidden[-1])
        return hidden


class ConformerBlock(nn.Module):
    """Conformer block: half a feed-forward layer, attention, convolution, half a feed-forward layer, all residual."""

    def __init__(self, size: ConformerSize) -> None:
        super().__init__()
        self.ffn1_layer_norm = nn.LayerNorm(size.width)
        self.ffn1 = _FeedForward(size)
        self.self_attn_layer_norm = nn.LayerNorm(size.width)
        self.self_attn = _RotaryAttention(size)
        self.conv_module = _Convolution(size)
        self.ffn2_layer_norm = nn.LayerNorm(size.width)
        self.ffn2 = _FeedForward(size)
        self.final_layer_norm = nn.LayerNorm(size.width)
        self.dropout = nn.Dropout(size.dropout)

    def forward(
        self, states: Float[Tensor, "batch frames width"], rotations: Float[Tensor, "2 frames head"]
    ) -> Float[Tensor, "batch frames width"]:
        states = states + 0.5 * self.ffn1(self.ffn1_layer_norm(states))
        states = states + self.dropout(self.self_attn(self.self_attn_layer_norm(states), rotations))
        states = states + self.conv_module(states)
        states = states + 0.5 * self.ffn2(self.ffn2_layer_norm(states))
        return self.final_layer_norm(states)


def rotary_embedding(frames: int, head_width: int, like: Tensor) -> Float[Tensor, "2 frames head"]:
    """Cosines and sines of rotary position embeddings (Su et al. 2021, arXiv 2104.09864), base 10,000."""
    steps = torch.arange(0, head_width, 2, device=like.device, dtype=torch.float32) / head_width
    angles = torch.arange(frames, device=like.device, dtype=torch.float32)[:, None] * 10000.0**-steps
    angles = torch.cat([angles, angles], dim=1)
    return torch.stack([angles.cos(), angles.sin()]).to(like.dtype)


class _FeedForward(nn.Module):
    def __init__(self, size: ConformerSize) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(size.width, size.feed_forward)
        self.output_dense = nn.Linear(size.feed_forward, size.width)
        self.dropout = nn.Dropout(size.dropout)
        self.activate = getattr(functional, size.activation)

    def forward(self, states: Tensor) -> Tensor:
        inner = self.dropout(self.activate(self.intermediate_dense(states)))
        return self.dropout(self.output_dense(inner))


class _RotaryAttention(nn.Module):
    def __init__(self, size: ConformerSize) -> None:
        super().__init__()
        self.heads, self.dropout = size.heads, size.dropout
        self.linear_q = nn.Linear(size.width, size.width)
        self.linear_k = nn.Linear(size.width, size.width)
        self.linear_v = nn.Linear(size.width, size.width)
        self.linear_out = nn.Linear(size.width, size.width)

    def forward(self, states: Tensor, rotations: Tensor) -> Tensor:
        rotated = _rotate(states.unflatten(-1, (self.heads, -1)), rotations).flatten(-2)
        query, key, value = (
            linear(inputs).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for linear, inputs in ((self.linear_q, rotated), (self.linear_k, rotated), (self.linear_v, states))
        )
        dropout = self.dropout if self.training else 0.0
        attended = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        return self.linear_out(attended.transpose(1, 2).flatten(-2))


class _Convolution(nn.Module):
    def __init__(self, size: ConformerSize) -> None:
        super().__init__()
        width = size.width
        self.layer_norm = nn.LayerNorm(width)
        self.pointwise_conv1 = nn.Conv1d(width, 2 * width, 1, bias=False)
        self.depthwise_conv = nn.Conv1d(width, width, size.kernel, padding=size.kernel // 2, groups=width, bias=False)
        if size.norm == "batch":
            self.batch_norm = nn.BatchNorm1d(width)
        else:
            self.depthwise_layer_norm = nn.LayerNorm(width)
        self.pointwise_conv2 = nn.Conv1d(width, width, 1, bias=False)
        self.dropout = nn.Dropout(size.dropout)
        self.activate, self._batch = getattr(functional, size.activation), size.norm == "batch"

    def forward(self, states: Tensor) -> Tensor:
        channels = functional.glu(self.pointwise_conv1(self.layer_norm(states).transpose(1, 2)), dim=1)
        channels = self.depthwise_conv(channels)
        if self._batch:
            channels = self.batch_norm(channels)
        else:
            channels = self.depthwise_layer_norm(channels.transpose(1, 2)).transpose(1, 2)
        return self.dropout(self.pointwise_conv2(self.activate(channels)).transpose(1, 2))


def _rotate(states: Float[Tensor, "batch frames heads head"], rotations: Float[Tensor, "2 frames head"]) -> Tensor:
    cosine, sine = rotations[:, :, None]
    first, second = states.chunk(2, dim=-1)
    return states * cosine + torch.cat([-second, first], dim=-1) * sine
