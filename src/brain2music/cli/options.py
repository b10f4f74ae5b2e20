"""The options that commands share."""

from pathlib import Path
from typing import Annotated

import typer

Seed = Annotated[int, typer.Option(help="Seed of everything random.", min=0)]
Jobs = Annotated[int | None, typer.Option(help="Processes; default every core.", min=1)]
EmbeddingName = Annotated[str, typer.Option("--embedding", help="Name from `brain2music models`.")]
EmbeddingNames = Annotated[
    list[str] | None, typer.Option("--embedding", help="Name from `brain2music models`; repeatable.")
]
Judges = Annotated[
    list[str] | None, typer.Option(help="An embedding that only judges what is retrieved or generated; repeatable.")
]
Galleries = Annotated[
    list[Path] | None, typer.Option("--gallery", help="A gallery to retrieve from, one an embedding.")
]
GeneratorName = Annotated[
    str | None, typer.Option(help="Make music of the decoded embedding with this: musiclm-small, or a folder.")
]
Captions = Annotated[
    Path | None, typer.Option(help="Captions of the clips (CSV: ID, DescEN) to search by, in embeddings of text.")
]
Draws = Annotated[int | None, typer.Option(help="Pieces generated from one embedding; default 3.", min=1)]
Labels = Annotated[list[str] | None, typer.Option(help="Only this subject; repeatable.")]
Lag = Annotated[
    float | None, typer.Option("--lag", help="Seconds by which responses follow the sound; default 4.5.", min=0, max=30)
]
LagScans = Annotated[int | None, typer.Option("--lag-tr", help="The same in scans.", min=0, max=100)]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that brain2music did not make.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file of settings.")]
