"""Commands that train our models: one per family, all with the same options of the training loop."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from . import train_jen1, train_musiclm
from .options import Jobs, Seed
from .train_options import (
    Accumulate,
    After,
    BatchSize,
    Cache,
    CacheGb,
    Compile,
    Data,
    Device,
    DiscriminatorSize,
    Every,
    HeldOut,
    LogEvery,
    Minutes,
    Out,
    Precision,
    Rate,
    Refit,
    Resume,
    Seconds,
    Size,
    Steps,
    Waveform,
    training_arguments,
)

app = typer.Typer()
train_app = typer.Typer(no_args_is_help=True, help="Train our models; --resume continues any of them.")
app.add_typer(train_app, name="train")
train_app.add_typer(train_musiclm.app)
train_app.add_typer(train_jen1.app)


def _codec_command(kind: Literal["soundstream", "autoencoder"]) -> Callable[..., None]:
    """The command of one codec: both have the same options."""

    def command(
        data: Data,
        out: Out,
        size: Size = "small",
        steps: Steps = 200_000,
        minutes: Minutes = None,
        batch_size: BatchSize = None,
        seconds: Seconds = None,
        lr: Rate = 3e-4,
        adversarial_after: After = 0.12,
        discriminators: DiscriminatorSize = None,
        waveform: Waveform = None,
        refit: Refit = None,
        precision: Precision = None,
        accumulate: Accumulate = 1,
        compiled: Compile = False,
        every: Every = 1000,
        log_every: LogEvery = 50,
        held_out: HeldOut = None,
        cache: Cache = None,
        cache_gb: CacheGb = 50.0,
        seed: Seed = 0,
        n_jobs: Jobs = None,
        device: Device = None,
        resume: Resume = False,
    ) -> None:
        start_time = time.monotonic()
        from ..models.codec_parts.training import CodecHyperparameters
        from ..models.codec_parts.training_runs import CodecRun, train_autoencoder, train_soundstream

        hparams = CodecHyperparameters(
            lr=lr,
            discriminator_lr=lr,
            adversarial_after=adversarial_after,
            waveform={"soundstream": 0.0, "autoencoder": 100.0}[kind] if waveform is None else waveform,
            refits=tuple(refit or ()),
            compile=compiled,
        )
        run = CodecRun(data, out, size, seconds, batch_size, discriminators, held_out, cache, cache_gb, n_jobs, hparams)
        arguments = training_arguments(steps, minutes, precision, accumulate, every, log_every, seed, device)
        train = {"soundstream": train_soundstream, "autoencoder": train_autoencoder}[kind]
        train(run, arguments, resume, start_time)

    return command


train_app.command("soundstream", help="Train a SoundStream: 24 kHz mono sound to tokens and back.")(
    _codec_command("soundstream")
)
train_app.command("autoencoder", help="Train JEN-1's autoencoder: 48 kHz stereo sound to continuous latents and back.")(
    _codec_command("autoencoder")
)


@train_app.command("mel-inverse")
def mel_inverse(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder for decoded sound, checkpoints, log and the model.")
    ],
    music: Annotated[list[Path], typer.Argument(metavar="MUSIC", help="Folders of sound files, or tables of them.")],
    steps: Steps = 3000,
    minutes: Minutes = None,
    precision: Precision = None,
    every: Every = 500,
    log_every: LogEvery = 50,
    held_out: HeldOut = None,
    seed: Seed = 0,
    n_jobs: Jobs = None,
    device: Device = None,
    resume: Resume = False,
) -> None:
    """Train the network that gives Griffin-Lim magnitudes at all frequencies, from those of mel bands."""
    from ..models.mel_tokens.mel_inverse_training import train_mel_inverse

    arguments = training_arguments(steps, minutes, precision, 1, every, log_every, seed, device)
    train_mel_inverse(music, out, arguments, held_out, resume, n_jobs=n_jobs)


@train_app.command("w2v-bert")
def w2v_bert(
    data: Data,
    out: Out,
    size: Size = "small",
    steps: Steps = 100_000,
    minutes: Minutes = None,
    batch_size: Annotated[int, typer.Option(metavar="N", help="Examples per batch.", min=2)] = 16,
    seconds: Annotated[float, typer.Option(metavar="SECONDS", help="Seconds of sound per example.", min=0.01)] = 8.0,
    lr: Rate = 5e-4,
    quantizer: Annotated[
        Literal["gumbel", "projection"] | None,
        typer.Option(help="gumbel: learn the codes; projection: draw them once; default by size."),
    ] = None,
    precision: Precision = None,
    accumulate: Accumulate = 1,
    every: Every = 1000,
    log_every: LogEvery = 50,
    held_out: HeldOut = None,
    seed: Seed = 0,
    n_jobs: Jobs = None,
    device: Device = None,
    resume: Resume = False,
) -> None:
    """Train w2v-BERT: features of music at 25 Hz, from music without labels."""
    start_time = time.monotonic()
    from dataclasses import replace

    from ..models.w2v_bert.config import SIZES
    from ..models.w2v_bert.training import W2vBertHyperparameters
    from ..models.w2v_bert.training import train_w2v_bert as train

    config = SIZES[size] if quantizer is None else replace(SIZES[size], quantizer=quantizer)
    arguments = training_arguments(steps, minutes, precision, accumulate, every, log_every, seed, device)
    hparams = W2vBertHyperparameters(batch_size, seconds, lr, seed=seed)
    train(data, out, hparams, arguments, config, held_out, resume, n_jobs, start_time)


@train_app.command()
def mulan(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="Shards of recipes/mulan_data.py; for the towers resnet50 and ast, sound and captions.tsv.",
        ),
    ],
    out: Out,
    size: Size = "small",
    tower: Annotated[
        Literal["musicnn", "resnet50", "ast"], typer.Option(help="Network that embeds the sound.")
    ] = "musicnn",
    loss: Annotated[
        Literal["symmetric", "decoupled"], typer.Option(help="Form of the contrastive loss.")
    ] = "symmetric",
    hard_negatives: Annotated[
        float, typer.Option(metavar="NUMBER", help="Extra weight of negatives that are similar; 0: none.", min=0.0)
    ] = 0.0,
    codes: Annotated[int, typer.Option(metavar="N", help="Codes per level of the MuLan tokens.", min=2)] = 1024,
    chunk: Annotated[int, typer.Option(metavar="N", help="Pairs in memory at once; 0: the whole batch.", min=0)] = 0,
    steps: Steps = 2000,
    minutes: Minutes = None,
    batch_size: Annotated[int, typer.Option(metavar="N", help="Pairs per batch.", min=2)] = 768,
    lr: Rate = 1e-3,
    precision: Precision = None,
    accumulate: Accumulate = 1,
    every: Every = 500,
    log_every: LogEvery = 50,
    seed: Seed = 0,
    device: Device = None,
    resume: Resume = False,
) -> None:
    """Train a MuLan: one embedding space for sound and text, so that text finds music."""
    from ..models.mulan.training import MuLanHyperparameters
    from ..models.mulan.training_run import train_mulan

    hparams = MuLanHyperparameters(batch_size, chunk, lr, form=loss, hardness=hard_negatives, seed=seed)
    arguments = training_arguments(steps, minutes, precision, accumulate, every, log_every, seed, device)
    print(train_mulan(data, out, hparams, arguments, size, tower, codes, resume))
