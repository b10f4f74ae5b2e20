"""Options of the commands that train, and the arguments of the training loop that they make."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from ..training.arguments import TrainingArguments

Data = Annotated[
    Path,
    typer.Argument(metavar="DATA", help="Folder of sound files, or a table of them (tsv, csv, parquet; column file)."),
]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="Folder for checkpoints, log, samples and the model.")]
Size = Annotated[Literal["tiny", "small", "paper"], typer.Option(help="Size of the model.")]
Steps = Annotated[int, typer.Option(metavar="N", help="Optimizer steps in all.", min=1)]
Minutes = Annotated[
    float | None, typer.Option(metavar="MINUTES", help="Stop and export after this time, if steps are left.", min=0.0)
]
BatchSize = Annotated[int | None, typer.Option(metavar="N", help="Examples per batch; default by size.", min=1)]
Seconds = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Seconds of sound per example; default by size.", min=0.01)
]
Precision = Annotated[
    Literal["no", "bf16", "fp16"] | None, typer.Option(help="Mixed precision; default bf16 on a GPU, else no.")
]
Device = Annotated[
    str | None, typer.Option(metavar="DEVICE", help="Device to train on (cpu, cuda); default a GPU if there is one.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue from the last checkpoint in OUT.")]
HeldOut = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Folder of test music: training data that holds any is refused.")
]
Cache = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Folder for decoded sound; default OUT/cache.")]
CacheGb = Annotated[
    float,
    typer.Option(metavar="GB", help="Largest cache; with more sound, files are decoded as they are read.", min=0.0),
]
Every = Annotated[int, typer.Option(metavar="N", help="Steps between checkpoints, validations and samples.", min=1)]
LogEvery = Annotated[int, typer.Option(metavar="N", help="Steps between lines of the log.", min=1)]
Rate = Annotated[float, typer.Option("--lr", metavar="NUMBER", help="Peak learning rate.", min=0.0)]
After = Annotated[
    float,
    typer.Option(metavar="FRACTION", help="Fraction of the training without discriminators.", min=0.0, max=1.0),
]
Waveform = Annotated[
    float | None,
    typer.Option(
        metavar="NUMBER", help="Weight of the loss on the waveform; default 0, of the autoencoder 100.", min=0.0
    ),
]
DiscriminatorSize = Annotated[
    Literal["tiny", "small", "paper"] | None,
    typer.Option("--discriminators", help="Size of the discriminators; default that of the model."),
]
Refit = Annotated[
    list[float] | None,
    typer.Option(metavar="FRACTION", help="Fraction of the training after which codebooks are refitted. Repeatable."),
]
Compile = Annotated[bool, typer.Option("--compile", help="Compile the models: a slower start, faster steps.")]
Accumulate = Annotated[int, typer.Option(metavar="N", help="Batches per optimizer step.", min=1)]


def training_arguments(
    steps: int,
    minutes: float | None,
    precision: Literal["no", "bf16", "fp16"] | None,
    accumulate: int,
    every: int,
    log_every: int,
    seed: int,
    device: str | None,
) -> "TrainingArguments":
    """The options of the loop, shared by all commands."""
    import torch

    from ..training.arguments import TrainingArguments

    on_gpu = torch.cuda.is_available() and device != "cpu"
    return TrainingArguments(
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
