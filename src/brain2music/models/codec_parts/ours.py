"""Codecs that work block by block in constant memory: SoundStream and the JEN-1 autoencoder."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from jaxtyping import Float32, Shaped, UInt8
from torch import Tensor
from torch.nn import functional

from ..._utils.errors import InputError
from ...audio.limiter import limit_blocks
from ...audio.waveforms import AnyWaveform
from ..autoencoder.model import Autoencoder
from ..soundstream.model import SoundStream
from .codes import Codes, check_ids, check_n_quantizers, prepare_waveform, require_codes
from .loudness import Meter, restore_loudness
from .stream import Sliding, SoundStreamStream, context_of

BLOCK_S = 10.0
"""Seconds of sound per pass through a network."""
Block = Float32[np.ndarray, "channels samples"]
Values = Shaped[np.ndarray, "frames width"]


class BlockCodec(ABC):
    """A codec that works through sound of any length block by block.

    Attributes
    ----------
    name : in the registry. sample_rate : Hz. channels : of sound. hop_length : samples per frame.
    kbps : kilobits per second. metered : whether the loudness of the sound is stored beside its codes
        (:mod:`.loudness`).
    """

    metered = True
    name: str
    sample_rate: int
    channels: int
    hop_length: int
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
        sound = prepare_waveform(waveform, sample_rate, self.sample_rate, self.channels)
        block, meter = round(BLOCK_S * self.sample_rate), Meter(self.sample_rate)
        meter.push(sound)
        blocks = (sound[:, first : first + block] for first in range(0, sound.shape[1], block))
        loudness = meter.finish() if self.metered else None
        return Codes(self.name, np.concatenate(list(self.encode_blocks(blocks))), sound.shape[1], loudness)

    def decode(self, codes: Codes) -> Float32[np.ndarray, "channels samples"]:
        """The waveform at the codec's sample rate, within ±1; :class:`InputError` for codes of another codec."""
        require_codes(codes, self.name)
        piece = round(BLOCK_S * self.sample_rate / self.hop_length)
        pieces = (codes.values[first : first + piece] for first in range(0, len(codes.values), piece))
        return np.concatenate(list(self.decode_limited(pieces, codes.samples, codes.loudness)), axis=1)

    def decode_limited(
        self, pieces: Iterable[Values], samples: int, loudness: UInt8[np.ndarray, " steps"] | None
    ) -> Iterator[Block]:
        """Decode codes to sound of ``samples`` samples, at its loudness where that is known, with peaks within ±1."""
        blocks = cut_blocks(self.decode_blocks(pieces), samples)
        return limit_blocks(
            blocks if loudness is None else restore_loudness(blocks, loudness, self.sample_rate), self.sample_rate
        )


def cut_blocks(blocks: Iterable[Block], samples: int) -> Iterator[Block]:
    """Cut blocks of sound after the given number of samples."""
    done = 0
    for block in blocks:
        yield block[:, : samples - done]
        done = min(samples, done + block.shape[1])


class SoundStreamCodec(BlockCodec):
    """A trained SoundStream as a codec; values are ids (frames, n_quantizers) as int16.

    Parameters
    ----------
    model : trained. name : in the registry. n_quantizers : how many to use, all by default: fewer take fewer bits.

    Raises
    ------
    InputError : it has no such number of quantizers.
    """

    channels = 1

    def __init__(self, model: SoundStream, name: str, n_quantizers: int | None = None) -> None:
        self.name, self.model = name, model.eval()
        self.n_quantizers = check_n_quantizers(n_quantizers, model.config.n_quantizers, name)
        self.sample_rate, self.hop_length, self.codebook_size = (
            model.config.sample_rate,
            model.config.hop_length,
            model.config.codebook_size,
        )
        self.kbps = model.config.kbps * self.n_quantizers / model.config.n_quantizers

    @property
    def codebooks(self) -> Tensor:
        """Codebooks of the quantizers in use, (n_quantizers, codebook_size, dims)."""
        return self.model.quantizer.codebooks[: self.n_quantizers]

    def encode_blocks(self, blocks: Iterable[Block]) -> Iterator[Values]:
        """Ids of mono sound at the codec's sample rate."""
        stream = SoundStreamStream(self.model, self.n_quantizers)
        for block in blocks:
            yield self._ids(stream.encode(self._tensor(block)))
        yield self._ids(stream.flush())

    def decode_blocks(self, pieces: Iterable[Values]) -> Iterator[Block]:
        """Sound of ids of any number of quantizers."""
        stream = SoundStreamStream(self.model)
        for piece in pieces:
            check_ids(piece, self.model.config.n_quantizers, self.codebook_size, self.name)
            yield stream.decode(self._tensor(piece.T.astype(np.int64)))[0].cpu().numpy()

    def _ids(self, codes: Tensor) -> Values:
        return codes[0].T.cpu().numpy().astype(np.int16)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array)[None].to(next(self.model.parameters()).device)


class AutoencoderCodec(BlockCodec):
    """A trained autoencoder as a codec; values are latents (frames, dim) as float16, which keep loudness themselves."""

    metered = False

    def __init__(self, model: Autoencoder, name: str) -> None:
        self.name, self.model = name, model.eval()
        config = model.config
        self.sample_rate, self.channels, self.hop_length = config.sample_rate, config.channels, config.hop_length
        self.kbps = config.latent_rate * config.dim * 16 / 1000

    def encode_blocks(self, blocks: Iterable[Block]) -> Iterator[Values]:
        """Latents of sound at the codec's sample rate and number of channels."""
        context = -(-context_of(self.model.encoder) // self.hop_length)
        sliding = Sliding(self.model.encode, self.hop_length, 1, context)
        for latents in _pushed(sliding, blocks, self._tensor, self.hop_length):
            yield latents[0].T.cpu().numpy().astype(np.float16)

    def decode_blocks(self, pieces: Iterable[Values]) -> Iterator[Block]:
        """Sound of latents."""
        sliding = Sliding(self.model.decode, 1, self.hop_length, context_of(self.model.decoder))
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
