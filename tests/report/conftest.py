"""A run's folder as the pipeline leaves it, with invented numbers: what the pages are built from."""

import shutil
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from brain2music._utils.files import write_json
from brain2music.metrics.records import write_scores
from brain2music.metrics.score import Score, ScoredStage
from brain2music.pipeline.outputs import (
    ALPHAS,
    ENCODING_ROIS,
    PREDICTIONS,
    RELIABILITY,
    RETRIEVAL,
    SIMILARITY,
    Outputs,
)
from brain2music.report.page import build_report

REGIONS = ("Heschl's gyrus", "planum temporale", "superior temporal", "inferior frontal")
GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")


def write_run(
    root: Path,
    *,
    simulated: bool = True,
    note: str = "",
    subjects: tuple[str, ...] = ("001",),
    embeddings: tuple[str, ...] = ("musicnn-mtt",),
    genres: tuple[str, ...] = GENRES[:3],
    per_genre: int = 2,
    dims: int = 6,
    voxels: int = 60,
    seconds: float = 0.5,
    gallery: bool = True,
    hostile: str = "",
) -> Path:
    """Write a run of ``per_genre`` clips a genre; ``hostile`` is worked into every name a user controls."""
    outputs, rng = Outputs(root), np.random.default_rng(0)
    genres = tuple(genre + hostile for genre in genres)
    clips = [(f"{genre.split('<')[0]}.{i:05d}_0-{seconds:g}", genre) for genre in genres for i in range(per_genre)]
    scores: list[Score] = []
    for subject in subjects:
        regions = [REGIONS[0] + hostile, *REGIONS[1:], ""]
        roi = rng.integers(len(regions), size=voxels)
        reliability = np.tanh(rng.normal(0.45 - 0.11 * roi, 0.12))
        table = pd.DataFrame({"roi": [regions[i] for i in roi], "reliability": reliability})
        RELIABILITY.write(outputs.reliability(subject), table)
        for embedding in embeddings:
            _write_embedding(outputs, subject, embedding, clips, dims, gallery, hostile, rng)
            scores += _scores(subject, embedding, embeddings[0], genres, clips, simulated, note, gallery)
        _write_encoding(outputs, subject, embeddings, ("all", "reliable", *regions[:-1]))
    for clip, _ in clips:
        _write_sound(outputs.stimulus(clip), seconds, rng)
    if gallery:
        for track in range(len(clips)):
            _write_sound(outputs.retrieved(f"track{track}"), seconds, rng)
    for path in (outputs.scores, outputs.scores_table):
        write_scores(path, scores)
    write_json(
        outputs.study,
        _study(simulated, note, subjects, embeddings, genres, clips, dims, voxels, gallery, hostile),
    )
    return root


def _write_embedding(
    outputs: Outputs,
    subject: str,
    embedding: str,
    clips: list[tuple[str, str]],
    dims: int,
    gallery: bool,
    hostile: str,
    rng: np.random.Generator,
) -> None:
    centres = {genre: rng.normal(size=dims) for _, genre in clips}
    true = np.stack([1.2 * centres[genre] + rng.normal(size=dims) for _, genre in clips])
    predicted = 0.4 * true + 1.5 * rng.normal(size=true.shape)
    rows = [
        {"clip": clip, "genre": genre, "window": window, "predicted": list(p + jitter), "true": list(t)}
        for (clip, genre), p, t in zip(clips, predicted, true, strict=True)
        for window, jitter in enumerate((-0.1, 0.1))
    ]
    PREDICTIONS.write(outputs.predictions(subject, embedding), pd.DataFrame(rows))
    similarity = np.corrcoef(predicted, true)[: len(clips), len(clips) :]
    rows = [{"clip": c, "genre": g, "similarity": list(r)} for (c, g), r in zip(clips, similarity, strict=True)]
    SIMILARITY.write(outputs.similarity(subject, embedding), pd.DataFrame(rows))
    alpha = 10.0 ** np.clip(rng.normal(3, 1.2, dims).round(), 0, 5)
    alphas = {
        "dim": range(dims),
        "alpha": alpha,
        "cv_score": rng.normal(0.2, 0.05, dims),
        "on_edge": alpha == 1e5,
    }
    ALPHAS.write(outputs.alphas(subject, embedding), pd.DataFrame(alphas))
    if gallery:
        rows = [
            {
                "clip": clip, "genre": genre, "condition": condition, "rank": rank,
                "track": f"track{(i + rank) % len(clips)}",
                "title": f"Piece no. {rank} {hostile}" if rank < 3 else "A Long Title for a Small Piece",
                "artist": f"Somebody{hostile}", "licence": "CC BY 4.0",
                "track_genre": clips[(i + rank) % len(clips)][1],
                "path": "/music/file.mp3", "start_s": 12.5 * rank, "cosine": 0.9 - 0.05 * rank, "caption": "",
            }
            for i, (clip, genre) in enumerate(clips)
            for condition in ("decoded", "true")
            for rank in ((1, 2, 3) if condition == "decoded" else (1,))
        ]  # fmt: skip
        RETRIEVAL.write(outputs.retrieval(subject, embedding), pd.DataFrame(rows))


def _write_encoding(outputs: Outputs, subject: str, embeddings: tuple[str, ...], rois: tuple[str, ...]) -> None:
    """Regions of ever lower r, 0.1 lower by every later embedding; a map of the first embedding, images of all."""
    rows = [
        {
            "embedding": embedding, "roi": roi, "voxels": 60 if roi == "all" else 10, "mean_r": r, "low": r - 0.08,
            "high": r + 0.07, "median_r": r, "ceiling": 0.8, "normalised_r": r / 0.8, "significant": r / 5,
        }
        for i, embedding in enumerate(embeddings)
        for j, roi in enumerate(rois)
        for r in [0.6 - 0.1 * i - 0.05 * j]
    ]  # fmt: skip
    ENCODING_ROIS.write(outputs.encoding_rois(subject), pd.DataFrame(rows))
    picture = outputs.encoding_figure(subject, embeddings[0])
    Image.new("RGB", (60, 20), "teal").save(picture)
    for image in (
        outputs.statmap(subject, "responses", "ceiling"),
        *(outputs.statmap(subject, e, "r") for e in embeddings),
    ):
        image.write_bytes(b"an image that the pages only point at")


def _scores(
    subject: str,
    embedding: str,
    first: str,
    genres: tuple[str, ...],
    clips: list[tuple[str, str]],
    simulated: bool,
    note: str,
    gallery: bool,
) -> list[Score]:
    count = len(clips)

    def score(metric: str, value: float, chance: float, stage: ScoredStage = "decode", **more: Any) -> Score:
        common: dict[str, Any] = {"n": count, "candidates": count, "low": value - 0.06, "high": min(value + 0.05, 1.0)}
        common |= {"p": 0.0004, "simulated": simulated, "note": note, "embedding": embedding, "subject": subject}
        made_by = {"condition": "true"} if stage == "encode" else {"condition": "decoded", "decoder": "ridge"}
        return Score(
            stage=stage, metric=metric, value=value, chance=chance, **{**common, "lag_tr": 3, **made_by, **more}
        )

    identified = partial(score, "identification", chance=0.5)
    no_brain = {"decoder": None, "lag_tr": None}
    no_interval = {"p": None, "low": None, "high": None}
    scores = [
        identified(0.87, ceiling=1.0),
        score("top1", 0.35, 1 / count, ceiling=1.0),
        score("top5", 0.75, 5 / count, ceiling=1.0),
        score("identification_within_genre", 0.61, 0.5, p=0.08),
        score("dimension_correlation", 0.31, 0.0),
        identified(0.496, condition="random", p=None, detail="one sample", **no_brain),
        identified(0.5, condition="mean", **no_brain, **no_interval),
        identified(0.502, condition="permuted", p=0.47),
        score("sample_correlation", float("nan"), float("nan"), **no_interval),
    ]
    few = {"n": count // len(genres), "p": 0.2}
    for i, genre in enumerate(genres):
        scores.append(identified(0.95 - 0.05 * i, group=genre, **{**few, "p": None}))
    scores += [
        identified(0.84, decoder="kernel", ablation="decoder"),
        identified(0.79, lag_tr=0, ablation="lag"),
        identified(0.81, condition="genre", **no_brain),
    ]
    for i, genre in enumerate(genres):
        left_out = {"group": genre, "held_out": "genre", **few}
        scores.append(identified(0.75 - 0.05 * i, detail="0.9 when trained on", **left_out))
        scores.append(score("identification_within_genre", 0.55, 0.5, detail="0.652 when trained on", **left_out))
    encoded = partial(score, chance=0.0, stage="encode")
    scores += [
        encoded("r", 0.55, group="reliable", detail="mean over 10 reliable voxels, 0.69 of the ceiling"),
        encoded("r", 0.5, group="all"),
        encoded("r", 0.45, group="planum temporale"),
        *(
            encoded(f"significant_{test}", share, **no_interval)
            for test, share in (("fdr", 0.2), ("max_t", 0.1), ("gaussian", 0.55))
        ),
    ]
    if embedding != first:
        scores.append(encoded("r_difference", 0.1, group="reliable", versus=embedding, embedding=first, p=None))
    if gallery:
        scores.append(identified(0.74, stage="retrieve", judge=embedding, ceiling=0.93))
        scores.append(identified(0.66, stage="retrieve", judge="logmel", ceiling=0.9))
        scores.append(score("genre_agreement", 0.35, 0.1, "retrieve", ceiling=0.8))
    return scores


def _study(
    simulated: bool,
    note: str,
    subjects: tuple[str, ...],
    embeddings: tuple[str, ...],
    genres: tuple[str, ...],
    clips: list[tuple[str, str]],
    dims: int,
    voxels: int,
    gallery: bool,
    hostile: str,
) -> dict[str, Any]:
    space = {
        "version": "1",
        "sha256": "9f" * 32,
        "dims": dims,
        "window_s": 3.0,
        "step_s": 1.5,
        "sample_rate": 16000,
    }
    test = len(clips) // len(genres)
    return {
        "name": "Quick listening study" + hostile, "simulated": simulated, "note": note, "source": "bids",
        "version": "0.1.0", "created": "2026-01-02", "subjects": list(subjects),
        "embeddings": [{"name": name, **space} for name in embeddings],
        "design": {
            "tr": 1.5, "lag_tr": 3, "n_train": 6 * len(clips), "n_test": len(clips), "n_repeats": 4,
            "scans_per_clip": 10, "voxels": dict.fromkeys(subjects, voxels),
            "genres": {genre: {"train": 6 * test, "test": test} for genre in genres},
            "evaluation": "held-out test runs",
        },
        "settings": {"seed": 0, "decoding.decoder": "ridge", "decoding.alphas": [1], "stimuli": "stimuli" + hostile},
        "gallery": {"name": "free", "tracks": 200, "licences": {"CC BY": 180}} if gallery else None,
        "leaks": [], "warnings": ["3 dimensions chose an α on the edge of the grid" + hostile],
        "methods": "Responses were z-scored per run." + hostile + "\n\nA ridge decoder followed.",
    }  # fmt: skip


def _write_sound(path: Path, seconds: float, rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rate = 22050
    time = np.arange(int(seconds * rate)) / rate
    beat = rng.uniform(1.5, 3)
    pitches = 110 * 2 ** (rng.integers(0, 24, size=64) / 12)
    pitch = pitches[(time * beat).astype(int) % 64]
    decay = np.exp(-4 * ((time * beat) % 1))
    wave = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 12)) * decay
    wave = 0.2 * wave + 0.05 * rng.normal(size=time.size) * np.exp(-20 * ((2 * time * beat) % 1))
    soundfile.write(path, wave.astype(np.float32), rate, format="MP3")


@pytest.fixture(scope="session")
def written_runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``write_run`` into a folder of the session; the same options give the same folder."""

    @cache
    def write(**options: Any) -> Path:
        return write_run(tmp_path_factory.mktemp("run"), **options)

    return write


@pytest.fixture
def make_run(tmp_path: Path, written_runs: Callable[..., Path]) -> Callable[..., Path]:
    """A fresh copy of what ``write_run`` writes with the given options."""
    return lambda **options: Path(shutil.copytree(written_runs(**options), tmp_path / "out"))


@pytest.fixture(scope="session")
def make_pages(written_runs: Callable[..., Path]) -> Callable[..., dict[str, str]]:
    """The pages, by file name, of a run as ``write_run`` writes it with the given options; built once a session."""

    @cache
    def build(**options: Any) -> dict[str, str]:
        root = written_runs(**options)
        build_report(root)
        pages = {path.name: path for path in sorted(root.glob("*.html"))}
        html = {name: path.read_text(encoding="utf-8") for name, path in pages.items()}
        for path in pages.values():
            path.unlink()
        return html

    return build
