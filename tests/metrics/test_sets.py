"""Kernel distances and divergences among the scores of a run: what they are from, with n and a ceiling."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import entropy

from brain2music.metrics import effects_table, kernel_distance
from brain2music.metrics.divergence import score_divergence
from brain2music.metrics.generation import score_generated
from brain2music.metrics.retrieval import score_retrieval
from brain2music.metrics.sets import score_sets

from .score_tables import GENRES, build, keyed


def music(rng: np.random.Generator, spread: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Forty clips, and two samples of music for each that are all to one side of them."""
    true = rng.normal(size=(40, 12))
    return true, true + 0.5 + spread * rng.normal(size=(2, 40, 12))


def test_retrieved_and_generated_music_has_its_kernel_distance(rng: np.random.Generator) -> None:
    true, made = music(rng)
    retrieved = score_retrieval(made[0], true, GENRES, build(rng, stage="retrieve", judge="mfcc"), oracle=true)
    conditions = {"denoised": made, "true": made * 0 + true}
    generated = score_generated(conditions, true, GENRES, build(rng, stage="generate", judge="mfcc"))
    expected = kernel_distance(true, made[0], np.random.default_rng(1), paired=True)
    for scores, condition in ((retrieved, "decoded"), (generated, "denoised")):
        score = keyed(scores)["kernel_distance", condition, "all"]
        assert score.value == pytest.approx(expected.value)
        assert (score.low, score.high) == pytest.approx((expected.low, expected.high))
        assert (score.n, score.judge) == (40, "mfcc")
        assert score.p is not None
        assert score.p < 0.01
        assert score.ceiling == pytest.approx(kernel_distance(true, true, rng, 1, paired=True).value)
        assert score.chance < score.value


def test_other_scores_are_what_they_would_be_without_it(rng: np.random.Generator) -> None:
    true, made = music(rng)
    few = score_retrieval(made[0][:5], true[:5], GENRES[:5], build(np.random.default_rng(3), stage="retrieve"))
    assert "kernel_distance" not in {score.metric for score in few}
    states = []
    for oracle in (None, true):
        builder = build(np.random.default_rng(3))
        score_sets(made[0], true, builder, oracle)
        states.append(builder.rng.random())
    assert states == [np.random.default_rng(3).random()] * 2


def test_clips_that_are_all_alike_have_no_distance(rng: np.random.Generator) -> None:
    true, made = music(rng)
    assert score_sets(made[0], np.ones_like(true), build(rng)) == []


def test_divergence_is_the_mean_over_samples_and_clips_with_that_of_others_as_chance(rng: np.random.Generator) -> None:
    presented = rng.dirichlet(np.ones(9), 7)
    near = [0.8 * presented + 0.2 * rng.dirichlet(np.ones(9), 7) for _ in range(2)]
    score = score_divergence(np.stack(near), presented, build(rng, judge="a tagger"), presented[None])
    each = [[entropy(presented[i], sample[i]) for i in range(7)] for sample in near]
    others = [entropy(presented[j], sample[i]) for sample in near for i in range(7) for j in range(7) if i != j]
    assert score.value == pytest.approx(np.mean(each), rel=1e-3)
    assert score.chance == pytest.approx(np.mean(others), rel=1e-3)
    assert score.ceiling == pytest.approx(0, abs=1e-6)
    assert score.low is not None
    assert score.high is not None
    assert score.low < score.value < score.high < score.chance
    assert score.p is not None
    assert score.p < 0.05
    assert "9 classes of a tagger" in score.detail


def test_a_p_of_difference_takes_no_part_in_the_false_discovery_rate(rng: np.random.Generator) -> None:
    true, made = music(rng)
    scores = score_retrieval(made[0], true, GENRES, build(rng, stage="retrieve"))
    table = effects_table(scores).set_index("metric")
    without = effects_table([replace(each) for each in scores if each.metric != "kernel_distance"]).set_index("metric")
    assert np.isnan(table.loc["kernel_distance", "q"])
    np.testing.assert_array_equal(table.drop("kernel_distance")["q"], without["q"])
