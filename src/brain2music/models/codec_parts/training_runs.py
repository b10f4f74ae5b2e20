"""Training runs of codecs, from a folder of sound to a model (``train soundstream``, ``train autoencoder``)."""

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
from .training import SAMPLE_CROPS, Codec, CodecHyperparameters, CodecTask, full_scale_crops

Size = Literal["tiny", "small", "paper"]
VALIDATION_CROPS = 64
"""Number of crops for validation."""
SAMPLE_SECONDS = 4.0
INITIALISATION_CROPS = 48
"""Number of crops of 10 s to which the linear code of an autoencoder is fitted."""


@dataclass(frozen=True)
class CodecRun:
    """Data, output folder and sizes of a training run.

    Attributes
    ----------
    data : Path
        Folder of sound, or a manifest (:func:`brain2music.training.read_sources`).
    out : Path
        Folder for checkpoints, log, samples and the model.
    size : {"tiny", "small", "paper"}
        Size of the codec.
    seconds : float or None
        Duration of a crop in seconds, rounded to whole frames; None for 0.72 s (tiny: 0.36 s).
    batch_size : int or None
        Crops per batch; None for 64 (SoundStream) or 32 (autoencoder), and 8 for tiny.
    discriminator_size : {"tiny", "small", "paper"} or None
        Size of the discriminators; None for that of the codec. On a CPU, small ones take most of the time of a step.
    held_out : Path or None
        Folder whose files must not be in the data.
    cache : Path or None
        Folder of decoded sound; None for ``cache`` in ``out``.
    cache_gb : float
        Largest size of the cache in GB, beyond which sound is read from its files.
    n_jobs : int or None
        Processes that decode sound; None for one per core.
    hparams : CodecHyperparameters
        Learning rates and weights of the losses.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.models.codec_parts import CodecHyperparameters, CodecRun
    >>> run = CodecRun(Path("music"), Path("out"), size="tiny", hparams=CodecHyperparameters(adversarial_after=1.0))
    >>> run.batch_size is None
    True
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
    """Train a SoundStream on a folder of sound.

    Parameters
    ----------
    run : CodecRun
        Data, output folder and sizes.
    arguments : TrainingArguments
        Steps or minutes, precision and device.
    resume : bool, default False
        Whether to resume from the last checkpoint in ``run.out``.
    start_time : float, optional
        Value of ``time.monotonic()`` from which the minutes count; default now.

    Returns
    -------
    Path
        Folder of the model, for :func:`brain2music.get_codec`.

    Raises
    ------
    InputError
        The sound is missing or unreadable, the output folder holds a training already, or the training diverges.

    References
    ----------
    Zeghidour et al., "SoundStream: an end-to-end neural audio codec" (2021, arXiv 2107.03312).

    Examples
    --------
    One step of a tiny model on noise, without discriminators:

    >>> from pathlib import Path
    >>> import numpy as np
    >>> from brain2music.audio import write_audio
    >>> from brain2music.models.codec_parts import CodecHyperparameters, CodecRun, train_soundstream
    >>> from brain2music.training import TrainingArguments
    >>> for seed in (0, 1):
    ...     write_audio(f"music/{seed}.wav", np.random.default_rng(seed).uniform(-0.1, 0.1, 48000), 24000)
    >>> hparams = CodecHyperparameters(adversarial_after=1.0)
    >>> run = CodecRun(Path("music"), Path("out"), size="tiny", batch_size=2, n_jobs=1, hparams=hparams)
    >>> folder = train_soundstream(run, TrainingArguments(steps=1, device="cpu", workers=0))
    out/model: exported after 1 steps (all steps done)
    >>> (folder / "model.safetensors").is_file()
    True
    """
    torch.manual_seed(arguments.seed)
    codec = SoundStream(SoundStreamConfig.size(run.size))
    discriminators = Discriminators(1, **_DISCRIMINATORS[run.discriminator_size or run.size], stft_windows=(1024,))
    return _train_codec(run, arguments, codec, discriminators, 64, resume, start_time)


def train_autoencoder(
    run: CodecRun, arguments: TrainingArguments, resume: bool = False, start_time: float | None = None
) -> Path:
    """Train JEN-1's autoencoder on a folder of sound.

    Its discriminators have three resolutions. The whitening of its latents is fitted at the end, and saved with the
    model.

    Parameters
    ----------
    run : CodecRun
        Data, output folder and sizes.
    arguments : TrainingArguments
        Steps or minutes, precision and device.
    resume : bool, default False
        Whether to resume from the last checkpoint in ``run.out``.
    start_time : float, optional
        Value of ``time.monotonic()`` from which the minutes count; default now.

    Returns
    -------
    Path
        Folder of the model, for :func:`brain2music.get_codec`.

    Raises
    ------
    InputError
        The sound is missing or unreadable, the output folder holds a training already, or the training diverges.

    References
    ----------
    Li et al., "JEN-1: text-guided universal music generation with omnidirectional diffusion models" (2023, arXiv
    2308.04729), section 4.1.

    Examples
    --------
    One step of a tiny model on noise, without discriminators:

    >>> from pathlib import Path
    >>> import numpy as np
    >>> from brain2music.audio import write_audio
    >>> from brain2music.models.codec_parts import CodecHyperparameters, CodecRun, train_autoencoder
    >>> from brain2music.training import TrainingArguments
    >>> for seed in (0, 1):
    ...     write_audio(f"music/{seed}.wav", np.random.default_rng(seed).uniform(-0.1, 0.1, (2, 96000)), 48000)
    >>> hparams = CodecHyperparameters(adversarial_after=1.0)
    >>> run = CodecRun(Path("music"), Path("out"), size="tiny", batch_size=2, n_jobs=1, hparams=hparams)
    >>> folder = train_autoencoder(run, TrainingArguments(steps=1, device="cpu", workers=0))
    out/model: exported after 1 steps (all steps done)
    >>> (folder / "model.safetensors").is_file()
    True
    """
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
    validation_crops = Crops(validation, frames, 8 if tiny else VALIDATION_CROPS, arguments.seed, gain_db=None)
    sample_crops = Crops(
        validation,
        round(SAMPLE_SECONDS * sample_rate / hop_length) * hop_length,
        SAMPLE_CROPS,
        arguments.seed,
        gain_db=None,
    )
    minutes = training.frames.sum() / sample_rate / 60
    if isinstance(codec, Autoencoder) and codec.mdct is not None and not resume:
        codec.initialise_from(full_scale_crops(crops, sample_rate, INITIALISATION_CROPS).batch(0))
    facts = {
        "data": f"{run.data.name}: {len(training.frames)} sounds, {minutes:.0f} minutes",
        "size": run.size,
        "batch": f"{crops.batch_size} × {frames / sample_rate:.2f} s",
        "seed": arguments.seed,
        **{name: value for name, value in asdict(run.hparams).items() if name != "compile"},
    }
    if isinstance(codec, SoundStream):
        _warn_of_small_batches(crops.batch_size * frames // hop_length, codec.config)
    task = CodecTask(codec, discriminators, crops, validation_crops.batch(0), sample_crops.batch(0), run.hparams, facts)
    return fit(task, arguments, run.out, resume, start_time)


def _warn_of_small_batches(frames: int, config: SoundStreamConfig) -> None:
    """Warn where batches are so small that even evenly used codes may be replaced as dead."""
    if frames < 4 * config.codebook_size * config.dead_code_threshold:
        sentence = (
            f"a batch holds {frames} frames for {config.codebook_size} codes, of which those used less than "
            f"{config.dead_code_threshold:g} times per batch are replaced: enlarge --batch-size or --seconds"
        )
        warnings.warn(Brain2MusicWarning(sentence), stacklevel=3)


def _corpora(run: CodecRun, codec: Codec) -> tuple[AudioCorpus, AudioCorpus]:
    """Open the corpora for training and validation."""
    sources = read_sources(run.data)
    if run.held_out is not None:
        refuse_held_out(sources, run.held_out)
    channels = 1 if isinstance(codec, SoundStream) else codec.config.channels

    def open_part(part: Sequence[AudioSource]) -> AudioCorpus:
        cache = run.cache or run.out / "cache"
        return open_corpus(part, codec.config.sample_rate, channels, cache, run.cache_gb, run.n_jobs)

    training, validation = split_sources(sources)
    return open_part(training), open_part(validation)
