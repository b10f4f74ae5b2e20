"""Training of a mel post-net, on a MusicLM's samples paired with the music that they were sampled from."""

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
from .model import MusicLM
from .post_net import MelPostNet, MelPostNetConfig
from .post_net_data import write_examples, write_free_running
from .training_music import choose_music, mel_token_codec

Pair = tuple[Float[Tensor, "more frames 80"], Float[Tensor, "batch frames 80"]]
"""Spectrograms of tokens and of music: the first of the former are paired with the latter, the rest is free-running."""


_NAME = "refiner"  # of the model in checkpoints


@dataclass(frozen=True)
class PostNetHyperparameters:
    """Hyper-parameters of a mel post-net's training.

    Attributes
    ----------
    batch : crops per step, of ``seconds`` each. ground_truth : share of crops whose tokens are the music's own, which
        are to be left alone. free_running : further crops, of free-running samples without paired music, which only
        the discriminators see. held_out : share of pieces.
    adversarial_after : share of the budget (steps or minutes) that is trained on differences alone; 1: all of it.
    lr, adversarial_lr, discriminator_lr : peak learning rates of the first part, of the second, and of the
        discriminators; each falls as a cosine. clip : norm to which gradients are clipped.
    difference, features, adversarial : weights of the losses.
    """

    batch: int = 12
    seconds: float = 2.0
    ground_truth: float = 0.2
    free_running: int = 6
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


class PostNetTask:
    """Training task of a mel post-net (:class:`brain2music.training.task.Task`).

    Parameters
    ----------
    shards : sequence of Path
        Shards of examples (:mod:`.post_net_data`).
    free_running : sequence of Path
        Shards of free-running samples; none where it is trained by differences alone.
    codec : MelTokens
        Quantizer of the spectrograms.
    hparams : PostNetHyperparameters
        Batches, learning rates and weights of the losses.
    config : MelPostNetConfig
        Sizes of the network.
    seed : int
        Seed of weights, crops and the split into training and validation.

    Raises
    ------
    InputError
        There is only one piece, or the pieces are shorter than a crop.
    """

    averaged: tuple[str, ...] = (_NAME,)

    def __init__(
        self,
        shards: Sequence[Path],
        free_running: Sequence[Path],
        codec: MelTokens,
        hparams: PostNetHyperparameters,
        config: MelPostNetConfig,
        seed: int,
    ) -> None:
        arrays = [read_arrays(shard)[0] for shard in shards]
        self.mel, self.codes, self.sampled = (
            torch.from_numpy(np.concatenate([each[name] for each in arrays])) for name in ("mel", "codes", "drawn")
        )
        self.free_running = (
            torch.from_numpy(np.concatenate([read_arrays(each)[0]["free"] for each in free_running]))
            if free_running
            else None
        )
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
        self.models: dict[str, nn.Module] = {_NAME: MelPostNet(config), "discriminators": MelDiscriminators()}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: torch.optim.AdamW(model.parameters(), betas=(0.8, 0.99)) for name, model in self.models.items()
        }
        self.seconds_per_batch = hparams.batch * hparams.seconds

    def batch(self, step: int) -> Pair:
        """Make a batch: spectrograms of tokens, most of them sampled, and of music."""
        rng = np.random.default_rng([self.seed, step])
        rows = rng.choice(self.training, self.hparams.batch)
        spectrograms, true = self._crops(rows, rng.random(len(rows)) < self.hparams.ground_truth, rng)
        if self.free_running is None:
            return spectrograms, true
        pieces = self.free_running[rng.integers(len(self.free_running), size=self.hparams.free_running)]
        return torch.cat([spectrograms, *(self._decoded(each, self._first(rng))[None] for each in pieces)]), true

    def update(self, batch: Pair, step: int, engine: Engine) -> Mapping[str, Tensor | float]:
        """Train on one batch: differences alone at first, then also against the discriminators."""
        hparams, (spectrograms, true) = self.hparams, batch
        adversarial_now = engine.progress >= hparams.adversarial_after
        self._set_rates(engine.progress, step)
        with engine.autocast():
            refined = self.models[_NAME](spectrograms if adversarial_now else spectrograms[: len(true)]).float()
        difference = _mean_difference(refined[: len(true)], true)
        loss = hparams.difference * difference
        logs: dict[str, Tensor | float] = {"difference": difference.detach()}
        if adversarial_now:
            gradient, adversarial_logs = discriminator_step(
                self.models["discriminators"],
                self.optimizers["discriminators"],
                true,
                refined,
                engine,
                adversarial=hparams.adversarial,
                features=hparams.features,
                clip=hparams.clip,
            )
            loss = loss + (refined * gradient).sum()  # has the gradient of the losses against the discriminators
            logs |= adversarial_logs
        engine.backward(loss)
        engine.step(self.optimizers[_NAME], hparams.clip)
        return logs

    @torch.no_grad()
    def validate(self, models: dict[str, nn.Module]) -> Mapping[str, float]:
        """Mean absolute differences of held-out pieces, of sampled and ground-truth tokens, before and after."""
        device = next(models[_NAME].parameters()).device
        differences: dict[str, float] = {}
        for name, ground_truth in (("sampled", False), ("ground_truth", True)):
            spectrograms, true = self._crops(
                self.held, np.full(len(self.held), ground_truth), np.random.default_rng([self.seed, 0, 1])
            )
            refined = torch.cat(
                [models[_NAME](part.to(device)).cpu() for part in spectrograms.split(self.hparams.batch)]
            )
            differences |= {
                name: float(_mean_difference(refined, true)),
                f"{name}_before": float(_mean_difference(spectrograms, true)),
            }
        return differences

    def export(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Save the post-net and its model card."""
        post_net = models[_NAME]
        assert isinstance(post_net, MelPostNet)
        post_net.save_pretrained(folder, half=True)
        facts = {
            "what": "mel post-net: spectrograms of sampled tokens, corrected towards those of music",
            "command": "brain2music train post-net MODEL OUT MUSIC...",
            "music": f"{len(self.mel)} pieces of {self.codes.shape[2] / self.token_rate:.0f} s",
        }
        write_model_card(folder, post_net, facts, self.validate(models))

    def sample(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Write no samples: the postfilter is not fitted yet."""

    def check_divergence(self, history: list[dict[str, Any]]) -> str | None:
        """Warn where spectrograms are further from music than before after a thousand steps, or the GAN diverges."""
        last = next((row for row in reversed(history) if "val_sampled" in row), {"step": 0})
        if last["step"] >= 1000 and last["val_sampled"] > last["val_sampled_before"]:
            return "corrected samples are further from music than before: lower the learning rate, or give more pieces"
        return gan_divergence(history)

    def _set_rates(self, progress: float, step: int) -> None:
        """Set the learning rates; each part of the budget has its own peak and its own fall."""
        hparams, after = self.hparams, self.hparams.adversarial_after
        if progress < after:
            set_lr(
                self.optimizers[_NAME],
                hparams.lr * cosine(progress / after, step, warmup_steps=hparams.warmup_steps),
            )
            return
        factor = cosine((progress - after) / (1 - after), step)
        set_lr(self.optimizers[_NAME], hparams.adversarial_lr * factor)
        set_lr(self.optimizers["discriminators"], hparams.discriminator_lr * factor)

    def _crops(self, rows: np.ndarray, ground_truth: np.ndarray, rng: np.random.Generator) -> Pair:
        spectrograms, true = [], []
        for row, is_ground_truth in zip(rows, ground_truth, strict=True):
            first = self._first(rng)
            spectrograms.append(self._decoded((self.codes if is_ground_truth else self.sampled)[row], first))
            true.append(
                self.mel[row, self.frames_per_token * first : self.frames_per_token * (first + self.crop)].float()
            )
        return torch.stack(spectrograms), torch.stack(true)

    def _first(self, rng: np.random.Generator) -> int:
        return int(rng.integers(self.codes.shape[2] - self.crop + 1))

    def _decoded(self, tokens: Int16[Tensor, "quantizers longer"], first: int) -> Float[Tensor, "frames 80"]:
        """Decode the tokens of a crop to a spectrogram."""
        return self.codec.decode(tokens[:, first : first + self.crop].T.long())


def train_post_net(
    model: MusicLM,
    music: Sequence[Path],
    out: Path,
    arguments: TrainingArguments,
    pieces: int = 300,
    seconds: float = 15.0,
    resume: bool = False,
    hparams: PostNetHyperparameters | None = None,
    config: MelPostNetConfig | None = None,
    progress: Advance | None = None,
) -> MelPostNet:
    """Sample teacher-forced and free-running tokens into ``OUT/examples`` and ``OUT/free``, and train ``OUT/model``.

    Parameters
    ----------
    music : folders of sound files. pieces : chosen at random from each. seconds : of each, from its start.

    Raises
    ------
    InputError : the model is not of a single stage on mel tokens, or the music is missing, short or unreadable.
    """
    if "acoustic" not in model.stages:
        raise InputError("a post-net is for models of a single stage", hint="train musiclm --single")
    codec, hparams = mel_token_codec(model), hparams or PostNetHyperparameters()
    files = choose_music(music, pieces, seconds, arguments.seed)
    shards = write_examples(model, files, out / "examples", seconds, arguments.seed, progress)
    free_running: list[Path] = []
    if hparams.adversarial_after < 1:
        free_running = write_free_running(model, files, out / "free", seconds, arguments.seed, progress)
    task = PostNetTask(shards, free_running, codec.model, hparams, config or MelPostNetConfig(), arguments.seed)
    return MelPostNet.from_pretrained(fit(task, arguments, out, resume))


def _mean_difference(refined: Tensor, true: Tensor) -> Tensor:
    return (refined.float() - true.float()).abs().mean()
