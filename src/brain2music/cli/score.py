"""Commands that judge results and plans: score, power, replicate."""

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
    from .._utils.destinations import require_folder
    from .._utils.errors import InputError
    from .._utils.progress import progress
    from ..embeddings.captions import read_captions
    from ..metrics.pairs import match_sounds
    from ..metrics.sound_scores import score_sounds
    from ..metrics.sound_tables import table_text, write_sound_scores

    require_folder(output)
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


@app.command()
def power(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder for power.tsv, power.json and power.png.")
    ] = Path("power"),
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT", help="Finished run whose clips, repeats and reliability are taken; options win over it."
        ),
    ] = None,
    minutes: Annotated[
        list[float] | None,
        typer.Option(metavar="MINUTES", help="Training time at which studies are simulated. Repeatable.", min=1),
    ] = None,
    target: Annotated[
        float, typer.Option(metavar="VALUE", help="Identification that is wanted.", min=0.5, max=1)
    ] = 0.8,
    clip_s: Annotated[float | None, typer.Option(metavar="SECONDS", help="Seconds of a clip; default 15.")] = None,
    test_clips: Annotated[int | None, typer.Option(metavar="N", help="Clips that are scored; default 60.")] = None,
    repeats: Annotated[
        int | None, typer.Option(metavar="N", help="Presentations of each of these clips; default 4.")
    ] = None,
    reliability: Annotated[
        float | None,
        typer.Option(
            metavar="R",
            help="Correlation of responses to two presentations, in voxels that follow music; default 0.058, which "
            "gives the identification of Brain2Music.",
        ),
    ] = None,
    studies: Annotated[int, typer.Option(metavar="N", help="Simulated studies per curve.", min=2)] = 40,
    seed: Seed = 0,
) -> None:
    """Simulate how well studies of several lengths decode: how many minutes of scanning would I need?

    The brains are simulated arrays. Takes about a minute on one core.
    """
    from .._utils.destinations import require_folder
    from .._utils.progress import progress
    from ..metrics.power import MINUTES, power_curve
    from ..report.power import plan_from, power_text, write_power

    require_folder(output)
    given = {"clip_s": clip_s, "test_clips": test_clips, "repeats": repeats, "reliability": reliability}
    planned = plan_from(run, {name: value for name, value in given.items() if value is not None})
    with progress("simulate studies") as advance:
        curve = power_curve(planned, minutes or MINUTES, n_studies=studies, random_state=seed, progress=advance)
    written = write_power(output, planned, curve, target, seed)
    print(power_text(planned, curve, target))
    print(*written)


@app.command()
def replicate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of a finished run.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Folder to write to; default OUT.")
    ] = None,
) -> None:
    """Set a run beside the paper: Tables 1-2, the axes of Figures 4-7 and later work, naming every substitution."""
    from .._utils.progress import progress

    with progress("replicate"):
        from ..report.replicate import replicate as write_comparison

        written = write_comparison(out, output)
    print(*written)
