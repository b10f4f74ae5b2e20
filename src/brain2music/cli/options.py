"""Arguments and options that several commands share, each described once."""

from pathlib import Path
from typing import Annotated

import typer

from .completion import complete_embedding

Seed = Annotated[int, typer.Option(metavar="N", help="Seed of the random numbers; the same seed repeats.", min=0)]
Jobs = Annotated[int | None, typer.Option(metavar="N", help="Processes at once; default one per core.", min=1)]
Scheduler = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler whose workers to use in place of processes.")
]
EmbeddingName = Annotated[
    str,
    typer.Option(
        "--embedding",
        metavar="NAME",
        help="Embedding to compute; `brain2music models` lists them.",
        autocompletion=complete_embedding,
    ),
]
EmbeddingFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A vector or (items, windows, dims) (.npy), or embeddings (.parquet)."),
]
Galleries = Annotated[
    list[Path] | None,
    typer.Option("--gallery", metavar="FOLDER", help="Gallery to retrieve music from, one per embedding. Repeatable."),
]
Labels = Annotated[
    list[str] | None,
    typer.Option("--participant-label", metavar="LABEL", help="Subject to work on; default all. Repeatable."),
]
Output = Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the results.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that brain2music did not write.")]
ConfigFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="TOML file of settings, each in its section; options given here win over it."),
]
