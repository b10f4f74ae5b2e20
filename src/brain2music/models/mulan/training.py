"""Training MuLan: pairs of sounds and texts, a contrastive loss, and a check that anything is learned.

The frozen parts (musicnn, the sentence encoder) run beforehand (:mod:`.training_data`, :mod:`.training_texts`), so that
a batch is a few thousand cached vectors and takes a fraction of a second; the spectrogram towers read sound instead
(:mod:`.training_sound`), and large batches go through them in chunks (:func:`_chunked`).
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
from ...training.optimizers import adamw
from ...training.schedule import cosine, set_lr
from .loss import LossForm, chance_loss, contrastive_loss
from .model import MuLan
from .spectrogram import Masking, spec_augment

PATIENCE = 300
"""Steps after which the loss must be below chance."""
_BELOW_CHANCE = 0.97  # of the loss at chance


class PairBatch(NamedTuple):
    """A batch of pairs: windows of sounds, pooled texts, and the number of each text (equal texts are no negatives)."""

    windows: Float32[Tensor, "batch views *window"]
    texts: Float32[Tensor, "batch 1152"]
    text_ids: Int64[Tensor, " batch"]


@runtime_checkable
class PairDataset(Protocol):
    """A dataset of training pairs: :class:`.pairs.CachedPairs` or :class:`.training_sound.SoundPairs`.

    ``facts`` describes the data in the model card.
    """

    facts: str

    def sample_batch(self, size: int, rng: np.random.Generator) -> PairBatch:
        """Sample a batch for training."""

    def held_out(self) -> tuple[list[Tensor], Float32[Tensor, "rows 1152"]]:
        """Windows and one caption of every row held out for validation."""


@dataclass(frozen=True)
class MuLanHyperparameters:
    """Hyper-parameters of a MuLan's training.

    Attributes
    ----------
    batch : int
        Pairs per batch.
    chunk : int
        Pairs that go through the towers at once; 0 for all.
    lr : float
        Peak learning rate.
    warmup_steps : int
        Steps over which the learning rate rises.
    weight_decay : float
        Weight decay of matrices.
    form : {"symmetric", "decoupled"}
        Form of the loss (:func:`.loss.contrastive_loss`).
    hardness : float
        Concentration of hard negatives.
    masking : Masking
        SpecAugment of networks on log-mel windows.
    noise : float
        Standard deviation of the noise added to cached features, relative to theirs.
    seed : int
        Seed of batches and noise.
    """

    batch: int = 768
    chunk: int = 0
    lr: float = 1e-3
    warmup_steps: int = 50
    weight_decay: float = 0.05
    form: LossForm = "symmetric"
    hardness: float = 0.0
    masking: Masking = field(default_factory=Masking)
    noise: float = 0.1
    seed: int = 0


class MuLanTask:
    """The training of a MuLan, for :func:`brain2music.training.loop.fit`.

    Parameters
    ----------
    model : to be trained. pairs : training data. hparams : hyper-parameters.
    after_export : called with the trained model, its folder and its validation, to write tokens and model card.
    """

    averaged: tuple[str, ...] = ("mulan",)

    def __init__(
        self,
        model: MuLan,
        pairs: PairDataset,
        hparams: MuLanHyperparameters,
        after_export: Callable[[MuLan, Path, Mapping[str, float]], None] | None = None,
    ) -> None:
        self.models: dict[str, nn.Module] = {"mulan": model}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "mulan": adamw(model, hparams.lr, hparams.weight_decay, (0.9, 0.98))
        }
        self._pairs, self._hparams, self._after_export = pairs, hparams, after_export
        self._reads_features = model.reads_features

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """Make the :class:`PairBatch` of a step, a function of seed and step."""
        return tuple(self._pairs.sample_batch(self._hparams.batch, np.random.default_rng([self._hparams.seed, step])))

    def update(self, batch: tuple[Tensor, ...], step: int, engine: Engine) -> Mapping[str, Tensor | float]:
        """Train both towers and the temperature on one batch."""
        optimizer = self.optimizers["mulan"]
        set_lr(
            optimizer,
            self._hparams.lr * cosine(engine.progress, step, warmup_steps=self._hparams.warmup_steps),
        )
        loss, temperature = self._forward_backward(PairBatch(*batch), step, engine)
        engine.step(optimizer)
        chance = chance_loss(len(batch[0]), self._hparams.form)
        return {"loss": loss, "chance_loss": chance, "temperature": temperature}

    def validate(self, models: dict[str, nn.Module]) -> Mapping[str, float]:
        """Recall@1 and @10 from text to music, on the held-out rows."""
        model = _as_mulan(models["mulan"])
        windows, texts = self._pairs.held_out()
        device = next(model.parameters()).device
        sounds = torch.stack([model.average(model.audio(each.to(device))) for each in windows])
        return recall(sounds.cpu(), model.text(texts.to(device)).cpu())

    def export(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Save the model, its tokens and its model card."""
        model = _as_mulan(models["mulan"])
        model.save_pretrained(folder)
        if self._after_export is not None:
            self._after_export(model, folder, self.validate(models))

    def sample(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Write no samples: an embedding makes no sound."""

    def check_divergence(self, history: list[dict[str, Any]]) -> str | None:
        """Stop the training where the loss stays at chance."""
        lines = [line for line in history if "loss" in line]
        if lines and lines[-1]["step"] >= PATIENCE and lines[-1]["loss"] > _BELOW_CHANCE * lines[-1]["chance_loss"]:
            raise InputError(
                f"after {lines[-1]['step']:g} steps the loss is {lines[-1]['loss']:.3f}, as if nothing were known "
                f"({lines[-1]['chance_loss']:.3f} for this batch)",
                hint="look whether the texts belong to their sounds; lower the learning rate, or enlarge the batch",
            )
        return None

    def _forward_backward(self, batch: PairBatch, step: int, engine: Engine) -> tuple[Tensor, Tensor]:
        model = self.models["mulan"]
        chunk = self._hparams.chunk or len(batch.texts)
        if chunk >= len(batch.texts):
            sounds, texts, temperature = self._embed(model, batch, engine)
            loss = self._loss(sounds, texts, temperature, batch.text_ids)
            engine.backward(loss)
            return loss.detach(), temperature.detach()
        return _chunked(self, model, batch, chunk, step, engine)

    def _embed(self, model: nn.Module, batch: PairBatch, engine: Engine) -> tuple[Tensor, Tensor, Tensor]:
        """Embed both sides of an augmented batch; also gives the temperature."""
        with engine.autocast():
            return model(self._augmented(batch.windows), batch.texts)

    def _augmented(self, windows: Tensor) -> Tensor:
        if self._reads_features:
            return windows + self._hparams.noise * _deviation(windows) * torch.randn_like(windows)
        return spec_augment(windows.flatten(0, 1), self._hparams.masking).unflatten(0, windows.shape[:2])

    def _loss(self, sounds: Tensor, texts: Tensor, temperature: Tensor, text_ids: Tensor) -> Tensor:
        return contrastive_loss(
            sounds.float(),
            texts.float(),
            temperature,
            text_ids,
            form=self._hparams.form,
            hardness=self._hparams.hardness,
        )


def recall(sounds: Float32[Tensor, "rows dims"], texts: Float32[Tensor, "rows dims"]) -> dict[str, float]:
    """Recall@1 and @10 from text to sound: share of texts whose own sound is among the first 1 or 10."""
    similarities = texts @ sounds.T
    ranks = (similarities > similarities.diagonal()[:, None]).sum(dim=1)
    return {f"recall_at_{k}": float((ranks < k).float().mean()) for k in (1, 10)}


def _chunked(
    task: MuLanTask, model: nn.Module, batch: PairBatch, chunk: int, step: int, engine: Engine
) -> tuple[Tensor, Tensor]:
    """Backward pass of the loss over a whole batch with one chunk in memory at a time (GradCache, Gao et al. 2021).

    First all vectors, without a graph; then the loss and its gradient with respect to them; then every chunk again,
    with the gradient of its vectors. Both passes are seeded alike.
    """
    parts = [
        PairBatch(*(tensor[first : first + chunk] for tensor in batch)) for first in range(0, len(batch.texts), chunk)
    ]

    def embed(number: int) -> tuple[Tensor, Tensor, Tensor]:
        torch.manual_seed(1_000_003 * step + number)
        return task._embed(model, parts[number], engine)

    with torch.no_grad():
        embedded = [embed(number) for number in range(len(parts))]
    sounds, texts = (torch.cat([each[side] for each in embedded]).float().requires_grad_() for side in (0, 1))
    temperature = embedded[0][2].detach().requires_grad_()
    loss = task._loss(sounds, texts, temperature, batch.text_ids)
    gradients = torch.autograd.grad(loss, (sounds, texts, temperature))
    for number, (sound, text) in enumerate(zip(gradients[0].split(chunk), gradients[1].split(chunk), strict=True)):
        again = embed(number)
        surrogate = (again[0].float() * sound).sum() + (again[1].float() * text).sum()
        engine.backward(surrogate + (again[2] * gradients[2] if number == 0 else 0 * again[2]))
    return loss.detach(), temperature.detach()


def _deviation(windows: Tensor) -> Tensor:
    return windows.flatten(0, 1).std(dim=0)


def _as_mulan(model: nn.Module) -> MuLan:
    assert isinstance(model, MuLan)
    return model
