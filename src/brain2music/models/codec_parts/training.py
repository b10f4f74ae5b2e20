"""Training task of SoundStream and JEN-1's autoencoder: reconstruction and adversarial losses.

Losses and weights are those of SoundStream (Zeghidour et al. 2021, arXiv 2107.03312, section III-E): 1 · adversarial +
100 · features + 1 · reconstruction, which are means over positions, channels and batch instead of sums over time, and
the commitment loss of the quantizer, whose weight the paper does not give. JEN-1 (Li et al. 2023, arXiv 2308.04729)
adds a loss in the time domain. Training begins without discriminators.

Only the discriminators run in mixed precision. The codec stays in single precision because the noise of waveforms
rounded to eight bits is visible in log spectrograms.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ...audio.io import write_audio
from ...training.audio_data import Crops
from ...training.divergence import gan_divergence
from ...training.engine import Engine
from ...training.model_card import write_model_card
from ...training.schedule import cosine, set_lr
from ..autoencoder.model import Autoencoder
from ..autoencoder.whitening import LatentWhitening
from ..soundstream.model import SoundStream
from .adversarial_step import discriminator_step
from .discriminators import Discriminators
from .losses import reconstruction_loss

Codec = SoundStream | Autoencoder
SAMPLE_CROPS = 4
"""Number of crops that are written as samples."""
WHITENING_CROPS = 120
"""Number of crops of 10 s from which the whitening of an autoencoder is fitted."""
FRAMES_PER_CODE = 32
"""Frames per code from which codebooks are fitted again."""


@dataclass(frozen=True)
class CodecHyperparameters:
    """Hyper-parameters of training a codec.

    The weights of the losses are those of SoundStream (Zeghidour et al. 2021, arXiv 2107.03312, section III-E), where
    it has the loss.

    Attributes
    ----------
    lr : float
        Peak learning rate of Adam (betas 0.5, 0.9) for the codec; cosine decay to 5 % at the end of training.
    discriminator_lr : float
        Peak learning rate of the discriminators.
    clip : float
        Largest gradient norm of the codec.
    discriminator_clip : float
        Largest gradient norm of the discriminators.
    adversarial : float
        Weight of the hinge loss.
    features : float
        Weight of the difference of discriminator features.
    reconstruction : float
        Weight of the multi-resolution mel spectrogram loss.
    commitment : float
        Weight of the commitment loss of the quantizer.
    waveform : float
        Weight of the mean absolute difference of samples, which SoundStream does not have.
    adversarial_after : float
        Share of training (steps or minutes) with the reconstruction loss alone.
    refits : tuple of float
        Shares of training after which the codebooks of SoundStream are fitted again with k-means, because small batches
        update few codes, and the first batch was encoded by an untrained encoder.
    compile : bool
        Whether to compile the networks, which takes a minute and makes them faster.

    Examples
    --------
    >>> from brain2music.models.codec_parts import CodecHyperparameters
    >>> CodecHyperparameters(adversarial_after=1.0).reconstruction  # without discriminators
    1.0
    """

    lr: float = 3e-4
    discriminator_lr: float = 3e-4
    clip: float = 1000.0
    discriminator_clip: float = 10.0
    adversarial: float = 1.0
    features: float = 100.0
    reconstruction: float = 1.0
    commitment: float = 1.0
    waveform: float = 0.0
    adversarial_after: float = 0.12
    refits: tuple[float, ...] = ()
    compile: bool = False


class CodecTask:
    """Training task of a codec and its discriminators (:class:`brain2music.training.task.Task`).

    Parameters
    ----------
    codec, discriminators : models to train.
    crops : training crops. validation : held-out batch (batch, channels, samples). sample_sounds : sounds that are
        decoded and written during training.
    facts : lines of the model card: data, command.
    """

    averaged: tuple[str, ...] = ("codec",)

    def __init__(
        self,
        codec: Codec,
        discriminators: Discriminators,
        crops: Crops,
        validation: Float[Tensor, "batch channels samples"],
        sample_sounds: Float[Tensor, "sounds channels longer"],
        hparams: CodecHyperparameters,
        facts: Mapping[str, Any],
    ) -> None:
        self.sample_rate, self.hparams, self.facts = codec.config.sample_rate, hparams, facts
        self.models: dict[str, nn.Module] = {"codec": codec, "discriminators": discriminators}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "codec": _adam(codec, hparams.lr),
            "discriminators": _adam(discriminators, hparams.discriminator_lr),
        }
        self.codebook_size = codec.config.codebook_size if isinstance(codec, SoundStream) else 0
        self.crops, self.validation, self.sample_sounds = crops, validation, sample_sounds
        self.seconds_per_batch = crops.batch_size * crops.frames / self.sample_rate
        self.last_validation: dict[str, float] = {}
        self.steps = 0
        self.progress: float | None = None  # share of training at the last step
        if hparams.compile:
            for part in (codec.encoder, codec.decoder, discriminators):
                part.compile()

    def batch(self, step: int) -> Float[Tensor, "batch channels samples"]:
        """Draw a batch of random crops."""
        return self.crops.batch(step)

    def update(
        self, batch: Float[Tensor, "batch channels samples"], step: int, engine: Engine
    ) -> Mapping[str, Tensor | float]:
        """Take one optimizer step of the codec and, after the first part of training, of its discriminators.

        Both gradients are those of the present weights, so each discriminator processes each sound once.
        """
        hparams, factor = self.hparams, cosine(engine.progress, step)
        set_lr(self.optimizers["codec"], hparams.lr * factor)
        set_lr(self.optimizers["discriminators"], hparams.discriminator_lr * factor)
        self._refit_codebooks(step, engine)
        decoded, commitment, logs = self._decode_batch(batch)
        reconstruction = reconstruction_loss(batch, decoded, self.sample_rate)
        loss = hparams.reconstruction * reconstruction + hparams.commitment * commitment
        if hparams.waveform:
            logs["waveform"] = (batch - decoded).abs().mean()
            loss = loss + hparams.waveform * logs["waveform"]
        if engine.progress >= hparams.adversarial_after:
            gradient, adversarial_logs = discriminator_step(
                self.models["discriminators"],
                self.optimizers["discriminators"],
                batch,
                decoded,
                engine,
                adversarial=hparams.adversarial,
                features=hparams.features,
                clip=hparams.discriminator_clip,
            )
            loss = loss + (decoded * gradient).sum()  # has the gradient of the adversarial losses
            logs |= adversarial_logs
        engine.backward(loss)
        norm = engine.step(self.optimizers["codec"], hparams.clip)
        self.steps = step + 1
        return {"reconstruction": reconstruction, **logs, **({} if norm is None else {"norm": norm})}

    def validate(self, models: dict[str, nn.Module]) -> Mapping[str, float]:
        """Compute the reconstruction loss and, for SoundStream, the shares of used codes, on held-out sounds."""
        codec, device = models["codec"], next(models["codec"].parameters()).device
        losses, codes = [], []
        for part in self.validation.split(16):
            result = codec(part.to(device))
            losses.append(reconstruction_loss(part.to(device), _decoded_wave(result), self.sample_rate) * len(part))
            codes += [] if isinstance(result, Tensor) else [result.codes.transpose(0, 1).flatten(1)]
        self.last_validation = {"reconstruction": float(torch.stack(losses).sum() / len(self.validation))}
        if codes:
            used = used_code_shares(torch.cat(codes, dim=1), self.codebook_size)
            self.last_validation |= {"codes_used": float(used.mean()), "codes_used_min": float(used.min())}
        return self.last_validation

    def export(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Write the codec and its model card."""
        codec = models["codec"]
        assert isinstance(codec, SoundStream | Autoencoder)
        if isinstance(codec, Autoencoder):
            codec.whitening = self._fit_whitening(codec)
        codec.save_pretrained(folder)
        sound_hours = self.steps * self.seconds_per_batch / 3600
        facts = {**self.facts, "steps": self.steps, "hours of sound seen": round(sound_hours, 1)}
        write_model_card(folder, codec, facts, self.last_validation)

    @torch.no_grad()
    def _fit_whitening(self, codec: Autoencoder) -> LatentWhitening:
        """Fit the whitening to latents of training sounds with their original loudness."""
        crops = full_scale_crops(self.crops, self.sample_rate, WHITENING_CROPS)
        whitening, device = LatentWhitening(codec.config.dim, normalise_rms=True), next(codec.parameters()).device
        for number in range(crops.batch_size):
            whitening.update(codec.encode(replace(crops, batch_size=1).batch(number).to(device)))
        return whitening

    def sample(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Write decoded sounds, and once their originals."""
        device = next(models["codec"].parameters()).device
        decoded = _decoded_wave(models["codec"](self.sample_sounds.to(device))).float().cpu().numpy()
        originals = folder.parent / "original"
        for number, (sound, original) in enumerate(zip(decoded, self.sample_sounds.numpy(), strict=True)):
            write_audio(folder / f"{number}.wav", sound, self.sample_rate)
            if not (originals / f"{number}.wav").exists():
                write_audio(originals / f"{number}.wav", original, self.sample_rate)

    def check_divergence(self, history: list[dict[str, float]]) -> str | None:
        """Reason why the adversarial training diverges, or None."""
        return gan_divergence(history)

    def _refit_codebooks(self, step: int, engine: Engine) -> None:
        """Fit the codebooks of SoundStream again where training passed a point of ``refits`` since the last step."""
        if self.steps == step + 1:
            return  # another batch of the same step
        before, self.progress = self.progress, engine.progress
        if before is None:  # first step after a start: with a number of steps, the share before is known
            before = self.progress if engine.arguments.minutes is not None else (step - 1) / engine.arguments.steps
        codec = engine.unwrap(self.models["codec"])
        if isinstance(codec, SoundStream) and any(before < point <= self.progress for point in self.hparams.refits):
            n_samples = FRAMES_PER_CODE * codec.config.codebook_size * codec.config.hop_length
            count = -(-n_samples // (self.crops.batch_size * self.crops.frames))
            with torch.no_grad():
                latents = [codec.latents(self.batch(step + ahead).to(engine.device)) for ahead in range(count)]
            codec.quantizer.refit(torch.cat([each.transpose(1, 2).flatten(0, 1) for each in latents]))

    def _decode_batch(
        self, batch: Float[Tensor, "batch channels samples"]
    ) -> tuple[Float[Tensor, "batch channels samples"], Tensor | float, dict[str, Tensor | float]]:
        """Decode a batch: sound, commitment loss, and values for the log."""
        result = self.models["codec"](batch)
        if isinstance(result, Tensor):
            return result, 0.0, {}
        used = used_code_shares(result.codes.transpose(0, 1).flatten(1), self.codebook_size)
        return result.wave, result.commitment, {"commitment": result.commitment, "codes_used": used.mean()}


def full_scale_crops(crops: Crops, sample_rate: int, most: int) -> Crops:
    """Crops of 10 s with their original loudness: one batch of ``most``, or fewer where the corpus is short."""
    seconds = float(crops.corpus.frames.sum()) / sample_rate
    return replace(crops, frames=10 * sample_rate, batch_size=min(most, ceil(seconds / 10)), gain_db=None)


def used_code_shares(codes: Int[Tensor, "quantizers frames"], size: int) -> Float[Tensor, " quantizers"]:
    """Share of the ``size`` codes of each quantizer that occur."""
    seen = torch.zeros(len(codes), size, device=codes.device)
    return seen.scatter_(1, codes, 1.0).mean(1)


def _decoded_wave(result: Any) -> Tensor:
    return result if isinstance(result, Tensor) else result.wave


def _adam(model: nn.Module, lr: float) -> torch.optim.Adam:
    return torch.optim.Adam(model.parameters(), lr=lr, betas=(0.5, 0.9), fused=True)
