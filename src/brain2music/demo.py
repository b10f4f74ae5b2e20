"""The demonstration: a small simulated study, a gallery of composed music, and a run through everything."""

from pathlib import Path

import pandas as pd

from ._utils.files import write_table
from ._utils.progress import progress
from .brain.source import BidsSource
from .config import RunConfig
from .gallery.build import build_gallery
from .models.embedders import get_embedder
from .pipeline.run import run
from .report.page import build_report
from .simulation.brain import simulate
from .simulation.music.render import write_corpus

FIRST_TRACK = 1000  # of the gallery: past the numbers of any study, so that no stimulus is in it
TRACKS_PER_GENRE = 6
EMBEDDINGS = ("musicnn-mtt", "musicnn-msd", "logmel")


def run_demo(out: Path, *, seed: int = 0, n_jobs: int | None = None) -> Path:
    """Simulate, build a gallery, decode, retrieve, score and report; the page's path. Resumes what was stopped."""
    study, music, gallery = out / "study", out / "music", out / "gallery"
    if not (study / "dataset_description.json").is_file():
        with progress("simulate a study") as advance:
            simulate(study, design="quick", seed=seed, n_jobs=n_jobs, progress=advance)
    with progress("compose a gallery") as advance:
        write_corpus(music, TRACKS_PER_GENRE, seed=seed, n_jobs=n_jobs, progress=advance, first=FIRST_TRACK)
    config = RunConfig.of(embeddings=EMBEDDINGS, seed=seed)
    source = BidsSource.read(study, config)
    embedder = get_embedder(EMBEDDINGS[0], config.window_s, source.step_s)
    with progress("embed the gallery") as advance:
        build_gallery(music, gallery, embedder, metadata=_metadata(music), progress=advance)
    run(source, out, config, galleries=[gallery])
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
