"""p and intervals against enumeration, uniformity under the null, and coverage."""

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from brain2music.score.identification import (
    identification,
    identification_payoff,
    similarity,
    within_group,
    within_group_payoff,
)
from brain2music.score.uncertainty import (
    bootstrap,
    bootstrap_identification,
    bootstrap_interval,
    mean_interval,
    permutation_null,
    permutation_p,
)


def similarities(rng: np.random.Generator, n: int, signal: float, dims: int = 12) -> np.ndarray:
    true = rng.normal(size=(n, dims))
    return similarity(signal * true + rng.normal(size=(n, dims)), true)


def test_p_converges_to_enumeration_of_all_assignments(rng: np.random.Generator) -> None:
    c = similarities(rng, 6, 0.3)
    accuracies = np.array([identification(c[:, order]).mean() for order in permutations(range(6))])
    expected = np.mean(accuracies >= identification(c).mean() - 1e-12)
    assert permutation_p(identification_payoff(c), rng, 40_000) == pytest.approx(expected, abs=0.01)


def test_the_null_is_the_score_of_reordered_columns(rng: np.random.Generator) -> None:
    c = similarities(rng, 5, 0.5)
    possible = {round(identification(c[:, order]).mean(), 9) for order in permutations(range(5))}
    assert set(np.round(permutation_null(identification_payoff(c), rng, 500), 9)) <= possible


def test_p_of_a_perfect_decoder_is_the_smallest_there_is(rng: np.random.Generator) -> None:
    assert permutation_p(identification_payoff(similarities(rng, 40, 50)), rng, 999) == 1 / 1000
    assert permutation_p(np.ones((7, 7)), rng, 99) == 1


def test_p_is_uniform_without_information(rng: np.random.Generator) -> None:
    values = [permutation_p(identification_payoff(similarities(rng, 20, 0)), rng, 199) for _ in range(300)]
    assert stats.kstest(values, "uniform").pvalue > 0.001
    assert np.mean(np.array(values) <= 0.05) < 0.1


def test_p_within_groups_does_not_see_the_group(rng: np.random.Generator) -> None:
    labels = np.repeat(range(8), 5)
    centres = rng.normal(size=(8, 12)) * 3
    values = []
    for _ in range(60):
        true = centres[labels] + rng.normal(size=(40, 12))
        c = similarity(centres[labels] + rng.normal(size=(40, 12)), true)
        assert identification(c).mean() > 0.85
        values.append(permutation_p(within_group_payoff(c, list(labels)), rng, 199, blocks=list(labels)))
    assert stats.kstest(values, "uniform").pvalue > 0.001


def test_p_of_some_rows_permutes_all_clips(rng: np.random.Generator) -> None:
    c = similarities(rng, 5, 0.5)
    rows = np.array([True, False, True, False, False])
    null = permutation_null(identification_payoff(c), rng, 20_000, rows=rows)
    values = [identification(c[:, order])[rows].mean() for order in permutations(range(5))]
    assert null.mean() == pytest.approx(np.mean(values), abs=0.01)
    assert null.std() == pytest.approx(np.std(values), abs=0.01)


@pytest.mark.parametrize("signal", [0.0, 0.4, 1.2])
def test_the_identification_interval_covers_the_truth(signal: float, rng: np.random.Generator) -> None:
    truth = identification(similarities(rng, 1500, signal)).mean()
    intervals = np.array([bootstrap_identification(similarities(rng, 40, signal), rng, 400) for _ in range(150)])
    covered = np.mean((intervals[:, 0] <= truth) & (truth <= intervals[:, 1]))
    assert 0.87 <= covered <= 1
    assert 0.02 < np.diff(intervals, axis=1).mean() < 0.25


def test_the_mean_interval_covers_the_truth_and_agrees_with_scipy(rng: np.random.Generator) -> None:
    values = rng.exponential(size=50)
    expected = stats.bootstrap((values,), np.mean, n_resamples=20_000, rng=rng).confidence_interval
    assert bootstrap_interval(values, rng, 20_000) == pytest.approx(tuple(expected), abs=0.02)
    samples = rng.exponential(size=(200, 50))
    covered = [low <= 1 <= high for low, high in (bootstrap_interval(sample, rng, 500) for sample in samples)]
    assert 0.88 <= np.mean(covered) <= 0.99


def test_nan_scores_are_left_out(rng: np.random.Generator) -> None:
    values = rng.random(30)
    holed = np.insert(values, [3, 20], np.nan)
    seeds = [np.random.default_rng(1), np.random.default_rng(1)]
    assert bootstrap_interval(holed, seeds[0], 500) == bootstrap_interval(values, seeds[1], 500)


def test_a_draw_is_scored_as_the_clips_it_holds(rng: np.random.Generator) -> None:
    """Weights give what identification gives when the drawn clips are written out, copies not compared."""
    c, labels = similarities(rng, 8, 0.5), ["a", "a", "a", "b", "b", "b", "b", "a"]
    drawn = np.array([0, 0, 1, 2, 4, 4, 4, 6])
    weights = np.bincount(drawn, minlength=8)[None].astype(float)

    def written_out(same: np.ndarray) -> float:
        shares = []
        for i in drawn:
            others = [j for j in drawn if j != i and same[i, j]]
            shares += [np.mean([c[i, i] > c[i, j] for j in others])] if others else []
        return float(np.mean(shares))

    kept = {}

    def keep(statistic, *_):
        kept["statistic"] = statistic
        return 0.0, 1.0

    for blocks, same in (
        (None, np.ones((8, 8), bool)),
        (labels, np.array(labels)[:, None] == np.array(labels)),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("brain2music.score.uncertainty.bootstrap", keep)
            bootstrap_identification(c, rng, blocks=blocks)
        assert kept["statistic"](weights)[0] == pytest.approx(written_out(same))
        whole = within_group(c, labels) if blocks else identification(c)
        assert kept["statistic"](np.ones((1, 8)))[0] == pytest.approx(whole.mean())


def test_degenerate_samples_have_no_width_or_no_interval(rng: np.random.Generator) -> None:
    assert bootstrap_interval(np.ones(9), rng, 100) == (1, 1)
    assert np.isnan(bootstrap_interval(np.ones(1), rng, 100)).all()
    assert np.isnan(bootstrap(lambda weights: np.full(len(weights), np.nan), 5, rng, 100)).all()
    assert np.isnan(mean_interval(np.ones(1))).all()


def test_the_interval_over_subjects_is_students(rng: np.random.Generator) -> None:
    values = rng.normal(0.8, 0.02, 5)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert mean_interval(values) == pytest.approx((expected.low, expected.high))


def test_repeats_are_equal(rng: np.random.Generator) -> None:
    c = similarities(rng, 30, 0.4)
    first, second = (
        (
            permutation_p(identification_payoff(c), np.random.default_rng(5), 2500),
            bootstrap_identification(c, np.random.default_rng(5), 2500),
        )
        for _ in range(2)
    )
    assert first == second
