"""From a folder of sound to a trained codec: what ``train soundstream`` and ``train autoencoder`` do."""

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from ..._utils.errors import Brain2MusicWarning
from ...training.audio_data import Corpus, Crops, open_corpus
from ...training.loop import Plan, fit
from ...training.manifest import Source, read_sources, refuse_held_out, split
from ..autoencoder.model import Autoencoder, AutoencoderConfig
from ..soundstream.model import SoundStream, SoundStreamConfig
from .discriminators import Discriminators
from .training import LISTENED, Codec, CodecSettings, CodecTask, as_it_is

Size = Literal["tiny", "small", "paper"]
VALIDATED = 64
"""Crops in a validation."""
LISTENED_SECONDS = 4.0
BEGUN_FROM = 48
"""Crops of 10 s that an autoencoder's linear code is fitted to."""


@dataclass(frozen=True)
class CodecRun:
    """What is trained on what.

    Attributes
    ----------
    size : of the models. seconds : of a crop, rounded to whole frames; None: 0.72 s of the small ones, 0.36 s of tiny.
    batch_size : crops in a batch; None: 64 (SoundStream) or 32 (autoencoder) of the small ones, 8 of tiny.
    judges : the size of the discriminators; None: that of the codec. On a CPU those of small take most of a step.
    held_out : a folder of which no file may be among the data.
    cache : where decoded sound is kept; None: ``cache`` in the output folder. cache_gb : above which it is not.
    """

    data: Path
    out: Path
    size: Size = "small"
    seconds: float | None = None
    batch_size: int | None = None
    judges: Size | None = None
    held_out: Path | None = None
    cache: Path | None = None
    cache_gb: float = 50.0
    n_jobs: int | None = None
    settings: CodecSettings = field(default_factory=CodecSettings)


def train_soundstream(run: CodecRun, plan: Plan, resume: bool = False, began: float | None = None) -> Path:
    """Train a SoundStream; the folder of the model."""
    torch.manual_seed(plan.seed)
    codec = SoundStream(SoundStreamConfig.size(run.size))
    judges = Discriminators(1, **_JUDGES[run.judges or run.size], stft_windows=(1024,))
    return _train(run, plan, codec, judges, 64, resume, began)


def train_autoencoder(run: CodecRun, plan: Plan, resume: bool = False, began: float | None = None) -> Path:
    """Train JEN-1's autoencoder; the folder of the model. Its judges hear spectrograms of three resolutions."""
    torch.manual_seed(plan.seed)
    codec = Autoencoder(AutoencoderConfig.size(run.size))
    judges = Discriminators(2, **_JUDGES[run.judges or run.size], stft_windows=(512, 1024, 2048))
    return _train(run, plan, codec, judges, 32, resume, began)


_JUDGES: dict[str, dict[str, Any]] = {
    "tiny": {"width": 4, "stft_width": 16},
    "small": {"width": 16, "stft_width": 16},
    "paper": {"width": 16, "stft_width": 32},
}


def _train(
    run: CodecRun, plan: Plan, codec: Codec, judges: Discriminators, batch: int, resume: bool, began: float | None
) -> Path:
    rate, hop, tiny = codec.config.rate, _hop(codec), run.size == "tiny"
    frames = max(1, round((run.seconds or (0.36 if tiny else 0.72)) * rate / hop)) * hop
    training, validation = _corpora(run, codec)
    crops = Crops(training, frames, run.batch_size or (8 if tiny else batch), plan.seed)
    held = Crops(validation, frames, 8 if tiny else VALIDATED, plan.seed, gain_db=None)
    listened = Crops(validation, round(LISTENED_SECONDS * rate / hop) * hop, LISTENED, plan.seed, gain_db=None)
    minutes = training.frames.sum() / rate / 60
    if isinstance(codec, Autoencoder) and codec.lapped is not None and not resume:
        codec.begin(as_it_is(crops, rate, BEGUN_FROM).batch(0))
    facts = {
        "data": f"{run.data.name}: {len(training.frames)} sounds, {minutes:.0f} minutes",
        "size": run.size,
        "batch": f"{crops.batch_size} × {frames / rate:.2f} s",
        "seed": plan.seed,
        **{name: value for name, value in asdict(run.settings).items() if name != "compile"},
    }
    if isinstance(codec, SoundStream):
        _warn_of_small_batches(crops.batch_size * frames // hop, codec.config)
    task = CodecTask(codec, judges, crops, held.batch(0), listened.batch(0), run.settings, facts)
    return fit(task, plan, run.out, resume, began)


def _warn_of_small_batches(frames: int, config: SoundStreamConfig) -> None:
    """Warn where even evenly used codes would be taken for rare ones now and then, and replaced."""
    if frames < 4 * config.codes * config.rare:
        sentence = (
            f"a batch holds {frames} frames for {config.codes} codes, of which those seen less than "
            f"{config.rare:g} times in a batch are replaced: enlarge --batch-size or --seconds"
        )
        warnings.warn(Brain2MusicWarning(sentence), stacklevel=3)


def _hop(codec: Codec) -> int:
    return codec.config.stride if isinstance(codec, SoundStream) else codec.config.hop


def _corpora(run: CodecRun, codec: Codec) -> tuple[Corpus, Corpus]:
    """The sounds to train on and those to validate with."""
    sources = read_sources(run.data)
    if run.held_out is not None:
        refuse_held_out(sources, run.held_out)
    channels = 1 if isinstance(codec, SoundStream) else codec.config.channels

    def opened(part: Sequence[Source]) -> Corpus:
        cache = run.cache or run.out / "cache"
        return open_corpus(part, codec.config.rate, channels, cache, run.cache_gb, run.n_jobs)

    training, validation = split(sources)
    return opened(training), opened(validation)
