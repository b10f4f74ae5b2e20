"""The command that trains JEN-1."""

import time
from pathlib import Path
from typing import Annotated, Literal

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


@app.command()
def jen1(
    latents: Annotated[
        Path, typer.Argument(metavar="LATENTS", help="Folder of latents that recipes/jen1_data.py wrote.")
    ],
    out: Out,
    size: Size = "small",
    steps: Steps = 100_000,
    minutes: Minutes = None,
    shrink: Annotated[float, typer.Option(metavar="NUMBER", help="Divide the batch size by this.", min=1e-3)] = 1.0,
    objective: Annotated[
        Literal["velocity", "noise"], typer.Option(help="What the network is trained to predict.")
    ] = "velocity",
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART",
            help="Leave out, for comparison: normalisation, causal, inpainting, continuation. Repeatable.",
        ),
    ] = None,
    channels: Annotated[
        int | None, typer.Option(metavar="N", help="Whitened channels to keep; default the size's own.", min=1)
    ] = None,
    initialise_from: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="Begin at the weights of this JEN-1, but for its output layer.")
    ] = None,
    samples: Annotated[bool, typer.Option("--samples", help="Write samples of sound at every validation.")] = False,
    precision: Precision = None,
    accumulate: Accumulate = 1,
    every: Every = 500,
    log_every: LogEvery = 20,
    seed: Seed = 0,
    device: Device = None,
    resume: Resume = False,
) -> None:
    """Train JEN-1: one diffusion model that writes, fills in and continues."""
    start_time = time.monotonic()
    from .._utils.errors import InputError
    from ..models.jen1.diffusion import DiffusionConfig
    from ..models.jen1.hyperparameters import ABLATIONS
    from ..models.jen1.training import JEN1Task
    from ..training.loop import fit

    if unknown := sorted(set(without or ()) - set(ABLATIONS)):
        raise InputError(f"{unknown[0]!r} cannot be left out", hint=f"choose from {', '.join(ABLATIONS)}")
    left_out = {each for each in ABLATIONS if each in (without or ())}
    diffusion = DiffusionConfig(objective=objective)
    task = JEN1Task(latents, size, seed, left_out, shrink, diffusion, channels, samples, None, initialise_from)
    arguments = training_arguments(steps, minutes, precision, accumulate, every, log_every, seed, device)
    print(fit(task, arguments, out, resume, start_time))
