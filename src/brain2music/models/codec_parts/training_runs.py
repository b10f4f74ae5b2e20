"""From a folder of sound to a trained codec: what ``train soundstream`` and ``train autoencoder`` do."""

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from ..._utils.errors import Brain2MusicWarning
from ...training.audio_data import AudioCorpus, Crops, open_corpus
from ...training.loop import TrainingArguments, fit
from ...training.manifest import AudioSource, read_sources, refuse_held_out, split_sources
from ..autoencoder.model import Autoencoder, AutoencoderConfig
from ..soundstream.model import SoundStream, SoundStreamConfig
from .discriminators import Discriminators
from .training import LISTENED, Codec, CodecHyperparameters, CodecTask, as_it_is

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
    discriminator_size : of the discriminators; None: that of the codec. On a CPU those of small take most of a step.
    held_out : a folder of which no file may be among the data.
    cache : where decoded sound is kept; None: ``cache`` in the output folder. cache_gb : above which it is not.
    """

    data: Path
    out: Path
    size: Size = "small"
    seconds: float | None = None
    batch_size: int | None = None
    discriminator_size: Size | None = None
    held_out: Path | None = None
    cache: Path | None = None
    cache_gb: float = 50.0
    n_jobs: int | None = None
    hparams: CodecHyperparameters = field(default_factory=CodecHyperparameters)


def train_soundstream(
    run: CodecRun, arguments: TrainingArguments, resume: bool = False, start_time: float | None = None
) -> Path:
    """Train a SoundStream; the folder of the model."""
    torch.manual_seed(arguments.seed)
    codec = SoundStream(SoundStreamConfig.size(run.size))
    discriminators = Discriminators(1, **_DISCRIMINATORS[run.discriminator_size or run.size], stft_windows=(1024,))
    return _train_codec(run, arguments, codec, discriminators, 64, resume, start_time)


def train_autoencoder(
    run: CodecRun, arguments: TrainingArguments, resume: bool = False, start_time: float | None = None
) -> Path:
    """Train JEN-1's autoencoder; the folder of the model. Its discriminators hear spectrograms of three resolutions."""
    torch.manual_seed(arguments.seed)
    codec = Autoencoder(AutoencoderConfig.size(run.size))
    discriminators = Discriminators(
        2, **_DISCRIMINATORS[run.discriminator_size or run.size], stft_windows=(512, 1024, 2048)
    )
    return _train_codec(run, arguments, codec, discriminators, 32, resume, start_time)


_DISCRIMINATORS: dict[str, dict[str, Any]] = {
    "tiny": {"width": 4, "stft_width": 16},
    "small": {"width": 16, "stft_width": 16},
    "paper": {"width": 16, "stft_width": 32},
}


def _train_codec(
    run: CodecRun,
    arguments: TrainingArguments,
    codec: Codec,
    discriminators: Discriminators,
    batch: int,
    resume: bool,
    start_time: float | None,
) -> Path:
    sample_rate, hop_length, tiny = codec.config.sample_rate, codec.config.hop_length, run.size == "tiny"
    frames = max(1, round((run.seconds or (0.36 if tiny else 0.72)) * sample_rate / hop_length)) * hop_length
    training, validation = _corpora(run, codec)
    crops = Crops(training, frames, run.batch_size or (8 if tiny else batch), arguments.seed)
    held = Crops(validation, frames, 8 if tiny else VALIDATED, arguments.seed, gain_db=None)
    listened = Crops(
        validation,
        round(LISTENED_SECONDS * sample_rate / hop_length) * hop_length,
        LISTENED,
        arguments.seed,
        gain_db=None,
    )
    minutes = training.frames.sum() / sample_rate / 60
    if isinstance(codec, Autoencoder) and codec.mdct is not None and not resume:
        codec.initialise_from(as_it_is(crops, sample_rate, BEGUN_FROM).batch(0))
    facts = {
        "data": f"{run.data.name}: {len(training.frames)} sounds, {minutes:.0f} minutes",
        "size": run.size,
        "batch": f"{crops.batch_size} × {frames / sample_rate:.2f} s",
        "seed": arguments.seed,
        **{name: value for name, value in asdict(run.hparams).items() if name != "compile"},
    }
    if isinstance(codec, SoundStream):
        _warn_of_small_batches(crops.batch_size * frames // hop_length, codec.config)
    task = CodecTask(codec, discriminators, crops, held.batch(0), listened.batch(0), run.hparams, facts)
    return fit(task, arguments, run.out, resume, start_time)


def _warn_of_small_batches(frames: int, config: SoundStreamConfig) -> None:
    """Warn where even evenly used codes would be taken for rare ones now and then, and replaced."""
    if frames < 4 * config.codebook_size * config.rare:
        sentence = (
            f"a batch holds {frames} frames for {config.codebook_size} codes, of which those seen less than "
            f"{config.rare:g} times in a batch are replaced: enlarge --batch-size or --seconds"
        )
        warnings.warn(Brain2MusicWarning(sentence), stacklevel=3)


def _corpora(run: CodecRun, codec: Codec) -> tuple[AudioCorpus, AudioCorpus]:
    """The sounds to train on and those to validate with."""
    sources = read_sources(run.data)
    if run.held_out is not None:
        refuse_held_out(sources, run.held_out)
    channels = 1 if isinstance(codec, SoundStream) else codec.config.channels

    def opened(part: Sequence[AudioSource]) -> AudioCorpus:
        cache = run.cache or run.out / "cache"
        return open_corpus(part, codec.config.sample_rate, channels, cache, run.cache_gb, run.n_jobs)

    training, validation = split_sources(sources)
    return opened(training), opened(validation)
