"""A decoder-only transformer with T5's relative positions, and a static cache to sample it step by step."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

BUCKETS = 32
MAX_DISTANCE = 128


def bucket(distance: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    """T5's relative-position bucket of a distance (Raffel et al. 2020): 0-15 exactly, then logarithmic up to 128.

    The distance is query - key, never negative for what a causal model sees.
    """
    exact = BUCKETS // 2
    scaled = torch.log(distance.clamp(min=1) / exact) / math.log(MAX_DISTANCE / exact) * (BUCKETS - exact)
    return torch.where(distance < exact, distance, (exact + scaled.long()).clamp(max=BUCKETS - 1))


class Transformer(nn.Module):
    """Pre-norm blocks of causal attention and an ungated feed-forward, one table of relative biases for all.

    Parameters
    ----------
    width, hidden : of the stream, and of the feed-forward. heads : of attention; they divide ``width``.
    """

    def __init__(self, layers: int, heads: int, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"a width of {width} cannot be shared by {heads} heads")
        self.heads, self.width = heads, width
        self.relative = nn.Embedding(BUCKETS, heads)
        self.blocks = nn.ModuleList(Block(heads, width, hidden, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width, bias=False)
        self._initialise(layers)

    def forward(
        self, x: Float[Tensor, "batch length width"], cache: "Cache | None" = None
    ) -> Float[Tensor, "batch length width"]:
        """Transform all positions at once; an empty cache stores their keys and values."""
        mask = self._mask(x.shape[1]).to(x.dtype)
        for number, block in enumerate(self.blocks):
            x = block(x, mask, None if cache is None else cache.kept[number])
        if cache is not None:
            cache.length = x.shape[1]
        return self.norm(x)

    def new_cache(self, batch: int, length: int) -> "Cache":
        """Make an empty cache for ``length`` positions."""
        weight = self.norm.weight
        shape = (2, batch * self.heads, length, self.width // self.heads)
        distances = torch.arange(length - 1, -1, -1, device=weight.device)
        bias = self.relative(bucket(distances)).T.contiguous()
        steps = [block.weights() for block in self.blocks if isinstance(block, Block)]
        kept = [weight.new_zeros(shape) for _ in self.blocks]
        return Cache(kept, bias.to(weight.dtype).repeat(batch, 1).unsqueeze(1), steps, weight)

    def _mask(self, length: int) -> Float[Tensor, "heads length length"]:
        """Relative bias of every pair of positions, minus infinity for later keys."""
        place = torch.arange(length, device=self.relative.weight.device)
        distance = place[:, None] - place[None]
        bias = self.relative(bucket(torch.arange(length, device=place.device))).T
        return bias[:, distance.clamp(min=0)].masked_fill(distance < 0, float("-inf"))

    def _initialise(self, layers: int) -> None:
        nn.init.normal_(self.relative.weight, std=0.02)
        for name, weight in self.named_parameters():
            if weight.ndim == 2 and "relative" not in name:
                nn.init.normal_(weight, std=0.02 if "out" not in name else 0.02 / math.sqrt(2 * layers))


class BlockWeights(NamedTuple):
    """Parameters of a block, for :meth:`Cache.step`."""

    norm1: Tensor
    qkv: Tensor
    out1: Tensor
    norm2: Tensor
    up: Tensor
    out2: Tensor


class Block(nn.Module):
    """A transformer block: attention and feed-forward, each with a residual connection."""

    def __init__(self, heads: int, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(width, bias=False), nn.LayerNorm(width, bias=False)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out1 = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.out2 = nn.Linear(hidden, width, bias=False)

    def forward(
        self,
        x: Float[Tensor, "batch length width"],
        mask: Float[Tensor, "heads length length"],
        kept: Float[Tensor, "2 all_heads longest size"] | None,
    ) -> Float[Tensor, "batch length width"]:
        """Transform all positions; ``kept`` stores their keys and values, heads of all items side by side."""
        batch, length, width = x.shape
        qkv = self.qkv(self.norm1(x)).view(batch, length, 3, self.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        if kept is not None:
            kept[0, :, :length], kept[1, :, :length] = key.flatten(0, 1), value.flatten(0, 1)
        dropout = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask[None].to(query.dtype), dropout_p=dropout
        )
        x = x + self._drop(self.out1(mixed.transpose(1, 2).reshape(batch, length, width)))
        return x + self._drop(self.out2(functional.gelu(self.up(self.norm2(x)))))

    def weights(self) -> BlockWeights:
        """The parameters of the block, for use without its modules."""
        return BlockWeights(
            self.norm1.weight, self.qkv.weight, self.out1.weight, self.norm2.weight, self.up.weight, self.out2.weight
        )

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout) if self.training and self.dropout else x


class Cache:
    """Cache of the keys and values of all positions so far; :meth:`step` adds one position.

    A step on a CPU is a few dozen small products, so the time between them counts: parameters are used without
    their modules, and attention over one query is two products, which is faster than the fused kernel.

    Parameters
    ----------
    kept : keys and values per layer, (2, batch · heads, longest, size). bias : (batch · heads, 1, longest), of the
        longest distance first. weights, norm : of the layers, and of the last norm.
    """

    def __init__(self, kept: list[Tensor], bias: Tensor, weights: list[BlockWeights], norm: Tensor) -> None:
        self.kept, self.length = kept, 0
        self._bias, self._weights, self._norm = bias, weights, norm
        self._scale = kept[0].shape[-1] ** -0.5

    def step(self, x: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        """Transform the input of the next position."""
        place, (batch, width) = self.length, x.shape
        _, all_heads, longest, size = self.kept[0].shape
        if place == longest:
            raise ValueError(f"the cache is full at {longest} positions")
        split = (batch, 3, all_heads // batch, size)
        bias, after = self._bias[:, :, longest - 1 - place :], place + 1
        norm, linear, product, shape = functional.layer_norm, functional.linear, torch.addmm, (width,)
        for w, kept in zip(self._weights, self.kept, strict=True):
            qkv = linear(norm(x, shape, w.norm1), w.qkv).view(split).transpose(0, 1).reshape(3, all_heads, 1, size)
            kept[:, :, place:after] = qkv[1:]
            scores = torch.baddbmm(bias, qkv[0], kept[0, :, :after].transpose(1, 2), alpha=self._scale)
            mixed = torch.bmm(scores.softmax(-1), kept[1, :, :after])
            x = product(x, mixed.view(batch, width), w.out1.t())
            x = product(x, functional.gelu(linear(norm(x, shape, w.norm2), w.up)), w.out2.t())
        self.length = after
        return norm(x, shape, self._norm)
