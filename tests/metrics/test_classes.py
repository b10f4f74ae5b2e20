"""Agreement of AudioSet classes."""

import csv
from pathlib import Path

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.metrics.builder import ScoreBuilder
from brain2music.metrics.classes import (
    GENRES,
    GROUPS,
    INSTRUMENTS,
    MOODS,
    class_agreement,
    class_agreement_payoff,
    group_columns,
    score_agreement,
)


def test_the_groups_are_the_papers() -> None:
    assert [(group.name, len(group.classes), group.top_n) for group in GROUPS] == [
        ("genre", 25, 2),
        ("instrument", 18, 2),
        ("mood", 6, 1),
    ]
    assert all(len(set(group.classes)) == len(group.classes) for group in GROUPS)
    assert not set(GENRES.classes) & set(INSTRUMENTS.classes) | set(MOODS.classes) & set(GENRES.classes)


def test_agreement_by_hand() -> None:
    first = np.array([[0.9, 0.8, 0.1, 0.0], [0.9, 0.8, 0.1, 0.0], [0.9, 0.8, 0.1, 0.0], [0.5, 0.5, 0.5, 0.5]])
    second = np.array([[0.2, 0.1, 0.0, 0.0], [0.0, 0.9, 0.8, 0.1], [0.0, 0.0, 0.6, 0.7], [0.9, 0.8, 0.0, 0.0]])
    np.testing.assert_allclose(class_agreement(first, second, 2), [1, 1 / 3, 0, 1])
    np.testing.assert_allclose(class_agreement(first, second, 1), [1, 0, 0, 1])


@pytest.mark.parametrize("top_n", [1, 2, 3])
def test_agreement_equals_sets(top_n: int, rng: np.random.Generator) -> None:
    first, second = rng.random((7, 9)), rng.random((5, 9))
    tops = [[set(np.argsort(-row)[:top_n]) for row in rows] for rows in (first, second)]
    expected = [[len(a & b) / len(a | b) for b in tops[1]] for a in tops[0]]
    np.testing.assert_allclose(class_agreement_payoff(first, second, top_n), expected)


def test_columns_are_found_by_name_and_missing_ones_named() -> None:
    names = ["Speech", *reversed(MOODS.classes)]
    np.testing.assert_array_equal(group_columns(MOODS, names), [6, 5, 4, 3, 2, 1])
    with pytest.raises(InputError, match="no class Sad music of the group 'mood'"):
        group_columns(MOODS, [name for name in names if name != "Sad music"])


def test_scores_are_means_over_samples_with_the_ceiling_of_the_oracle(rng: np.random.Generator) -> None:
    names = [name for group in GROUPS for name in group.classes]
    presented = rng.random((6, len(names)))
    samples = np.stack([presented, rng.permuted(presented, axis=1)])
    builder = ScoreBuilder("generate", "01", "logmel", rng, True, judge="a tagger", n_permutations=200)
    scores = {score.metric: score for score in score_agreement(samples, presented, names, builder, presented[None])}
    assert set(scores) == {"class_agreement_genre", "class_agreement_instrument", "class_agreement_mood"}
    for group in GROUPS:
        score, columns = scores[f"class_agreement_{group.name}"], group_columns(group, names)
        each = [class_agreement(made[:, columns], presented[:, columns], group.top_n).mean() for made in samples]
        assert score.value == pytest.approx(np.mean(each))
        assert (score.ceiling, score.stage, score.n, score.simulated) == (1.0, "generate", 6, True)
        assert score.chance < score.value
        assert score.judge == "a tagger"


@pytest.mark.real_data
def test_every_class_is_one_of_audioset(real_data: Path) -> None:
    with (real_data / "yamnet" / "yamnet_class_map.csv").open(encoding="utf-8") as file:
        names = [row["display_name"] for row in csv.DictReader(file)]
    for group in GROUPS:
        assert [names[column] for column in group_columns(group, names)] == list(group.classes)


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="top 5 of 4"):
        class_agreement(np.ones((1, 4)), np.ones((1, 4)), 5)
    with pytest.raises(ValueError, match="not finite"):
        class_agreement(np.full((1, 4), np.nan), np.ones((1, 4)), 1)
