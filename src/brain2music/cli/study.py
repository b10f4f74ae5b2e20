"""Commands on a study: demo, simulate, check, preprocess, run, run-arrays, report."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .._utils.progress import progress
from .._utils.words import counted
from .options import ConfigFile, Galleries, Jobs, Labels, Output, Scheduler, Seed
from .settings import PreprocessCommand, SettingsCommand, read_preprocess_settings, read_settings

Level = Literal["participant", "group"]
LevelArgument = Annotated[
    Level,
    typer.Argument(
        metavar="LEVEL", help="participant: decode subjects; group: also average over the subjects decoded so far."
    ),
]
RunOutput = Annotated[
    Path, typer.Argument(metavar="OUT", help="Folder for the results, outside the study or in its derivatives.")
]
Stimuli = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Folder of the recordings; default BIDS_DIR/stimuli.")
]
Derivatives = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Folder of preprocessed images (fMRIPrep); default the one in BIDS_DIR/derivatives."
    ),
]

app = typer.Typer()


@app.command()
def demo(out: Output, seed: Seed = 0, n_jobs: Jobs = None) -> None:
    """Simulate a small study, decode it, retrieve and generate music, and write OUT/index.html.

    Takes about four minutes on two cores. The page shows what was decoded as soon as that is scored.
    """
    with progress("demo"):
        from ..demo import run_demo

        page = run_demo(out, seed=seed, n_jobs=n_jobs, first_page=_first_page)
    print(page)


def _first_page(page: Path) -> None:
    print(f"{page}: what was decoded; music and maps are under way, on the same page in about two minutes", flush=True)


@app.command("simulate")
def write_simulation(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New or empty folder for the study.")],
    subjects: Annotated[int, typer.Option(metavar="N", help="Number of simulated subjects.", min=1, max=999)] = 1,
    design: Annotated[
        Literal["small", "quick", "ds003720"],
        typer.Option(
            help="Runs and clips: small has 4 + 2 runs and 80 clips, quick 6 + 2 runs and 140 clips, ds003720 12 + 6 "
            "runs and 540 clips."
        ),
    ] = "quick",
    resolution: Annotated[
        float | None, typer.Option(metavar="MM", help="Voxel size; default 4 (ds003720) or 6 (others).", min=2, max=12)
    ] = None,
    tr: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Repetition time; default 1.5.", min=0.1, max=15)
    ] = None,
    events: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="BIDS study whose events are copied (design ds003720).")
    ] = None,
    stimuli: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Your own music as GENRE/TRACK.wav; default composed by rule.")
    ] = None,
    motion: Annotated[bool, typer.Option("--motion", help="Add head motion.")] = False,
    layout: Annotated[
        Literal["ds003720", "bep044"],
        typer.Option(help="Stimuli and events as in ds003720, or as in BIDS extension proposal 44 (stim_id)."),
    ] = "ds003720",
    seed: Seed = 0,
    n_jobs: Jobs = None,
) -> None:
    """Write a BIDS study of simulated brains with its stimuli and its ground truth."""
    from ..simulation.brain import simulate

    with progress("simulate") as advance:
        simulate(
            out,
            design=design,
            n_subjects=subjects,
            resolution_mm=resolution,
            tr=tr,
            seed=seed,
            events=events,
            stimuli=stimuli,
            motion=motion,
            layout=layout,
            n_jobs=n_jobs,
            progress=advance,
        )
    print(out / "dataset_description.json")


@app.command(cls=SettingsCommand)
def check(
    bids_dir: Annotated[
        Path, typer.Argument(metavar="STUDY", help="Folder of a BIDS study, or TOML file of a study of arrays.")
    ],
    out: Annotated[Path | None, typer.Argument(metavar="OUT", help="Folder that the run will write to.")] = None,
    level: LevelArgument = "participant",
    participant_label: Labels = None,
    stimuli: Stimuli = None,
    derivatives: Derivatives = None,
    gallery: Galleries = None,
    config: ConfigFile = None,
    reliability: Annotated[
        bool,
        typer.Option(
            help="Also measure signal, spikes and the agreement of repeats, and say how reliable each subject is; this "
            "reads and cleans every image."
        ),
    ] = True,
) -> None:
    """List everything that `run` with the same arguments would refuse or leave out; exit code 1 if it would refuse."""
    verdicts: list[str] | None = [] if reliability else None
    settings = read_settings(config)
    with progress("check"):
        with progress("load libraries"):
            from ..pipeline.check import check_arrays, check_bids

        labels, galleries = participant_label or (), gallery or ()
        if bids_dir.is_file():
            findings = check_arrays(bids_dir, settings, out, labels, galleries, verdicts)
        else:
            findings = check_bids(bids_dir, settings, out, labels, galleries, level, stimuli, derivatives, verdicts)
    for finding in findings:
        print(finding)
    for verdict in verdicts or ():
        print(verdict)
    errors = sum(finding.severity == "error" for finding in findings)
    print(f"{counted(errors, 'error')}, {counted(len(findings) - errors, 'warning')}")
    if errors:
        raise typer.Exit(1)


@app.command(cls=PreprocessCommand)
def preprocess(
    bids_dir: Annotated[Path, typer.Argument(metavar="BIDS_DIR", help="Folder of the BIDS study.")],
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="Folder for the derivatives; `run` finds one in BIDS_DIR/derivatives."),
    ],
    participant_label: Labels = None,
    atlas: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Labels in MNI space (NIfTI) with a .tsv of index and name; default Destrieux's and auditory areas.",
        ),
    ] = None,
    freesurfer: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="FreeSurfer's reconstructions; default BIDS_DIR/derivatives/freesurfer."),
    ] = None,
    n_jobs: Annotated[
        int | None, typer.Option(metavar="N", help="Scans aligned at once; default one per core.", min=1)
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file of settings; options given here win over it.")
    ] = None,
) -> None:
    """Correct head motion of raw BOLD images, mask the brain and name regions; again, only what is missing is done.

    Images keep the grid and space of each subject's first scan; files are called as by fMRIPrep.
    """
    settings = read_preprocess_settings(config)
    with progress("preprocess"):
        with progress("load libraries"):
            from ..brain.preprocess.preprocess_study import preprocess_study

        done = preprocess_study(
            bids_dir,
            out,
            subjects=participant_label or (),
            settings=settings,
            atlas=atlas,
            freesurfer=freesurfer,
            n_jobs=n_jobs,
        )
    print(done)


@app.command("run", cls=SettingsCommand)
def run_bids(
    bids_dir: Annotated[Path, typer.Argument(metavar="BIDS_DIR", help="Folder of the BIDS study.")],
    out: RunOutput,
    level: LevelArgument,
    participant_label: Labels = None,
    stimuli: Stimuli = None,
    derivatives: Derivatives = None,
    gallery: Galleries = None,
    config: ConfigFile = None,
    n_jobs: Jobs = None,
    scheduler: Scheduler = None,
) -> None:
    """Decode a BIDS study (a BIDS App); running it again does only what is missing or has changed."""
    settings = read_settings(config)
    with progress("run"):
        with progress("load libraries"):
            from .._utils.jobs import Parallel
            from ..brain.source import BidsSource
            from ..pipeline.run import run_pipeline
            from ..report.page import build_report

        subjects = participant_label or ()
        source = BidsSource.read(bids_dir, settings, stimuli=stimuli, derivatives=derivatives, subjects=subjects)
        jobs = Parallel(n_jobs, scheduler)
        run_pipeline(source, out, settings, level=level, galleries=gallery or (), jobs=jobs)
        page = build_report(out)
    print(page)


@app.command("run-arrays", cls=SettingsCommand)
def run_arrays(
    arrays_toml: Annotated[
        Path, typer.Argument(metavar="ARRAYS_TOML", help="File that says where the arrays and stimuli are.")
    ],
    out: RunOutput,
    participant_label: Labels = None,
    gallery: Galleries = None,
    config: ConfigFile = None,
) -> None:
    """Decode a study of arrays: responses per clip, with a list of stimuli."""
    settings = read_settings(config)
    with progress("run-arrays"):
        with progress("load libraries"):
            from ..brain.arrays import read_arrays_study
            from ..pipeline.run import run_pipeline
            from ..report.page import build_report

        source = read_arrays_study(arrays_toml)
        run_pipeline(
            source, out, settings, level="participant", subjects=participant_label or (), galleries=gallery or ()
        )
        page = build_report(out)
    print(page)


@app.command()
def report(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of a finished run.")],
    beside: Annotated[
        Path | None,
        typer.Option(metavar="OTHER", help="Folder of another run, to be shown side by side with this one."),
    ] = None,
    embed_sounds: Annotated[
        bool, typer.Option("--embed-sounds", help="Put the sounds into the pages of subjects, to send one as a file.")
    ] = False,
) -> None:
    """Write the pages of a finished run again; with --beside also a page that compares it with another run."""
    with progress("report"):
        from ..report.page import build_report

        page = build_report(out, embed_sounds=embed_sounds)
        if beside is not None:
            from ..report.beside import build_comparison

            page = build_comparison(out, beside)
    print(page)
