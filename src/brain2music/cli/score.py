"""Commands that judge results: score."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from .completion import complete_embedding
from .options import Seed

app = typer.Typer()


@app.command("score")
def score_folders(
    made: Annotated[Path, typer.Argument(metavar="MADE", help="Folder of sounds that were made.")],
    reference: Annotated[Path, typer.Argument(metavar="REFERENCE", help="Folder of the sounds they should be like.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder for scores.json, scores.tsv and pairs.tsv.")
    ] = Path("scores"),
    table: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Table (TSV, CSV) with columns made and reference, and genre; default files of the same name.",
        ),
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Embedding or tagger that compares sounds, or musicnn-tags; default those that are here. Repeatable.",
            autocompletion=complete_embedding,
        ),
    ] = None,
    captions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CSV of captions (columns ID and DescEN) by reference, for the CLAP score."),
    ] = None,
    n_permutations: Annotated[
        int, typer.Option(metavar="N", help="Permutations for p, and bootstrap samples for intervals.", min=99)
    ] = 10_000,
    seed: Seed = 0,
) -> None:
    """Score a folder of sounds against a folder of references, with chance, interval and p.

    Files are matched by name ("a-0.wav" and "a-1.wav" are two samples of "a.wav"), or by a table.
    """
    from .._utils.errors import InputError
    from .._utils.progress import progress
    from ..embeddings.captions import read_captions
    from ..metrics.pairs import match_sounds
    from ..metrics.sound_scores import score_sounds
    from ..metrics.sound_tables import table_text, write_sound_scores

    matches = match_sounds(made, reference, table)
    for _, why in matches.left_out[:5]:
        print(f"warning: left out: {why}", file=sys.stderr)
    if len(matches.left_out) > 5:
        print(f"warning: and {len(matches.left_out) - 5} more files", file=sys.stderr)

    def absent(name: str, _: InputError) -> None:
        print(f"note: without {name}, which is not here (see `brain2music models`)", file=sys.stderr)

    texts = None if captions is None else read_captions(captions)
    with progress("score") as advance:
        scores = score_sounds(
            matches.pairs,
            judges=judge or (),
            captions=texts,
            n_permutations=n_permutations,
            random_state=seed,
            on_absent=absent,
            progress=advance,
        )
    written = write_sound_scores(output, matches.pairs, scores, seed=seed, n_permutations=n_permutations)
    print(table_text(scores))
    print(*written)
