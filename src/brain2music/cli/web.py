"""Commands of the web application and the listening test: serve, listening export, listening analyse."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .completion import complete_among, complete_generator
from .options import Overwrite

TASK_NAMES = ("2afc", "oddoneout", "similarity")

app = typer.Typer()
listening_app = typer.Typer(no_args_is_help=True, help="Export and analyse the answers of a listening test.")
app.add_typer(listening_app, name="listening")

Run = Annotated[Path, typer.Argument(metavar="OUT", help="Output folder of a finished run.")]
Answers = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="SQLite file of the answers; default OUT/listening/answers.sqlite."),
]


@app.command()
def serve(
    out: Run,
    gallery: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Gallery that texts search, a folder or URL.")
    ] = None,
    generator: Annotated[
        str,
        typer.Option(metavar="NAME", help="Generator of music from texts.", autocompletion=complete_generator),
    ] = "musiclm-small",
    inpainter: Annotated[
        str,
        typer.Option(metavar="NAME", help="Generator that fills gaps.", autocompletion=complete_generator),
    ] = "jen1-small",
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; others than loopback ask for a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", help="Port; 0 for one that is free.", min=0, max=65535)] = 8080,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Further name by which browsers reach the server. Repeatable."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Token that clients need; default none on loopback, a new one elsewhere.",
            envvar="BRAIN2MUSIC_TOKEN", show_envvar=True,
        ),
    ] = None,
    listening: Annotated[
        bool, typer.Option("--listening/--no-listening", help="Offer the listening test on /listen.")
    ] = True,
    only_listening: Annotated[
        bool,
        typer.Option("--only-listening", help="Serve the listening test alone, so that nobody looks up the answers."),
    ] = False,
    task: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK",
            help="Task of the listening test: 2afc, oddoneout or similarity; default all. Repeatable.",
            autocompletion=complete_among(TASK_NAMES),
        ),
    ] = None,
    trials: Annotated[int, typer.Option(metavar="N", help="Trials of each task per listener.", min=1, max=500)] = 20,
    catch_trials: Annotated[
        int, typer.Option(metavar="N", help="Catch trials of each task per listener.", min=0, max=50)
    ] = 2,
    judge: Annotated[
        Literal["all", "generated", "retrieved"], typer.Option(help="Music that listeners judge.")
    ] = "all",
    answers: Answers = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the listening test.", min=0)] = 0,
    device: Annotated[str, typer.Option(metavar="DEVICE", help="Device on which models compute.")] = "cpu",
) -> None:  # fmt: skip
    """Open a finished run in the browser: listen, search, generate, fill gaps, predict maps, and test listeners.

    The addresses are printed. Nothing is sent anywhere else, and no other server is asked. Interrupt to end it.
    """
    from .._utils.errors import InputError

    if unknown := [each for each in task or () if each not in TASK_NAMES]:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(TASK_NAMES)}", param_hint="--task")
    if only_listening and not listening:
        raise typer.BadParameter("--only-listening and --no-listening leave nothing to serve")
    if not out.is_dir():
        raise InputError("there is no such folder", out, "name the output folder of a run")
    if token is not None and not (16 <= len(token) <= 200 and token.isascii() and token.replace("-", "").replace("_", "").isalnum()):  # noqa: E501  # fmt: skip
        raise InputError("the token is not one that is hard to guess", hint="give 16 letters and digits or more")
    from ..listening.design import TASKS, TestDesign
    from ..listening.material import SOURCES
    from ..web.server import serve as run_server
    from ..web.state import WebSettings

    tasks = tuple(each for each in TASKS if not task or each in task)
    settings = WebSettings(
        out,
        gallery=gallery,
        generator=generator,
        inpainter=inpainter,
        design=TestDesign(tasks, trials, catch_trials, seed) if listening else None,
        sources=tuple(each for each in SOURCES if judge in ("all", each)),
        answers=answers,
        only_test=only_listening,
        token=token,
        hosts=tuple(allowed_host or ()),
        device=device,
    )
    run_server(settings, host=host, port=port, announce=lambda address: print(address, flush=True))


@listening_app.command("export")
def listening_export(
    out: Run,
    folder: Annotated[
        Path, typer.Argument(metavar="BIDS_DIR", help="Folder to write the BIDS dataset of listeners to.")
    ],
    answers: Answers = None,
) -> None:
    """Write the answers as a BIDS dataset: phenotype/ with a row per listener, beh/ with a row per answer."""
    from ..listening.export import export_bids
    from ..listening.store import AnswerStore
    from ..pipeline.outputs import Outputs

    store = AnswerStore(answers or Outputs(out).listening_answers)
    try:
        print(export_bids(store, folder))
    finally:
        store.close()


@listening_app.command("analyse")
def listening_analyse(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="Output folder of a run, or the BIDS dataset of an export.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="JSON file; default SOURCE/listening/analysis.json."),
    ] = None,
    answers: Answers = None,
    passing: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of catch trials that listeners have to pass.", min=0, max=1)
    ] = 0.75,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the intervals by resampling.", min=0)] = 0,
    overwrite: Overwrite = False,
) -> None:  # fmt: skip
    """Analyse the answers: exclusions, binomial tests, mixed-effects models, agreement; say them and write them.

    `brain2music report` and `brain2music replicate` show what is written to the folder of a run.
    """
    from dataclasses import replace

    from .. import __version__
    from .._utils.destinations import require_output
    from .._utils.files import read_object, write_json
    from ..listening.analysis import analyse_answers
    from ..listening.export import read_answers
    from ..listening.store import AnswerStore
    from ..pipeline.outputs import Outputs

    outputs, exported = Outputs(source), answers is None and (source / "phenotype").is_dir()
    path = output or outputs.listening_analysis
    file = answers or outputs.listening_answers
    require_output(path, [] if exported else [file], (".json",), overwrite=overwrite or output is None)
    if exported:
        simulated = bool(read_object(source / "dataset_description.json").get("Simulated"))
        table = read_answers(source)
    else:
        store = AnswerStore(file)
        simulated, table = store.simulated, store.answers()
        store.close()
    analysis = replace(analyse_answers(table, passing=passing, seed=seed), simulated=simulated)
    for sentence in analysis.sentences():
        print(sentence)
    made_by = {"generated_by": f"brain2music {__version__}", "of_run": answers is None and not exported}
    write_json(path, {**made_by, **analysis.to_json()})
    print(path)
