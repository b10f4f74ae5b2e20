"""The commands. Each one reads its arguments and calls one function; heavy imports wait until a command runs."""

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from . import __version__
from .errors import Brain2MusicWarning, InputError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From recordings of the listening brain to music: decode, retrieve, score, map.",
)
gallery_app = typer.Typer(no_args_is_help=True, help="Music that exists: build, search and inspect a gallery.")
app.add_typer(gallery_app, name="gallery")

Seed = Annotated[int, typer.Option(help="Seed of everything random.", min=0)]
Jobs = Annotated[int | None, typer.Option(help="Processes; default every core.", min=1)]
EmbeddingName = Annotated[str, typer.Option("--embedding", help="Name from `brain2music models`.")]
EmbeddingNames = Annotated[
    list[str] | None, typer.Option("--embedding", help="Name from `brain2music models`; repeatable.")
]
Galleries = Annotated[
    list[Path] | None, typer.Option("--gallery", help="A gallery to retrieve from, one an embedding.")
]
Labels = Annotated[list[str] | None, typer.Option(help="Only this subject; repeatable.")]
Lag = Annotated[int | None, typer.Option(help="Scans by which responses follow the sound; default 3.", min=0, max=10)]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file of settings.")]


@app.command()
def demo(out: Path, seed: Seed = 0, n_jobs: Jobs = None) -> None:
    """Simulate a small study, decode it, retrieve music, and write OUT/index.html."""
    from .demo import run_demo

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
    from .progress import progress
    from .study.simulate import simulate as write_study

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
    bids_dir: Path,
    stimuli: Annotated[Path | None, typer.Option(help="Folder of the recordings; default BIDS_DIR/stimuli.")] = None,
) -> None:
    """List every problem of a study, each with its file and its mend; exit 1 if any is an error."""
    from .study.check import check_study

    findings = check_study(bids_dir, stimuli)
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
    lag_tr: Lag = None,
    config: ConfigFile = None,
) -> None:
    """Decode a BIDS study (a BIDS App); running again does only what is missing or has changed."""
    from .brain.source import BidsSource
    from .config import RunConfig
    from .pipeline import run as run_pipeline
    from .report.page import build_report

    settings = RunConfig.from_toml(config, embeddings=tuple(embedding or ()), lag_tr=lag_tr)
    source = BidsSource.read(bids_dir, settings, stimuli=stimuli, derivatives=derivatives)
    run_pipeline(source, out, settings, level=level, subjects=participant_label or (), galleries=gallery or ())
    print(build_report(out))


@app.command("run-arrays")
def run_arrays(
    arrays_toml: Path,
    out: Path,
    participant_label: Labels = None,
    embedding: EmbeddingNames = None,
    gallery: Galleries = None,
    lag_tr: Lag = None,
    config: ConfigFile = None,
) -> None:
    """Decode response arrays that come with a list of stimuli (ARRAYS_TOML says where they are)."""
    from .brain.arrays import read_arrays_study
    from .config import RunConfig
    from .pipeline import run as run_pipeline
    from .report.page import build_report

    settings = RunConfig.from_toml(config, embeddings=tuple(embedding or ()), lag_tr=lag_tr)
    source = read_arrays_study(arrays_toml)
    run_pipeline(source, out, settings, level="participant", subjects=participant_label or (), galleries=gallery or ())
    print(build_report(out))


@app.command()
def embed(
    audio: Annotated[list[Path], typer.Argument(help="Files or folders.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Parquet file to write.")],
    embedding: EmbeddingName = "musicnn-mtt",
) -> None:
    """Embed audio files or folders of them."""
    from .audio.io import find_audio
    from .embed.clips import embed_files
    from .embed.registry import get_embedder
    from .embed.store import save_embeddings

    files = [file for path in audio for file in (find_audio(path) if path.is_dir() else [path])]
    save_embeddings(output, embed_files(files, get_embedder(embedding)))
    print(output)


@app.command()
def report(out: Path) -> None:
    """Rebuild the pages of a finished run."""
    from .report.page import build_report

    print(build_report(out))


@gallery_app.command("build")
def gallery_build(
    folder: Path,
    out: Path,
    embedding: EmbeddingName = "musicnn-mtt",
    metadata: Annotated[Path | None, typer.Option(help="CSV or TSV: file, title, artist, genre, licence.")] = None,
    n_jobs: Jobs = None,
) -> None:
    """Embed a folder of music into a gallery; running again adds only what is new."""
    from .embed.registry import get_embedder
    from .gallery.build import build_gallery
    from .progress import progress

    with progress("gallery") as advance:
        built = build_gallery(folder, out, get_embedder(embedding), metadata=metadata, n_jobs=n_jobs, progress=advance)
    print(f"{out}: {len(built.tracks)} tracks in {built.space.name}")


@gallery_app.command("search")
def gallery_search(
    gallery: Path,
    like: Annotated[Path | None, typer.Option(help="Find music like this recording.")] = None,
    embedding: Annotated[Path | None, typer.Option(help="Find music at this vector (.npy).")] = None,
    k: Annotated[int, typer.Option("-k", help="How many tracks.", min=1)] = 10,
) -> None:
    """Search a gallery by a recording or by an embedding."""
    from .gallery.gallery import Gallery
    from .gallery.query import search_like, search_vector

    if (like is None) == (embedding is None):
        raise typer.BadParameter("give one of --like and --embedding")
    opened = Gallery.open(gallery)
    if like is not None:
        hits = search_like(opened, like, k)
    if embedding is not None:
        hits = search_vector(opened, embedding, k)
    print(hits.to_string(index=False))


@gallery_app.command("info")
def gallery_info(gallery: Path) -> None:
    """Say what a gallery holds."""
    from .gallery.gallery import Gallery

    opened = Gallery.open(gallery)
    print(f"{len(opened.tracks)} tracks, {opened.space.dims} dims, {opened.space.name} {opened.space.sha256[:12]}")
    print(opened.tracks.groupby("licence").size().rename("tracks").to_string())


@app.command()
def models(
    action: Annotated[Literal["pull"] | None, typer.Argument(help="Fetch weights from their package.")] = None,
    name: Annotated[str, typer.Argument(help="Whose weights.")] = "musicnn",
) -> None:
    """List the embeddings: name, what it is, where its weights come from, whether they are here."""
    from .embed.registry import models as listing
    from .embed.registry import pull

    if action == "pull":
        pull(name)
        return
    for entry in listing():
        print(entry)


def _version(show: bool | None) -> None:
    if show:
        print(f"brain2music {__version__}")
        raise typer.Exit(0)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[bool | None, typer.Option("--version", callback=_version, is_eager=True)] = None,
) -> None:
    """Options of every command; ``main`` looks for ``--debug`` itself."""


def main() -> None:
    """Run a command. Exit codes: 0 done, 1 the input is at fault, 2 usage, 130 interrupted (resumable)."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait leave the core to others
    _short_warnings()
    try:
        code = app(standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except (InputError, OSError) as error:
        if "--debug" in sys.argv:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        code = 1
    except Exception as error:
        if not (hasattr(error, "exit_code") and hasattr(error, "show")):
            raise  # a fault of ours
        error.show()  # a usage error, of whichever click this typer carries
        code = error.exit_code
    if code == 130:
        print("interrupted; the same command resumes", file=sys.stderr)
    sys.exit(code)


def _short_warnings() -> None:
    """Our own warnings as one line on stderr; those of libraries stay as they are."""
    import warnings

    library_format = warnings.formatwarning

    def one_line(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> str:
        if issubclass(category, Brain2MusicWarning):
            return f"warning: {message}\n"
        return library_format(message, category, *rest, **more)

    warnings.formatwarning = one_line
