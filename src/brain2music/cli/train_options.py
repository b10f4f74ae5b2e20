"""Options of the commands that train, and what the loop is told by them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from ..training.arguments import TrainingArguments

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
