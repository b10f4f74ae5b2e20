"""JEN-1's masked autoencoder of 48 kHz stereo sound, with continuous latents for a diffusion model.

Li et al., "JEN-1: text-guided universal music generation with omnidirectional diffusion models" (2023, arXiv
2308.04729), section 4.1. The paper gives a hop of 320 samples, a sample rate of 48 kHz and a latent rate of
125 Hz, which contradict each other: 48000 / 320 is 150 Hz, and 125 Hz needs a hop of 384. Here the hop is the
product of the strides (by default 384), and the latent rate, which is also set, has to agree with it.
"""

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ..codec_parts.layers import Activation, ConvDecoder, ConvEncoder
from ..codec_parts.pretrained import Pretrained, rename_tensors
from .mdct import GAIN, MDCTCode
from .whitening import LatentWhitening

_WHITENING = "whitening.safetensors"


@dataclass(frozen=True)
class AutoencoderConfig:
    """Configuration of an autoencoder.

    The defaults are those of the small one.

    Attributes
    ----------
    sample_rate : int
        Sample rate of sound in Hz.
    latent_rate : int
        Frames of latents per second.
    channels : int
        Channels of sound.
    patch : int
        Stride of the first layer (1 in the paper).
    strides : tuple of int
        Further strides; the product of all strides and ``latent_rate`` is the sample rate.
    encoder_channels : tuple of int
        Widths of the encoder from the waveform to the latents, one more than strides.
    decoder_channels : tuple of int
        Widths of the decoder, in the order of the encoder.
    dim : int
        Dimensions of a latent frame.
    masked : float
        Share of latent frames that are set to zero before the decoder in training.
    activation : {"elu", "snake"}
        Activation of the convolutions.
    causal : bool
        Whether the networks read only past samples.
    mdct : bool
        Whether the networks have a linear bypass (MDCT and principal components), which the paper does not have.

    Raises
    ------
    ValueError
        The hop length times the latent rate is not the sample rate.

    Examples
    --------
    >>> from brain2music.models.autoencoder import AutoencoderConfig
    >>> config = AutoencoderConfig.size("paper")
    >>> config.hop_length, config.dim
    (384, 128)
    """

    json_keys: ClassVar = {"sample_rate": "rate", "mdct": "lapped"}

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
    mdct: bool = True

    def __post_init__(self) -> None:
        if self.hop_length * self.latent_rate != self.sample_rate:
            raise ValueError(
                f"a hop of {self.hop_length} samples at {self.sample_rate} Hz gives "
                f"{self.sample_rate / self.hop_length:g} latents per second, "
                f"not {self.latent_rate}"
            )

    @property
    def hop_length(self) -> int:
        """Samples per latent frame."""
        return self.patch * prod(self.strides)

    @classmethod
    def size(cls, name: Literal["tiny", "small", "paper"]) -> "AutoencoderConfig":
        """Make the configuration of a named size.

        Parameters
        ----------
        name : {"tiny", "small", "paper"}
            Name of the size.

        Returns
        -------
        AutoencoderConfig
            The configuration.
        """
        wide, narrow = (32, 64, 128, 256, 512), (8, 16, 16)
        paper = cls(patch=1, strides=(4, 4, 4, 6), encoder_channels=wide, decoder_channels=wide, mdct=False)
        tiny = cls(encoder_channels=narrow, decoder_channels=narrow, dim=8)
        return {"tiny": tiny, "small": cls(), "paper": paper}[name]


class Autoencoder(Pretrained):
    """Autoencoder of stereo sound with continuous latents, for a diffusion model.

    A trained model is used through :func:`brain2music.get_codec`, which adds resampling and files.

    Parameters
    ----------
    config : AutoencoderConfig
        Sizes and options.

    Attributes
    ----------
    whitening : LatentWhitening or None
        Whitening of the latents, which is saved with the weights; None before it is fitted.

    References
    ----------
    Li et al., "JEN-1: text-guided universal music generation with omnidirectional diffusion models" (2023, arXiv
    2308.04729), section 4.1. The paper gives a hop of 320 samples, 48 kHz and 125 Hz, which contradict each other; here
    the hop is 384.

    Examples
    --------
    >>> import torch
    >>> from brain2music.models.autoencoder import Autoencoder, AutoencoderConfig
    >>> model = Autoencoder(AutoencoderConfig.size("tiny")).eval()
    >>> latents = model.encode(torch.zeros(1, 2, 48000))  # batch, channels, samples
    >>> tuple(latents.shape)  # batch, dims, frames
    (1, 8, 125)
    >>> tuple(model.decode(latents).shape)
    (1, 2, 48000)
    """

    Config = AutoencoderConfig

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        rename_tensors(self, (("mdct.", "lapped."),))
        self.config = config
        shape = (config.strides, config.dim, config.patch, config.activation, config.causal)
        self.encoder = ConvEncoder(config.channels, config.encoder_channels, *shape)
        self.decoder = ConvDecoder(config.channels, config.decoder_channels, *shape)
        self.mdct = MDCTCode(config.channels, config.dim, config.hop_length, config.causal) if config.mdct else None
        self.whitening: LatentWhitening | None = None

    def forward(self, wave: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch channels samples"]:
        """Encode and decode sound; in training some latent frames are masked."""
        latents = self._latents(wave)
        if self.training:
            latents = mask_frames(latents, self.config.masked)
        return self._sound(latents)[..., : wave.shape[-1]]

    @torch.no_grad()
    def initialise_from(self, sound: Float[Tensor, "batch channels samples"]) -> None:
        """Initialise from the best linear code of ``sound``; the networks are zero-initialised.

        Raises
        ------
        ValueError : there is no linear bypass, or too little sound to fit it.
        """
        if self.mdct is None:
            raise ValueError("this autoencoder has no linear bypass to initialise")
        self.mdct.fit(sound)
        for network in (self.encoder, self.decoder):
            for parameter in network[-1].parameters():
                parameter.zero_()

    @torch.no_grad()
    def encode(self, wave: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch dim frames"]:
        """Encode sound to latents.

        Parameters
        ----------
        wave : Tensor of shape (batch, channels, samples)
            Sound at ``config.sample_rate`` Hz; the last frame is padded with zeros.

        Returns
        -------
        Tensor of shape (batch, dim, frames)
            Latents of ``ceil(samples / hop_length)`` frames.
        """
        return self._latents(wave)

    @torch.no_grad()
    def decode(self, latents: Float[Tensor, "batch dim frames"]) -> Float[Tensor, "batch channels samples"]:
        """Decode latents to sound.

        Parameters
        ----------
        latents : Tensor of shape (batch, dim, frames)
            Output of :meth:`encode`.

        Returns
        -------
        Tensor of shape (batch, channels, samples)
            Sound of ``frames * hop_length`` samples.
        """
        return self._sound(latents)

    def save_pretrained(self, folder: str | Path, half: bool = False) -> Path:
        """Save the model, and the whitening of its latents where there is one."""
        folder = super().save_pretrained(folder, half)
        if self.whitening is not None:
            self.whitening.save(folder / _WHITENING)
        return folder

    def after_loading(self, folder: Path) -> None:
        """Load the whitening of the latents where there is one."""
        if (folder / _WHITENING).is_file():
            self.whitening = LatentWhitening.load(folder / _WHITENING)

    def _latents(self, wave: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch dim frames"]:
        whole = functional.pad(wave, (0, -wave.shape[-1] % self.config.hop_length))
        latents = self.encoder(whole)
        return latents if self.mdct is None else self.mdct.analysis(whole) + GAIN * latents

    def _sound(self, latents: Float[Tensor, "batch dim frames"]) -> Float[Tensor, "batch channels samples"]:
        sound = self.decoder(latents)
        return sound if self.mdct is None else self.mdct.synthesis(latents) + GAIN * sound


def mask_frames(latents: Float[Tensor, "batch dim frames"], share: float) -> Float[Tensor, "batch dim frames"]:
    """Set a random ``share`` of latent frames to zero, for robustness to noise as in JEN-1."""
    kept = torch.rand(latents.shape[0], 1, latents.shape[2], device=latents.device) >= share
    return latents * kept
