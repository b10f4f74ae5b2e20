"""``train refiner``: a MusicLM's draws beside the music they were drawn from, and what leads from one to the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int16
from torch import Tensor, nn

from ..._utils.errors import InputError
from ..._utils.files import read_arrays
from ..._utils.progress import Advance
from ...training.arguments import TrainingArguments
from ...training.divergence import gan_divergence
from ...training.engine import Engine
from ...training.loop import fit
from ...training.model_card import write_model_card
from ...training.schedule import cosine, set_lr
from ..codec_parts.adversarial_step import discriminator_step
from ..mel_tokens.hifigan import HOP_LENGTH, SAMPLE_RATE
from ..mel_tokens.mel_discriminators import MelDiscriminators
from ..mel_tokens.model import MelTokens
from .drawn import choose_music, mel_tokens_of
from .model import MusicLM
from .refiner import Refiner, RefinerConfig
from .refiner_data import write_examples, write_free_draws

Pair = tuple[Float[Tensor, "more frames 80"], Float[Tensor, "batch frames 80"]]
"""Spectrograms of tokens and of music: to the first of the former belong the latter, the others were drawn freely."""


@dataclass(frozen=True)
class PostNetHyperparameters:
    """How a refiner is trained.

    Attributes
    ----------
    batch : crops a step, of ``seconds`` each. own : share of crops whose tokens are the music's own: what was not
        drawn wrong is to be left alone. free : crops besides, of draws that run free, whose music is not known: only
        the discriminators hear them. held_out : share of pieces.
    adversarial_after : the part of the budget (steps or minutes) that is trained by differences alone; 1: all of it.
    lr, adversarial_lr, discriminator_lr : peak learning rates of the first part, of the second, and of the
        discriminators; each falls as a cosine. clip : norms to which gradients are clipped.
    difference, features, adversarial : weights of the losses.
    """

    batch: int = 12
    seconds: float = 2.0
    own: float = 0.2
    free: int = 6
    held_out: float = 0.05
    adversarial_after: float = 0.3
    lr: float = 1e-3
    adversarial_lr: float = 1e-4
    discriminator_lr: float = 8e-4
    warmup_steps: int = 50
    clip: float = 10.0
    difference: float = 2.0
    features: float = 4.0
    adversarial: float = 1.0


class RefinerTask:
    """Training of a refiner on the shards of :mod:`.refiner_data`, for :func:`brain2music.training.loop.fit`.

    Parameters
    ----------
    shards : of examples. free : of free draws; none where it is trained by differences alone.

    Raises
    ------
    InputError : one piece is too little, or the pieces are shorter than a crop.
    """

    averaged: tuple[str, ...] = ("refiner",)

    def __init__(
        self,
        shards: Sequence[Path],
        free: Sequence[Path],
        codec: MelTokens,
        hparams: PostNetHyperparameters,
        config: RefinerConfig,
        seed: int,
    ) -> None:
        arrays = [read_arrays(shard)[0] for shard in shards]
        self.mel, self.codes, self.drawn = (
            torch.from_numpy(np.concatenate([each[name] for each in arrays])) for name in ("mel", "codes", "drawn")
        )
        self.free = torch.from_numpy(np.concatenate([read_arrays(each)[0]["free"] for each in free])) if free else None
        self.codec, self.hparams, self.seed = codec, hparams, seed
        self.frames_per_token = codec.config.frames_per_token
        self.token_rate = SAMPLE_RATE / HOP_LENGTH / codec.config.frames_per_token  # tokens per second
        self.crop = round(hparams.seconds * self.token_rate)
        if self.codes.shape[2] <= self.crop:
            raise InputError(f"pieces of {hparams.seconds:g} s or less are too short", hint="give more --seconds")
        order = np.random.default_rng(seed).permutation(len(self.mel))
        held = max(1, round(hparams.held_out * len(order)))
        self.held, self.training = order[:held], order[held:]
        if len(self.training) == 0:
            raise InputError("one piece is too little to learn from", hint="give more --pieces")
        torch.manual_seed(seed)
        self.models: dict[str, nn.Module] = {"refiner": Refiner(config), "discriminators": MelDiscriminators()}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: torch.optim.AdamW(model.parameters(), betas=(0.8, 0.99)) for name, model in self.models.items()
        }
        self.seconds_per_batch = hparams.batch * hparams.seconds

    def batch(self, step: int) -> Pair:
        """Spectrograms of tokens, most of them drawn, and of music."""
        rng = np.random.default_rng([self.seed, step])
        rows = rng.choice(self.training, self.hparams.batch)
        given, true = self._crops(rows, rng.random(len(rows)) < self.hparams.own, rng)
        if self.free is None:
            return given, true
        pieces = self.free[rng.integers(len(self.free), size=self.hparams.free)]
        return torch.cat([given, *(self._decoded(each, self._first(rng))[None] for each in pieces)]), true

    def update(self, batch: Pair, step: int, engine: Engine) -> Mapping[str, Tensor | float]:
        """One step towards music and, after the first part of the budget, away from what the discriminators find."""
        hparams, (given, true) = self.hparams, batch
        adversarial_now = engine.progress >= hparams.adversarial_after
        self._set_rates(engine.progress, step)
        with engine.autocast():
            made = self.models["refiner"](given if adversarial_now else given[: len(true)]).float()
        difference = _difference(made[: len(true)], true)
        loss = hparams.difference * difference
        logs: dict[str, Tensor | float] = {"difference": difference.detach()}
        if adversarial_now:
            gradient, adversarial_logs = discriminator_step(
                self.models["discriminators"],
                self.optimizers["discriminators"],
                true,
                made,
                engine,
                adversarial=hparams.adversarial,
                features=hparams.features,
                clip=hparams.clip,
            )
            loss = loss + (made * gradient).sum()  # has the gradient of the losses against the discriminators
            logs |= adversarial_logs
        engine.backward(loss)
        engine.step(self.optimizers["refiner"], hparams.clip)
        return logs

    @torch.no_grad()
    def validate(self, models: dict[str, nn.Module]) -> Mapping[str, float]:
        """Mean absolute differences of held-out pieces, drawn and coded, before and after."""
        device = next(models["refiner"].parameters()).device
        found: dict[str, float] = {}
        for name, own in (("drawn", False), ("coded", True)):
            given, true = self._crops(self.held, np.full(len(self.held), own), np.random.default_rng([self.seed, 0, 1]))
            made = torch.cat([models["refiner"](part.to(device)).cpu() for part in given.split(self.hparams.batch)])
            found |= {name: float(_difference(made, true)), f"{name}_before": float(_difference(given, true))}
        return found

    def export(self, models: dict[str, nn.Module], folder: Path) -> None:
        """The refiner with its card."""
        refiner = models["refiner"]
        assert isinstance(refiner, Refiner)
        refiner.save_pretrained(folder, half=True)
        facts = {
            "what": "spectrograms of drawn tokens, brought nearer to music",
            "command": "brain2music train refiner MODEL OUT MUSIC...",
            "music": f"{len(self.mel)} pieces of {self.codes.shape[2] / self.token_rate:.0f} s",
        }
        write_model_card(folder, refiner, facts, self.validate(models))

    def sample(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Nothing to hear before the postfilter is fitted to it."""

    def check_divergence(self, history: list[dict[str, Any]]) -> str | None:
        """It must come nearer to music within its first thousand steps, and not lose its discriminators."""
        last = next((row for row in reversed(history) if "val_drawn" in row), {"step": 0})
        if last["step"] >= 1000 and last["val_drawn"] > last["val_drawn_before"]:
            return "refined draws are further from music than before: lower the learning rate, or give more pieces"
        return gan_divergence(history)

    def _set_rates(self, progress: float, step: int) -> None:
        """Each part of the budget has its own peak and its own fall."""
        hparams, after = self.hparams, self.hparams.adversarial_after
        if progress < after:
            set_lr(
                self.optimizers["refiner"],
                hparams.lr * cosine(progress / after, step, warmup_steps=hparams.warmup_steps),
            )
            return
        factor = cosine((progress - after) / (1 - after), step)
        set_lr(self.optimizers["refiner"], hparams.adversarial_lr * factor)
        set_lr(self.optimizers["discriminators"], hparams.discriminator_lr * factor)

    def _crops(self, rows: np.ndarray, own: np.ndarray, rng: np.random.Generator) -> Pair:
        given, true = [], []
        for row, is_own in zip(rows, own, strict=True):
            first = self._first(rng)
            given.append(self._decoded((self.codes if is_own else self.drawn)[row], first))
            true.append(
                self.mel[row, self.frames_per_token * first : self.frames_per_token * (first + self.crop)].float()
            )
        return torch.stack(given), torch.stack(true)

    def _first(self, rng: np.random.Generator) -> int:
        return int(rng.integers(self.codes.shape[2] - self.crop + 1))

    def _decoded(self, tokens: Int16[Tensor, "levels longer"], first: int) -> Float[Tensor, "frames 80"]:
        """The spectrogram of a crop."""
        return self.codec.decode(tokens[:, first : first + self.crop].T.long())


def train_refiner(
    model: MusicLM,
    music: Sequence[Path],
    out: Path,
    arguments: TrainingArguments,
    pieces: int = 300,
    seconds: float = 15.0,
    resume: bool = False,
    hparams: PostNetHyperparameters | None = None,
    config: RefinerConfig | None = None,
    progress: Advance | None = None,
) -> Refiner:
    """Draw beside the music and freely, keep that in ``OUT/examples`` and ``OUT/free``, and train ``OUT/model``.

    Parameters
    ----------
    music : folders of sound files. pieces : drawn at random from each. seconds : of each, from its start.

    Raises
    ------
    InputError : the model is not of a single stage on mel tokens, or the music is missing, short or unreadable.
    """
    if "acoustic" not in model.stages:
        raise InputError("a refiner is for models of a single stage", hint="train musiclm --single")
    codec, hparams = mel_tokens_of(model), hparams or PostNetHyperparameters()
    files = choose_music(music, pieces, seconds, arguments.seed)
    shards = write_examples(model, files, out / "examples", seconds, arguments.seed, progress)
    free: list[Path] = []
    if hparams.adversarial_after < 1:
        free = write_free_draws(model, files, out / "free", seconds, arguments.seed, progress)
    task = RefinerTask(shards, free, codec.model, hparams, config or RefinerConfig(), arguments.seed)
    return Refiner.from_pretrained(fit(task, arguments, out, resume))


def _difference(made: Tensor, true: Tensor) -> Tensor:
    return (made.float() - true.float()).abs().mean()
