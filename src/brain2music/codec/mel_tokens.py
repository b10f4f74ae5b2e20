"""Mel spectrograms as tokens: a residual quantiser learnt by k-means, and HiFi-GAN to sing them back.

Nothing but codebooks is trained, in minutes: a spectrogram needs few numbers, and the vocoder of
:mod:`brain2music.codec.hifigan` turns it into sound. Neighbouring frames go into one vector, which spends no bits
twice on what they share.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from ..errors import InputError
from .codes import Codes, prepare
from .hifigan import HOP, MELS, RATE, Generator, MelHiFiGAN, log_mel
from .pretrained import Pretrained
from .quantizer import ResidualVectorQuantizer


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
        return RATE / HOP / self.frames * self.levels * log2(self.codes) / 1000


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


class MelTokenCodec:
    """Mono sound at 22.05 kHz <-> mel tokens; values are ids (vectors, levels) as int16.

    Parameters
    ----------
    model : fitted. name : in the registry. generator : of sound from spectrograms, the universal HiFi-GAN by default.

    Raises
    ------
    InputError : the vocoder's wheel is not installed.
    """

    rate = RATE
    channels = 1

    def __init__(self, model: MelTokens, name: str, generator: Generator | None = None) -> None:
        self.model, self.name = model.eval(), name
        self.vocoder = MelHiFiGAN(generator)
        self.kbps = model.config.kbps

    def encode(self, waveform: Float[np.ndarray, "any samples"], rate: int) -> Codes:
        """Ids (vectors, levels), a vector for every ``config.frames`` · 256 samples."""
        wave = prepare(waveform, rate, self.rate, self.channels)[0]
        return Codes(self.name, self.model.encode(log_mel(wave).T).numpy().astype(np.int16), len(wave))

    def decode(self, codes: Codes) -> Float32[np.ndarray, "1 samples"]:
        """The sound; :class:`InputError` for codes of another codec."""
        config, ids = self.model.config, codes.values
        integers = ids.shape[1] == config.levels and np.issubdtype(ids.dtype, np.integer)
        if not integers or (ids.size and not 0 <= ids.min() <= ids.max() < config.codes):
            raise InputError(f"these are not codes of {self.name}", mend="decode with the codec that encoded them")
        mel = self.model.decode(torch.from_numpy(ids.astype(np.int64)))
        return self.vocoder.decode(Codes(self.vocoder.name, mel.numpy(), codes.samples))
