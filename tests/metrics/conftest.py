"""Embeddings with planted structure, and every score of their predictions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from brain2music.metrics.baselines import genre_centroids
from brain2music.metrics.decoding import score_decoding
from brain2music.metrics.score import Score

from .score_tables import GENRES, Key, build, keyed


@pytest.fixture
def planted(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Embeddings with a large shared mean, a genre part and a part of each clip's own; noisy predictions."""
    mean, genres = rng.normal(0, 5, 30), rng.normal(0, 1, (5, 30))
    train = mean + np.tile(genres, (20, 1)) + rng.normal(size=(100, 30))
    true = mean + np.tile(genres, (8, 1)) + rng.normal(size=(40, 30))
    predicted = mean + 0.5 * (true - mean) + rng.normal(size=(40, 30))
    return {"train": train, "true": true, "predicted": predicted}


@pytest.fixture
def decoding() -> Callable[..., dict[Key, Score]]:
    """Every score of planted embeddings; ``refits``, and columns of the builder, may be given."""

    def score(planted: dict[str, np.ndarray], refits: Any = (), **columns: Any) -> dict[Key, Score]:
        train = planted["train"]
        scores = score_decoding(
            planted["predicted"],
            planted["true"],
            GENRES,
            build(np.random.default_rng(3), **columns),
            train_mean=train.mean(axis=0),
            train_centroids=genre_centroids(train, [f"genre{i % 5}" for i in range(100)]),
            refits=refits,
        )
        return keyed(scores)

    return score
