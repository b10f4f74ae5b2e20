"""One-dimensional convolutions with the same output for a whole waveform and for its chunks.

A causal layer reads a fixed number of past samples. For a whole waveform they are zeros; in a stream they are the end
of the previous chunk in a :data:`Memory`, which has one entry per layer. There is no other state between chunks, so
both ways compute the same sums.

Encoder and decoder are those of SoundStream (Zeghidour et al. 2021, arXiv 2107.03312, section III): ELU before
every convolution, no normalisation, residual units of dilations 1, 3, 9, channels that grow at each stride. With a
``patch`` of several samples the first layer has that stride, and no layer works at the sample rate, where a CPU spends
most of the time on the fewest weights.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Memory = dict[nn.Module, Tensor]
"""Past samples of the layers of one stream; a new stream starts with an empty one."""
Activation = Literal["elu", "snake"]


class Conv(nn.Conv1d):
    """Convolution with ceil(samples / stride) frames of output.

    Parameters
    ----------
    inputs, outputs : channels. kernel, stride, dilation : as in ``Conv1d``; samples must be a multiple of the stride.
    causal : read only past samples; otherwise the context is split between both sides.
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
        """Convolve a whole waveform, or the next chunk of the stream of ``memory``."""
        if memory is None:
            return super().forward(functional.pad(x, (self.left, self.right)))
        return super().forward(_with_past(self, x, self.left, memory))


class Upsample(nn.ConvTranspose1d):
    """Transposed convolution of kernel 2 · stride with stride · frames samples; causal ones cut the end."""

    def __init__(self, inputs: int, outputs: int, stride: int, causal: bool = True) -> None:
        super().__init__(inputs, outputs, 2 * stride, stride=stride)
        self.step, self.cut = stride, 0 if causal else stride // 2

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "batch inputs frames"], memory: Memory | None = None
    ) -> Float[Tensor, "batch outputs samples"]:
        """Upsample a whole sequence, or the next chunk of the stream of ``memory``."""
        first, length = self.cut, self.step * x.shape[-1]
        if memory is not None:
            x, first = _with_past(self, x, 1, memory), self.step
        return super().forward(x)[..., first : first + length]


class Snake(nn.Module):
    """Activation x + sin²(αx)/α with a learned α per channel (Ziyin et al. 2020, arXiv 2006.08195)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(channels, 1))

    def forward(self, x: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch channels samples"]:
        return x + torch.sin(self.alpha * x).square() / (self.alpha + 1e-6)


class Chain(nn.Sequential):
    """Sequence of layers, which share the memory of a stream."""

    def forward(
        self, x: Float[Tensor, "batch inputs samples"], memory: Memory | None = None
    ) -> Float[Tensor, "batch outputs frames"]:
        """Apply all layers to a whole sequence, or to the next chunk of the stream of ``memory``."""
        for layer in self:
            x = layer(x, memory) if isinstance(layer, Conv | Upsample | Residual | Chain) else layer(x)
        return x


class Residual(nn.Module):
    """Residual unit of a dilated convolution of kernel 7 and one of kernel 1."""

    def __init__(self, channels: int, dilation: int, activation: Activation, causal: bool) -> None:
        super().__init__()
        self.branch = Chain(
            activation_layer(activation, channels),
            Conv(channels, channels, 7, dilation=dilation, causal=causal),
            activation_layer(activation, channels),
            Conv(channels, channels, 1, causal=causal),
        )

    def forward(
        self, x: Float[Tensor, "batch channels samples"], memory: Memory | None = None
    ) -> Float[Tensor, "batch channels samples"]:
        """Add the branch to a whole sequence, or to the next chunk of the stream of ``memory``."""
        return x + self.branch(x, memory)


class ConvEncoder(Chain):
    """Convolutional encoder of waveforms to latents.

    Parameters
    ----------
    inputs : channels of sound. channels : widths before each stride and after the last. strides : strides in order.
    dim : dimensions of a latent frame. dilations : dilations of the residual units before each stride.
    patch : stride of the first layer.
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
            layers += [
                activation_layer(activation, width),
                Conv(width, wider, 2 * stride, stride=stride, causal=causal),
            ]
        super().__init__(*layers, activation_layer(activation, channels[-1]), Conv(channels[-1], dim, 3, causal=causal))


class ConvDecoder(Chain):
    """Convolutional decoder of latents to waveforms, mirrored; widths and strides are in the order of the encoder."""

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
            layers += [activation_layer(activation, wider), Upsample(wider, width, stride, causal)]
            layers += [Residual(width, dilation, activation, causal) for dilation in dilations]
        last = (
            Conv(channels[0], outputs, 7, causal=causal)
            if patch == 1
            else Upsample(channels[0], outputs, patch, causal)
        )
        super().__init__(*layers, activation_layer(activation, channels[0]), last)


def activation_layer(activation: Activation, channels: int) -> nn.Module:
    """Make the layer of an activation."""
    return nn.ELU() if activation == "elu" else Snake(channels)


def _with_past(layer: nn.Module, x: Tensor, past: int, memory: Memory) -> Tensor:
    """Prepend the ``past`` samples before a chunk (zeros at the start), and store its end in the memory."""
    before = memory.get(layer)
    joined = torch.cat([x.new_zeros(*x.shape[:-1], past) if before is None else before, x], dim=-1)
    memory[layer] = joined[..., joined.shape[-1] - past :].clone()  # a view would keep the chunk
    return joined
