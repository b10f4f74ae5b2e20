"""Codecs that process sound block by block in constant memory: SoundStream and the JEN-1 autoencoder."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from jaxtyping import Float32, Shaped, UInt8
from torch import Tensor
from torch.nn import functional

from ..._utils.errors import InputError
from ...audio.limiter import limit_blocks
from ...audio.waveforms import AnyWaveform, AudioBlock
from ..autoencoder.model import Autoencoder
from ..soundstream.model import SoundStream
from .codes import Codes, check_ids, check_n_quantizers, prepare_waveform, require_codec
from .loudness import LoudnessMeter, restore_loudness
from .stream import ChunkedNetwork, SoundStreamStream, receptive_field, with_last

BLOCK_S = 10.0
"""Seconds of sound per pass through a network."""
Values = Shaped[np.ndarray, "frames width"]


class BlockCodec(ABC):
    """Codec that processes sound of any length block by block.

    Attributes
    ----------
    name : name in the registry. sample_rate : in Hz. channels : channels of sound. hop_length : samples per frame.
    kbps : kilobits per second. stores_loudness : whether the loudness of the sound is stored beside its codes
        (:mod:`.loudness`).
    """

    stores_loudness = True
    name: str
    sample_rate: int
    channels: int
    hop_length: int
    kbps: float

    @abstractmethod
    def encode_blocks(self, blocks: Iterable[AudioBlock]) -> Iterator[Values]:
        """Encode blocks of sound, which have the sample rate and channels of the codec."""

    @abstractmethod
    def decode_blocks(self, pieces: Iterable[Values]) -> Iterator[AudioBlock]:
        """Decode codes to whole frames of sound; the caller cuts the end."""

    def encode(self, waveform: AnyWaveform, sample_rate: int) -> Codes:
        """Encode a waveform (channels, samples).

        Raises
        ------
        InputError : the sound is empty, not finite, or has more than two channels or an impossible sample rate.
        """
        sound = prepare_waveform(waveform, sample_rate, self.sample_rate, self.channels)
        block, meter = round(BLOCK_S * self.sample_rate), LoudnessMeter(self.sample_rate)
        meter.push(sound)
        blocks = (sound[:, first : first + block] for first in range(0, sound.shape[1], block))
        loudness = meter.finish() if self.stores_loudness else None
        return Codes(self.name, np.concatenate(list(self.encode_blocks(blocks))), sound.shape[1], loudness)

    def decode(self, codes: Codes) -> Float32[np.ndarray, "channels samples"]:
        """Decode codes to a waveform within ±1; :class:`InputError` for codes of another codec."""
        require_codec(codes, self.name)
        piece = round(BLOCK_S * self.sample_rate / self.hop_length)
        pieces = (codes.values[first : first + piece] for first in range(0, len(codes.values), piece))
        return np.concatenate(list(self.decode_limited(pieces, codes.samples, codes.loudness)), axis=1)

    def decode_limited(
        self, pieces: Iterable[Values], samples: int, loudness: UInt8[np.ndarray, " steps"] | None
    ) -> Iterator[AudioBlock]:
        """Decode codes to sound of ``samples`` samples, at its loudness where that is known, with peaks within ±1."""
        blocks = cut_blocks(self.decode_blocks(pieces), samples)
        return limit_blocks(
            blocks if loudness is None else restore_loudness(blocks, loudness, self.sample_rate), self.sample_rate
        )


def cut_blocks(blocks: Iterable[AudioBlock], samples: int) -> Iterator[AudioBlock]:
    """Cut blocks of sound after the given number of samples."""
    done = 0
    for block in blocks:
        yield block[:, : samples - done]
        done = min(samples, done + block.shape[1])


class SoundStreamCodec(BlockCodec):
    """Codec of a trained SoundStream; values are ids (frames, n_quantizers) as int16.

    Parameters
    ----------
    model : trained model. name : name in the registry. n_quantizers : number of quantizers to use, by default all;
        fewer give a lower bitrate.

    Raises
    ------
    InputError : the model does not have so many quantizers.
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

    def encode_blocks(self, blocks: Iterable[AudioBlock]) -> Iterator[Values]:
        """Encode blocks of mono sound to ids."""
        stream = SoundStreamStream(self.model, self.n_quantizers)
        for block in blocks:
            yield self._ids(stream.encode(self._tensor(block)))
        yield self._ids(stream.flush())

    def decode_blocks(self, pieces: Iterable[Values]) -> Iterator[AudioBlock]:
        """Decode ids of any number of quantizers to sound."""
        stream = SoundStreamStream(self.model)
        for piece in pieces:
            check_ids(piece, self.model.config.n_quantizers, self.codebook_size, self.name)
            yield stream.decode(self._tensor(piece.T.astype(np.int64)))[0].cpu().numpy()

    def _ids(self, codes: Tensor) -> Values:
        return codes[0].T.cpu().numpy().astype(np.int16)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array)[None].to(next(self.model.parameters()).device)


class AutoencoderCodec(BlockCodec):
    """Codec of a trained autoencoder; values are latents (frames, dim) as float16, which preserve the loudness."""

    stores_loudness = False

    def __init__(self, model: Autoencoder, name: str) -> None:
        self.name, self.model = name, model.eval()
        config = model.config
        self.sample_rate, self.channels, self.hop_length = config.sample_rate, config.channels, config.hop_length
        self.kbps = config.latent_rate * config.dim * 16 / 1000

    def encode_blocks(self, blocks: Iterable[AudioBlock]) -> Iterator[Values]:
        """Encode blocks of sound to latents."""
        context = -(-receptive_field(self.model.encoder) // self.hop_length)
        network = ChunkedNetwork(self.model.encode, self.hop_length, 1, context)
        for latents in _push_all(network, blocks, self._tensor, self.hop_length):
            yield latents[0].T.cpu().numpy().astype(np.float16)

    def decode_blocks(self, pieces: Iterable[Values]) -> Iterator[AudioBlock]:
        """Decode latents to sound."""
        network = ChunkedNetwork(self.model.decode, 1, self.hop_length, receptive_field(self.model.decoder))
        for wave in _push_all(network, (self._require_latents(piece).T for piece in pieces), self._tensor, 1):
            yield wave[0].cpu().numpy()

    def _require_latents(self, latents: Values) -> Values:
        if latents.shape[1] != self.model.config.dim or not np.issubdtype(latents.dtype, np.floating):
            raise InputError(f"these are not latents of {self.name}", hint="decode with the codec that encoded them")
        return latents

    def _tensor(self, array: np.ndarray) -> Tensor:
        sound = np.ascontiguousarray(array, dtype=np.float32)
        return torch.from_numpy(sound)[None].to(next(self.model.parameters()).device)


def _push_all(
    network: ChunkedNetwork, arrays: Iterable[np.ndarray], to_tensor: Callable[[np.ndarray], Tensor], unit: int
) -> Iterator[Tensor]:
    """Yield the outputs of a network for all arrays, the last of which is padded to whole units."""
    length = 0
    for array, last in with_last(arrays):
        length += array.shape[1]
        output = network.push(functional.pad(to_tensor(array), (0, -length % unit if last else 0)), last)
        if last or output.shape[-1]:
            yield output
