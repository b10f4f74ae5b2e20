"""One-dimensional convolutions that give the same output whole or in chunks.

A causal layer looks back over a fixed number of samples. Over a whole waveform these are zeros; in a stream
they are what the previous chunk left in a :data:`Memory`, which every layer reads and writes under its own key.
Nothing else carries over from chunk to chunk, so both ways compute the same sums.

The encoder and decoder are SoundStream's (Zeghidour et al. 2021, arXiv 2107.03312, section III): ELU before
every convolution, no normalisation, residual units of dilations 1, 3, 9, channels that grow at each stride. With a
``patch`` of several samples the first layer takes them at once, and no layer works at the sample rate, where a
processor spends most of its time on the fewest weights.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Memory = dict[nn.Module, Tensor]
"""What the layers of one stream remember; start a stream with an empty one."""
Activation = Literal["elu", "snake"]


class Conv(nn.Conv1d):
    """A convolution that gives ceil(samples / stride) frames.

    Parameters
    ----------
    inputs, outputs : channels. kernel, stride, dilation : as in ``Conv1d``; samples are a multiple of the stride.
    causal : look back only; otherwise the context is shared between both sides.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1, causal: bool = True
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride=stride, dilation=dilation)
        context = (kernel - 1) * dilation + 1 - stride
        self.left = context if causal else (context + 1) // 2
        self.right = context - self.left

    def forward(
        self, x: Float[Tensor, "batch inputs samples"], memory: Memory | None = None
    ) -> Float[Tensor, "batch outputs frames"]:
        """Convolve a whole waveform, or the next chunk of the stream that ``memory`` belongs to."""
        if memory is None:
            return super().forward(functional.pad(x, (self.left, self.right)))
        return super().forward(_continued(self, x, self.left, memory))


class Up(nn.ConvTranspose1d):
    """A transposed convolution of kernel 2 · stride that gives stride · frames samples; causal ones cut the end."""

    def __init__(self, inputs: int, outputs: int, stride: int, causal: bool = True) -> None:
        super().__init__(inputs, outputs, 2 * stride, stride=stride)
        self.step, self.cut = stride, 0 if causal else stride // 2

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "batch inputs frames"], memory: Memory | None = None
    ) -> Float[Tensor, "batch outputs samples"]:
        """Interpolate a whole sequence, or the next chunk of the stream that ``memory`` belongs to."""
        first, length = self.cut, self.step * x.shape[-1]
        if memory is not None:
            x, first = _continued(self, x, 1, memory), self.step
        return super().forward(x)[..., first : first + length]


class Snake(nn.Module):
    """x + sin²(αx)/α with one learned α a channel (Ziyin et al. 2020, arXiv 2006.08195)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(channels, 1))

    def forward(self, x: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch channels samples"]:
        return x + torch.sin(self.alpha * x).square() / (self.alpha + 1e-6)


class Chain(nn.Sequential):
    """Layers one after the other; those that look back share the memory."""

    def forward(
        self, x: Float[Tensor, "batch inputs samples"], memory: Memory | None = None
    ) -> Float[Tensor, "batch outputs frames"]:
        """Run all layers over a whole sequence or over the next chunk of a stream."""
        for layer in self:
            x = layer(x, memory) if isinstance(layer, Conv | Up | Residual | Chain) else layer(x)
        return x


class Residual(nn.Module):
    """x plus a dilated convolution of kernel 7 and one of kernel 1."""

    def __init__(self, channels: int, dilation: int, activation: Activation, causal: bool) -> None:
        super().__init__()
        self.branch = Chain(
            activate(activation, channels),
            Conv(channels, channels, 7, dilation=dilation, causal=causal),
            activate(activation, channels),
            Conv(channels, channels, 1, causal=causal),
        )

    def forward(
        self, x: Float[Tensor, "batch channels samples"], memory: Memory | None = None
    ) -> Float[Tensor, "batch channels samples"]:
        """The input plus its branch, whole or in chunks."""
        return x + self.branch(x, memory)


class ConvEncoder(Chain):
    """Waveform -> latents, one frame every product of the strides.

    Parameters
    ----------
    inputs : channels of sound. channels : one width before each stride and one after the last. strides : in order.
    dim : channels of a latent frame. dilations : of the residual units before each stride.
    patch : samples that the first layer moves on by.
    """

    def __init__(
        self,
        inputs: int,
        channels: Sequence[int],
        strides: Sequence[int],
        dim: int,
        patch: int = 1,
        activation: Activation = "elu",
        causal: bool = True,
        dilations: Sequence[int] = (1, 3, 9),
    ) -> None:
        kernel = 7 if patch == 1 else 2 * patch
        layers: list[nn.Module] = [Conv(inputs, channels[0], kernel, stride=patch, causal=causal)]
        for width, wider, stride in zip(channels[:-1], channels[1:], strides, strict=True):
            layers += [Residual(width, dilation, activation, causal) for dilation in dilations]
            layers += [activate(activation, width), Conv(width, wider, 2 * stride, stride=stride, causal=causal)]
        super().__init__(*layers, activate(activation, channels[-1]), Conv(channels[-1], dim, 3, causal=causal))


class ConvDecoder(Chain):
    """Latents -> waveform: the encoder's mirror, with widths and strides given in the encoder's order."""

    def __init__(
        self,
        outputs: int,
        channels: Sequence[int],
        strides: Sequence[int],
        dim: int,
        patch: int = 1,
        activation: Activation = "elu",
        causal: bool = True,
        dilations: Sequence[int] = (1, 3, 9),
    ) -> None:
        layers: list[nn.Module] = [Conv(dim, channels[-1], 7, causal=causal)]
        steps = list(zip(channels[:-1], channels[1:], strides, strict=True))
        for width, wider, stride in reversed(steps):
            layers += [activate(activation, wider), Up(wider, width, stride, causal)]
            layers += [Residual(width, dilation, activation, causal) for dilation in dilations]
        last = Conv(channels[0], outputs, 7, causal=causal) if patch == 1 else Up(channels[0], outputs, patch, causal)
        super().__init__(*layers, activate(activation, channels[0]), last)


def activate(activation: Activation, channels: int) -> nn.Module:
    """The named nonlinearity."""
    return nn.ELU() if activation == "elu" else Snake(channels)


def _continued(layer: nn.Module, x: Tensor, past: int, memory: Memory) -> Tensor:
    """The chunk after the ``past`` samples before it (zeros at the start of a stream), whose end is remembered."""
    before = memory.get(layer)
    joined = torch.cat([x.new_zeros(*x.shape[:-1], past) if before is None else before, x], dim=-1)
    memory[layer] = joined[..., joined.shape[-1] - past :].clone()  # a view would keep the chunk
    return joined
