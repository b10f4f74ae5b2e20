"""Codecs that work in blocks: any sound in, whole or not, in constant memory; SoundStream and the JEN-1 autoencoder."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from jaxtyping import Float32, Shaped, UInt8
from torch import Tensor
from torch.nn import functional

from ..._utils.errors import InputError
from ...audio.arrays import AnyWaveform
from ...audio.limit import limit_blocks
from ..autoencoder.model import Autoencoder
from ..soundstream.model import SoundStream
from .codes import Codes, check_ids, chosen_levels, prepare, require_codes
from .loudness import Meter, restore
from .stream import Sliding, SoundStreamStream, context_of

BLOCK_S = 10.0
"""Seconds of sound that go through a network at once."""
Block = Float32[np.ndarray, "channels samples"]
Values = Shaped[np.ndarray, "frames width"]


class BlockCodec(ABC):
    """A codec that works through sound of any length block by block.

    Attributes
    ----------
    name : in the registry. sample_rate : Hz. channels : of sound. frame : samples of one frame of codes.
    kbps : kilobits a second. metered : whether the sound's level is kept beside its codes (:mod:`.loudness`).
    """

    metered = True
    name: str
    sample_rate: int
    channels: int
    frame: int
    kbps: float

    @abstractmethod
    def encode_blocks(self, blocks: Iterable[Block]) -> Iterator[Values]:
        """Codes of sound that is at the codec's sample rate and number of channels."""

    @abstractmethod
    def decode_blocks(self, pieces: Iterable[Values]) -> Iterator[Block]:
        """Whole frames of sound; the caller cuts the end."""

    def encode(self, waveform: AnyWaveform, sample_rate: int) -> Codes:
        """Codes of a waveform (channels, samples).

        Raises
        ------
        InputError : the sound is empty, not finite, of more than two channels, or of an unheard-of sample rate.
        """
        sound = prepare(waveform, sample_rate, self.sample_rate, self.channels)
        block, meter = round(BLOCK_S * self.sample_rate), Meter(self.sample_rate)
        meter.push(sound)
        blocks = (sound[:, first : first + block] for first in range(0, sound.shape[1], block))
        levels = meter.finish() if self.metered else None
        return Codes(self.name, np.concatenate(list(self.encode_blocks(blocks))), sound.shape[1], levels)

    def decode(self, codes: Codes) -> Float32[np.ndarray, "channels samples"]:
        """The waveform at the codec's sample rate, within ±1; :class:`InputError` for codes of another codec."""
        require_codes(codes, self.name)
        piece = round(BLOCK_S * self.sample_rate / self.frame)
        pieces = (codes.values[first : first + piece] for first in range(0, len(codes.values), piece))
        return np.concatenate(list(self.finished(pieces, codes.samples, codes.levels)), axis=1)

    def finished(
        self, pieces: Iterable[Values], samples: int, levels: UInt8[np.ndarray, " steps"] | None
    ) -> Iterator[Block]:
        """Sound of codes, of so many samples, at the level it had where that is known, its peaks within ±1."""
        blocks = cut(self.decode_blocks(pieces), samples)
        return limit_blocks(blocks if levels is None else restore(blocks, levels, self.sample_rate), self.sample_rate)


def cut(blocks: Iterable[Block], samples: int) -> Iterator[Block]:
    """The blocks without what lies beyond the last sample."""
    done = 0
    for block in blocks:
        yield block[:, : samples - done]
        done = min(samples, done + block.shape[1])


class SoundStreamCodec(BlockCodec):
    """Tokens of a trained SoundStream; values are ids (frames, levels) as int16.

    Parameters
    ----------
    model : trained. name : in the registry. levels : how many to use, all by default: fewer take fewer bits.

    Raises
    ------
    InputError : it has no such number of levels.
    """

    channels = 1

    def __init__(self, model: SoundStream, name: str, levels: int | None = None) -> None:
        self.name, self.model = name, model.eval()
        self.levels = chosen_levels(levels, model.config.levels, name)
        self.sample_rate, self.frame, self.codes = model.config.sample_rate, model.config.stride, model.config.codes
        self.kbps = model.config.kbps * self.levels / model.config.levels

    @property
    def codebooks(self) -> Tensor:
        """Of the levels in use, (levels, codes, dims)."""
        return self.model.quantizer.codebooks[: self.levels]

    def encode_blocks(self, blocks: Iterable[Block]) -> Iterator[Values]:
        """Ids of mono sound at the codec's sample rate."""
        stream = SoundStreamStream(self.model, self.levels)
        for block in blocks:
            yield self._ids(stream.encode(self._tensor(block)))
        yield self._ids(stream.flush())

    def decode_blocks(self, pieces: Iterable[Values]) -> Iterator[Block]:
        """Sound of ids of any number of levels."""
        stream = SoundStreamStream(self.model)
        for piece in pieces:
            check_ids(piece, self.model.config.levels, self.codes, self.name)
            yield stream.decode(self._tensor(piece.T.astype(np.int64)))[0].cpu().numpy()

    def _ids(self, codes: Tensor) -> Values:
        return codes[0].T.cpu().numpy().astype(np.int16)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array)[None].to(next(self.model.parameters()).device)


class AutoencoderCodec(BlockCodec):
    """Latents of a trained autoencoder; values are (frames, dim) as float16. They keep the level by themselves."""

    metered = False

    def __init__(self, model: Autoencoder, name: str) -> None:
        self.name, self.model = name, model.eval()
        config = model.config
        self.sample_rate, self.channels, self.frame = config.sample_rate, config.channels, config.hop
        self.kbps = config.latent_rate * config.dim * 16 / 1000

    def encode_blocks(self, blocks: Iterable[Block]) -> Iterator[Values]:
        """Latents of sound at the codec's sample rate and number of channels."""
        context = -(-context_of(self.model.encoder) // self.frame)
        sliding = Sliding(self.model.encode, self.frame, 1, context)
        for latents in _pushed(sliding, blocks, self._tensor, self.frame):
            yield latents[0].T.cpu().numpy().astype(np.float16)

    def decode_blocks(self, pieces: Iterable[Values]) -> Iterator[Block]:
        """Sound of latents."""
        sliding = Sliding(self.model.decode, 1, self.frame, context_of(self.model.decoder))
        for wave in _pushed(sliding, (self._checked(piece).T for piece in pieces), self._tensor, 1):
            yield wave[0].cpu().numpy()

    def _checked(self, latents: Values) -> Values:
        if latents.shape[1] != self.model.config.dim or not np.issubdtype(latents.dtype, np.floating):
            raise InputError(f"these are not latents of {self.name}", hint="decode with the codec that encoded them")
        return latents

    def _tensor(self, array: np.ndarray) -> Tensor:
        sound = np.ascontiguousarray(array, dtype=np.float32)
        return torch.from_numpy(sound)[None].to(next(self.model.parameters()).device)


def _pushed(
    sliding: Sliding, arrays: Iterable[np.ndarray], to_tensor: Callable[[np.ndarray], Tensor], unit: int
) -> Iterator[Tensor]:
    """The outputs of all arrays; the last one is known by its having no successor, and filled up to whole units."""
    held, length = None, 0
    for array in arrays:
        if held is not None and (ready := sliding.push(held)).shape[-1]:
            yield ready
        held, length = to_tensor(array), length + array.shape[1]
    if held is not None:
        yield sliding.push(functional.pad(held, (0, -length % unit)), last=True)
