"""w2v-BERT: log-mel frames, two convolutions to 25 Hz, a contrastive and a masked-prediction module."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from ...audio.mel import mel_filters
from ..codec_parts.pretrained import Pretrained, rename_tensors
from .config import W2vBertConfig
from .conformer import Conformer, ConformerSize
from .quantizers import GumbelQuantizer, ProductQuantizerOutput, ProjectionQuantizer


class W2vBertOutput(NamedTuple):
    """Outputs of w2v-BERT in training.

    Attributes
    ----------
    context : states of the contrastive module, projected to the width of the codes.
    target : quantised unmasked frames, projected in the same way.
    logits : logits of the codes from the masked-prediction module.
    quantised : output of the quantizer for the unmasked frames.
    """

    context: Float[Tensor, "batch frames code_dim"]
    target: Float[Tensor, "batch frames code_dim"]
    logits: Float[Tensor, "batch frames books codes"]
    quantised: ProductQuantizerOutput


class W2vBert(Pretrained):
    """Self-supervised model of music: a contrastive and a masked-prediction module of conformer blocks.

    Parameters
    ----------
    config : W2vBertConfig
        Sizes and weights of the losses.

    References
    ----------
    Chung et al., "w2v-BERT" (2021, arXiv 2108.06209).

    Examples
    --------
    >>> import torch
    >>> from brain2music.models.w2v_bert import W2vBert, W2vBertConfig
    >>> config = W2vBertConfig(width=32, heads=2, feed_forward=64, contrastive_blocks=1, masked_blocks=1, code_dim=32)
    >>> model = W2vBert(config).eval()
    >>> states = model.at_depth(torch.zeros(1, 24000), depth=0.5)
    >>> tuple(states.shape)  # batch, frames at 25 Hz, width
    (1, 25, 32)
    """

    Config = W2vBertConfig
    config: W2vBertConfig
    mel_mean: Tensor
    mel_std: Tensor
    filters: Tensor

    def __init__(self, config: W2vBertConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mel_mean", torch.zeros(config.n_mels))
        self.register_buffer("mel_std", torch.ones(config.n_mels))
        filters = torch.from_numpy(mel_filters(config.sample_rate, config.n_fft, config.n_mels))
        self.register_buffer("filters", filters, persistent=False)
        self.subsample = Subsampling(config.n_mels, config.width)
        self.contrastive = Conformer(_conformer_size(config, config.contrastive_blocks))
        self.masked = Conformer(_conformer_size(config, config.masked_blocks))
        self.quantizer = (GumbelQuantizer if config.quantizer == "gumbel" else ProjectionQuantizer)(config)
        self.project_context = nn.Linear(config.width, config.code_dim)
        self.project_target = nn.Linear(config.code_dim, config.code_dim)
        rename_tensors(self, (("quantizer.", "quantiser."),))
        self.predict = nn.Linear(config.width, config.n_codebooks * config.codebook_size)

    def forward(
        self, sound: Float[Tensor, "batch samples"], mask: Bool[Tensor, "batch frames"], temperature: float
    ) -> W2vBertOutput:
        """Compute context, targets and logits for the losses.

        Parameters
        ----------
        sound : Tensor of shape (batch, samples)
            Sound at the sample rate of the configuration.
        mask : Tensor of bool, of shape (batch, frames)
            Frames at 25 Hz that are replaced by noise.
        temperature : float
            Temperature of the Gumbel softmax.

        Returns
        -------
        W2vBertOutput
            Context, targets, logits and quantised frames.
        """
        features = self.features(sound)
        with torch.autocast(features.device.type, enabled=False):
            part = self.config.feature_gradient
            inputs = part * features.float() + (1 - part) * features.float().detach()
            quantised = self.quantizer(inputs, temperature)
            target = self.project_target(quantised.vectors)
        noise = torch.randn_like(features)
        context = self.contrastive(torch.where(mask[..., None], noise, features))[-1]
        logits = self.predict(self.masked(context)[-1])
        logits = logits.unflatten(-1, (self.config.n_codebooks, self.config.codebook_size))
        return W2vBertOutput(self.project_context(context), target, logits, quantised)

    def hidden_states(self, sound: Float[Tensor, "batch samples"]) -> list[Float[Tensor, "batch frames width"]]:
        """Hidden states before the first block and after each block of both modules, at 25 Hz, without a mask."""
        contrastive = self.contrastive(self.features(sound))
        return contrastive + self.masked(contrastive[-1])[1:]

    def at_depth(self, sound: Float[Tensor, "batch samples"], depth: float) -> Float[Tensor, "batch frames width"]:
        """Compute hidden states at a relative depth.

        AudioLM uses 19/24 (after block 7 of the masked-prediction module of 12 + 12).

        Parameters
        ----------
        sound : Tensor of shape (batch, samples)
            Sound at the sample rate of the configuration.
        depth : float
            Relative depth: 0 before the first block, 1 after the last block of both modules.

        Returns
        -------
        Tensor of shape (batch, frames, width)
            States at 25 Hz.
        """
        return self.hidden_states(sound)[round(depth * self.config.blocks)]

    def features(self, sound: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames width"]:
        """Convolutional features at 25 Hz of the normalised log-mel spectrogram."""
        return self.subsample((self.log_mel(sound) - self.mel_mean) / self.mel_std)

    def log_mel(self, sound: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames mels"]:
        """Log-mel spectrogram ln(power + 1e-6) at 100 Hz, with ``samples // hop_length`` frames."""
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
        """Set the mean and standard deviation of every mel band, which are saved with the weights, from ``sound``."""
        bands = self.log_mel(sound)
        self.mel_mean.copy_(bands.mean(dim=(0, 1)))
        self.mel_std.copy_(bands.std(dim=(0, 1)).clamp_min(1e-3))

    def frames(self, samples: int) -> int:
        """Number of frames at 25 Hz of ``samples`` samples."""
        return -(-(samples // self.config.hop_length) // 4)


class Subsampling(nn.Module):
    """Two convolutions with strides (2, 2), which quarter frames and bands, and a projection to ``width``."""

    def __init__(self, n_mels: int, width: int, channels: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, channels, 3, stride=2, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.out = nn.Linear(channels * n_mels // 4, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, mel: Float[Tensor, "batch frames mels"]) -> Float[Tensor, "batch fewer width"]:
        """Map (batch, frames, n_mels) at 100 Hz to (batch, ceil(frames / 4), width) at 25 Hz."""
        maps = functional.relu(self.second(functional.relu(self.first(mel[:, None]))))
        return self.norm(self.out(maps.transpose(1, 2).flatten(2)))


def _conformer_size(config: W2vBertConfig, blocks: int) -> ConformerSize:
    return ConformerSize(config.width, blocks, config.heads, config.feed_forward, config.kernel, dropout=config.dropout)
