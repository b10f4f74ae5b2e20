"""Commands that train MusicLM and its parts: semantic tokens, stages, postfilter and post-net."""

import shutil
import time
from pathlib import Path
from typing import Annotated

import typer

from .options import Seed
from .train_options import (
    Accumulate,
    Device,
    Every,
    LogEvery,
    Minutes,
    Out,
    Precision,
    Resume,
    Size,
    Steps,
    training_arguments,
)

app = typer.Typer()

Music = Annotated[
    list[Path], typer.Argument(metavar="MUSIC", help="Folders of sound files like those of its training.")
]
OwnCodec = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Codec of the model, if it is not one that ships.")
]
OnDevice = Annotated[str, typer.Option(metavar="DEVICE", help="Device to compute on: cpu, cuda.")]


@app.command()
def semantic(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Folder of sound files.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write semantic_tokens.safetensors to.")],
    codes: Annotated[int, typer.Option(metavar="N", help="Number of tokens.", min=2)] = 1024,
    seconds: Annotated[float, typer.Option(metavar="SECONDS", help="Seconds taken from each file.", min=3.0)] = 30.0,
    seed: Seed = 0,
) -> None:
    """Fit semantic tokens: k-means of musicnn's temporal features, 25 per second."""
    from .._utils.progress import progress
    from ..models.musiclm.semantic_training import train_semantic

    with progress("semantic tokens") as advance:
        report = train_semantic(data, out, codes, seconds, seed, advance)
    print("\n".join(f"{name}={value:.4g}" for name, value in report.items()))


@app.command()
def musiclm(
    shards: Annotated[
        Path, typer.Argument(metavar="SHARDS", help="Folder of tokens that recipes/musiclm_data.py wrote.")
    ],
    out: Out,
    embedding: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Embedding that conditions it, such as musiccoca: tokens made with another one are refused; "
            "default the one that they were made with.",
        ),
    ] = "",
    size: Size = "small",
    single: Annotated[bool, typer.Option("--single", help="Train one stage in place of three.")] = False,
    stage: Annotated[
        list[str] | None, typer.Option(metavar="STAGE", help="Stage to train; default all. Repeatable.")
    ] = None,
    steps: Steps = 100_000,
    minutes: Minutes = None,
    shrink: Annotated[float, typer.Option(metavar="NUMBER", help="Divide the batch sizes by this.", min=1e-3)] = 1.0,
    codec: Annotated[
        str, typer.Option(metavar="NAME", help="Codec to decode samples with; default none is written.")
    ] = "",
    initialise_from: Annotated[
        str, typer.Option(metavar="FOLDER", help="Trained MusicLM to initialise from; default random.")
    ] = "",
    lr: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help="Peak learning rate; default by size.", min=0.0),
    ] = None,
    precision: Precision = None,
    accumulate: Accumulate = 1,
    every: Every = 1000,
    log_every: LogEvery = 50,
    seed: Seed = 0,
    device: Device = None,
    resume: Resume = False,
) -> None:
    """Train the stages of MusicLM on tokens of music, conditioned on an embedding of it."""
    start_time = time.monotonic()
    from ..models.musiclm.config import StageSet
    from ..models.musiclm.training import MusicLMTask
    from ..training.loop import fit

    plan: StageSet = "single" if single else "three"
    task = MusicLMTask(shards, size, plan, seed, stage or (), shrink, codec, initialise_from, lr, embedding)
    arguments = training_arguments(steps, minutes, precision, accumulate, every, log_every, seed, device)
    print(fit(task, arguments, out, resume, start_time))


@app.command()
def postfilter(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="Folder of a MusicLM on mel tokens; the postfilter is written into it.",
            exists=True,
            file_okay=False,
            resolve_path=True,
        ),
    ],
    music: Music,
    pieces: Annotated[
        int, typer.Option(metavar="N", help="Pieces per folder, generated again from their embeddings.", min=2)
    ] = 32,
    seconds: Annotated[float, typer.Option(metavar="SECONDS", help="Seconds of each piece.", min=6.0)] = 15.0,
    codec: OwnCodec = None,
    seed: Seed = 0,
    device: OnDevice = "cpu",
) -> None:
    """Fit a postfilter: one filter of generated spectrograms that gives them the modulations of music."""
    from .._utils.progress import progress
    from ..models.musiclm.model import MusicLM
    from ..models.musiclm.postfilter_training import fit_postfilter

    with progress("postfilter") as advance:
        found = fit_postfilter(MusicLM.from_pretrained(model, device, codec), music, pieces, seconds, seed, advance)
    found.save(model)
    print(f"gains={found.gains.min():.2f}..{found.gains.max():.2f}")


@app.command()
def post_net(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="Folder of a single-stage MusicLM on mel tokens; the post-net is written into it.",
            exists=True,
            file_okay=False,
            resolve_path=True,
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for generated examples, checkpoints and log.")],
    music: Music,
    pieces: Annotated[int, typer.Option(metavar="N", help="Pieces per folder, generated again.", min=2)] = 300,
    seconds: Annotated[
        float, typer.Option(metavar="SECONDS", help="Seconds of each piece; shorter ones are left out.", min=6.0)
    ] = 15.0,
    adversarial: Annotated[
        bool,
        typer.Option(
            help="Train against discriminators of spectrograms; without them, a postfilter is fitted as well."
        ),
    ] = True,
    codec: OwnCodec = None,
    steps: Steps = 3000,
    minutes: Minutes = None,
    precision: Precision = None,
    every: Every = 100,
    log_every: LogEvery = 20,
    seed: Seed = 0,
    device: OnDevice = "cpu",
    resume: Resume = False,
) -> None:
    """Train a mel post-net: it corrects generated spectrograms towards those of music."""
    from .._utils.progress import progress
    from ..models.musiclm.model import MusicLM
    from ..models.musiclm.post_net import FOLDER
    from ..models.musiclm.post_net_training import PostNetHyperparameters, train_post_net
    from ..models.musiclm.postfilter import FILE
    from ..models.musiclm.postfilter_training import fit_postfilter

    whole = MusicLM.from_pretrained(model, device, codec)
    arguments = training_arguments(steps, minutes, precision, 1, every, log_every, seed, device)
    hparams = PostNetHyperparameters() if adversarial else PostNetHyperparameters(adversarial_after=1.0)
    with progress("examples") as advance:
        found = train_post_net(whole, music, out, arguments, pieces, seconds, resume, hparams, progress=advance)
    if adversarial:  # nothing is left for a postfilter to make up for, and one of before would spoil it
        (model / FILE).unlink(missing_ok=True)
    else:
        whole.post_net = found.to(device)
        with progress("postfilter") as advance:
            fit_postfilter(whole, music, seconds=seconds, seed=seed, progress=advance).save(model)
    shutil.copytree(out / "model", model / FOLDER, dirs_exist_ok=True)
