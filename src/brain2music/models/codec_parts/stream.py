"""Encoding and decoding in chunks of any length, with the same results as for the whole."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..soundstream.model import SoundStream
from .layers import Chain, Conv, Memory, Residual, Upsample

Piece = TypeVar("Piece")


class SoundStreamStream:
    """Streaming encoder and decoder of a :class:`SoundStream`.

    The algorithmic latency is one frame (``SoundStream.latency_samples``), because a frame has to be complete.

    Parameters
    ----------
    model : model in evaluation mode. n_quantizers : quantizers to use; by default all.
    """

    def __init__(self, model: SoundStream, n_quantizers: int | None = None) -> None:
        self.model, self.n_quantizers = model, n_quantizers
        self._pending: Tensor | None = None
        self._encoder_memory: Memory = {}
        self._decoder_memory: Memory = {}

    def push(self, wave: Float[Tensor, "batch 1 samples"]) -> Float[Tensor, "batch 1 ready"]:
        """Encode and decode the next chunk: returns the samples of all complete frames."""
        return self.decode(self.encode(wave))

    def finish(self) -> Float[Tensor, "batch 1 rest"]:
        """Encode and decode the last, incomplete frame."""
        rest = 0 if self._pending is None else self._pending.shape[-1]
        return self.decode(self.flush())[..., :rest]

    @torch.no_grad()
    def encode(self, wave: Float[Tensor, "batch 1 samples"]) -> Int[Tensor, "batch quantizers frames"]:
        """Encode the frames that the next chunk completes; remaining samples are kept for the chunk after it."""
        if self._pending is not None:
            wave = torch.cat([self._pending, wave], dim=-1)
        whole = wave.shape[-1] - wave.shape[-1] % self.model.config.hop_length
        self._pending = wave[..., whole:].clone()
        return self._encode(wave[..., :whole])

    @torch.no_grad()
    def flush(self) -> Int[Tensor, "batch quantizers frames"]:
        """Encode the last, incomplete frame, padded with zeros; no frame where no samples remain."""
        if self._pending is None:
            raise ValueError("nothing was pushed into this stream")
        wave, self._pending = self._pending, None
        return self._encode(wave)

    @torch.no_grad()
    def decode(self, codes: Int[Tensor, "batch quantizers frames"]) -> Float[Tensor, "batch 1 samples"]:
        """Decode the next codes."""
        if codes.shape[-1] == 0:
            return self.model.quantizer.codebooks.new_zeros(len(codes), 1, 0)
        return self.model.decoder(self.model.dequantize(codes), self._decoder_memory)

    def _encode(self, wave: Float[Tensor, "batch 1 samples"]) -> Int[Tensor, "batch quantizers frames"]:
        if wave.shape[-1] == 0:
            n_quantizers = self.model.config.n_quantizers if self.n_quantizers is None else self.n_quantizers
            return torch.zeros(len(wave), n_quantizers, 0, dtype=torch.int64, device=wave.device)
        return self.model.quantize(self.model.latents(wave, memory=self._encoder_memory), self.n_quantizers)


class ChunkedNetwork:
    """Network with a finite receptive field that is applied in chunks, with the same results as for the whole.

    Each chunk is processed with its context, whose output is cut off.

    Parameters
    ----------
    apply : network (batch, inputs, units · per_input) -> (batch, outputs, units · per_output).
    context : receptive field to either side, in units.
    """

    def __init__(self, apply: Callable[[Tensor], Tensor], per_input: int, per_output: int, context: int) -> None:
        self.apply, self.per_input, self.per_output, self.context = apply, per_input, per_output, context
        self._buffer: Tensor | None = None
        self._n_done = 0  # units at the start of the buffer whose output was returned before

    def push(self, x: Float[Tensor, "batch inputs any"], last: bool = False) -> Float[Tensor, "batch outputs ready"]:
        """Process the next chunk and return the complete output; the last chunk must end with a whole unit."""
        buffer = x if self._buffer is None else torch.cat([self._buffer, x], dim=-1)
        units = buffer.shape[-1] // self.per_input
        ready = max(self._n_done, units if last else units - self.context)
        output = self.apply(buffer[..., : units * self.per_input]) if units else buffer[:, :0]
        drop = max(0, ready - self.context)
        n_done, self._n_done = self._n_done, ready - drop
        self._buffer = buffer[..., drop * self.per_input :].clone()
        return output[..., n_done * self.per_output : ready * self.per_output]


def with_last(pieces: Iterable[Piece]) -> Iterator[tuple[Piece, bool]]:
    """Yield every piece, and whether it is the last."""
    pending: list[Piece] = []
    for piece in pieces:
        if pending:
            yield pending.pop(), False
        pending.append(piece)
    for piece in pending:
        yield piece, True


def receptive_field(chain: Chain) -> int:
    """Receptive field of a chain to either side, in input samples."""
    reach = 0
    for layer in reversed(list(chain)):
        if isinstance(layer, Conv):
            reach = reach * layer.stride[0] + layer.stride[0] - 1 + max(layer.left, layer.right)
        elif isinstance(layer, Upsample):
            reach = -(-reach // layer.step) + 1
        elif isinstance(layer, Residual):
            reach += receptive_field(layer.branch)
    return reach
