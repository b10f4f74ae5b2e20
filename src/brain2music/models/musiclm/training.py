"""Training MusicLM: the stages in parallel, on shards of tokens; conditions come from audio only.

Every stage is a model with its own optimizer, so that one command trains all three, or any of them.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..._utils.errors import InputError
from ..._utils.files import write_text
from ...training.engine import Engine
from ...training.optimizers import adamw
from ...training.schedule import cosine, set_lr
from ..codecs import get_token_codec
from ..generator_parts.clock import CLOCK, hide_clock
from ..generator_parts.pace import FEWEST_TEMPI, Pace
from .condition import Conditioner
from .config import STAGES, Size, StageSet, Vocabulary, stage_configs
from .crops import Crops, arguments_of, random_crops, random_shown
from .folder import n_quantizers_of, write_config
from .initialise import initialise_from
from .model import MusicLM
from .semantic import FILE as SEMANTIC
from .semantic import SemanticTokenizer
from .stage import MusicLMStage
from .stage_config import StageConfig, StageName
from .token_shards import TokenData, code_frequencies, mean_entropy

Batch = dict[StageName, Crops]
_HELD_OUT = 0.03
_VALIDATED = 128  # crops per stage


@dataclass(frozen=True)
class MusicLMHyperparameters:
    """Hyper-parameters of the stages of a size.

    Attributes
    ----------
    batch : dict of str to int
        Crops per step, by stage.
    lr : float
        Peak learning rate.
    warmup_steps : int
        Steps over which the learning rate rises.
    weight_decay : float
        Weight decay of matrices.
    condition_dropout : tuple of float
        Probabilities that a crop has no condition, only its tokens, or only its vector, so that there is a null
        condition for guidance, and each form can be used without the other.
    clock_dropout : tuple of float
        Probabilities that the beat clock is hidden of a crop with a condition, and of one without, and that only the
        place in the bar is.
    """

    batch: dict[StageName, int]
    lr: float
    warmup_steps: int
    weight_decay: float = 0.05
    condition_dropout: tuple[float, float, float] = (0.1, 0.15, 0.15)
    clock_dropout: tuple[float, float, float] = (0.1, 0.5, 0.2)


_TINY: dict[StageName, int] = {"semantic": 8, "coarse": 8, "fine": 16, "acoustic": 8}
_SMALL: dict[StageName, int] = {"semantic": 64, "coarse": 96, "fine": 192, "acoustic": 96}
HYPERPARAMETERS: dict[Size, MusicLMHyperparameters] = {
    "paper": MusicLMHyperparameters({"semantic": 256, "coarse": 256, "fine": 256, "acoustic": 256}, 3e-4, 4000),
    "small": MusicLMHyperparameters(_SMALL, 1.5e-3, 100),
    "tiny": MusicLMHyperparameters(_TINY, 5e-3, 20),
}


class MusicLMTask:
    """Training task of MusicLM's stages (:class:`brain2music.training.task.Task`).

    Parameters
    ----------
    shards : Path
        Folder of token shards (:mod:`.token_shards`), with the conditioner and the semantic tokenizer beside them.
    size : {"tiny", "small", "paper"}, default "small"
        Size of the stages.
    stage_set : {"three", "single"}, default "three"
        The three stages of the paper, or a single one.
    seed : int, default 0
        Seed of weights, crops and the split into training and validation.
    only : sequence of str
        Stages to train; default all. The others are exported as initialised.
    batch_divisor : float, default 1.0
        Divisor of the batch sizes, for small machines.
    codec : str, default ""
        Folder of the codec, to write samples; "" for none.
    initialise : str, default ""
        Trained model from which the stages are initialised; "" for none.
    lr : float, optional
        Peak learning rate; default that of the size.
    embedding : str, default ""
        Embedding that the shards have to be made with, by name or as a MuLan's folder; "" for any.

    Raises
    ------
    InputError
        There is no such stage, or the shards hold too little music, or were made with another embedding.
    """

    def __init__(
        self,
        shards: Path,
        size: Size = "small",
        stage_set: StageSet = "three",
        seed: int = 0,
        only: Sequence[str] = (),
        batch_divisor: float = 1.0,
        codec: str = "",
        initialise: str = "",
        lr: float | None = None,
        embedding: str = "",
    ) -> None:
        self.data, self.folder, self.seed, self.codec = TokenData(shards), shards, seed, codec
        if embedding:
            self.data.require_embedding(embedding)
        self.conditioner = Conditioner.load(shards)
        self.hparams = HYPERPARAMETERS[size] if lr is None else replace(HYPERPARAMETERS[size], lr=lr)
        self.batch_divisor, self.stage_set, self.names = batch_divisor, stage_set, STAGES[stage_set]
        if unknown := sorted(set(only) - set(self.names)):
            raise InputError(f"there is no stage {unknown[0]!r}", hint=f"choose from {', '.join(self.names)}")
        self.only = tuple(name for name in self.names if name in only or not only)
        torch.manual_seed(seed)
        self.configs = _configs(size, stage_set, self.data, self.conditioner)
        self.models: dict[str, nn.Module] = {name: MusicLMStage(config) for name, config in self.configs.items()}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: adamw(
                self.models[name],
                self.hparams.lr,
                self.hparams.weight_decay,
                (0.9, 0.95),
                fused=torch.cuda.is_available(),
            )
            for name in self.only
        }
        self.averaged: tuple[str, ...] = self.names
        order = np.random.default_rng(seed).permutation(len(self.data))
        held = max(1, round(_HELD_OUT * len(order)))
        self.held, self.training = np.sort(order[:held]), np.sort(order[held:])
        if len(self.training) == 0:
            raise InputError("one piece is too little to train on", shards, "build more tokens")
        frequencies = self._frequencies()
        self.unigram = {name: mean_entropy(of) for name, of in frequencies.items()}
        self._initialise(frequencies)
        if initialise:
            initialise_from(initialise, self.models, self.conditioner, self.data.windows())
        self.seconds_per_batch = sum(self._batch_size(name) * self.configs[name].crop_s for name in self.only)

    def batch(self, step: int) -> Batch:
        """Make random crops for every stage, a function of seed and step."""
        return {
            name: self._crops(name, self.training, self._batch_size(name), np.random.default_rng([self.seed, step, i]))
            for i, name in enumerate(self.names)
            if name in self.only
        }

    def update(self, batch: Batch, step: int, engine: Engine) -> Mapping[str, Tensor | float]:
        """Train every stage on one batch."""
        logged: dict[str, Tensor | float] = {}
        lr = self.hparams.lr * cosine(engine.progress, step, warmup_steps=self.hparams.warmup_steps)
        for name, crops in batch.items():
            set_lr(self.optimizers[name], lr)
            shown = random_shown(len(crops["codes"]), self.hparams.condition_dropout, engine.device)
            if self.configs[name].upstream == CLOCK:
                hidden = hide_clock(crops["upstream"], ~shown.any(dim=1), self.hparams.clock_dropout)
                crops = {**crops, "upstream": hidden}
            with engine.autocast():
                loss = -self.models[name](*arguments_of(crops, shown)).mean()
            engine.backward(loss)
            norm = engine.step(self.optimizers[name], clip=1.0)
            logged[name] = loss.detach()
            if norm is not None:
                logged[f"{name}_norm"] = norm
        return {**logged, "lr": lr}

    @torch.no_grad()
    def validate(self, models: dict[str, nn.Module]) -> Mapping[str, float]:
        """Losses on held-out pieces: with the full condition, tokens only, vector only, none; and of unigrams."""
        losses: dict[str, float] = {}
        for name in self.only:
            device = next(models[name].parameters()).device
            rng = np.random.default_rng([self.seed, 1, self.names.index(name)])
            crops = self._crops(name, self.held, min(_VALIDATED, 4 * self._batch_size(name)), rng)
            losses[name] = _loss(models[name], crops, (True, True), device)
            if self.configs[name].condition:
                for label, shown in (("tokens", (True, False)), ("vector", (False, True)), ("none", (False, False))):
                    losses[f"{name}_{label}"] = _loss(models[name], crops, shown, device)
            losses[f"{name}_unigram"] = self.unigram[name]
        return losses

    def export(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Save the whole model; the codec is named, not copied."""
        for name in self.names:
            stage = models[name]
            assert isinstance(stage, MusicLMStage)
            stage.save_pretrained(folder / name, half=True)
        self.conditioner.save(folder)
        if self.stage_set == "three":
            shutil.copy(self.folder / SEMANTIC, folder)
        write_config(
            folder, self.stage_set, self.data.about["codec"], self.data.about["codec_sha256"], self._provenance()
        )
        if (pace := self._pace()) is not None:
            pace.save(folder)
        write_text(folder / "README.md", self._card(models))

    def sample(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Generate five seconds like each of two held-out pieces, where there is a codec."""
        if not self.codec:
            return
        device = next(models[self.names[0]].parameters()).device
        stages_: Any = {name: models[name] for name in self.names}
        semantic = SemanticTokenizer.load(self.folder) if self.stage_set == "three" else None
        codec = get_token_codec(self.codec, n_quantizers_of(stages_), str(device))
        model = MusicLM(stages_, self.conditioner, semantic, codec)
        vectors = np.stack([self.data.piece(int(i))["windows"].float().mean(0).numpy() for i in self.held[:2]])
        for number, made in enumerate(model.generate(embedding=vectors[:, None], seconds=5.0)):
            made.save(folder / f"held-out-{number}.wav", "Sample of a MusicLM in training")

    def check_divergence(self, history: list[dict[str, Any]]) -> str | None:
        """Warn where the loss is not below the unigram entropy after a thousand steps."""
        if len(history) < 2 or history[-1].get("step", 0) < 1000:
            return None
        for name in self.only:
            if history[-1].get(name, 0.0) > self.unigram[name]:
                return (
                    f"the {name} stage loses {history[-1][name]:.2f} nats, more than a guess by frequency "
                    f"({self.unigram[name]:.2f}): lower the learning rate, or look at the shards"
                )
        return None

    def _crops(self, name: StageName, pieces: np.ndarray, count: int, rng: np.random.Generator) -> Crops:
        return random_crops(self.data, self.conditioner, self.configs[name], pieces, count, rng)

    def _batch_size(self, name: StageName) -> int:
        return max(1, round(self.hparams.batch[name] / self.batch_divisor))

    def _initialise(self, frequencies: dict[str, Tensor]) -> None:
        """Initialise the acoustic stages whose tables are as wide as the codec's codebooks from these."""
        books = self.data.codebooks
        for name, stage in self.models.items():
            assert isinstance(stage, MusicLMStage)
            if books is not None and stage.config.family == "acoustic" and stage.config.token_width == books.shape[2]:
                stage.initialise_from(books, frequencies[name])

    def _frequencies(self) -> dict[str, Tensor]:
        """Frequencies of the codes that each stage predicts, (n_quantizers, codebook_size)."""
        pieces = [self.data.piece(int(i)) for i in self.training[:: max(1, len(self.training) // 200)]]
        codes = torch.stack([piece["codes"] for piece in pieces])
        acoustic = torch.stack(
            [code_frequencies(codes[:, level], self.data.about["codes"]) for level in range(codes.shape[1])]
        )
        found: dict[str, Tensor] = {}
        for name, config in self.configs.items():
            found[name] = acoustic[config.first_quantizer : config.first_quantizer + config.n_quantizers]
            if name == "semantic":
                semantic = torch.stack([piece["semantic"] for piece in pieces])
                found[name] = code_frequencies(semantic, self.data.about["semantic_codes"])[None]
        return found

    def _pace(self) -> Pace | None:
        """Predictor of tempo from the embeddings of the training pieces whose tempo is known; None without a clock."""
        rows = [int(i) for i in self.training if self.data.rows[int(i)].get("tempo")]
        if not self.data.has_clock or len(rows) < FEWEST_TEMPI:
            return None
        vectors = torch.stack([self.data.piece(i)["windows"].float().mean(0) for i in rows])
        return Pace.fit_pieces(self.conditioner(vectors).vector.numpy(), [self.data.rows[i] for i in rows])

    def _provenance(self) -> dict[str, Any]:
        return {"pieces": len(self.data), "hours": self.data.seconds / 3600, "seed": self.seed, **self.data.about}

    def _card(self, models: dict[str, nn.Module]) -> str:
        parameters = {name: sum(p.numel() for p in models[name].parameters()) for name in self.names}
        sizes = ", ".join(f"{name} {count / 1e6:.1f} M" for name, count in parameters.items())
        about = self.data.about
        return (
            "# MusicLM\n\n"
            f"Decoder-only stages ({sizes} parameters; half precision), trained on {len(self.data)} pieces "
            f"({self.data.seconds / 3600:.1f} hours): composed pieces rendered by rule, and free recordings.\n\n"
            f"* Codec: `{about['codec']}` ({about['codec_sha256'][:12]}).\n"
            f"* Condition: `{about['space']['name']}` ({about['space']['sha256'][:12]}), its residual tokens and its "
            "vector.\n"
            + ("" if self.stage_set == "single" else f"* Semantic tokens: k-means of `{about['semantic']['name']}`.\n")
        )


def _configs(
    size: Size, stage_set: StageSet, data: TokenData, conditioner: Conditioner
) -> dict[StageName, StageConfig]:
    """Configurations of the stages for the tokens of a dataset; crops are no longer than the pieces."""
    if stage_set == "three" and "semantic_codes" not in data.about:
        raise InputError("these shards hold no semantic tokens, which three stages need", hint="train --single")
    levels, codes, dims = conditioner.token_shape
    vocabulary = Vocabulary(
        acoustic_codebook_size=data.about["codes"],
        acoustic_quantizers=data.n_quantizers,
        acoustic_frame_rate=data.frame_rate,
        acoustic_dims=0 if data.codebooks is None else data.codebooks.shape[2],
        semantic_codebook_size=data.about.get("semantic_codes", 0),
        condition_quantizers=levels,
        condition_codebook_size=codes,
        condition_dims=dims,
        clock=data.has_clock,
    )
    found = stage_configs(size, stage_set, vocabulary)
    longest = min(shard["codes"].shape[2] for shard in data.shards) / data.frame_rate
    return {
        name: replace(config, crop_s=min(config.crop_s, longest), stride_s=min(config.stride_s, longest))
        for name, config in found.items()
    }


def _loss(model: nn.Module, crops: Crops, shown: tuple[bool, bool], device: torch.device) -> float:
    total, count = 0.0, len(crops["codes"])
    for first in range(0, count, 32):
        part = {name: value[first : first + 32].to(device) for name, value in crops.items()}
        mask = torch.tensor([shown], device=device).expand(len(part["codes"]), 2)
        total += float(-model(*arguments_of(part, mask)).mean()) * len(part["codes"])
    return total / count
