"""The network: log-mel frames, two convolutions down to 25 Hz, a contrastive and a masked-prediction module."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from ...audio.mel import mel_filters
from ..codec_parts.pretrained import Pretrained
from .config import W2vBertConfig
from .conformer import Conformer, ConformerSize
from .quantiser import GumbelQuantiser, ProjectionQuantiser, Quantised


class W2vBertOutput(NamedTuple):
    """What one pass in training gives.

    Attributes
    ----------
    context : of the contrastive module, projected to the width of the codes.
    target : the quantised unmasked frames, projected likewise.
    logits : of the codes, from the masked-prediction module.
    quantised : the frames' codes.
    """

    context: Float[Tensor, "batch frames code_dim"]
    target: Float[Tensor, "batch frames code_dim"]
    logits: Float[Tensor, "batch frames books codes"]
    quantised: Quantised


class W2vBert(Pretrained):
    """w2v-BERT (Chung et al. 2021, arXiv 2108.06209)."""

    Config = W2vBertConfig
    config: W2vBertConfig
    mel_mean: Tensor
    mel_std: Tensor
    filters: Tensor

    def __init__(self, config: W2vBertConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mel_mean", torch.zeros(config.mels))
        self.register_buffer("mel_std", torch.ones(config.mels))
        filters = torch.from_numpy(mel_filters(config.sample_rate, config.n_fft, config.mels))
        self.register_buffer("filters", filters, persistent=False)
        self.subsample = Subsampling(config.mels, config.width)
        self.contrastive = Conformer(_conformer_size(config, config.contrastive_blocks))
        self.masked = Conformer(_conformer_size(config, config.masked_blocks))
        self.quantiser = (GumbelQuantiser if config.quantiser == "gumbel" else ProjectionQuantiser)(config)
        self.project_context = nn.Linear(config.width, config.code_dim)
        self.project_target = nn.Linear(config.code_dim, config.code_dim)
        self.predict = nn.Linear(config.width, config.codebooks * config.codes)

    def forward(
        self, sound: Float[Tensor, "batch samples"], mask: Bool[Tensor, "batch frames"], temperature: float
    ) -> W2vBertOutput:
        """One pass in training.

        Parameters
        ----------
        sound : at the configuration's sample rate. mask : the frames at 25 Hz that are replaced by noise.
        temperature : of the soft choice of codes.
        """
        features = self.features(sound)
        with torch.autocast(features.device.type, enabled=False):
            part = self.config.feature_gradient
            given = part * features.float() + (1 - part) * features.float().detach()
            quantised = self.quantiser(given, temperature)
            target = self.project_target(quantised.vectors)
        noise = torch.randn_like(features)
        context = self.contrastive(torch.where(mask[..., None], noise, features))[-1]
        logits = self.predict(self.masked(context)[-1])
        logits = logits.unflatten(-1, (self.config.codebooks, self.config.codes))
        return W2vBertOutput(self.project_context(context), target, logits, quantised)

    def hidden_states(self, sound: Float[Tensor, "batch samples"]) -> list[Float[Tensor, "batch frames width"]]:
        """The states before the first block and after each block of both modules, at 25 Hz, nothing masked."""
        contrastive = self.contrastive(self.features(sound))
        return contrastive + self.masked(contrastive[-1])[1:]

    def at_depth(self, sound: Float[Tensor, "batch samples"], depth: float) -> Float[Tensor, "batch frames width"]:
        """The states at a relative depth: 0 before the first block, 1 after the last of both modules, 19/24 where
        AudioLM reads (after block 7 of the masked-prediction module of 12 + 12)."""
        return self.hidden_states(sound)[round(depth * self.config.blocks)]

    def features(self, sound: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames width"]:
        """Frames at 25 Hz before any block: normalised log-mel through the convolutions."""
        return self.subsample((self.log_mel(sound) - self.mel_mean) / self.mel_std)

    def log_mel(self, sound: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames mels"]:
        """ln(power + 1e-6) of mel bands at 100 Hz, whole frames only: ``samples // hop_length`` of them."""
        config = self.config
        window = torch.hann_window(config.n_fft, device=sound.device)
        with torch.autocast(sound.device.type, enabled=False):
            spectrum = torch.stft(
                sound.float(), config.n_fft, config.hop_length, window=window, pad_mode="constant", return_complex=True
            )
            power = spectrum.real.square() + spectrum.imag.square()
            bands = torch.log(self.filters @ power + 1e-6)
        return bands[..., : sound.shape[-1] // config.hop_length].transpose(1, 2)

    def measure(self, sound: Float[Tensor, "batch samples"]) -> None:
        """Take the mean and the deviation of every band from some sound; they are kept with the weights."""
        bands = self.log_mel(sound)
        self.mel_mean.copy_(bands.mean(dim=(0, 1)))
        self.mel_std.copy_(bands.std(dim=(0, 1)).clamp_min(1e-3))

    def frames(self, samples: int) -> int:
        """Frames at 25 Hz of so many samples."""
        return -(-(samples // self.config.hop_length) // 4)


class Subsampling(nn.Module):
    """Two convolutions with strides (2, 2): a quarter of the frames, and the bands folded into the width."""

    def __init__(self, mels: int, width: int, channels: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, channels, 3, stride=2, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.out = nn.Linear(channels * mels // 4, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, mel: Float[Tensor, "batch frames mels"]) -> Float[Tensor, "batch fewer width"]:
        """(batch, frames, mels) at 100 Hz -> (batch, ceil(frames / 4), width) at 25 Hz."""
        maps = functional.relu(self.second(functional.relu(self.first(mel[:, None]))))
        return self.norm(self.out(maps.transpose(1, 2).flatten(2)))


def _conformer_size(config: W2vBertConfig, blocks: int) -> ConformerSize:
    return ConformerSize(config.width, blocks, config.heads, config.feed_forward, config.kernel, dropout=config.dropout)
