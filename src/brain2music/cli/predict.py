"""The command that asks saved models: predict."""

from pathlib import Path
from typing import Annotated

import typer

from .._utils.progress import progress
from .completion import complete_generator
from .options import Seed

app = typer.Typer()


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a saved decoder or encoder.")],
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="Of a decoder: BOLD runs (.nii, .nii.gz) or arrays (.npy). Of an encoder: sound files, or folders of "
            "them.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder for the predictions.")],
    events: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Table (TSV) with the onsets of the clips of a run; default the one beside the image, else stretch "
            "after stretch.",
        ),
    ] = None,
    gallery: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Gallery to retrieve music from, by the decoded embedding.")
    ] = None,
    generator: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Generator that makes music from the decoded embedding.",
            autocompletion=complete_generator,
        ),
    ] = None,
    retrieve_k: Annotated[int, typer.Option(metavar="K", help="Tracks retrieved per clip.", min=1)] = 5,
    duration_s: Annotated[
        float, typer.Option(metavar="SECONDS", help="Seconds of each generated piece.", min=1, max=600)
    ] = 15.0,
    n_samples: Annotated[int, typer.Option(metavar="N", help="Pieces generated per clip.", min=1)] = 1,
    seed: Seed = 0,
) -> None:
    """Predict music from new scans, or brain maps from new sounds, by a fitted model that a run saved.

    A run saves its models in OUT/sub-LABEL/models. Scans are masked, cleaned and cut as the training runs were; scans
    of another space, TR or number of voxels are refused. Maps are written with their noise ceiling.
    """
    with progress("predict"):
        with progress("load libraries"):
            from ..prediction.files import predict_files

        written = predict_files(
            model,
            inputs,
            output,
            events=events,
            gallery=gallery,
            generator=generator,
            k=retrieve_k,
            seconds=duration_s,
            n_samples=n_samples,
            seed=seed,
        )
    for path in written:
        print(path)
