"""Training of w2v-BERT on unlabelled music: contrastive, diversity and masked-prediction losses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import Tensor, nn

from ..._utils.errors import InputError
from ..._utils.files import write_text
from ...training.arguments import TrainingArguments
from ...training.audio_data import Crops, open_corpus
from ...training.engine import Engine
from ...training.loop import fit
from ...training.manifest import AudioSource, read_sources, refuse_held_out, split_sources
from ...training.schedule import set_lr
from .config import W2vBertConfig
from .losses import losses, span_mask
from .model import W2vBert

MODEL_CARD = "README.md"
FEW_CODES, COLLAPSED = 0.05, 1.05
"""Share of codes in use below which a warning is given, and perplexity below which training stops."""
PATIENCE = 10
"""Number of consecutive collapsed lines of the log before training stops."""


@dataclass(frozen=True)
class W2vBertHyperparameters:
    """Hyper-parameters of training w2v-BERT.

    Attributes
    ----------
    batch_size : int
        Crops per batch.
    seconds : float
        Duration of a crop in seconds.
    lr : float
        Peak learning rate of AdamW.
    warmup_share : float
        Share of training over which the learning rate rises; afterwards it falls linearly to zero (wav2vec 2.0).
    weight_decay : float
        Weight decay of AdamW.
    clip : float
        Largest gradient norm.
    seed : int
        Seed of crops, masks and validation.

    Examples
    --------
    >>> from brain2music.models.w2v_bert import W2vBertHyperparameters
    >>> W2vBertHyperparameters(batch_size=4).seconds
    8.0
    """

    batch_size: int = 16
    seconds: float = 8.0
    lr: float = 5e-4
    warmup_share: float = 0.08
    weight_decay: float = 0.01
    clip: float = 1.0
    seed: int = 0


Batch = tuple[Float32[Tensor, "batch samples"], Bool[Tensor, "batch frames"]]
"""Mono crops, and masks of their frames at 25 Hz."""


class W2vBertTask:
    """Training task of w2v-BERT (:class:`brain2music.training.task.Task`).

    Parameters
    ----------
    model : untrained; the statistics of its mel bands are set from the first crops.
    train, held_out : mono crops at the model's sample rate.
    """

    averaged: tuple[str, ...] = ("w2v_bert",)

    def __init__(self, model: W2vBert, train: Crops, held_out: Crops, hparams: W2vBertHyperparameters) -> None:
        self.config, self.hparams, self._train, self._held_out = model.config, hparams, train, held_out
        self.models: dict[str, nn.Module] = {"w2v_bert": model}
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(parameters, hparams.lr, (0.9, 0.98), weight_decay=hparams.weight_decay)
        self.optimizers: dict[str, torch.optim.Optimizer] = {"w2v_bert": optimizer}
        self.seconds_per_batch = hparams.batch_size * hparams.seconds
        self._frames = model.frames(train.frames)
        model.measure(train.batch(0)[:, 0])

    def batch(self, step: int) -> Batch:
        """Draw a batch of random crops and masks."""
        return self._masked(self._train, step)

    def update(self, batch: Batch, step: int, engine: Engine) -> Mapping[str, Tensor | float]:
        """Take one optimizer step; the temperature of the Gumbel softmax falls over training."""
        (sound, mask), config, progress = batch, self.config, engine.progress
        temperature = config.gumbel_start * (config.gumbel_end / config.gumbel_start) ** progress
        warmup = self.hparams.warmup_share
        lr = self.hparams.lr * min(progress / warmup, (1 - progress) / (1 - warmup))
        set_lr(self.optimizers["w2v_bert"], lr)
        with engine.autocast():
            outputs = self.models["w2v_bert"](sound, mask, temperature)
        values = losses(outputs, mask, config)
        engine.backward(values["loss"])
        norm = engine.step(self.optimizers["w2v_bert"], self.hparams.clip)
        return {name: value.detach() for name, value in values.items()} | ({} if norm is None else {"norm": norm})

    @torch.no_grad()
    def validate(self, models: dict[str, nn.Module]) -> Mapping[str, float]:
        """Compute the losses on fixed crops and masks of held-out music."""
        model = models["w2v_bert"]
        device = next(model.parameters()).device
        sound, mask = (part.to(device) for part in self._masked(self._held_out, 0))
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(self.hparams.seed)
            values = losses(model(sound, mask, self.config.gumbel_end), mask, self.config)
        return {name: float(value) for name, value in values.items()}

    def export(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Write the model and its model card."""
        model = models["w2v_bert"]
        assert isinstance(model, W2vBert)
        model.save_pretrained(folder)
        write_text(folder / MODEL_CARD, _model_card(self.config, self.hparams))

    def sample(self, models: dict[str, nn.Module], folder: Path) -> None:
        """Do nothing: w2v-BERT generates no sound."""

    def check_divergence(self, history: Sequence[Mapping[str, float | int]]) -> str | None:
        """Warning for few codes in use; :class:`InputError` where all frames have had the same code for a while."""
        used = [line["codes_used"] for line in history if "codes_used" in line][-PATIENCE:]
        if len(used) == PATIENCE and max(used) < COLLAPSED:
            raise InputError(
                f"the codebook has collapsed: every frame has had the same code for {PATIENCE} lines of the log",
                hint="lower the learning rate, keep beta and diversity above zero, or take the quantizer 'projection'",
            )
        if used and used[-1] < FEW_CODES * self.config.codebook_size:
            return (
                f"only {used[-1]:.1f} of {self.config.codebook_size} codes are in use: the codebook may be collapsing"
            )
        return None

    def _masked(self, crops: Crops, step: int) -> Batch:
        rng = np.random.default_rng((self.hparams.seed, 1, step))
        config = self.config
        mask = span_mask(rng, crops.batch_size, self._frames, config.mask_probability, config.mask_span)
        return crops.batch(step)[:, 0], mask


def train_w2v_bert(
    data: Path,
    out: Path,
    hparams: W2vBertHyperparameters,
    arguments: TrainingArguments,
    config: W2vBertConfig,
    held_out: Path | None = None,
    resume: bool = False,
    n_jobs: int | None = None,
    start_time: float | None = None,
) -> Path:
    """Train w2v-BERT on a folder of music.

    Parameters
    ----------
    data : Path
        Folder of sound, or a manifest (:func:`brain2music.training.read_sources`).
    out : Path
        Folder for checkpoints, log and the model.
    hparams : W2vBertHyperparameters
        Batches, learning rate and seed.
    arguments : TrainingArguments
        Steps or minutes, precision and device.
    config : W2vBertConfig
        Sizes and weights of the losses.
    held_out : Path, optional
        Folder whose files must not be in the data.
    resume : bool, default False
        Whether to resume from the last checkpoint in ``out``.
    n_jobs : int, optional
        Processes that decode sound; default one per core.
    start_time : float, optional
        Value of ``time.monotonic()`` from which the minutes count; default now.

    Returns
    -------
    Path
        Folder of the model, for :class:`W2vBertEmbedder`.

    Raises
    ------
    InputError
        There is no readable music, the crops are too short to mask, or the codebook collapses.

    Examples
    --------
    One step of a small model on noise:

    >>> from pathlib import Path
    >>> import numpy as np
    >>> from brain2music.audio import write_audio
    >>> from brain2music.models.w2v_bert import W2vBertConfig, W2vBertHyperparameters, train_w2v_bert
    >>> from brain2music.training import TrainingArguments
    >>> for seed in (0, 1):
    ...     write_audio(f"music/{seed}.wav", np.random.default_rng(seed).uniform(-0.1, 0.1, 72000), 24000)
    >>> config = W2vBertConfig(width=32, heads=2, feed_forward=64, contrastive_blocks=1, masked_blocks=1, code_dim=32)
    >>> hparams = W2vBertHyperparameters(batch_size=2, seconds=2.0)
    >>> arguments = TrainingArguments(steps=1, device="cpu", workers=0)
    >>> folder = train_w2v_bert(Path("music"), Path("out"), hparams, arguments, config, n_jobs=1)
    out/model: exported after 1 steps (all steps done)
    >>> (folder / "model.safetensors").is_file()
    True
    """
    frames = round(hparams.seconds * config.sample_rate)
    if frames // config.hop_length // 4 < 2 * config.mask_span:
        raise InputError(
            f"crops of {hparams.seconds:g} s are too short for masks of {config.mask_span / 25:g} s",
            hint=f"take crops of {2 * config.mask_span / 25:g} s or more",
        )
    sources = read_sources(data)
    if held_out is not None:
        refuse_held_out(sources, held_out)
    train, validation = split_sources(sources, seed=hparams.seed)

    def crops(part: list[AudioSource], name: str, gain: tuple[float, float] | None) -> Crops:
        corpus = open_corpus(part, config.sample_rate, 1, out / "cache" / name, n_jobs=n_jobs)
        return Crops(corpus, frames, hparams.batch_size, hparams.seed, gain)

    torch.manual_seed(hparams.seed)
    model = W2vBert(config)
    task = W2vBertTask(model, crops(train, "train", (-12.0, 6.0)), crops(validation, "held-out", None), hparams)
    return fit(task, arguments, out, resume, start_time)


def _model_card(config: W2vBertConfig, hparams: W2vBertHyperparameters) -> str:
    return f"""# w2v-BERT for music

Self-supervised features at 25 Hz after w2v-BERT (arXiv 2108.06209): {config.contrastive_blocks} + \
{config.masked_blocks} conformer blocks of width {config.width}, {config.n_codebooks} codebook(s) of \
{config.codebook_size} codes, {config.quantizer} quantizer; sound at {config.sample_rate} Hz.

* Trained with `brain2music train w2v-bert` on crops of {hparams.seconds:g} s, {hparams.batch_size} per batch.
* Use: `--embedding w2v-bert-avg` with this folder as `$BRAIN2MUSIC_MODELS/w2v-bert-avg`; another depth with
  `w2v-bert-avg@0.5`.
"""
