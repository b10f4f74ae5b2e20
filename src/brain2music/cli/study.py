"""Commands on a study: demo, simulate, check, run, run-arrays, report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .options import (
    Captions,
    ConfigFile,
    Draws,
    EmbeddingNames,
    Galleries,
    GeneratorName,
    Jobs,
    Judges,
    Labels,
    Lag,
    LagScans,
    Seed,
)

if TYPE_CHECKING:
    from ..config import RunConfig

app = typer.Typer()


@app.command()
def demo(out: Path, seed: Seed = 0, n_jobs: Jobs = None) -> None:
    """Simulate a small study, decode it, retrieve music, and write OUT/index.html."""
    from ..demo import run_demo

    print(run_demo(out, seed=seed, n_jobs=n_jobs))


@app.command()
def simulate(
    out: Path,
    subjects: Annotated[int, typer.Option(help="Simulated people.", min=1, max=999)] = 1,
    design: Annotated[Literal["quick", "ds003720"], typer.Option(help="Structure of the runs.")] = "quick",
    resolution: Annotated[float | None, typer.Option(help="Voxel size in mm.", min=2, max=12)] = None,
    events: Annotated[Path | None, typer.Option(help="BIDS folder whose events are taken (design ds003720).")] = None,
    stimuli: Annotated[Path | None, typer.Option(help="Your own music, GENRE/TRACK.wav; default composed.")] = None,
    motion: Annotated[bool, typer.Option("--motion", help="Add head motion.")] = False,
    seed: Seed = 0,
    n_jobs: Jobs = None,
) -> None:
    """Write a simulated BIDS study with stimuli and its ground truth."""
    from .._utils.progress import progress
    from ..simulation.brain import simulate as write_study

    with progress("simulate") as advance:
        write_study(
            out,
            design=design,
            n_subjects=subjects,
            resolution_mm=resolution,
            seed=seed,
            events=events,
            stimuli=stimuli,
            motion=motion,
            n_jobs=n_jobs,
            progress=advance,
        )
    print(out / "dataset_description.json")


@app.command()
def check(
    bids_dir: Annotated[Path, typer.Argument(help="A BIDS folder, or the TOML file of a study of arrays.")],
    out: Annotated[Path | None, typer.Argument(help="Where the run will write; default: not looked at.")] = None,
    level: Annotated[Literal["participant", "group"], typer.Argument(help="Level of the analysis.")] = "participant",
    participant_label: Labels = None,
    stimuli: Annotated[Path | None, typer.Option(help="Folder of the recordings; default BIDS_DIR/stimuli.")] = None,
    derivatives: Annotated[Path | None, typer.Option(help="Preprocessed data (fMRIPrep).")] = None,
    embedding: EmbeddingNames = None,
    gallery: Galleries = None,
    captions: Captions = None,
    generator: GeneratorName = None,
    judge: Judges = None,
    draws: Draws = None,
    lag: Lag = None,
    lag_tr: LagScans = None,
    config: ConfigFile = None,
) -> None:
    """List all that `run` with the same words would refuse or read around; exit 1 if it would refuse."""
    from ..pipeline.check import check_arrays, check_bids

    settings = _settings(config, embedding, captions, judge, generator, draws, lag, lag_tr)
    labels, galleries = participant_label or (), gallery or ()
    if bids_dir.is_file():
        findings = check_arrays(bids_dir, settings, out, labels, galleries)
    else:
        findings = check_bids(bids_dir, settings, out, labels, galleries, level, stimuli, derivatives)
    for finding in findings:
        print(finding)
    errors = sum(finding.severity == "error" for finding in findings)
    print(f"{errors} errors, {len(findings) - errors} warnings")
    if errors:
        raise typer.Exit(1)


@app.command()
def run(
    bids_dir: Path,
    out: Path,
    level: Annotated[Literal["participant", "group"], typer.Argument(help="Level of the analysis.")],
    participant_label: Labels = None,
    stimuli: Annotated[Path | None, typer.Option(help="Folder of the recordings; default BIDS_DIR/stimuli.")] = None,
    derivatives: Annotated[Path | None, typer.Option(help="Preprocessed data (fMRIPrep).")] = None,
    embedding: EmbeddingNames = None,
    gallery: Galleries = None,
    captions: Captions = None,
    generator: GeneratorName = None,
    judge: Judges = None,
    draws: Draws = None,
    lag: Lag = None,
    lag_tr: LagScans = None,
    config: ConfigFile = None,
) -> None:
    """Decode a BIDS study (a BIDS App); running again does only what is missing or has changed."""
    from ..brain.source import BidsSource
    from ..pipeline.run import run as run_pipeline
    from ..report.page import build_report

    settings = _settings(config, embedding, captions, judge, generator, draws, lag, lag_tr)
    subjects = participant_label or ()
    source = BidsSource.read(bids_dir, settings, stimuli=stimuli, derivatives=derivatives, subjects=subjects)
    run_pipeline(source, out, settings, level=level, galleries=gallery or ())
    print(build_report(out))


@app.command("run-arrays")
def run_arrays(
    arrays_toml: Path,
    out: Path,
    participant_label: Labels = None,
    embedding: EmbeddingNames = None,
    gallery: Galleries = None,
    captions: Captions = None,
    generator: GeneratorName = None,
    judge: Judges = None,
    draws: Draws = None,
    lag: Lag = None,
    lag_tr: LagScans = None,
    config: ConfigFile = None,
) -> None:
    """Decode response arrays that come with a list of stimuli (ARRAYS_TOML says where they are)."""
    from ..brain.arrays import read_arrays_study
    from ..pipeline.run import run as run_pipeline
    from ..report.page import build_report

    settings = _settings(config, embedding, captions, judge, generator, draws, lag, lag_tr)
    source = read_arrays_study(arrays_toml)
    run_pipeline(source, out, settings, level="participant", subjects=participant_label or (), galleries=gallery or ())
    print(build_report(out))


@app.command()
def report(out: Path) -> None:
    """Rebuild the pages of a finished run."""
    from ..report.page import build_report

    print(build_report(out))


def _settings(
    file: Path | None,
    embeddings: list[str] | None,
    captions: Path | None,
    judges: list[str] | None,
    generator: str | None,
    draws: int | None,
    lag_s: float | None,
    lag_tr: int | None,
) -> "RunConfig":
    """The file's settings, and what the command line says instead."""
    from ..config import RunConfig

    given = {
        "embeddings": embeddings or None,
        "captions": None if captions is None else str(captions),
        "further_embeddings": judges or None,
        "generator": generator,
        "n_samples": draws,
        "lag_s": lag_s,
        "lag_tr": lag_tr,
    }
    return RunConfig.from_toml(
        file,
        **{name: value for name, value in given.items() if value is not None},
    )
