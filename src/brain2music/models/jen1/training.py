"""Training JEN-1's diffusion model on latents that were encoded before."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..._utils.errors import InputError
from ..._utils.files import write_text
from ...audio.sound import Reconstruction, scale_peak
from ...training.engine import Engine
from ...training.optimizers import adamw
from ...training.schedule import cosine, set_lr
from ..generator_parts.pace import FEWEST_TEMPI, Pace
from .calibration import Calibration
from .condition import DiffusionCondition
from .config import UNetConfig, UNetSize
from .diffusion import DiffusionConfig, DiffusionSampler
from .folder import NETWORK, write_model
from .hyperparameters import Ablation, JEN1Hyperparameters
from .latent_shards import LatentData
from .latents import channel_sizes, open_latents, scale_channels
from .prediction import predict
from .schedule import training_target
from .tasks import TaskBatch, TaskMix
from .unet import OmniUNet

_HELD_OUT = 0.03
_VALIDATED = 48
_CALIBRATED = 36
_VALIDATION_TIMES = (100, 300, 500, 700, 900)


class JEN1Task:
    """The training of JEN-1, for :func:`brain2music.training.loop.fit`.

    Parameters
    ----------
    folder : Path
        Of latents, as recipes/jen1_data.py writes them.
    size : {"tiny", "small", "paper"}
        Of the network.
    seed : int
        Of weights, crops and masks.
    without : set of str
        What to leave out, for the paper's ablation: latent "normalisation", the "causal" mode of text to music, the
        "inpainting" and the "continuation" tasks.
    batch_divisor : float
        Divides the batch, for small machines.
    diffusion : DiffusionConfig, optional
        Objective and defaults of sampling.
    channels : int, optional
        Whitened channels to keep, where the whitening of the data is not fitted yet; default the size's own.
    hear : bool
        Whether to write samples of sound while training.
    hparams : JEN1Hyperparameters, optional
        Default those of the size.
    initialise_from : Path, optional
        Folder of a JEN-1 whose weights to begin at, but for its output layer, which begins as nothing.

    Raises
    ------
    InputError
        There are no latents, or too few.
    """

    averaged: tuple[str, ...] = ("unet",)

    def __init__(
        self,
        folder: Path,
        size: UNetSize = "small",
        seed: int = 0,
        without: frozenset[Ablation] | set[Ablation] = frozenset(),
        batch_divisor: float = 1.0,
        diffusion: DiffusionConfig | None = None,
        channels: int | None = None,
        hear: bool = False,
        hparams: JEN1Hyperparameters | None = None,
        initialise_from: Path | None = None,
    ) -> None:
        self.data = LatentData(folder, UNetConfig.size(size).latent_dim if channels is None else channels)
        self.seed, self.hear, self.folder = seed, hear, folder
        self.mix = TaskMix(**{name: name not in without for name in ("causal", "inpainting", "continuation")})
        self.hparams = hparams or JEN1Hyperparameters.of_size(size)
        power = 1.0 if "normalisation" in without else self.hparams.size_power
        sampling = {name: getattr(self.hparams, name) for name in ("noise", "fill_noise", "guidance")}
        sampling["size_power"] = power
        self.diffusion = replace(diffusion or DiffusionConfig(), **sampling)
        whitening = self.data.whitening
        config = UNetConfig.size(size, whitening.channels, self.data.text_dim or 1, self.data.space.dims)
        config = config if self.data.has_beats else replace(config, clock_dim=0)
        torch.manual_seed(seed)
        network = OmniUNet(config)
        network.sizes.copy_(channel_sizes(whitening, power))
        if initialise_from is not None:
            network.begin_at(OmniUNet.from_pretrained(initialise_from / NETWORK))
        self.models: dict[str, nn.Module] = {"unet": network}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "unet": adamw(self.models["unet"], self.hparams.lr, self.hparams.weight_decay, (0.9, 0.95))
        }
        self.batch_size = max(3, round(self.hparams.batch / batch_divisor))
        held = [index for index in range(len(self.data)) if _is_held_out(self.data.rows[index])] or [0]
        self.held = np.array(held)
        self.training = np.array([index for index in range(len(self.data)) if index not in set(held)])
        if len(self.training) < 2:
            raise InputError("one piece is too little to train on", folder, "encode more music")
        self.seconds_per_batch = self.batch_size * self.data.frames / self.data.frame_rate

    def batch(self, step: int) -> dict[str, Tensor]:
        """Random crops of one length, a function of seed and step."""
        rng = np.random.default_rng([self.seed, step])
        frames = self.data.frames
        if rng.random() < 0.5:
            frames = int(rng.integers(round(self.hparams.shortest * frames), frames + 1))
        return self._crops(self.training, self.batch_size, frames, rng)

    def update(self, batch: dict[str, Tensor], step: int, engine: Engine) -> Mapping[str, Tensor | float]:
        """Train on one batch: a forward pass per mode."""
        lr = self.hparams.lr * cosine(engine.progress, step, warmup_steps=self.hparams.warmup_steps)
        set_lr(self.optimizers["unet"], lr)
        latents, count = batch["latents"], len(batch["latents"])
        condition = _condition_of(batch).dropped(self.hparams.condition_dropout, self.hparams.clock_dropout)
        generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
        times, noise = torch.randint(self.diffusion.schedule.steps, (count,)), torch.randn(latents.shape)
        times, noise = times.to(engine.device), noise.to(engine.device)
        total = torch.zeros((), device=engine.device)
        logged: dict[str, Tensor | float] = {}
        for part in self.mix.divide(count, latents.shape[2], generator):
            with engine.autocast():
                loss = self._loss(self.models["unet"], latents, noise, times, condition, part)
            logged["causal" if part.causal else "bidirectional"] = loss.detach()
            total = total + loss * len(part.rows) / count
        engine.backward(total)
        norm = engine.step(self.optimizers["unet"], clip=1.0)
        return {"loss": total.detach(), **logged, **({} if norm is None else {"norm": norm}), "lr": lr}

    @torch.no_grad()
    def validate(self, models: dict[str, nn.Module]) -> Mapping[str, float]:
        """Losses of held-out pieces at fixed noise: each task, and text to music with less of its condition."""
        rng = np.random.default_rng([self.seed, 1])
        crops = self._crops(self.held, min(_VALIDATED, max(6, 4 * self.batch_size)), self.data.frames, rng)
        device = next(models["unet"].parameters()).device
        generator = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(crops["latents"].shape, generator=generator)
        times = torch.tensor(_VALIDATION_TIMES).repeat(len(noise) // len(_VALIDATION_TIMES) + 1)[: len(noise)]
        condition, count, frames = _condition_of(crops), len(noise), self.data.frames
        nothing = torch.zeros(count, 1, frames)
        rows = list(range(count))
        masks = {
            name: torch.stack([mask(frames, generator) for _ in rows])[:, None]
            for name, mask in (("inpainting", _middle_mask), ("continuation", _end_mask))
        }
        cases = {
            "text_to_music": (condition, TaskBatch(rows, nothing, False)),
            "causal": (condition, TaskBatch(rows, nothing, True)),
            "unconditioned": (condition.hidden(), TaskBatch(rows, nothing, False)),
            "embedding_only": (_shown_only(condition, 1), TaskBatch(rows, nothing, False)),
            "text_only": (_shown_only(condition, 0), TaskBatch(rows, nothing, False)),
            "inpainting": (condition, TaskBatch(rows, masks["inpainting"], False)),
            "continuation": (condition, TaskBatch(rows, masks["continuation"], True)),
        }
        found = {}
        for name, (shown, part) in cases.items():
            arguments = (crops["latents"], noise, times)
            found[name] = self._loss_in_parts(models["unet"], *arguments, shown, part, device)
        return found

    def export(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Write the model that users load: network, whitening and settings; the codec is named, not copied."""
        network = models["unet"]
        assert isinstance(network, OmniUNet)
        data = self.data
        parts = network, data.whitening, self.diffusion, data.about, self._facts(), data.usual_level
        write_model(folder, *parts, self._pace(), self._calibration(network))
        write_text(folder / "README.md", self._card(network))

    def sample(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Make music like two held-out pieces, where that was asked for."""
        network = models["unet"]
        if not self.hear or not isinstance(network, OmniUNet):
            return
        latents = open_latents(self.data.about["codec"], self.data.whitening, size_power=self.diffusion.size_power)
        crops = self._crops(self.held, 2, self.data.frames, np.random.default_rng([self.seed, 2]))
        sampler = DiffusionSampler(network, self.diffusion)
        generators = [torch.Generator().manual_seed(number) for number in range(2)]
        for number, made in enumerate(sampler.sample(_condition_of(crops), self.data.frames, generators)):
            waveform, _ = scale_peak(latents.decode(made))
            Reconstruction(waveform, latents.sample_rate).save(folder / f"held-out-{number}.wav", "Sample in training")

    def check_divergence(self, history: list[dict[str, Any]]) -> str | None:
        """The loss must be below that of predicting nothing, the target's variance of one, after 500 steps."""
        if not history or history[-1].get("step", 0) < 500 or history[-1].get("loss", 0.0) < 1.0:
            return None
        return f"the loss is {history[-1]['loss']:.2f}, no better than predicting nothing: lower the learning rate"

    def _crops(self, pieces: np.ndarray, count: int, frames: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Whitened latents and conditions of random crops."""
        rows: list[dict[str, Tensor]] = []
        for index in rng.choice(pieces, count).tolist():
            piece = self.data.piece(index)
            first = int(rng.integers(piece["latents"].shape[1] - frames + 1))
            row = {"latents": piece["latents"][:, first : first + frames].float()}
            start, length = first / self.data.frame_rate, frames / self.data.frame_rate
            row["embedding"] = self.data.embedding(piece["windows"], start, length)
            row["text"] = piece["text"].float() if "text" in piece else torch.zeros(1, 1)
            if self.data.has_beats:
                row["clock"] = self.data.clock(index)[:, first : first + frames]
            row["n_tokens"] = piece["n_tokens"].long() if "n_tokens" in piece else torch.tensor(0)
            rows.append(row)
        batch = {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
        whitened = self.data.whitening(batch["latents"])
        batch["latents"] = scale_channels(whitened, self.data.whitening, self.diffusion.size_power)
        longest = max(1, int(batch["n_tokens"].max()))
        batch["text"] = batch["text"][:, :longest]
        return batch

    def _loss(
        self,
        network: nn.Module,
        latents: Float[Tensor, "batch dim frames"],
        noise: Float[Tensor, "batch dim frames"],
        times: Tensor,
        condition: DiffusionCondition,
        part: TaskBatch,
    ) -> Tensor:
        """Mean squared error of the prediction over the frames of some rows, less where they are known."""
        rows = torch.tensor(part.rows, device=latents.device)
        clean, fresh, at, mask = latents[rows], noise[rows], times[rows], part.mask.to(latents.device)
        signal, level = self.diffusion.schedule.amplitudes(at)
        noisy = signal * clean + level * fresh
        objective = self.diffusion.objective
        assert isinstance(network, OmniUNet)
        rest = (noisy, at, condition[rows], clean, mask, part.causal)
        predicted = predict(network, self.diffusion.schedule, objective, *rest)
        target = training_target(objective, clean, fresh, signal, level)
        weight = 1 - (1 - self.hparams.known_weight) * mask
        squares = (predicted.float() - target).square().mean(dim=1, keepdim=True)
        return (weight * squares).sum() / weight.sum()

    def _loss_in_parts(
        self,
        network: nn.Module,
        latents: Tensor,
        noise: Tensor,
        times: Tensor,
        condition: DiffusionCondition,
        part: TaskBatch,
        device: torch.device,
    ) -> float:
        total = 0.0
        for first in range(0, len(latents), 12):
            rows = slice(first, first + 12)
            own = TaskBatch(list(range(len(latents[rows]))), part.mask[rows], part.causal)
            clean, fresh, at = (each[rows].to(device) for each in (latents, noise, times))
            total += float(self._loss(network, clean, fresh, at, condition[rows].to(device), own)) * len(own.rows)
        return total / len(latents)

    def _calibration(self, network: OmniUNet) -> Calibration:
        """Correction of the network's estimates, from pieces that it was trained on."""
        pieces = np.random.default_rng([self.seed, 3]).permutation(self.training)[:_CALIBRATED]
        device = next(network.parameters()).device
        crops = self._crops(pieces, len(pieces), self.data.frames, np.random.default_rng([self.seed, 4]))
        sampler = DiffusionSampler(network, self.diffusion)
        return Calibration.fit(sampler, crops["latents"].to(device), _condition_of(crops).to(device), self.seed)

    def _pace(self) -> Pace | None:
        """Predictor of tempo from the embeddings of the training pieces whose tempo is known; None without a clock."""
        rows = [int(i) for i in self.training if self.data.rows[int(i)].get("tempo")]
        if not self.data.has_beats or len(rows) < FEWEST_TEMPI:
            return None
        windows = [self.data.piece(i)["windows"].float().mean(0) for i in rows]
        vectors = nn.functional.normalize(torch.stack(windows), dim=1).numpy()
        return Pace.fit_pieces(vectors, [self.data.rows[i] for i in rows])

    def _facts(self) -> dict[str, Any]:
        composed = sum(bool(row.get("composed")) for row in self.data.rows)
        return {
            "pieces": len(self.data),
            "composed": composed,
            "recorded": len(self.data) - composed,
            "hours": self.data.seconds / 3600,
            "seed": self.seed,
            "batch": self.batch_size,
            "tasks": asdict(self.mix),
        }

    def _card(self, network: OmniUNet) -> str:
        millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        facts, about = self._facts(), self.data.about
        return (
            "# JEN-1\n\n"
            f"Omnidirectional diffusion model ({millions:.1f} million parameters; half precision), trained on "
            f"{facts['pieces']} pieces ({facts['hours']:.1f} hours): {facts['composed']} composed by rule, "
            f"{facts['recorded']} excerpts of free recordings.\n\n"
            f"* Latents: {network.config.latent_dim} whitened channels of `{about['codec']}` "
            f"({about['codec_sha256'][:12]}), {about['frame_rate']:.4g} frames per second.\n"
            f"* Conditions: token states of {about['text']['name'] if about['text'] else 'no text'}, and "
            f"`{about['space']['name']}` ({about['space']['sha256'][:12]}).\n"
            f"* Target: {self.diffusion.objective}; batches of {self.batch_size}.\n"
        )


def _is_held_out(row: Mapping[str, Any]) -> bool:
    """Whether a piece is for validation: a share that depends on the piece alone, and not on what else there is."""
    import zlib

    name = f"{row.get('genre')} {row.get('seed')} {row.get('number')} {row.get('file')}"
    return zlib.crc32(name.encode()) % 1000 < 1000 * _HELD_OUT


def _condition_of(batch: Mapping[str, Tensor]) -> DiffusionCondition:
    tokens = torch.arange(batch["text"].shape[1], device=batch["text"].device)
    words = tokens < batch["n_tokens"][:, None]
    has_text = batch["n_tokens"] > 0
    shown = torch.stack([has_text, torch.ones_like(has_text)], dim=1)
    return DiffusionCondition(batch["text"], words, batch["embedding"], shown, batch.get("clock"))


def _shown_only(condition: DiffusionCondition, which: int) -> DiffusionCondition:
    only = torch.zeros_like(condition.shown)
    only[:, which] = condition.shown[:, which]
    return replace(condition, shown=only)


def _middle_mask(frames: int, generator: torch.Generator) -> Float[Tensor, " frames"]:
    """Mask whose middle third is missing, for validation."""
    mask = torch.ones(frames)
    mask[frames // 3 : 2 * frames // 3] = 0
    return mask


def _end_mask(frames: int, generator: torch.Generator) -> Float[Tensor, " frames"]:
    """Mask whose second half is missing, for validation."""
    mask = torch.ones(frames)
    mask[frames // 2 :] = 0
    return mask
