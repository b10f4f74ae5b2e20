"""The scores of a decoder: which rows there are, and what each says."""

from collections.abc import Callable

import numpy as np
import pytest

from brain2music.metrics.baselines import genre_centroids, genre_oracle, genre_oracle_in_folds
from brain2music.metrics.decoding import Refit, score_decoding
from brain2music.metrics.ranking import identification_by_clip, similarity
from brain2music.metrics.score import CONDITIONS, METRICS, Score, group_named

from .score_tables import GENRES, Key, build

Decoding = Callable[..., dict[Key, Score]]
Planted = dict[str, np.ndarray]


def main(metric: str) -> Key:
    """The key of a score of all clips by the decoder."""
    return metric, "decoded", "all"


def test_every_row_is_there_with_its_chance_and_candidates(planted: Planted, decoding: Decoding) -> None:
    table = decoding(planted)
    expected = {
        main("identification"): (0.5, 40, 40),
        main("top1"): (1 / 40, 40, 40),
        main("top3"): (3 / 40, 40, 40),
        main("top5"): (5 / 40, 40, 40),
        main("10_way"): (0.1, 10, 40),
        main("identification_within_genre"): (0.5, 8, 40),
        main("identification_uncentred"): (0.5, 40, 40),
        main("dimension_correlation"): (0.0, 40, 40),
        **{("identification", "decoded", f"genre{i}"): (0.5, 40, 8) for i in range(5)},
        **{("identification", condition, "all"): (0.5, 40, 40) for condition in ("random", "mean", "genre")},
    }
    for key, (chance, candidates, n) in expected.items():
        score = table[key]
        assert (score.chance, score.candidates, score.n) == (pytest.approx(chance), candidates, n), key
    correlations = {main("sample_correlation"), main("sample_correlation_uncentred")}
    correlations |= {("sample_correlation", condition, "all") for condition in ("random", "mean", "genre")}
    assert set(table) == {*expected, *correlations}
    assert all(score.simulated and score.subject == "001" and score.stage == "decode" for score in table.values())
    assert all(score.low <= score.value <= score.high for score in table.values() if score.low is not None)
    assert all(metric in METRICS and condition in CONDITIONS for metric, condition, _ in table)


def test_values_are_those_of_the_definitions(planted: Planted, decoding: Decoding) -> None:
    table, predicted, true = decoding(planted), planted["predicted"], planted["true"]
    mean = planted["train"].mean(axis=0)
    raw = similarity(predicted, true)
    assert table[main("identification_uncentred")].value == identification_by_clip(raw).mean()
    assert table[main("sample_correlation_uncentred")].value == pytest.approx(np.diagonal(raw).mean())
    centred = [np.corrcoef(a - mean, b - mean)[0, 1] for a, b in zip(predicted, true, strict=True)]
    assert table[main("sample_correlation")].value == pytest.approx(np.mean(centred))
    c = similarity(predicted - mean, true - mean)
    assert table[main("identification")].value == identification_by_clip(c).mean()
    over_clips = [np.corrcoef(predicted[:, d], true[:, d])[0, 1] for d in range(30)]
    assert table[main("dimension_correlation")].value == pytest.approx(np.mean(over_clips))
    per_genre = [table["identification", "decoded", f"genre{i}"].value for i in range(5)]
    assert np.mean(per_genre) == pytest.approx(table[main("identification")].value)


def test_a_planted_signal_is_found_and_baselines_behave(planted: Planted, decoding: Decoding) -> None:
    table = decoding(planted)
    for metric in ("identification", "identification_within_genre", "top1", "dimension_correlation"):
        score = table[main(metric)]
        assert score.p < 0.01
        assert score.low > score.chance
    assert table["identification", "mean", "all"].value == pytest.approx(0.5)
    assert table["sample_correlation", "mean", "all"].value > 0.9
    assert table[main("sample_correlation_uncentred")].chance > 0.8
    assert abs(table[main("sample_correlation")].chance) < 0.1
    assert table["identification", "random", "all"].p > 0.01
    assert 0.7 < table["identification", "genre", "all"].value < 1


def test_only_predictions_have_a_decoder_and_a_lag(planted: Planted, decoding: Decoding) -> None:
    table = decoding(planted, decoder="ridge", lag_tr=3)
    known = {(score.condition, score.decoder, score.lag_tr) for score in table.values()}
    others = {(condition, None, None) for condition in ("random", "mean", "genre")}
    assert known == {("decoded", "ridge", 3), *others}


def test_predictions_of_the_genre_alone_score_nothing_within_it(planted: Planted, decoding: Decoding) -> None:
    centroids = genre_centroids(planted["train"], [f"genre{i % 5}" for i in range(100)])
    table = decoding({**planted, "predicted": genre_oracle(centroids, GENRES)})
    assert table[main("identification")].p < 0.01
    assert table[main("identification_within_genre")].value == pytest.approx(0.5)
    assert table[main("identification_within_genre")].p > 0.9


def test_permuted_clips_are_at_chance(planted: Planted, decoding: Decoding, rng: np.random.Generator) -> None:
    score = decoding({**planted, "predicted": rng.permutation(planted["predicted"])})[main("identification")]
    assert abs(score.value - 0.5) < 0.15
    assert score.p > 0.01


def test_constant_dimensions_are_left_out_and_said(planted: Planted, decoding: Decoding) -> None:
    held = planted["true"].copy()
    held[:, [3, 7]] = 1.5
    score = decoding({**planted, "true": held})[main("dimension_correlation")]
    assert "2 of 30 dimensions are constant" in score.detail
    rest = [d for d in range(30) if d not in (3, 7)]
    assert score.value == pytest.approx(
        np.mean([np.corrcoef(planted["predicted"][:, d], held[:, d])[0, 1] for d in rest])
    )


def test_note_and_ceiling_are_carried(planted: Planted, decoding: Decoding) -> None:
    table = decoding(planted, note="rank 6", ceiling={"identification": 0.97})
    assert [key for key, score in table.items() if score.ceiling is not None] == [main("identification")]
    assert table[main("identification")].ceiling == 0.97
    assert {score.note for score in table.values()} == {"rank 6"}


def test_few_clips_leave_out_what_cannot_be_asked(planted: Planted, rng: np.random.Generator) -> None:
    few = {name: planted[name][:4] for name in ("predicted", "true")}
    mean = planted["train"].mean(axis=0)
    scores = score_decoding(**few, genres=["a", "b", "c", "d"], builder=build(rng), train_mean=mean)
    metrics = {score.metric for score in scores}
    assert {"identification", "top1", "top3"} <= metrics
    assert not metrics & {"top5", "10_way", "identification_within_genre"}
    assert next(score for score in scores if score.group == "a").n == 1
    with pytest.raises(ValueError, match="do not fit"):
        score_decoding(**few, genres=["a"], builder=build(rng), train_mean=mean)


@pytest.mark.parametrize("genre", ["", "pop"])
def test_within_one_genre_or_none_is_no_score_of_its_own(
    planted: Planted, rng: np.random.Generator, genre: str
) -> None:
    sides = planted["predicted"], planted["true"]
    mean = planted["train"].mean(axis=0)
    metrics = {score.metric for score in score_decoding(*sides, [genre] * 40, build(rng), train_mean=mean)}
    assert "identification" in metrics
    assert "identification_within_genre" not in metrics


def test_unlabelled_clips_are_no_genre(planted: Planted, rng: np.random.Generator) -> None:
    genres = ["" if genre == "genre0" else genre for genre in GENRES]
    sides, mean = (planted["predicted"], planted["true"]), planted["train"].mean(axis=0)
    (within,) = (
        score
        for score in score_decoding(*sides, genres, build(rng), train_mean=mean)
        if score.metric == "identification_within_genre"
    )
    labelled = np.array(genres) != ""
    c, payoffs = similarity(sides[0] - mean, sides[1] - mean), []
    for genre in sorted({*genres} - {""}):
        rows = np.flatnonzero(np.array(genres) == genre)
        payoffs += identification_by_clip(c[np.ix_(rows, rows)]).tolist()
    assert (within.n, within.candidates) == (labelled.sum(), 8)
    assert within.value == pytest.approx(np.mean(payoffs))


def test_a_genre_called_all_is_not_all_clips(planted: Planted, rng: np.random.Generator) -> None:
    genres = ["all" if genre == "genre0" else genre for genre in GENRES]
    sides = planted["predicted"], planted["true"]
    scores = score_decoding(*sides, genres, build(rng), train_mean=planted["train"].mean(axis=0))
    found = {score.group: score.n for score in scores if score.metric == "identification" and score.p is not None}
    assert found[group_named("all")] == 8
    assert found["all"] == 40


def test_scores_repeat_exactly(planted: Planted, decoding: Decoding) -> None:
    assert decoding(planted) == decoding(planted)


def test_each_fold_may_have_its_own_statistics(planted: Planted, rng: np.random.Generator) -> None:
    train, true = planted["train"], planted["true"]
    mean = np.broadcast_to(train.mean(axis=0), true.shape).copy()
    mean[:20] += 0.5
    predicted = planted["predicted"]
    scores = score_decoding(predicted, true, GENRES, build(rng), train_mean=mean)
    assert scores[0].value == identification_by_clip(similarity(predicted - mean, true - mean)).mean()


def test_genres_without_training_clips_are_named(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="polka"):
        genre_oracle(genre_centroids(rng.normal(size=(4, 3)), "aabb"), ["a", "polka"])


def test_in_folds_p_is_of_refits_or_not_given(planted: Planted, decoding: Decoding, rng: np.random.Generator) -> None:
    without = decoding(planted, in_folds=True)
    tested = {key for key, score in without.items() if score.p is not None}
    assert tested == {("identification", "random", "all"), ("sample_correlation", "random", "all")}
    mean = planted["train"].mean(axis=0)
    orders = [rng.permutation(40) for _ in range(8)]
    refits = [
        Refit(mean + rng.normal(size=(40, 30)), planted["true"][order], mean, [GENRES[i] for i in order])
        for order in orders
    ]
    table = decoding(planted, refits, in_folds=True)
    tested = {key for key, score in table.items() if score.p is not None}
    assert tested == {key for key in without if key[1] not in ("mean", "genre")}
    assert table[main("identification")].p == pytest.approx(1 / 501, abs=2e-3)
    fixed = [key for key in table if key[1] != "random"]
    assert [table[key].value for key in fixed] == pytest.approx([without[key].value for key in fixed])
    expected = np.mean([np.diagonal(similarity(r.predicted - mean, r.true - mean)).mean() for r in refits])
    assert table[main("sample_correlation")].chance == pytest.approx(expected)


def test_the_genre_oracle_in_folds_does_not_know_the_clip(rng: np.random.Generator) -> None:
    vectors, genres = rng.normal(size=(6, 3)), list("aabbbc")
    folds = [np.array([0, 2]), np.array([1, 3]), np.array([4, 5])]
    oracle = genre_oracle_in_folds(vectors, genres, folds)
    np.testing.assert_allclose(oracle[0], vectors[1])
    np.testing.assert_allclose(oracle[2], vectors[[3, 4]].mean(axis=0))
    np.testing.assert_allclose(oracle[5], vectors[:4].mean(axis=0))
