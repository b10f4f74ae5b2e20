"""Commands that train models of ours: one a family, all with the same options of the loop."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .options import Jobs, Seed

if TYPE_CHECKING:
    from ..train.plan import Plan

app = typer.Typer()
train_app = typer.Typer(no_args_is_help=True, help="Train a model of ours; every command resumes by --resume.")
app.add_typer(train_app, name="train")

Data = Annotated[Path, typer.Argument(help="Folder of sound files, or a manifest (tsv, csv, parquet; column file).")]
Out = Annotated[Path, typer.Argument(help="Folder for checkpoints, log, samples and the model.")]
Size = Annotated[Literal["tiny", "small", "paper"], typer.Option(help="Of the model.")]
Steps = Annotated[int, typer.Option(help="Optimizer steps in all.", min=1)]
Minutes = Annotated[float | None, typer.Option(help="Stop and export after so long.", min=0.0)]
BatchSize = Annotated[int | None, typer.Option(help="Examples in a batch; default by size.", min=1)]
Seconds = Annotated[float | None, typer.Option(help="Of a crop; default by size.", min=0.01)]
Precision = Annotated[
    Literal["no", "bf16", "fp16"] | None, typer.Option(help="Mixed precision; default bf16 on a GPU.")
]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, ...; default the best there is.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")]
HeldOut = Annotated[Path | None, typer.Option(help="Refuse data that holds a file of this folder.")]
Cache = Annotated[Path | None, typer.Option(help="Folder for decoded sound; default OUT/cache.")]
CacheGb = Annotated[float, typer.Option(help="Read files directly where decoded sound takes more.", min=0.0)]
Every = Annotated[int, typer.Option(help="Steps between checkpoints; validation and samples likewise.", min=1)]
LogEvery = Annotated[int, typer.Option(help="Steps between lines of the log.", min=1)]
Rate = Annotated[float, typer.Option("--lr", help="Peak learning rate.", min=0.0)]
After = Annotated[float, typer.Option(help="Part of the budget trained without discriminators.", min=0.0, max=1.0)]
Waveform = Annotated[
    float | None,
    typer.Option(help="Weight of the loss in the time domain; default 0 and, of autoencoders, 100.", min=0.0),
]
Judges = Annotated[
    Literal["tiny", "small", "paper"] | None,
    typer.Option(help="Size of the discriminators; default that of the model."),
]
Refit = Annotated[
    list[float] | None, typer.Option(help="Part of the budget after which codebooks are learned anew; repeatable.")
]
Compile = Annotated[bool, typer.Option("--compile", help="Compile the models: a slower start, faster steps.")]
Accumulate = Annotated[int, typer.Option(help="Batches a step.", min=1)]


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
        judges: Judges = None,
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
        began = time.monotonic()
        from ..train.codec import CodecSettings
        from ..train.codec_runs import CodecRun, train_autoencoder, train_soundstream

        settings = CodecSettings(
            lr=lr,
            discriminator_lr=lr,
            adversarial_after=adversarial_after,
            waveform={"soundstream": 0.0, "autoencoder": 100.0}[kind] if waveform is None else waveform,
            refits=tuple(refit or ()),
            compile=compiled,
        )
        run = CodecRun(data, out, size, seconds, batch_size, judges, held_out, cache, cache_gb, n_jobs, settings)
        plan = _plan(steps, minutes, precision, accumulate, every, log_every, seed, device)
        train = {"soundstream": train_soundstream, "autoencoder": train_autoencoder}[kind]
        train(run, plan, resume, began)

    return command


train_app.command("soundstream", help="Train a SoundStream: 24 kHz mono sound to tokens and back.")(
    _codec_command("soundstream")
)
train_app.command("autoencoder", help="Train JEN-1's autoencoder: 48 kHz stereo sound to continuous latents and back.")(
    _codec_command("autoencoder")
)


@train_app.command("mel-inverse")
def train_mel_inverse(
    out: Annotated[Path, typer.Argument(help="Folder for decoded sound, checkpoints, log and the model.")],
    music: Annotated[list[Path], typer.Argument(help="Folders of sound files, or manifests.")],
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
    """Train what gives Griffin-Lim its magnitudes: of all frequencies, from those of mel bands."""
    from ..train.mel_inverse import train_mel_inverse as train

    plan = _plan(steps, minutes, precision, 1, every, log_every, seed, device)
    train(music, out, plan, held_out, resume, n_jobs=n_jobs)


@train_app.command("w2v-bert")
def train_w2v_bert(
    data: Data,
    out: Out,
    size: Size = "small",
    steps: Steps = 100_000,
    minutes: Minutes = None,
    batch_size: Annotated[int, typer.Option(help="Crops in a batch.", min=2)] = 16,
    seconds: Annotated[float, typer.Option(help="Of a crop.", min=0.01)] = 8.0,
    lr: Rate = 5e-4,
    quantiser: Annotated[
        Literal["gumbel", "projection"] | None, typer.Option(help="Learn the codes, or draw them once.")
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
    began = time.monotonic()
    from dataclasses import replace

    from ..embed.w2v_bert.config import SIZES
    from ..train.w2v_bert import Recipe
    from ..train.w2v_bert import train_w2v_bert as train

    config = SIZES[size] if quantiser is None else replace(SIZES[size], quantiser=quantiser)
    plan = _plan(steps, minutes, precision, accumulate, every, log_every, seed, device)
    train(data, out, Recipe(batch_size, seconds, lr, seed=seed), plan, config, held_out, resume, n_jobs, began)


@train_app.command()
def mulan(
    data: Annotated[Path, typer.Argument(help="Shards of runs/mulan_data.py; other towers: sound and captions.tsv.")],
    out: Out,
    size: Size = "small",
    tower: Annotated[Literal["musicnn", "resnet50", "ast"], typer.Option(help="What hears the sound.")] = "musicnn",
    loss: Annotated[Literal["symmetric", "decoupled"], typer.Option(help="Form of the loss.")] = "symmetric",
    hard_negatives: Annotated[float, typer.Option(help="Weight like negatives more; 0 is off.", min=0.0)] = 0.0,
    codes: Annotated[int, typer.Option(help="Codes a level of the MuLan tokens.", min=2)] = 1024,
    chunk: Annotated[int, typer.Option(help="Pairs in memory at once; 0 is the whole batch.", min=0)] = 0,
    steps: Steps = 2000,
    minutes: Minutes = None,
    batch_size: Annotated[int, typer.Option(help="Pairs in a batch.", min=2)] = 768,
    lr: Rate = 1e-3,
    precision: Precision = None,
    accumulate: Accumulate = 1,
    every: Every = 500,
    log_every: LogEvery = 50,
    seed: Seed = 0,
    device: Device = None,
    resume: Resume = False,
) -> None:
    """Train a MuLan: sound and text into one space, so that text finds music."""
    from ..train.mulan import Recipe
    from ..train.mulan_run import train_mulan

    recipe = Recipe(batch_size, chunk, lr, form=loss, hardness=hard_negatives, seed=seed)
    plan = _plan(steps, minutes, precision, accumulate, every, log_every, seed, device)
    print(train_mulan(data, out, recipe, plan, size, tower, codes, resume))


def _plan(
    steps: int,
    minutes: float | None,
    precision: Literal["no", "bf16", "fp16"] | None,
    accumulate: int,
    every: int,
    log_every: int,
    seed: int,
    device: str | None,
) -> "Plan":
    """The options of the loop, shared by all commands."""
    import torch

    from ..train.plan import Plan

    on_gpu = torch.cuda.is_available() and device != "cpu"
    return Plan(
        steps=steps,
        minutes=minutes,
        precision=precision or ("bf16" if on_gpu else "no"),
        accumulate=accumulate,
        validate_every=every,
        checkpoint_every=every,
        log_every=log_every,
        seed=seed,
        device=device,
    )


@train_app.command()
def semantic(
    data: Annotated[Path, typer.Argument(help="Folder of sound files.")],
    out: Annotated[Path, typer.Argument(help="Folder to write semantic_tokens.safetensors to.")],
    codes: Annotated[int, typer.Option(help="Tokens.", min=2)] = 1024,
    seconds: Annotated[float, typer.Option(help="Of each file.", min=3.0)] = 30.0,
    seed: Seed = 0,
) -> None:
    """Fit semantic tokens: k-means of musicnn's temporal features, 25 a second."""
    from ..progress import progress
    from ..train.semantic import train_semantic

    with progress("semantic tokens") as advance:
        report = train_semantic(data, out, codes, seconds, seed, advance)
    print("\n".join(f"{name}={value:.4g}" for name, value in report.items()))


@train_app.command()
def musiclm(
    shards: Annotated[Path, typer.Argument(help="Folder of tokens, as runs/musiclm_data.py writes it.")],
    out: Out,
    size: Size = "small",
    single: Annotated[bool, typer.Option("--single", help="One stage instead of three.")] = False,
    stage: Annotated[list[str] | None, typer.Option(help="Train only this stage; repeatable.")] = None,
    steps: Steps = 100_000,
    minutes: Minutes = None,
    shrink: Annotated[float, typer.Option(help="Divide the batches by this.", min=1e-3)] = 1.0,
    codec: Annotated[str, typer.Option(help="Codec to write samples with; none by default.")] = "",
    begin_from: Annotated[str, typer.Option(help="A trained MusicLM to begin at; none by default.")] = "",
    precision: Precision = None,
    accumulate: Accumulate = 1,
    every: Every = 1000,
    log_every: LogEvery = 50,
    seed: Seed = 0,
    device: Device = None,
    resume: Resume = False,
) -> None:
    """Train MusicLM's stages on tokens."""
    began = time.monotonic()
    from ..train.loop import fit
    from ..train.musiclm import MusicLMTask

    task = MusicLMTask(shards, size, "single" if single else "three", seed, stage or (), shrink, codec, begin_from)
    plan = _plan(steps, minutes, precision, accumulate, every, log_every, seed, device)
    print(fit(task, plan, out, resume, began))


@train_app.command()
def postfilter(
    model: Annotated[
        Path,
        typer.Argument(
            help="Folder of a MusicLM on mel tokens; the postfilter is put into it.",
            exists=True,
            file_okay=False,
            resolve_path=True,
        ),
    ],
    music: Annotated[list[Path], typer.Argument(help="Folders of sound files, such as it was trained on.")],
    pieces: Annotated[int, typer.Option(help="Of each folder, made again from their embeddings.", min=2)] = 32,
    seconds: Annotated[float, typer.Option(help="Of each piece.", min=6.0)] = 15.0,
    codec: Annotated[Path | None, typer.Option(help="Folder of its codec, if it did not ship.")] = None,
    seed: Seed = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
) -> None:
    """Give what MusicLM draws the modulations of music: one filter of its spectrograms, for all pieces alike."""
    from ..generate.musiclm.model import MusicLM
    from ..progress import progress
    from ..train.postfilter import fit_postfilter

    with progress("postfilter") as advance:
        found = fit_postfilter(MusicLM.from_pretrained(model, device, codec), music, pieces, seconds, seed, advance)
    found.save(model)
    print(f"gains={found.gains.min():.2f}..{found.gains.max():.2f}")


@train_app.command()
def refiner(
    model: Annotated[
        Path,
        typer.Argument(
            help="Folder of a single-stage MusicLM on mel tokens; the refiner is put into it.",
            exists=True,
            file_okay=False,
            resolve_path=True,
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Folder for drawn examples, checkpoints and log.")],
    music: Annotated[list[Path], typer.Argument(help="Folders of sound files, such as it was trained on.")],
    pieces: Annotated[int, typer.Option(help="Of each folder, drawn again.", min=2)] = 300,
    seconds: Annotated[float, typer.Option(help="Of each piece; shorter ones are left out.", min=6.0)] = 15.0,
    adversarial: Annotated[
        bool,
        typer.Option(help="Against discriminators of spectrograms; without, a postfilter is fitted to what it leaves."),
    ] = True,
    codec: Annotated[Path | None, typer.Option(help="Folder of its codec, if it did not ship.")] = None,
    steps: Steps = 3000,
    minutes: Minutes = None,
    precision: Precision = None,
    every: Every = 100,
    log_every: LogEvery = 20,
    seed: Seed = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    resume: Resume = False,
) -> None:
    """Bring what MusicLM draws nearer to music: a network for its spectrograms, trained on music drawn again."""
    from ..generate.musiclm.model import MusicLM
    from ..generate.musiclm.postfilter import FILE
    from ..generate.musiclm.refiner import FOLDER
    from ..progress import progress
    from ..train.postfilter import fit_postfilter
    from ..train.refiner import Recipe, train_refiner

    whole = MusicLM.from_pretrained(model, device, codec)
    plan = _plan(steps, minutes, precision, 1, every, log_every, seed, device)
    recipe = Recipe() if adversarial else Recipe(adversarial_after=1.0)
    with progress("examples") as advance:
        found = train_refiner(whole, music, out, plan, pieces, seconds, resume, recipe, progress=advance)
    if adversarial:  # nothing is left for a postfilter to make up for, and one of before would spoil it
        (model / FILE).unlink(missing_ok=True)
    else:
        whole.refiner = found.to(device)
        with progress("postfilter") as advance:
            fit_postfilter(whole, music, seconds=seconds, seed=seed, progress=advance).save(model)
    shutil.copytree(out / "model", model / FOLDER, dirs_exist_ok=True)
