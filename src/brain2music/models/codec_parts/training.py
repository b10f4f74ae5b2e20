"""Training of both codecs, SoundStream and JEN-1's autoencoder: reconstruction against discriminators.

Losses and weights are SoundStream's (Zeghidour et al. 2021, arXiv 2107.03312, section III-E): 1 · adversarial + 100 ·
features + 1 · reconstruction, all of them means (over positions, channels and batch) instead of the paper's sums over
time, and the commitment of the quantiser, whose weight the paper does not give. JEN-1 (Li et al. 2023, arXiv
2308.04729) adds a loss in the time domain. The discriminators are left out for the first part of the budget.

Only the discriminators run in mixed precision. The codec itself stays in single precision: a waveform rounded to eight
bits carries a noise floor that a log spectrogram hears.
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
LISTENED = 4
"""Crops that are written as samples."""
WHITENED = 120
"""Crops of 10 s that an autoencoder's whitening is learned from."""
FRAMES_A_CODE = 32
"""Frames from which codebooks are learned anew, for each code."""


@dataclass(frozen=True)
class CodecHyperparameters:
    """How a codec is trained.

    Attributes
    ----------
    lr, discriminator_lr : peak learning rates of Adam (betas 0.5, 0.9); cosine to 5 % at the end of the budget.
    clip, discriminator_clip : norms to which gradients are clipped.
    adversarial, features, reconstruction, commitment, waveform : weights of the losses; waveform is the mean
        absolute difference of samples, which SoundStream does not have.
    adversarial_after : the part of the budget (steps or minutes) that is trained on reconstruction alone.
    refits : the parts of the budget after which SoundStream's codebooks are learned anew (k-means): small batches
        reach few codes, and those of the first batch are of an encoder that had learned nothing.
    compile : compile encoder, decoder and discriminators; they start a minute later and run faster.
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
    """A codec and its discriminators; a :class:`~brain2music.training.task.Task`.

    Parameters
    ----------
    codec, discriminators : the models to train.
    crops : what is trained on. validation : a batch that is not, (batch, channels, samples). listening : sounds that
        are decoded and written while training runs.
    facts : lines of the model card: data, command.
    """

    averaged: tuple[str, ...] = ("codec",)

    def __init__(
        self,
        codec: Codec,
        discriminators: Discriminators,
        crops: Crops,
        validation: Float[Tensor, "batch channels samples"],
        listening: Float[Tensor, "sounds channels longer"],
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
        self.crops, self.validation, self.listening = crops, validation, listening
        self.seconds_per_batch = crops.batch_size * crops.frames / self.sample_rate
        self.last_validation: dict[str, float] = {}
        self.steps = 0
        self.spent: float | None = None  # the part of the budget at the last step
        if hparams.compile:
            for part in (codec.encoder, codec.decoder, discriminators):
                part.compile()

    def batch(self, step: int) -> Float[Tensor, "batch channels samples"]:
        """Random crops."""
        return self.crops.batch(step)

    def update(
        self, batch: Float[Tensor, "batch channels samples"], step: int, engine: Engine
    ) -> Mapping[str, Tensor | float]:
        """One step of the codec and, after the first part of the budget, of its discriminators.

        Both gradients are of the present weights, so each discriminator hears each sound once.
        """
        hparams, factor = self.hparams, cosine(engine.progress, step)
        set_lr(self.optimizers["codec"], hparams.lr * factor)
        set_lr(self.optimizers["discriminators"], hparams.discriminator_lr * factor)
        self._refit_if_due(step, engine)
        decoded, commitment, logs = self._decoded(batch)
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
        """The reconstruction loss and, of SoundStream, the part of its codes in use, on sounds not trained on."""
        codec, device = models["codec"], next(models["codec"].parameters()).device
        losses, codes = [], []
        for part in self.validation.split(16):
            result = codec(part.to(device))
            losses.append(reconstruction_loss(part.to(device), _decoded_wave(result), self.sample_rate) * len(part))
            codes += [] if isinstance(result, Tensor) else [result.codes.transpose(0, 1).flatten(1)]
        self.last_validation = {"reconstruction": float(torch.stack(losses).sum() / len(self.validation))}
        if codes:
            used = codes_used(torch.cat(codes, dim=1), self.codebook_size)
            self.last_validation |= {"codes_used": float(used.mean()), "codes_used_min": float(used.min())}
        return self.last_validation

    def export(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Write the codec as ``from_pretrained`` reads it, and its card."""
        codec = models["codec"]
        assert isinstance(codec, SoundStream | Autoencoder)
        if isinstance(codec, Autoencoder):
            codec.whitening = self._whitening(codec)
        codec.save_pretrained(folder)
        sound_hours = self.steps * self.seconds_per_batch / 3600
        facts = {**self.facts, "steps": self.steps, "hours of sound seen": round(sound_hours, 1)}
        write_model_card(folder, codec, facts, self.last_validation)

    @torch.no_grad()
    def _whitening(self, codec: Autoencoder) -> LatentWhitening:
        """Of latents of the training sounds at their own loudness."""
        crops = as_it_is(self.crops, self.sample_rate, WHITENED)
        learned, device = LatentWhitening(codec.config.dim, levelled=True), next(codec.parameters()).device
        for number in range(crops.batch_size):
            learned.update(codec.encode(replace(crops, batch_size=1).batch(number).to(device)))
        return learned

    def sample(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Write decoded sounds, once beside their originals."""
        device = next(models["codec"].parameters()).device
        decoded = _decoded_wave(models["codec"](self.listening.to(device))).float().cpu().numpy()
        originals = folder.parent / "original"
        for number, (sound, original) in enumerate(zip(decoded, self.listening.numpy(), strict=True)):
            write_audio(folder / f"{number}.wav", sound, self.sample_rate)
            if not (originals / f"{number}.wav").exists():
                write_audio(originals / f"{number}.wav", original, self.sample_rate)

    def check_divergence(self, history: list[dict[str, float]]) -> str | None:
        """What goes wrong between the codec and its discriminators, before it collapses."""
        return gan_divergence(history)

    def _refit_if_due(self, step: int, engine: Engine) -> None:
        """Learn SoundStream's codebooks anew where a point of ``refits`` was passed since the step before."""
        if self.steps == step + 1:
            return  # a further batch of the same step
        before, self.spent = self.spent, engine.progress
        if before is None:  # the first step of this call: where the steps are the budget, one step back is known
            before = self.spent if engine.arguments.minutes is not None else (step - 1) / engine.arguments.steps
        codec = engine.unwrap(self.models["codec"])
        if isinstance(codec, SoundStream) and any(before < point <= self.spent for point in self.hparams.refits):
            wanted = FRAMES_A_CODE * codec.config.codebook_size * codec.config.hop_length
            count = -(-wanted // (self.crops.batch_size * self.crops.frames))
            with torch.no_grad():
                latents = [codec.latents(self.batch(step + ahead).to(engine.device)) for ahead in range(count)]
            codec.quantizer.refit(torch.cat([each.transpose(1, 2).flatten(0, 1) for each in latents]))

    def _decoded(
        self, batch: Float[Tensor, "batch channels samples"]
    ) -> tuple[Float[Tensor, "batch channels samples"], Tensor | float, dict[str, Tensor | float]]:
        """The decoded sound, the commitment loss, and what to log of the codes."""
        result = self.models["codec"](batch)
        if isinstance(result, Tensor):
            return result, 0.0, {}
        used = codes_used(result.codes.transpose(0, 1).flatten(1), self.codebook_size)
        return result.wave, result.commitment, {"commitment": result.commitment, "codes_used": used.mean()}


def as_it_is(crops: Crops, sample_rate: int, most: int) -> Crops:
    """One batch of crops of 10 s at their own loudness: ``most``, or fewer where the corpus is shorter than that."""
    seconds = float(crops.corpus.frames.sum()) / sample_rate
    return replace(crops, frames=10 * sample_rate, batch_size=min(most, ceil(seconds / 10)), gain_db=None)


def codes_used(codes: Int[Tensor, "quantizers frames"], size: int) -> Float[Tensor, " quantizers"]:
    """The part of each level's ``size`` codes that occurs."""
    seen = torch.zeros(len(codes), size, device=codes.device)
    return seen.scatter_(1, codes, 1.0).mean(1)


def _decoded_wave(result: Any) -> Tensor:
    return result if isinstance(result, Tensor) else result.wave


def _adam(model: nn.Module, lr: float) -> torch.optim.Adam:
    return torch.optim.Adam(model.parameters(), lr=lr, betas=(0.5, 0.9), fused=True)
