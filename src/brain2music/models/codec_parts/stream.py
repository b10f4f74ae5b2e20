"""Encoding and decoding in chunks of any length, equal to the whole."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..soundstream.model import SoundStream
from .layers import Chain, Conv, Memory, Residual, Up


class SoundStreamStream:
    """One stream of sound through a :class:`SoundStream`, both ways.

    A sample can be given when its frame is complete: the algorithmic latency is one frame,
    ``SoundStream.latency_samples``.

    Parameters
    ----------
    model : in evaluation mode. n_quantizers : quantizers to use; all by default.
    """

    def __init__(self, model: SoundStream, n_quantizers: int | None = None) -> None:
        self.model, self.n_quantizers = model, n_quantizers
        self._waiting: Tensor | None = None
        self._encoder_memory: Memory = {}
        self._decoder_memory: Memory = {}

    def push(self, wave: Float[Tensor, "batch 1 samples"]) -> Float[Tensor, "batch 1 ready"]:
        """Code and decode the next chunk: the samples of all frames that are complete by now."""
        return self.decode(self.encode(wave))

    def finish(self) -> Float[Tensor, "batch 1 rest"]:
        """The samples of the last, incomplete frame."""
        rest = 0 if self._waiting is None else self._waiting.shape[-1]
        return self.decode(self.flush())[..., :rest]

    @torch.no_grad()
    def encode(self, wave: Float[Tensor, "batch 1 samples"]) -> Int[Tensor, "batch quantizers frames"]:
        """Codes of the frames that the chunk completes; the samples left over wait for the next one."""
        if self._waiting is not None:
            wave = torch.cat([self._waiting, wave], dim=-1)
        whole = wave.shape[-1] - wave.shape[-1] % self.model.config.hop_length
        self._waiting = wave[..., whole:].clone()
        return self._encode(wave[..., :whole])

    @torch.no_grad()
    def flush(self) -> Int[Tensor, "batch quantizers frames"]:
        """The code of the last, incomplete frame, filled up with zeros; no frame if nothing waits."""
        if self._waiting is None:
            raise ValueError("nothing was pushed into this stream")
        wave, self._waiting = self._waiting, None
        return self._encode(wave)

    @torch.no_grad()
    def decode(self, codes: Int[Tensor, "batch quantizers frames"]) -> Float[Tensor, "batch 1 samples"]:
        """The sound of the next codes."""
        if codes.shape[-1] == 0:
            return self.model.quantizer.codebooks.new_zeros(len(codes), 1, 0)
        return self.model.decoder(self.model.dequantize(codes), self._decoder_memory)

    def _encode(self, wave: Float[Tensor, "batch 1 samples"]) -> Int[Tensor, "batch quantizers frames"]:
        if wave.shape[-1] == 0:
            n_quantizers = self.model.config.n_quantizers if self.n_quantizers is None else self.n_quantizers
            return torch.zeros(len(wave), n_quantizers, 0, dtype=torch.int64, device=wave.device)
        return self.model.quantize(self.model.latents(wave, memory=self._encoder_memory), self.n_quantizers)


class Sliding:
    """Chunks through a network that looks a finite way to both sides, equal to the whole.

    Each chunk is run with as much of its neighbours as the network sees, and those parts of the output are cut.

    Parameters
    ----------
    apply : (batch, inputs, units · per_input) -> (batch, outputs, units · per_output).
    context : units that the network sees to either side.
    """

    def __init__(self, apply: Callable[[Tensor], Tensor], per_input: int, per_output: int, context: int) -> None:
        self.apply, self.per_input, self.per_output, self.context = apply, per_input, per_output, context
        self._held: Tensor | None = None
        self._given = 0  # units at the start of what is held whose output was given before

    def push(self, x: Float[Tensor, "batch inputs any"], last: bool = False) -> Float[Tensor, "batch outputs ready"]:
        """The output that the next chunk completes; of the last chunk, whose length must come out even, the rest."""
        held = x if self._held is None else torch.cat([self._held, x], dim=-1)
        units = held.shape[-1] // self.per_input
        ready = max(self._given, units if last else units - self.context)
        output = self.apply(held[..., : units * self.per_input]) if units else held[:, :0]
        drop = max(0, ready - self.context)
        given, self._given = self._given, ready - drop
        self._held = held[..., drop * self.per_input :].clone()
        return output[..., given * self.per_output : ready * self.per_output]


def context_of(chain: Chain) -> int:
    """How many input samples to one side an output sample of the chain depends on, at most."""
    reach = 0
    for layer in reversed(list(chain)):
        if isinstance(layer, Conv):
            reach = reach * layer.stride[0] + layer.stride[0] - 1 + max(layer.left, layer.right)
        elif isinstance(layer, Up):
            reach = -(-reach // layer.step) + 1
        elif isinstance(layer, Residual):
            reach += context_of(layer.branch)
    return reach
