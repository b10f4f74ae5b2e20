"""Mel spectrograms as tokens: a residual quantiser learnt by k-means, and a vocoder to sing them back.

Nothing but codebooks is trained, in minutes: a spectrogram needs few numbers, and HiFi-GAN
(:mod:`brain2music.models.mel_tokens.hifigan`) or Griffin-Lim (:mod:`brain2music.models.mel_tokens.griffin_lim`) turns
it into sound.
Neighbouring frames go into one vector, which spends no bits twice on what they share.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log2

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from ..codec_parts.codes import Codes, check_ids, chosen_levels
from ..codec_parts.ours import Block, BlockCodec, Values
from ..codec_parts.pretrained import Pretrained
from ..codec_parts.quantizer import ResidualVectorQuantizer
from ..codec_parts.vocoders import Vocoder
from .griffin_lim import GriffinLim
from .hifigan import HOP, MELS, SAMPLE_RATE, Generator, MelHiFiGAN, log_mel_blocks


@dataclass(frozen=True)
class MelTokensConfig:
    """Sizes; the defaults take 5.6 kbps.

    Attributes
    ----------
    frames : of 11.6 ms that share a vector. levels, codes : of the quantiser.
    """

    frames: int = 2
    levels: int = 13
    codes: int = 1024

    @property
    def kbps(self) -> float:
        """Kilobits a second."""
        return SAMPLE_RATE / HOP / self.frames * self.levels * log2(self.codes) / 1000


class MelTokens(Pretrained):
    """Log-mel frames (frames, 80) <-> ids (vectors, levels), ceil(frames / config.frames) vectors."""

    Config = MelTokensConfig
    training_only = (".counts", ".sums")
    mean: Float[Tensor, " dim"]

    def __init__(self, config: MelTokensConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.frames * MELS
        self.quantizer = ResidualVectorQuantizer(dim, config.levels, config.codes)
        self.register_buffer("mean", torch.zeros(dim))

    @torch.no_grad()
    def fit(self, mels: Sequence[Float[Tensor, "frames 80"]], iterations: int = 10, seed: int = 0) -> None:
        """Learn mean and codebooks from spectrograms, level by level."""
        vectors = torch.cat([self._vectors(mel) for mel in mels])
        self.mean.copy_(vectors.mean(dim=0))
        self.quantizer.fit(vectors - self.mean, iterations, seed)

    @torch.no_grad()
    def encode(self, mel: Float[Tensor, "frames 80"]) -> Tensor:
        """Ids (vectors, levels); the last frame is repeated to a whole vector."""
        return self.quantizer.encode(self._vectors(mel) - self.mean)

    @torch.no_grad()
    def decode(self, ids: Tensor) -> Float[Tensor, "frames 80"]:
        """Log-mel frames, ``config.frames`` for each vector."""
        return (self.quantizer.decode(ids) + self.mean).reshape(-1, MELS)

    def after_loading(self, folder: object) -> None:
        """Start the codebooks' moving averages afresh: they do not ship."""
        self.quantizer.reset_statistics()

    def _vectors(self, mel: Float[Tensor, "frames 80"]) -> Float[Tensor, "vectors dim"]:
        missing = -len(mel) % self.config.frames
        return torch.cat([mel, mel[-1:].expand(missing, -1)]).reshape(-1, self.config.frames * MELS)


class MelTokenCodec(BlockCodec):
    """Mono sound at 22.05 kHz <-> mel tokens; values are ids (vectors, levels) as int16.

    Parameters
    ----------
    model : fitted. name : in the registry. levels : how many to use, all by default: fewer take fewer bits.
    vocoder : "hifigan", whose wheel has to be installed, or "griffin-lim", which needs nothing.
    generator : HiFi-GAN's network, the universal one by default.

    Raises
    ------
    InputError : it has no such number of levels. HiFi-GAN's wheel is not installed (when sound is asked for).
    """

    sample_rate = SAMPLE_RATE
    channels = 1

    def __init__(
        self,
        model: MelTokens,
        name: str,
        levels: int | None = None,
        vocoder: Vocoder = "hifigan",
        generator: Generator | None = None,
    ) -> None:
        self.model, self.name, config = model.eval(), name, model.config
        self.levels = chosen_levels(levels, config.levels, name)
        self.frame, self.codes = HOP * config.frames, config.codes
        self.kbps = config.kbps * self.levels / config.levels
        self._generator, self._vocoder = generator, vocoder

    @cached_property
    def vocoder(self) -> MelHiFiGAN | GriffinLim:
        """What makes sound of spectrograms."""
        return GriffinLim() if self._vocoder == "griffin-lim" else MelHiFiGAN(self._generator)

    @property
    def codebooks(self) -> Float[Tensor, "levels codes dims"]:
        """Of the levels in use."""
        return self.model.quantizer.codebooks[: self.levels]

    def encode_blocks(self, blocks: Iterable[Block]) -> Iterator[Values]:
        """Ids (vectors, levels), a vector for every ``config.frames`` · 256 samples."""
        for mel in log_mel_blocks((block[0] for block in blocks), self.model.config.frames):
            yield self.model.encode(mel.T)[:, : self.levels].numpy().astype(np.int16)

    def decode_blocks(self, pieces: Iterable[Values]) -> Iterator[Block]:
        """The sound of ids of any number of levels; :class:`InputError` for codes of another codec."""
        return self.vocoder.blocks(self.spectrogram(Codes(self.name, piece, 0)) for piece in pieces)

    def spectrogram(self, codes: Codes) -> Float32[np.ndarray, "frames 80"]:
        """The log-mel frames that ids stand for; errors as :meth:`decode_blocks`."""
        check_ids(codes.values, self.model.config.levels, self.codes, self.name)
        return self.model.decode(torch.from_numpy(codes.values.astype(np.int64))).numpy()

    def sing(self, mel: Float32[np.ndarray, "frames 80"], samples: int) -> Float32[np.ndarray, "1 samples"]:
        """So many samples of a log-mel spectrogram's sound."""
        return self.vocoder.decode(Codes(self.vocoder.name, mel, samples))
