"""Builders of scores, and scores by what tells them apart."""

from typing import Any

import numpy as np

from brain2music.metrics.builder import ScoreBuilder
from brain2music.metrics.score import Score

GENRES = [f"genre{i % 5}" for i in range(40)]
Key = tuple[str, str, str]
"""Metric, condition and group of a score."""


def build(rng: np.random.Generator, **columns: Any) -> ScoreBuilder:
    """A builder of one simulated subject."""
    shared = {"stage": "decode", "subject": "001", "embedding": "musicnn-mtt", "simulated": True}
    return ScoreBuilder(**{**shared, "rng": rng, "n_permutations": 500, **columns})


def keyed(scores: list[Score]) -> dict[Key, Score]:
    """Scores by metric, condition and group, which tell them apart."""
    table = {(score.metric, score.condition, score.group): score for score in scores}
    assert len(table) == len(scores)
    return table
