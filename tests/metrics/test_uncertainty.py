"""p and intervals against enumeration, uniformity under the null, and coverage."""

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from brain2music.metrics.ranking import (
    identification_by_clip,
    identification_payoff,
    similarity,
    within_group,
    within_group_payoff,
)
from brain2music.metrics.uncertainty import (
    bootstrap,
    bootstrap_identification,
    bootstrap_interval,
    mean_interval,
    permutation_null,
    permutation_p,
    refitted_p,
)


def similarities(rng: np.random.Generator, n: int, signal: float, dims: int = 12) -> np.ndarray:
    true = rng.normal(size=(n, dims))
    return similarity(signal * true + rng.normal(size=(n, dims)), true)


def test_p_converges_to_enumeration_of_all_assignments(rng: np.random.Generator) -> None:
    c = similarities(rng, 6, 0.3)
    accuracies = np.array([identification_by_clip(c[:, order]).mean() for order in permutations(range(6))])
    expected = np.mean(accuracies >= identification_by_clip(c).mean() - 1e-12)
    assert permutation_p(identification_payoff(c), rng, 40_000) == pytest.approx(expected, abs=0.01)


def test_the_null_is_the_score_of_reordered_columns(rng: np.random.Generator) -> None:
    c = similarities(rng, 5, 0.5)
    possible = {round(identification_by_clip(c[:, order]).mean(), 9) for order in permutations(range(5))}
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
        assert identification_by_clip(c).mean() > 0.85
        values.append(permutation_p(within_group_payoff(c, list(labels)), rng, 199, blocks=list(labels)))
    assert stats.kstest(values, "uniform").pvalue > 0.001


def test_p_of_some_rows_permutes_all_clips(rng: np.random.Generator) -> None:
    c = similarities(rng, 5, 0.5)
    rows = np.array([True, False, True, False, False])
    null = permutation_null(identification_payoff(c), rng, 20_000, rows=rows)
    values = [identification_by_clip(c[:, order])[rows].mean() for order in permutations(range(5))]
    assert null.mean() == pytest.approx(np.mean(values), abs=0.01)
    assert null.std() == pytest.approx(np.std(values), abs=0.01)


@pytest.mark.parametrize("signal", [0.0, 0.4, 1.2])
def test_the_identification_interval_covers_the_truth(signal: float, rng: np.random.Generator) -> None:
    truth = identification_by_clip(similarities(rng, 1500, signal)).mean()
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
    """Weights give what identification gives when the resampled clips are written out, copies not compared."""
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
            patch.setattr("brain2music.metrics.uncertainty.bootstrap", keep)
            bootstrap_identification(c, rng, blocks=blocks)
        assert kept["statistic"](weights)[0] == pytest.approx(written_out(same))
        whole = within_group(c, labels) if blocks else identification_by_clip(c)
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


def test_p_of_refits_is_students_where_the_null_is_normal(rng: np.random.Generator) -> None:
    refits, null = rng.normal(0.5, 0.02, 12), stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    for observed in (0.44, 0.5, 0.53, 0.56, 0.6):
        t = (observed - refits.mean()) / (refits.std(ddof=1) * np.sqrt(1 + 1 / 12))
        expected = max(stats.t.sf(t, 11), 1 / 20_001)
        assert refitted_p(observed, refits, null) == pytest.approx(expected, rel=0.02, abs=1e-4)


def test_p_of_refits_is_uniform_without_information(rng: np.random.Generator) -> None:
    """Where refits spread by a quarter more than permuted clips, about another mean."""
    drawn, null = 0.48 + 0.025 * rng.standard_normal((2000, 9)), 0.5 + 0.02 * rng.standard_normal(2000)
    values = [refitted_p(float(each[0]), each[1:], null) for each in drawn]
    assert stats.kstest(values, "uniform").pvalue > 0.001


def test_p_of_refits_has_the_form_of_permuted_clips(rng: np.random.Generator) -> None:
    """A count of hits is no normal number: its p is that of the count."""
    null = rng.poisson(1.0, 20_000).astype(float)
    values = [refitted_p(float(rng.poisson(1.0)), rng.poisson(1.0, 60).astype(float), null) for _ in range(1000)]
    assert np.mean(np.array(values) <= 0.05) < 0.065


def test_refits_that_tell_nothing_give_no_p(rng: np.random.Generator) -> None:
    assert refitted_p(0.7, np.array([0.5]), rng.standard_normal(100)) is None
    assert refitted_p(0.7, np.full(9, 0.5), rng.standard_normal(100)) is None
    assert refitted_p(0.7, rng.standard_normal(9), np.full(100, 0.5)) is None


def test_recordings_change_places_whole(rng: np.random.Generator) -> None:
    """Predictions that know a recording by itself, whichever: permuted clip by clip that looks like information."""
    recordings, found = np.repeat(np.arange(20), 2), {True: [], False: []}
    for _ in range(100):
        sides = [rng.normal(size=(20, 12))[recordings] + 0.1 * rng.normal(size=(40, 12)) for _ in range(2)]
        payoff = identification_payoff(similarity(*sides))
        for whole, values in found.items():
            values.append(permutation_p(payoff, rng, 199, recordings=recordings if whole else None))
    low = {whole: np.mean([p <= 0.1 or p >= 0.9 for p in values]) for whole, values in found.items()}
    assert low[True] < 0.32 < low[False]
