"""The demonstration: a small simulated study, a gallery of composed music, and a run through everything.

Two pages, one after the other in the same place: what was decoded, as soon as that is scored; then all of it, with the
music that was retrieved and generated, and maps of voxels.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from ._utils.errors import Brain2MusicWarning
from ._utils.files import write_table
from ._utils.progress import progress
from .brain.source import BidsSource
from .config import RunConfig
from .gallery.build import build_gallery
from .models.embedders import get_embedder
from .pipeline.outputs import Outputs
from .pipeline.run import run_pipeline
from .report.page import build_report
from .simulation.brain import simulate
from .simulation.music.render import write_corpus

FIRST_TRACK = 1000  # of the gallery: past the numbers of any study, so that no stimulus is in it
TRACKS_PER_GENRE = 6
SETTINGS = {
    "embeddings": ("mulan-small", "logmel"),
    "generator": "musiclm-small",
    "n_clips": 6,
    "n_samples": 1,
}
"""Music is decoded into the generator's embedding, and into a baseline; what is made is scored in both."""
UNDER_WAY = (
    "this is what was decoded. Music is being retrieved and generated and voxels are being mapped, which takes about "
    "two minutes more on two cores; the whole page then replaces this one."
)


def run_demo(
    out: Path, *, seed: int = 0, n_jobs: int | None = None, first_page: Callable[[Path], None] | None = None
) -> Path:
    """Simulate a study, decode it, retrieve and generate music, map voxels, and write a page on which to listen.

    Takes about four minutes on two cores. A demonstration that was stopped is finished by the same call.

    Parameters
    ----------
    out : Path
        The output folder.
    seed : int
        Seed of everything.
    n_jobs : int, optional
        Processes that compose music and simulate; default one per core.
    first_page : callable, optional
        Called with the page's path when it shows what was decoded, long before the rest is done.

    Returns
    -------
    Path
        The page, ``out/index.html``.
    """
    study, music, gallery = out / "study", out / "music", out / "gallery"
    if not (study / "dataset_description.json").is_file():
        with progress("simulate a study") as advance:
            simulate(study, design="quick", seed=seed, n_jobs=n_jobs, progress=advance)
    config = RunConfig.of(**SETTINGS, seed=seed)
    source = BidsSource.read(study, config)
    if not Outputs(out).index.is_file():
        run_pipeline(source, out, config.changed(embeddings=config.embeddings[:1], generator=None, enabled=False))
        page = build_report(out, under_way=UNDER_WAY)
        if first_page is not None:
            first_page(page)
    with progress("compose a gallery") as advance:
        write_corpus(music, TRACKS_PER_GENRE, seed=seed, n_jobs=n_jobs, progress=advance, first=FIRST_TRACK)
    embedder = get_embedder(config.embeddings[0], config.window_s, source.step_s)
    with progress("embed the gallery") as advance, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "passed over", Brain2MusicWarning)  # what the composer wrote beside the music
        build_gallery(music, gallery, embedder, metadata=_metadata(music), progress=advance)
    run_pipeline(source, out, config, galleries=[gallery])
    return build_report(out)


def _metadata(music: Path) -> Path:
    """The gallery's table of tracks, from what the composer wrote down."""
    truth = pd.read_csv(music / "truth.tsv", sep="\t")
    table = pd.DataFrame(
        {
            "file": truth["track"],
            "title": truth["mood"] + " " + truth["genre"] + " in " + truth["key"],
            "artist": "composed by rule",
            "genre": truth["genre"],
            "licence": "CC0-1.0",
        }
    )
    write_table(music / "metadata.tsv", table)
    return music / "metadata.tsv"
