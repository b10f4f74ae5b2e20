"""What the pages of the user guide assume to be there: a small simulated study, its music, a gallery, a song."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

import brain2music as b2m
from brain2music.simulation.brain.design import DESIGNS

GENRES = {"blues": (110.0, 2), "jazz": (330.0, 5), "rock": (880.0, 9)}
"""Pitch in Hz and loudness modulations per second of a genre's tracks."""
SMALL = replace(
    DESIGNS["quick"],
    **{"train_runs": 2, "train_clips": 15, "test_runs": 1, "test_clips": 12, "repeats": 2},
    resolution_mm=12.0,
    clip_s=12.0,
)
NAMES = ("BIDS_DIR", "MUSIC", "MORE_MUSIC", "gallery", "SONG.ogg")
RATE = 16000


def make_material(folder: Path) -> None:
    """Fill a folder with all that docs/guide/index.md names, and with a cache of embeddings."""
    rng = np.random.default_rng(0)
    write_tracks(folder / "tracks", 14, rng).to_csv(folder / "tracks" / "truth.tsv", sep="\t", index=False)
    more = write_tracks(folder / "MORE_MUSIC", 3, rng, first=100)
    more.assign(file=more["genre"] + "/" + more["track"] + ".wav").to_csv(folder / "more.tsv", sep="\t", index=False)
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch, folder)
        study = b2m.simulate_study(folder / "BIDS_DIR", stimuli=folder / "tracks", tr=2.0, n_subjects=2)
        study.embed("mulan-small")
    (folder / "MUSIC").symlink_to(folder / "BIDS_DIR" / "stimuli")
    embedder = b2m.get_embedder("mulan-small")
    b2m.build_gallery(folder / "MORE_MUSIC", folder / "gallery", embedder, metadata=folder / "more.tsv")
    soundfile.write(folder / "SONG.ogg", track("jazz", 17.0, rng), RATE)


def make_small(patch: pytest.MonkeyPatch, material: Path) -> None:
    """Let the design "quick" be small, and embeddings be kept beside the material."""
    patch.setitem(DESIGNS, "quick", SMALL)
    patch.setenv("XDG_CACHE_HOME", str(material / "cache"))


def write_tracks(folder: Path, per_genre: int, rng: np.random.Generator, first: int = 0) -> pd.DataFrame:
    """Write tracks of 17 s as GENRE/GENRE.00000.wav; what they are, a row each."""
    rows = []
    for genre in GENRES:
        for number in range(first, first + per_genre):
            name = f"{genre}.{number:05d}"
            (folder / genre).mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / genre / f"{name}.wav", track(genre, 17.0, rng), RATE)
            mood = str(rng.choice(["calm", "lively"]))
            rows.append((name, genre, mood, "organ", f"A {mood} {genre} piece for organ."))
    return pd.DataFrame(rows, columns=["track", "genre", "mood", "instruments", "caption"])


def track(genre: str, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A chord about the genre's pitch, its loudness modulated at the genre's pace, with some noise."""
    pitch, pace = GENRES[genre]
    time = np.arange(round(seconds * RATE)) / RATE
    notes = pitch * 2 ** rng.uniform(-0.5, 0.5, 3)
    chord = sum(np.sin(2 * np.pi * note * time) for note in notes) / 3
    pulse = 0.6 + 0.4 * np.sin(2 * np.pi * pace * rng.uniform(0.7, 1.4) * time)
    return (0.3 * pulse * chord + rng.normal(0, 0.01, len(time))).astype(np.float32)
