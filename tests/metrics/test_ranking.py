"""Identification against the equations written out, hand-computed examples and sampling."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr

from brain2music.metrics.ranking import (
    identification_by_clip,
    n_way,
    one_per_group,
    per_group,
    ranks,
    similarity,
    top_k,
    within_group,
)

BY_HAND = np.array([[0.9, 0.1, 0.2, 0.9], [0.0, 0.5, 0.6, 0.7], [0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.5, 0.6]])


def equations_2_and_3(c: np.ndarray) -> list[float]:
    n = len(c)
    return [sum(1 for j in range(n) if c[i, i] > c[i, j]) / (n - 1) for i in range(n)]


def test_similarity_is_pearson_over_dimensions(rng: np.random.Generator) -> None:
    predicted, true = rng.normal(3, 2, (5, 7)).astype(np.float32), rng.normal(size=(4, 7)).astype(np.float32)
    expected = [[pearsonr(row.astype(float), other.astype(float)).statistic for other in true] for row in predicted]
    np.testing.assert_allclose(similarity(predicted, true), expected, atol=2e-12)


@given(st.integers(2, 9), st.integers(0, 10_000))
def test_identification_equals_the_double_loop(n: int, seed: int) -> None:
    c = np.random.default_rng(seed).integers(-2, 3, (n, n)) / 2  # coarse values, so that ties are common
    np.testing.assert_array_equal(identification_by_clip(c), equations_2_and_3(c))


def test_scores_by_hand() -> None:
    np.testing.assert_allclose(identification_by_clip(BY_HAND), [2 / 3, 1 / 3, 2 / 3, 1])
    np.testing.assert_array_equal(ranks(BY_HAND), [2, 3, 2, 1])
    np.testing.assert_array_equal(top_k(BY_HAND, 1), [0, 0, 0, 1])
    np.testing.assert_array_equal(top_k(BY_HAND, 2), [1, 0, 1, 1])
    np.testing.assert_allclose(n_way(BY_HAND, 3), [1 / 3, 0, 1 / 3, 1])
    np.testing.assert_allclose(within_group(BY_HAND, "aabb"), [1, 1, 0, 1])
    assert per_group(identification_by_clip(BY_HAND), "aabb") == pytest.approx({"a": 0.5, "b": 5 / 6})


def test_a_tie_is_not_a_win_and_the_clip_does_not_beat_itself() -> None:
    ties = np.zeros((60, 60))
    np.testing.assert_array_equal(identification_by_clip(ties), 0)
    np.testing.assert_array_equal(top_k(ties, 59), 0)
    certain = np.eye(60)
    assert identification_by_clip(certain).max() == 1
    loose = (np.diagonal(certain)[:, None] >= certain).sum(axis=1) / 59
    assert loose.mean() - identification_by_clip(certain).mean() == pytest.approx(1 / 59)


def test_equal_candidates_tie_exactly_however_they_are_summed(rng: np.random.Generator) -> None:
    predicted, true = (
        rng.normal(size=(33, 753)).astype(np.float32),
        rng.normal(size=(33, 753)).astype(np.float32),
    )
    true[32] = true[0]
    c = similarity(predicted, true)
    np.testing.assert_array_equal(c[:, 0], c[:, 32])
    c = similarity(predicted, 7 * true + 3)
    np.testing.assert_array_equal(np.argsort(c[:, :32]), np.argsort(similarity(predicted, true)[:, :32]))


def test_n_way_is_the_expectation_over_all_draws(rng: np.random.Generator) -> None:
    c = similarity(rng.normal(size=(8, 5)), rng.normal(size=(8, 5)))
    np.testing.assert_allclose(n_way(c, 2), identification_by_clip(c), atol=1e-12)
    np.testing.assert_allclose(n_way(c, 8), top_k(c, 1), atol=1e-12)
    for i in range(8):
        others = [j for j in range(8) if j != i]
        wins = [c[i, i] > max(c[i, j] for j in drawn) for drawn in combinations(others, 3)]
        assert n_way(c, 4)[i] == pytest.approx(np.mean(wins))


def test_random_predictions_are_at_chance(rng: np.random.Generator) -> None:
    c = similarity(rng.normal(size=(600, 40)), rng.normal(size=(600, 40)))
    labels = [f"genre {i % 10}" for i in range(600)]
    assert identification_by_clip(c).mean() == pytest.approx(0.5, abs=0.04)
    assert within_group(c, labels).mean() == pytest.approx(0.5, abs=0.04)
    assert n_way(c, 10).mean() == pytest.approx(0.1, abs=0.03)
    assert top_k(c, 60).mean() == pytest.approx(0.1, abs=0.04)


def test_within_group_ignores_other_groups(rng: np.random.Generator) -> None:
    c = similarity(rng.normal(size=(6, 20)), rng.normal(size=(6, 20)))
    labels = ["a", "b", "a", "b", "a", "lonely"]
    rows = [0, 2, 4]
    scores = within_group(c, labels)
    np.testing.assert_array_equal(scores[rows], equations_2_and_3(c[np.ix_(rows, rows)]))
    assert np.isnan(scores[5])


def test_one_per_group_is_the_expectation_over_all_pools(rng: np.random.Generator) -> None:
    c, labels = rng.standard_normal((9, 9)), [*"abcabcabb"]
    rows = [[i for i, label in enumerate(labels) if label == group] for group in "abc"]
    pools = [np.array(pool) for pool in product(*rows)]
    two_way, first = one_per_group(c, labels)
    for clip in range(9):
        inside = [(c[np.ix_(pool, pool)], int(np.flatnonzero(pool == clip)[0])) for pool in pools if clip in pool]
        assert two_way[clip] == pytest.approx(np.mean([identification_by_clip(part)[at] for part, at in inside]))
        assert first[clip] == pytest.approx(np.mean([top_k(part, 1)[at] for part, at in inside]))


def test_one_per_group_counts_ties_as_lost_and_wants_two_groups() -> None:
    two_way, first = one_per_group(np.ones((4, 4)), [*"aabb"])
    assert not two_way.any()
    assert not first.any()
    assert all(np.isnan(each).all() for each in one_per_group(np.eye(2), [*"aa"]))
    with pytest.raises(ValueError, match="3 labels for 2 clips"):
        one_per_group(np.eye(2), [*"abc"])
    with pytest.raises(ValueError, match="not finite"):
        one_per_group(np.full((2, 2), np.nan), [*"ab"])


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_rows_without_a_correlation_are_refused(poison: float, rng: np.random.Generator) -> None:
    good, bad = rng.normal(size=(4, 6)), rng.normal(size=(4, 6))
    bad[2, 1] = poison
    with pytest.raises(ValueError, match=r"true rows are constant or not finite \(first: 2\)"):
        similarity(good, bad)
    bad[2] = 1.5
    with pytest.raises(ValueError, match="1 of the predicted rows"):
        similarity(bad, good)
    with pytest.raises(ValueError, match="not finite"):
        identification_by_clip(np.full((3, 3), poison))


def test_impossible_questions_are_refused() -> None:
    c = np.eye(4)
    for ask in (lambda: top_k(c, 0), lambda: top_k(c, 5), lambda: n_way(c, 1), lambda: n_way(c, 5)):
        with pytest.raises(ValueError, match="candidates"):
            ask()
    with pytest.raises(ValueError, match="needs at least two"):
        identification_by_clip(np.ones((1, 1)))
    with pytest.raises(ValueError, match="labels"):
        within_group(c, "abc")
