"""SoundStream, a causal neural codec whose tokens MusicLM predicts.

Zeghidour, Luebs, Omran, Skoglund, Tagliasacchi, "SoundStream: an end-to-end neural audio codec" (2021,
arXiv 2107.03312); the variant of 24 kHz, stride 480, 50 Hz and 12 × 1024 codes is MusicLM's (Agostinelli et al.
2023, arXiv 2301.11325). MusicLM does not publish its stride factors.
"""

from dataclasses import dataclass, replace
from math import log2, prod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from ..codec_parts.layers import Activation, ConvDecoder, ConvEncoder, Memory
from ..codec_parts.pretrained import Pretrained
from ..codec_parts.quantizer import ResidualVectorQuantizer

if TYPE_CHECKING:
    from ..codec_parts.stream import SoundStreamStream


@dataclass(frozen=True)
class SoundStreamConfig:
    """Configuration of a SoundStream.

    The defaults are those of the small variant at the frame rate of MusicLM (50 Hz).

    Attributes
    ----------
    sample_rate : int
        Sample rate in Hz.
    patch : int
        Stride of the first layer: 1 in the paper; 20 in the small size, which two CPU cores train in an hour.
    strides : tuple of int
        Further strides; the product of all strides is the hop length.
    encoder_channels : tuple of int
        Widths of the encoder from the waveform to the latents, one more than strides. Multiples of 16 are several times
        faster on a CPU.
    decoder_channels : tuple of int
        Widths of the decoder, in the order of the encoder.
    dim : int
        Dimensions of a latent frame.
    n_quantizers : int
        Number of quantizers.
    codebook_size : int
        Codes per quantizer.
    dead_code_threshold : float
        Frames per batch below which a code is replaced
        (:class:`~brain2music.models.codec_parts.ResidualVectorQuantizer`).
    activation : {"elu", "snake"}
        Activation of the convolutions.
    film : bool
        Whether the bottleneck has a denoising switch.

    Examples
    --------
    >>> from brain2music.models.soundstream import SoundStreamConfig
    >>> config = SoundStreamConfig.size("paper")
    >>> config.hop_length, config.kbps
    (480, 6.0)
    """

    json_keys: ClassVar = {
        "sample_rate": "rate",
        "n_quantizers": "levels",
        "codebook_size": "codes",
        "dead_code_threshold": "rare",
    }

    sample_rate: int = 24000
    patch: int = 20
    strides: tuple[int, ...] = (4, 6)
    encoder_channels: tuple[int, ...] = (96, 192, 320)
    decoder_channels: tuple[int, ...] = (96, 192, 320)
    dim: int = 64
    n_quantizers: int = 12
    codebook_size: int = 1024
    dead_code_threshold: float = 2.0
    activation: Activation = "elu"
    film: bool = False

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return self.patch * prod(self.strides)

    @property
    def kbps(self) -> float:
        """Kilobits per second with all quantizers."""
        return self.sample_rate / self.hop_length * self.n_quantizers * log2(self.codebook_size) / 1000

    @classmethod
    def size(cls, name: Literal["tiny", "small", "paper", "paper-320"]) -> "SoundStreamConfig":
        """Make the configuration of a named size.

        Parameters
        ----------
        name : {"tiny", "small", "paper", "paper-320"}
            ``paper`` is the variant of MusicLM with the widths of SoundStream, ``paper-320`` is that of SoundStream
            itself.

        Returns
        -------
        SoundStreamConfig
            The configuration.
        """
        wide = (32, 64, 128, 256, 512)
        paper = cls(patch=1, strides=(3, 4, 5, 8), encoder_channels=wide, decoder_channels=wide, dim=256)
        paper_320 = replace(paper, strides=(2, 4, 5, 8), n_quantizers=8, film=True)
        narrow = (8, 16, 16)
        tiny = cls(
            encoder_channels=narrow,
            decoder_channels=narrow,
            dim=8,
            n_quantizers=4,
            codebook_size=32,
            dead_code_threshold=0.1,
        )
        return {"tiny": tiny, "small": cls(dead_code_threshold=0.05), "paper": paper, "paper-320": paper_320}[name]


class SoundStreamOutput(NamedTuple):
    """Output of a forward pass: sound, codes, the commitment loss, and the quantizers kept per example."""

    wave: Float[Tensor, "batch 1 samples"]
    codes: Int[Tensor, "batch quantizers frames"]
    commitment: Float[Tensor, ""]
    n_quantizers: Int[Tensor, " batch"]


class SoundStream(Pretrained):
    """Neural codec of mono sound: a causal encoder, a residual vector quantizer and a causal decoder.

    A trained model is used through :func:`brain2music.get_codec`, which adds resampling and files.

    Parameters
    ----------
    config : SoundStreamConfig
        Sizes and options.

    References
    ----------
    Zeghidour et al., "SoundStream: an end-to-end neural audio codec" (2021, arXiv 2107.03312). The variant with 24 kHz,
    a hop of 480 samples and 12 × 1024 codes is that of MusicLM (Agostinelli et al. 2023, arXiv 2301.11325), which does
    not publish its strides.

    Examples
    --------
    >>> import torch
    >>> from brain2music.models.soundstream import SoundStream, SoundStreamConfig
    >>> model = SoundStream(SoundStreamConfig.size("tiny")).eval()
    >>> codes = model.encode(torch.zeros(2, 1, 24000))  # batch, channels, samples
    >>> tuple(codes.shape)  # batch, quantizers, frames
    (2, 4, 50)
    >>> tuple(model.decode(codes).shape)
    (2, 1, 24000)
    """

    Config = SoundStreamConfig
    training_only = (".counts", ".sums")
    channels = 1

    def __init__(self, config: SoundStreamConfig) -> None:
        super().__init__()
        self.config = config
        shape = (config.strides, config.dim, config.patch, config.activation)
        self.encoder = ConvEncoder(1, config.encoder_channels, *shape)
        self.quantizer = ResidualVectorQuantizer(
            config.dim, config.n_quantizers, config.codebook_size, dead_code_threshold=config.dead_code_threshold
        )
        self.decoder = ConvDecoder(1, config.decoder_channels, *shape)
        self.film = nn.Embedding(2, 2 * config.dim) if config.film else None
        if self.film is not None:
            nn.init.zeros_(self.film.weight)

    @property
    def latency_samples(self) -> int:
        """Algorithmic latency in samples: one frame."""
        return self.config.hop_length

    def forward(
        self,
        wave: Float[Tensor, "batch 1 samples"],
        n_quantizers: Int[Tensor, " batch"] | None = None,
        denoise: Bool[Tensor, " batch"] | None = None,
    ) -> SoundStreamOutput:
        """Encode, quantise and decode; in training, sample ``n_quantizers`` per example and update the codebooks."""
        quantized = self.quantizer(self.latents(wave, denoise), n_quantizers)
        decoded = self.decoder(quantized.values)[..., : wave.shape[-1]]
        return SoundStreamOutput(decoded, quantized.codes, quantized.commitment, quantized.n_quantizers)

    @torch.no_grad()
    def encode(
        self,
        wave: Float[Tensor, "batch 1 samples"],
        n_quantizers: int | None = None,
        denoise: Bool[Tensor, " batch"] | None = None,
    ) -> Int[Tensor, "batch quantizers frames"]:
        """Encode sound to codes.

        Parameters
        ----------
        wave : Tensor of shape (batch, 1, samples)
            Sound at ``config.sample_rate`` Hz.
        n_quantizers : int, optional
            Number of quantizers to use; default all.
        denoise : Tensor of bool, of shape (batch,), optional
            Whether the decoder is to remove noise, where the model has that switch.

        Returns
        -------
        Tensor of int, of shape (batch, quantizers, frames)
            Codes of ``ceil(samples / hop_length)`` frames.
        """
        return self.quantize(self.latents(wave, denoise), n_quantizers)

    @torch.no_grad()
    def decode(self, codes: Int[Tensor, "batch quantizers frames"]) -> Float[Tensor, "batch 1 samples"]:
        """Decode codes to sound.

        Parameters
        ----------
        codes : Tensor of int, of shape (batch, quantizers, frames)
            Codes of all quantizers, or of the first.

        Returns
        -------
        Tensor of shape (batch, 1, samples)
            Sound of ``frames * hop_length`` samples.
        """
        return self.decoder(self.dequantize(codes))

    def latents(
        self,
        wave: Float[Tensor, "batch 1 samples"],
        denoise: Bool[Tensor, " batch"] | None = None,
        memory: Memory | None = None,
    ) -> Float[Tensor, "batch dim frames"]:
        """Encode sound to latents before quantisation; the last frame is padded with zeros."""
        padded = functional.pad(wave, (0, -wave.shape[-1] % self.config.hop_length))
        return self._film(self.encoder(padded, memory), denoise)

    def quantize(
        self, latents: Float[Tensor, "batch dim frames"], n_quantizers: int | None = None
    ) -> Int[Tensor, "batch quantizers frames"]:
        """Quantise latents to codes."""
        batch, dim, frames = latents.shape
        codes = self.quantizer.encode(latents.transpose(1, 2).reshape(-1, dim), n_quantizers)
        return codes.reshape(batch, frames, -1).transpose(1, 2)

    def dequantize(self, codes: Int[Tensor, "batch quantizers frames"]) -> Float[Tensor, "batch dim frames"]:
        """Convert codes to the latents that the decoder reads."""
        batch, n_quantizers, frames = codes.shape
        vectors = self.quantizer.decode(codes.transpose(1, 2).reshape(-1, n_quantizers))
        return vectors.reshape(batch, frames, -1).transpose(1, 2)

    def stream(self, n_quantizers: int | None = None) -> "SoundStreamStream":
        """Make a stream that encodes and decodes chunks of any length."""
        from ..codec_parts.stream import SoundStreamStream

        return SoundStreamStream(self, n_quantizers)

    def after_loading(self, folder: Path) -> None:
        """Reset the moving averages of the codebooks, which are not saved because only training needs them."""
        self.quantizer.reset_statistics()

    def _film(
        self, latents: Float[Tensor, "batch dim frames"], denoise: Bool[Tensor, " batch"] | None
    ) -> Float[Tensor, "batch dim frames"]:
        """Scale and shift latents, which tells the decoder whether to remove noise (FiLM, section III-E)."""
        if self.film is None:
            if denoise is not None:
                raise ValueError("this SoundStream was built without the denoising switch (film=True)")
            return latents
        if denoise is None:
            denoise = torch.zeros(len(latents), dtype=torch.bool, device=latents.device)
        scale, shift = self.film(denoise.long())[..., None].chunk(2, dim=1)
        return latents * (1 + scale) + shift
