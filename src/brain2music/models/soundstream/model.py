"""SoundStream: a causal neural codec whose tokens MusicLM is made of.

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

from ..codec_parts.layers import Activation, Decoder, Encoder, Memory
from ..codec_parts.pretrained import Pretrained
from ..codec_parts.quantizer import ResidualVectorQuantizer

if TYPE_CHECKING:
    from ..codec_parts.stream import SoundStreamStream


@dataclass(frozen=True)
class SoundStreamConfig:
    """Sizes and switches; the defaults are the small MusicLM variant.

    Attributes
    ----------
    sample_rate : Hz. patch, strides : of the encoder, in order; their product is the samples of a frame. The paper has
        no patch (1); the small size takes 20 samples at once, so that two processor cores train it in an hour.
    encoder_channels, decoder_channels : widths from the waveform's side to the latents', one more than strides;
        multiples of 16, which convolutions on a CPU run several times faster than others.
    dim : of a latent frame, and so of the codes. levels, codes : of the quantiser.
    rare : see :class:`ResidualVectorQuantizer`. film : whether the bottleneck has the denoising switch.
    """

    json_keys: ClassVar = {"sample_rate": "rate"}

    sample_rate: int = 24000
    patch: int = 20
    strides: tuple[int, ...] = (4, 6)
    encoder_channels: tuple[int, ...] = (96, 192, 320)
    decoder_channels: tuple[int, ...] = (96, 192, 320)
    dim: int = 64
    levels: int = 12
    codes: int = 1024
    rare: float = 2.0
    activation: Activation = "elu"
    film: bool = False

    @property
    def stride(self) -> int:
        """Samples of a frame."""
        return self.patch * prod(self.strides)

    @property
    def kbps(self) -> float:
        """Kilobits a second with all levels."""
        return self.sample_rate / self.stride * self.levels * log2(self.codes) / 1000

    @classmethod
    def size(cls, name: Literal["tiny", "small", "paper", "paper-320"]) -> "SoundStreamConfig":
        """The named size: ``paper`` is MusicLM's variant at SoundStream's widths, ``paper-320`` SoundStream's own."""
        wide = (32, 64, 128, 256, 512)
        paper = cls(patch=1, strides=(3, 4, 5, 8), encoder_channels=wide, decoder_channels=wide, dim=256)
        own = replace(paper, strides=(2, 4, 5, 8), levels=8, film=True)
        narrow = (8, 16, 16)
        tiny = cls(encoder_channels=narrow, decoder_channels=narrow, dim=8, levels=4, codes=32, rare=0.1)
        return {"tiny": tiny, "small": cls(rare=0.05), "paper": paper, "paper-320": own}[name]


class Reconstruction(NamedTuple):
    """What a forward pass gives: sound, ids, the commitment loss, and how many levels each example kept."""

    wave: Float[Tensor, "batch 1 samples"]
    codes: Int[Tensor, "batch levels frames"]
    commitment: Float[Tensor, ""]
    n_q: Int[Tensor, " batch"]


class SoundStream(Pretrained):
    """Mono sound at ``config.sample_rate`` Hz <-> codes (levels, frames), one frame every ``config.stride`` samples."""

    Config = SoundStreamConfig
    training_only = (".counts", ".sums")
    channels = 1

    def __init__(self, config: SoundStreamConfig) -> None:
        super().__init__()
        self.config = config
        shape = (config.strides, config.dim, config.patch, config.activation)
        self.encoder = Encoder(1, config.encoder_channels, *shape)
        self.quantizer = ResidualVectorQuantizer(config.dim, config.levels, config.codes, rare=config.rare)
        self.decoder = Decoder(1, config.decoder_channels, *shape)
        self.film = nn.Embedding(2, 2 * config.dim) if config.film else None
        if self.film is not None:
            nn.init.zeros_(self.film.weight)

    @property
    def latency_samples(self) -> int:
        """Samples that must have arrived before a sample can be given: one frame; nothing looks further ahead."""
        return self.config.stride

    def forward(
        self,
        wave: Float[Tensor, "batch 1 samples"],
        n_q: Int[Tensor, " batch"] | None = None,
        denoise: Bool[Tensor, " batch"] | None = None,
    ) -> Reconstruction:
        """Code and decode; training draws ``n_q``, the levels used for each example, and updates the codebooks."""
        quantized = self.quantizer(self.latents(wave, denoise), n_q)
        decoded = self.decoder(quantized.values)[..., : wave.shape[-1]]
        return Reconstruction(decoded, quantized.codes, quantized.commitment, quantized.n_q)

    @torch.no_grad()
    def encode(
        self,
        wave: Float[Tensor, "batch 1 samples"],
        n_q: int | None = None,
        denoise: Bool[Tensor, " batch"] | None = None,
    ) -> Int[Tensor, "batch levels frames"]:
        """Sound to codes, (batch, levels, ceil(samples / stride)); fewer levels make a lower bitrate."""
        return self.quantize(self.latents(wave, denoise), n_q)

    @torch.no_grad()
    def decode(self, codes: Int[Tensor, "batch levels frames"]) -> Float[Tensor, "batch 1 samples"]:
        """Codes of any number of levels to sound, frames · stride samples."""
        return self.decoder(self.dequantize(codes))

    def latents(
        self,
        wave: Float[Tensor, "batch 1 samples"],
        denoise: Bool[Tensor, " batch"] | None = None,
        memory: Memory | None = None,
    ) -> Float[Tensor, "batch dim frames"]:
        """The encoder's output before the quantiser; the end is padded with zeros to whole frames."""
        padded = functional.pad(wave, (0, -wave.shape[-1] % self.config.stride))
        return self._switched(self.encoder(padded, memory), denoise)

    def quantize(
        self, latents: Float[Tensor, "batch dim frames"], n_q: int | None = None
    ) -> Int[Tensor, "batch levels frames"]:
        """Latents to codes."""
        batch, dim, frames = latents.shape
        codes = self.quantizer.encode(latents.transpose(1, 2).reshape(-1, dim), n_q)
        return codes.reshape(batch, frames, -1).transpose(1, 2)

    def dequantize(self, codes: Int[Tensor, "batch levels frames"]) -> Float[Tensor, "batch dim frames"]:
        """Codes to the latents that the decoder takes."""
        batch, levels, frames = codes.shape
        vectors = self.quantizer.decode(codes.transpose(1, 2).reshape(-1, levels))
        return vectors.reshape(batch, frames, -1).transpose(1, 2)

    def stream(self, n_q: int | None = None) -> "SoundStreamStream":
        """A stream of sound through this model, in chunks of any length."""
        from ..codec_parts.stream import SoundStreamStream

        return SoundStreamStream(self, n_q)

    def after_loading(self, folder: Path) -> None:
        """Start the codebooks' moving averages afresh: only training needs them, so they do not ship."""
        self.quantizer.reset_statistics()

    def _switched(
        self, latents: Float[Tensor, "batch dim frames"], denoise: Bool[Tensor, " batch"] | None
    ) -> Float[Tensor, "batch dim frames"]:
        """Feature-wise scale and shift that tell the decoder whether to leave noise out (section III-E)."""
        if self.film is None:
            if denoise is not None:
                raise ValueError("this SoundStream was built without the denoising switch (film=True)")
            return latents
        if denoise is None:
            denoise = torch.zeros(len(latents), dtype=torch.bool, device=latents.device)
        scale, shift = self.film(denoise.long())[..., None].chunk(2, dim=1)
        return latents * (1 + scale) + shift
