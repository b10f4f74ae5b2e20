"""The diffusion transformer of DiffRhythm 1.2, with the parameter names of its checkpoint.

Every frame of latents is joined with the known latents, the lyrics, the style and the times, and passes through
bidirectional Llama blocks with rotary positions; the first half of them add the lyrics anew. Sizes are read from the
tensors of a checkpoint; only the number of heads is not in them (32, whatever the published settings say).
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

HEADS = 32
CONDITION = 512
"""Dimensions of the style and of the embedded times."""
_SINES = 256
_BASE = 10000.0
_BLOCK = re.compile(r"transformer_blocks\.(\d+)\.")


@dataclass(frozen=True)
class TransformerSizes:
    """Sizes of the network.

    Attributes
    ----------
    width, depth, hidden : of the stream, number of blocks, and width of their feed-forwards.
    latent : channels of the latents.
    tokens, text, text_blocks : rows and columns of the table of lyrics, and blocks above it.
    timed : whether it is told how long the piece is, as models of variable length are.
    """

    width: int
    depth: int
    hidden: int
    latent: int
    tokens: int
    text: int
    text_blocks: int
    timed: bool

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> "TransformerSizes":
        """Sizes of the tensors of a checkpoint, by their names without ``transformer.``; KeyError lacks one."""
        latent, width = state["proj_out.weight"].shape
        tokens, text = state["text_embed.text_embed.weight"].shape
        blocks = {int(found[1]) for name in state if (found := _BLOCK.match(name))}
        hidden = state["transformer_blocks.0.mlp.gate_proj.weight"].shape[0]
        text_blocks = {name.split(".")[2] for name in state if name.startswith("text_embed.text_blocks.")}
        timed = "duration_time_embed.time_mlp.0.weight" in state
        return cls(width, 1 + max(blocks), hidden, latent, tokens, text, len(text_blocks), timed)


class DiffusionTransformer(nn.Module):
    """Velocity of the flow from noise to latents.

    Parameters
    ----------
    sizes : TransformerSizes
        Sizes; the width is a multiple of 64.
    """

    def __init__(self, sizes: TransformerSizes) -> None:
        super().__init__()
        if sizes.width % (2 * HEADS):
            raise ValueError(f"a width of {sizes.width} is no multiple of {2 * HEADS}")
        self.sizes = sizes
        self.time_embed, self.start_time_embed = _TimeEmbedding(), _TimeEmbedding()
        self.duration_time_embed = _TimeEmbedding() if sizes.timed else None
        self.text_embed = _TextEmbedding(sizes)
        self.input_embed = _InputEmbedding(2 * sizes.latent + sizes.text + 2 * CONDITION, sizes.width)
        self.transformer_blocks = nn.ModuleList(_Block(sizes.width, sizes.hidden) for _ in range(sizes.depth))
        self.text_fusion_linears = nn.ModuleList(
            nn.Sequential(nn.Linear(sizes.text, sizes.width), nn.SiLU()) for _ in range(sizes.depth // 2)
        )
        self.norm_out = _FinalNorm(sizes.width)
        self.proj_out = nn.Linear(sizes.width, sizes.latent)

    def forward(
        self,
        x: Float[Tensor, "batch frames latent"],
        known: Float[Tensor, "batch frames latent"],
        lyrics: Int[Tensor, "batch frames"],
        style: Float[Tensor, "batch style"],
        time: Float[Tensor, " batch"],
        duration: Float[Tensor, " batch"],
    ) -> Float[Tensor, "batch frames latent"]:
        """Velocity at a time of the flow, 0 to 1.

        Parameters
        ----------
        x : (batch, frames, latent)
            Noisy latents.
        known : (batch, frames, latent)
            Latents that are known, 0 elsewhere.
        lyrics : (batch, frames) of int
            A phone per frame; 0 where nothing is sung.
        style : (batch, 512)
            MuQ-MuLan vectors of length 1; zeros for none.
        time : (batch,)
            Time of the flow.
        duration : (batch,)
            Length over the longest; read by models of variable length only.
        """
        moment = self.time_embed(time) + self.start_time_embed(torch.zeros_like(time))
        if self.duration_time_embed is not None:
            moment = moment + self.duration_time_embed(duration)
        text = self.text_embed(lyrics)
        frames = x.shape[1]
        wide = [each[:, None].expand(-1, frames, -1) for each in (style, moment)]
        x = self.input_embed(torch.cat([x, known, text, *wide], dim=-1))
        rotation = _rotation(frames, self.sizes.width // HEADS, x)
        for number, block in enumerate(self.transformer_blocks):
            x = block(x, rotation)
            if number < len(self.text_fusion_linears):
                x = x + self.text_fusion_linears[number](text)
        return self.proj_out(self.norm_out(x, moment))


class _TimeEmbedding(nn.Module):
    """Sines of a time in 0 to 1, and a small network."""

    def __init__(self) -> None:
        super().__init__()
        self.time_mlp = nn.Sequential(nn.Linear(_SINES, CONDITION), nn.SiLU(), nn.Linear(CONDITION, CONDITION))

    def forward(self, time: Float[Tensor, " batch"]) -> Float[Tensor, "batch condition"]:
        half = _SINES // 2
        rates = torch.exp(torch.arange(half, device=time.device).float() * (-math.log(_BASE) / (half - 1)))
        angles = 1000 * time[:, None] * rates
        return self.time_mlp(torch.cat([angles.sin(), angles.cos()], dim=-1).to(time.dtype))


class _TextEmbedding(nn.Module):
    """Table of phones, positions, and ConvNeXt blocks."""

    def __init__(self, sizes: TransformerSizes) -> None:
        super().__init__()
        self.text_embed = nn.Embedding(sizes.tokens, sizes.text)
        self.text_blocks = nn.Sequential(*(_ConvNeXt(sizes.text) for _ in range(sizes.text_blocks)))

    def forward(self, lyrics: Int[Tensor, "batch frames"]) -> Float[Tensor, "batch frames text"]:
        text = self.text_embed(lyrics)
        if not len(self.text_blocks):
            return text
        dims = text.shape[-1]
        rates = 1.0 / _BASE ** (torch.arange(0, dims, 2, device=text.device).float() / dims)
        angles = torch.outer(torch.arange(text.shape[1], device=text.device).float(), rates)
        return self.text_blocks(text + torch.cat([angles.cos(), angles.sin()], dim=-1).to(text.dtype))


class _ConvNeXt(nn.Module):
    """Block of ConvNeXt V2 (Woo et al. 2023, arXiv 2301.00808) over time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pwconv1 = nn.Linear(width, 2 * width)
        self.grn = _ResponseNorm(2 * width)
        self.pwconv2 = nn.Linear(2 * width, width)

    def forward(self, x: Float[Tensor, "batch frames width"]) -> Float[Tensor, "batch frames width"]:
        moved = self.norm(self.dwconv(x.transpose(1, 2)).transpose(1, 2))
        return x + self.pwconv2(self.grn(functional.gelu(self.pwconv1(moved))))


class _ResponseNorm(nn.Module):
    """Channels weighted by their norm over time, relative to the mean of the others."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.zeros(1, 1, width)), nn.Parameter(torch.zeros(1, 1, width))

    def forward(self, x: Float[Tensor, "batch frames width"]) -> Float[Tensor, "batch frames width"]:
        norms = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        return self.gamma * x * (norms / (norms.mean(dim=-1, keepdim=True) + 1e-6)) + self.beta + x


class _InputEmbedding(nn.Module):
    """Projection of all that is known of a frame, and convolutions that tell where it is."""

    conv_pos_embed: Any

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(inputs, width)
        self.conv_pos_embed = nn.Module()
        convolutions = [nn.Conv1d(width, width, 31, padding=15, groups=16) for _ in range(2)]
        self.conv_pos_embed.conv1d = nn.Sequential(convolutions[0], nn.Mish(), convolutions[1], nn.Mish())

    def forward(self, x: Float[Tensor, "batch frames inputs"]) -> Float[Tensor, "batch frames width"]:
        x = self.proj(x)
        return self.conv_pos_embed.conv1d(x.transpose(1, 2)).transpose(1, 2) + x


class _Block(nn.Module):
    """Block of Llama without a causal mask: attention and a gated feed-forward, each after a norm."""

    self_attn: Any
    mlp: Any

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.self_attn, self.mlp = nn.Module(), nn.Module()
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self.self_attn, name, nn.Linear(width, width, bias=False))
        self.mlp.gate_proj, self.mlp.up_proj = (nn.Linear(width, hidden, bias=False) for _ in range(2))
        self.mlp.down_proj = nn.Linear(hidden, width, bias=False)
        self.input_layernorm, self.post_attention_layernorm = (nn.RMSNorm(width, eps=1e-6) for _ in range(2))

    def forward(
        self, x: Float[Tensor, "batch frames width"], rotation: tuple[Tensor, Tensor]
    ) -> Float[Tensor, "batch frames width"]:
        normed = self.input_layernorm(x)
        query, key, value = (
            project(normed).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for project in (self.self_attn.q_proj, self.self_attn.k_proj, self.self_attn.v_proj)
        )
        query, key = _rotate(query, rotation), _rotate(key, rotation)
        attended = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        x = x + self.self_attn.o_proj(attended)
        normed = self.post_attention_layernorm(x)
        return x + self.mlp.down_proj(functional.silu(self.mlp.gate_proj(normed)) * self.mlp.up_proj(normed))


class _FinalNorm(nn.Module):
    """Layer norm whose scale and shift are given by the time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(CONDITION, 2 * width)

    def forward(
        self, x: Float[Tensor, "batch frames width"], moment: Float[Tensor, "batch condition"]
    ) -> Float[Tensor, "batch frames width"]:
        scale, shift = self.linear(functional.silu(moment)).chunk(2, dim=1)
        return functional.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale)[:, None] + shift[:, None]


def _rotation(frames: int, dims: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary positions 0, 1, … (Su et al. 2021, arXiv 2104.09864), in Llama's halves."""
    rates = 1.0 / _BASE ** (torch.arange(0, dims, 2, device=like.device).float() / dims)
    angles = torch.outer(torch.arange(frames, device=like.device).float(), rates).repeat(1, 2)
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


def _rotate(x: Float[Tensor, "batch heads frames dims"], rotation: tuple[Tensor, Tensor]) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * rotation[0] + torch.cat([-second, first], dim=-1) * rotation[1]
