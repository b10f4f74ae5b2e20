"""JEN-1's masked autoencoder: 48 kHz stereo <-> continuous latents, for the diffusion model to work on.

Li et al., "JEN-1: text-guided universal music generation with omnidirectional diffusion models" (2023, arXiv
2308.04729), section 4.1. The paper gives a hop of 320 samples, a sample rate of 48 kHz and a latent rate of
125 Hz, which cannot all hold: 48000 / 320 is 150 Hz, and 125 Hz takes a hop of 384. Here the hop is the product
of the strides (384 by default), the latent rate is a setting, and the two are checked against each other.
"""

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ..codec_parts.layers import Activation, Decoder, Encoder
from ..codec_parts.pretrained import Pretrained
from .lapped import GAIN, Lapped
from .whitening import LatentWhitening

_WHITENING = "whitening.safetensors"


@dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes and switches; the defaults are the small one.

    Attributes
    ----------
    sample_rate : Hz of the sound. latent_rate : Hz of the latents. patch, strides : their product times latent_rate is
        the sample rate; ``patch`` samples are taken by the first layer at once (1 in the paper).
    encoder_channels, decoder_channels : widths from the waveform's side to the latents', one more than strides.
    dim : of a latent frame. masked : the part of latent frames set to zero before the decoder in training.
    causal : look back only. lapped : a linear way round the networks (:mod:`.lapped`), which the paper has not.

    Raises
    ------
    ValueError : hop times latent rate is not the sample rate.
    """

    json_keys: ClassVar = {"sample_rate": "rate"}

    sample_rate: int = 48000
    latent_rate: int = 125
    channels: int = 2
    patch: int = 24
    strides: tuple[int, ...] = (4, 4)
    encoder_channels: tuple[int, ...] = (96, 192, 320)
    decoder_channels: tuple[int, ...] = (96, 192, 320)
    dim: int = 128
    masked: float = 0.05
    activation: Activation = "elu"
    causal: bool = False
    lapped: bool = True

    def __post_init__(self) -> None:
        if self.hop * self.latent_rate != self.sample_rate:
            raise ValueError(
                f"a hop of {self.hop} at {self.sample_rate} Hz gives {self.sample_rate / self.hop:g} latents a second, "
                f"not {self.latent_rate}"
            )

    @property
    def hop(self) -> int:
        """Samples of a latent frame."""
        return self.patch * prod(self.strides)

    @classmethod
    def size(cls, name: Literal["tiny", "small", "paper"]) -> "AutoencoderConfig":
        """The named size."""
        wide, narrow = (32, 64, 128, 256, 512), (8, 16, 16)
        paper = cls(patch=1, strides=(4, 4, 4, 6), encoder_channels=wide, decoder_channels=wide, lapped=False)
        tiny = cls(encoder_channels=narrow, decoder_channels=narrow, dim=8)
        return {"tiny": tiny, "small": cls(), "paper": paper}[name]


class Autoencoder(Pretrained):
    """Stereo sound at ``config.sample_rate`` Hz <-> latents (dim, frames), one frame every ``config.hop`` samples.

    ``whitening`` is what :class:`LatentWhitening` learnt of its latents, or None; it is saved beside the weights.
    """

    Config = AutoencoderConfig

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        shape = (config.strides, config.dim, config.patch, config.activation, config.causal)
        self.encoder = Encoder(config.channels, config.encoder_channels, *shape)
        self.decoder = Decoder(config.channels, config.decoder_channels, *shape)
        self.lapped = Lapped(config.channels, config.dim, config.hop, config.causal) if config.lapped else None
        self.whitening: LatentWhitening | None = None

    def forward(self, wave: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch channels samples"]:
        """Encode and decode; in training some latent frames are masked on the way."""
        latents = self._latents(wave)
        if self.training:
            latents = mask_frames(latents, self.config.masked)
        return self._sound(latents)[..., : wave.shape[-1]]

    @torch.no_grad()
    def begin(self, sound: Float[Tensor, "batch channels samples"]) -> None:
        """Start from the best linear code of ``sound``: the networks add nothing to it until they have learned to.

        Raises
        ------
        ValueError : there is no linear way, or too little sound to fit it.
        """
        if self.lapped is None:
            raise ValueError("this autoencoder has no linear way to begin with")
        self.lapped.fit(sound)
        for network in (self.encoder, self.decoder):
            for parameter in network[-1].parameters():
                parameter.zero_()

    @torch.no_grad()
    def encode(self, wave: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch dim frames"]:
        """Sound to latents, (batch, dim, ceil(samples / hop)); the end is padded with zeros to whole frames."""
        return self._latents(wave)

    @torch.no_grad()
    def decode(self, latents: Float[Tensor, "batch dim frames"]) -> Float[Tensor, "batch channels samples"]:
        """Latents to sound, frames · hop samples."""
        return self._sound(latents)

    def save_pretrained(self, folder: str | Path, half: bool = False) -> Path:
        """Write the model, and its latents' whitening where there is one."""
        folder = super().save_pretrained(folder, half)
        if self.whitening is not None:
            self.whitening.save(folder / _WHITENING)
        return folder

    def after_loading(self, folder: Path) -> None:
        """Read the latents' whitening where there is one."""
        if (folder / _WHITENING).is_file():
            self.whitening = LatentWhitening.load(folder / _WHITENING)

    def _latents(self, wave: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch dim frames"]:
        whole = functional.pad(wave, (0, -wave.shape[-1] % self.config.hop))
        latents = self.encoder(whole)
        return latents if self.lapped is None else self.lapped.analysis(whole) + GAIN * latents

    def _sound(self, latents: Float[Tensor, "batch dim frames"]) -> Float[Tensor, "batch channels samples"]:
        sound = self.decoder(latents)
        return sound if self.lapped is None else self.lapped.synthesis(latents) + GAIN * sound


def mask_frames(latents: Float[Tensor, "batch dim frames"], part: float) -> Float[Tensor, "batch dim frames"]:
    """The latents with a random ``part`` of the frames set to zero (JEN-1's noise robustness)."""
    kept = torch.rand(latents.shape[0], 1, latents.shape[2], device=latents.device) >= part
    return latents * kept
