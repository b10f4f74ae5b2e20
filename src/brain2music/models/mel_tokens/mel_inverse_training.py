"""Training of the network that estimates STFT magnitudes from mel bands (``train mel-inverse``)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ...training.arguments import TrainingArguments
from ...training.audio_data import Crops, open_corpus
from ...training.engine import Engine
from ...training.loop import fit
from ...training.manifest import read_sources, refuse_held_out, split_sources
from ...training.model_card import write_model_card
from ...training.schedule import cosine, set_lr
from .hifigan import HOP_LENGTH, N_FFT, SAMPLE_RATE, log_mel_bands, stft_magnitudes
from .mel_inverse import FLOOR, MelInverse, MelInverseConfig

VALIDATION_CROPS = 64
"""Number of crops for validation."""


@dataclass(frozen=True)
class MelInverseHyperparameters:
    """Hyper-parameters: crops per step, frames per crop, peak learning rate, and largest gradient norm."""

    batch: int = 16
    frames: int = 112
    lr: float = 1e-3
    clip: float = 10.0


class MelInverseTask:
    """Training task of a :class:`MelInverse`; the loss is the mean absolute difference of log magnitudes.

    Parameters
    ----------
    crops : training crops, mono at 22.05 kHz. validation : held-out sounds (sounds, samples). facts : lines of the
        model card.
    """

    averaged: tuple[str, ...] = ("inverse",)

    def __init__(
        self,
        model: MelInverse,
        crops: Crops,
        validation: Float[Tensor, "sounds samples"],
        hparams: MelInverseHyperparameters,
        facts: Mapping[str, Any],
    ) -> None:
        self.crops, self.validation, self.hparams, self.facts = crops, validation, hparams, facts
        self.models: dict[str, nn.Module] = {"inverse": model}
        self.optimizers: dict[str, torch.optim.Optimizer] = {"inverse": torch.optim.AdamW(model.parameters())}
        self.seconds_per_batch = crops.batch_size * crops.frames / SAMPLE_RATE

    def batch(self, step: int) -> Float[Tensor, "batch samples"]:
        """Draw a batch of random crops."""
        return self.crops.batch(step)[:, 0]

    def update(self, batch: Float[Tensor, "batch samples"], step: int, engine: Engine) -> Mapping[str, Tensor | float]:
        """Take one optimizer step."""
        set_lr(self.optimizers["inverse"], self.hparams.lr * cosine(engine.progress, step))
        true = stft_magnitudes(batch)
        with engine.autocast():
            estimate = self.models["inverse"](log_mel_bands(true))
        loss = _log_difference(estimate, true)
        engine.backward(loss)
        engine.step(self.optimizers["inverse"], self.hparams.clip)
        return {"difference": loss.detach()}

    @torch.no_grad()
    def validate(self, models: dict[str, nn.Module]) -> Mapping[str, float]:
        """Compute the mean absolute difference of log magnitudes in nepers, and that of evenly spread bands."""
        device = next(models["inverse"].parameters()).device
        true = stft_magnitudes(self.validation.to(device))
        even = MelInverse(MelInverseConfig(width=16, blocks=0)).to(device)
        return {
            "difference": float(_log_difference(models["inverse"](log_mel_bands(true)), true)),
            "difference_before": float(_log_difference(even(log_mel_bands(true)), true)),
        }

    def export(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Write the network and its model card."""
        model = models["inverse"]
        assert isinstance(model, MelInverse)
        model.save_pretrained(folder, half=True)
        facts = {"what": "magnitudes of all frequencies from those of 80 mel bands, for Griffin-Lim", **self.facts}
        write_model_card(folder, model, facts, self.validate(models))

    def sample(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Do nothing: magnitudes without phases are not sound."""

    def check_divergence(self, history: list[dict[str, Any]]) -> str | None:
        """Warning where the network is worse than evenly spread bands after a thousand steps."""
        last = next((row for row in reversed(history) if "val_difference" in row), {"step": 0})
        if last["step"] >= 1000 and last["val_difference"] > last["val_difference_before"]:
            return "magnitudes are further off than bands spread evenly: lower the learning rate, or give more music"
        return None


def train_mel_inverse(
    music: Sequence[Path],
    out: Path,
    arguments: TrainingArguments,
    held_out: Path | None = None,
    resume: bool = False,
    hparams: MelInverseHyperparameters | None = None,
    config: MelInverseConfig | None = None,
    n_jobs: int | None = None,
) -> MelInverse:
    """Train on folders of sound files (or manifests), decoded once to ``OUT/cache``, and return ``OUT/model``.

    Raises
    ------
    InputError : a folder holds no readable sound, or a file of ``held_out``.
    """
    hparams = hparams or MelInverseHyperparameters()
    sources = [source for folder in music for source in read_sources(folder)]
    if held_out is not None:
        refuse_held_out(sources, held_out)
    samples = N_FFT + HOP_LENGTH * (hparams.frames - 1)
    training, validation = (
        open_corpus(part, SAMPLE_RATE, 1, out / "cache", n_jobs=n_jobs) for part in split_sources(sources)
    )
    validation_sounds = Crops(validation, samples, VALIDATION_CROPS, arguments.seed, gain_db=None).batch(0)[:, 0]
    minutes = training.frames.sum() / SAMPLE_RATE / 60
    facts = {
        "command": "brain2music train mel-inverse OUT MUSIC...",
        "data": f"{', '.join(folder.name for folder in music)}: {len(training.frames)} sounds, {minutes:.0f} minutes",
        "steps": f"{arguments.steps} of {hparams.batch} × {samples / SAMPLE_RATE:.2f} s, seed {arguments.seed}",
    }
    torch.manual_seed(arguments.seed)
    crops = Crops(training, samples, hparams.batch, arguments.seed)
    task = MelInverseTask(MelInverse(config), crops, validation_sounds, hparams, facts)
    return MelInverse.from_pretrained(fit(task, arguments, out, resume))


def _log_difference(log_estimate: Tensor, true: Tensor) -> Tensor:
    return (log_estimate.float() - true.clamp(min=FLOOR).log()).abs().mean()
