"""Training MuLan: sounds and texts in pairs, a contrastive loss, and a watch on whether anything is learned.

The frozen parts (musicnn, the sentence encoder) have done their work beforehand (:mod:`.mulan_data`,
:mod:`.mulan_texts`), so that a batch is a few thousand cached vectors and takes a fraction of a second; the
spectrogram towers read sound instead (:mod:`.mulan_sound`), and large batches reach them in chunks (:func:`_chunked`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from ..._utils.errors import InputError
from ...training.engine import Engine
from ...training.schedule import cosine, set_lr
from .loss import Form, contrastive_loss, resting_loss
from .model import MuLan
from .spectrogram import Masking, spec_augment

PATIENCE = 300
"""Steps after which the loss must have left that of a model that knows nothing."""
_LEFT = 0.97  # of that loss


class Batch(NamedTuple):
    """Pairs: windows of sounds, pooled texts, and which text each one is (equal texts are no negatives)."""

    windows: Float32[Tensor, "batch views *window"]
    texts: Float32[Tensor, "batch 1152"]
    which: Int64[Tensor, " batch"]


@runtime_checkable
class Pairs(Protocol):
    """Where pairs come from: :class:`.mulan_pairs.CachedPairs`, or sound read on the way.

    ``facts`` says of the model card what was learned from.
    """

    facts: str

    def draw(self, size: int, rng: np.random.Generator) -> Batch:
        """A batch for training."""

    def held_out(self) -> tuple[list[Tensor], Float32[Tensor, "rows 1152"]]:
        """Windows and one caption of every row kept for validation."""


@dataclass(frozen=True)
class MuLanHyperparameters:
    """How it is trained.

    Attributes
    ----------
    batch : pairs; chunk : how many of them go through the towers at once (0: all).
    lr, warmup_steps, weight_decay : peak learning rate, steps over which it rises, weight decay.
    form, hardness : of the loss (:func:`.embed.mulan.loss.contrastive_loss`).
    masking : SpecAugment of spectrogram towers. noise : deviations of noise on cached features.
    """

    batch: int = 768
    chunk: int = 0
    lr: float = 1e-3
    warmup_steps: int = 50
    weight_decay: float = 0.05
    form: Form = "symmetric"
    hardness: float = 0.0
    masking: Masking = field(default_factory=Masking)
    noise: float = 0.1
    seed: int = 0


class MuLanTask:
    """A :class:`brain2music.training.task.Task`.

    Parameters
    ----------
    model : to be trained. pairs : what it learns from. hparams : how.
    finish : called with the trained model, the folder it was written to, and its validation (tokens, model card).
    """

    averaged: tuple[str, ...] = ("mulan",)

    def __init__(
        self,
        model: MuLan,
        pairs: Pairs,
        hparams: MuLanHyperparameters,
        finish: Callable[[MuLan, Path, Mapping[str, float]], None] | None = None,
    ) -> None:
        self.models: dict[str, nn.Module] = {"mulan": model}
        self.optimizers: dict[str, torch.optim.Optimizer] = {"mulan": _optimizer(model, hparams)}
        self._pairs, self._hparams, self._finish = pairs, hparams, finish
        self._reads_features = model.reads_features

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """The :class:`Batch` of a step: a function of seed and step."""
        return tuple(self._pairs.draw(self._hparams.batch, np.random.default_rng([self._hparams.seed, step])))

    def update(self, batch: tuple[Tensor, ...], step: int, engine: Engine) -> Mapping[str, Tensor | float]:
        """One step of both towers and the temperature."""
        optimizer = self.optimizers["mulan"]
        set_lr(
            optimizer,
            self._hparams.lr * cosine(engine.progress, step, warmup_steps=self._hparams.warmup_steps),
        )
        loss, temperature = self._forward_backward(Batch(*batch), step, engine)
        engine.step(optimizer)
        resting = resting_loss(len(batch[0]), self._hparams.form)
        return {"loss": loss, "resting_loss": resting, "temperature": temperature}

    def validate(self, models: dict[str, nn.Module]) -> Mapping[str, float]:
        """recall@1 and @10, text → music, over the rows kept for it."""
        model = _bare(models["mulan"])
        windows, texts = self._pairs.held_out()
        device = next(model.parameters()).device
        sounds = torch.stack([model.average(model.audio(each.to(device))) for each in windows])
        return recall(sounds.cpu(), model.text(texts.to(device)).cpu())

    def export(self, models: dict[str, nn.Module], folder: Path) -> None:
        """The model's folder."""
        model = _bare(models["mulan"])
        model.save_pretrained(folder)
        if self._finish is not None:
            self._finish(model, folder, self.validate(models))

    def sample(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Nothing to hear: an embedding makes no sound."""

    def check_divergence(self, history: list[dict[str, Any]]) -> str | None:
        """Stop where the loss stays at that of a model that knows nothing."""
        lines = [line for line in history if "loss" in line]
        if lines and lines[-1]["step"] >= PATIENCE and lines[-1]["loss"] > _LEFT * lines[-1]["resting_loss"]:
            raise InputError(
                f"after {lines[-1]['step']:g} steps the loss is {lines[-1]['loss']:.3f}, as if nothing were known "
                f"({lines[-1]['resting_loss']:.3f} for this batch)",
                hint="look whether the texts belong to their sounds; lower the learning rate, or enlarge the batch",
            )
        return None

    def _forward_backward(self, batch: Batch, step: int, engine: Engine) -> tuple[Tensor, Tensor]:
        model = self.models["mulan"]
        chunk = self._hparams.chunk or len(batch.texts)
        if chunk >= len(batch.texts):
            sounds, texts, temperature = self._embed(model, batch, engine)
            loss = self._loss(sounds, texts, temperature, batch.which)
            engine.backward(loss)
            return loss.detach(), temperature.detach()
        return _chunked(self, model, batch, chunk, step, engine)

    def _embed(self, model: nn.Module, batch: Batch, engine: Engine) -> tuple[Tensor, Tensor, Tensor]:
        """Both sides of a batch, augmented, and the temperature."""
        with engine.autocast():
            return model(self._augmented(batch.windows), batch.texts)

    def _augmented(self, windows: Tensor) -> Tensor:
        if self._reads_features:
            return windows + self._hparams.noise * _deviation(windows) * torch.randn_like(windows)
        return spec_augment(windows.flatten(0, 1), self._hparams.masking).unflatten(0, windows.shape[:2])

    def _loss(self, sounds: Tensor, texts: Tensor, temperature: Tensor, which: Tensor) -> Tensor:
        return contrastive_loss(
            sounds.float(),
            texts.float(),
            temperature,
            which,
            form=self._hparams.form,
            hardness=self._hparams.hardness,
        )


def recall(sounds: Float32[Tensor, "rows dims"], texts: Float32[Tensor, "rows dims"]) -> dict[str, float]:
    """Share of texts whose own sound is the first, or among the first ten, of all."""
    similarities = texts @ sounds.T
    ranks = (similarities > similarities.diagonal()[:, None]).sum(dim=1)
    return {f"recall_at_{k}": float((ranks < k).float().mean()) for k in (1, 10)}


def _chunked(
    task: MuLanTask, model: nn.Module, batch: Batch, chunk: int, step: int, engine: Engine
) -> tuple[Tensor, Tensor]:
    """The gradient of the loss over the whole batch, with only a chunk of it in memory (Gao et al. 2021, GradCache).

    Vectors first, without a graph; the loss and its gradient on them; then every chunk again, its vectors' gradient
    given. Randomness is replayed from seeds, so that both passes see the same.
    """
    parts = [Batch(*(tensor[first : first + chunk] for tensor in batch)) for first in range(0, len(batch.texts), chunk)]

    def embed(number: int) -> tuple[Tensor, Tensor, Tensor]:
        torch.manual_seed(1_000_003 * step + number)
        return task._embed(model, parts[number], engine)

    with torch.no_grad():
        found = [embed(number) for number in range(len(parts))]
    sounds, texts = (torch.cat([each[side] for each in found]).float().requires_grad_() for side in (0, 1))
    temperature = found[0][2].detach().requires_grad_()
    loss = task._loss(sounds, texts, temperature, batch.which)
    wanted = torch.autograd.grad(loss, (sounds, texts, temperature))
    for number, (sound, text) in enumerate(zip(wanted[0].split(chunk), wanted[1].split(chunk), strict=True)):
        again = embed(number)
        surrogate = (again[0].float() * sound).sum() + (again[1].float() * text).sum()
        engine.backward(surrogate + (again[2] * wanted[2] if number == 0 else 0 * again[2]))
    return loss.detach(), temperature.detach()


def _optimizer(model: MuLan, hparams: MuLanHyperparameters) -> torch.optim.Optimizer:
    decayed = [weight for weight in model.parameters() if weight.ndim > 1]
    others = [weight for weight in model.parameters() if weight.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": hparams.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=hparams.lr, betas=(0.9, 0.98))


def _deviation(windows: Tensor) -> Tensor:
    return windows.flatten(0, 1).std(dim=0)


def _bare(model: nn.Module) -> MuLan:
    assert isinstance(model, MuLan)
    return model
