"""The tables of scores: which rows, what each says, how they are summarised and stored."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.metrics.baselines import genre_centroids, genre_oracle, genre_oracle_in_folds
from brain2music.metrics.ranking import identification, similarity
from brain2music.metrics.records import read_scores, summarise, write_scores
from brain2music.metrics.retrieval import score_retrieval
from brain2music.metrics.score import Score
from brain2music.metrics.table import Refit, score_decoding

GENRES = [f"genre{i % 5}" for i in range(40)]
WHO = {"subject": "001", "embedding": "musicnn-mtt", "simulated": True, "draws": 500}


@pytest.fixture
def planted(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Embeddings with a large shared mean, a genre part and a part of each clip's own; noisy predictions."""
    mean, genres = rng.normal(0, 5, 30), rng.normal(0, 1, (5, 30))
    train = mean + np.tile(genres, (20, 1)) + rng.normal(size=(100, 30))
    true = mean + np.tile(genres, (8, 1)) + rng.normal(size=(40, 30))
    predicted = mean + 0.5 * (true - mean) + rng.normal(size=(40, 30))
    return {"train": train, "true": true, "predicted": predicted}


def decoding(planted: dict[str, np.ndarray], **changes: object) -> dict[str, Score]:
    train, settings = planted["train"], {"rng": np.random.default_rng(3), **WHO, **changes}
    centroids = genre_centroids(train, [f"genre{i % 5}" for i in range(100)])
    scores = score_decoding(
        planted["predicted"],
        planted["true"],
        GENRES,
        train_mean=train.mean(axis=0),
        train_centroids=centroids,
        **settings,
    )
    table = {score.metric: score for score in scores}
    assert len(table) == len(scores)
    return table


def test_every_row_is_there_with_its_chance_and_candidates(planted: dict[str, np.ndarray]) -> None:
    table = decoding(planted)
    expected = {
        "identification": (0.5, 40, 40),
        "top1": (1 / 40, 40, 40),
        "top3": (3 / 40, 40, 40),
        "top5": (5 / 40, 40, 40),
        "10-way": (0.1, 10, 40),
        "identification/within-genre": (0.5, 8, 40),
        "identification/raw": (0.5, 40, 40),
        "correlation/dimension": (0.0, 40, 40),
        **{f"identification/genre=genre{i}": (0.5, 40, 8) for i in range(5)},
        **{f"identification/baseline={b}": (0.5, 40, 40) for b in ("random-vector", "mean-vector", "genre-centroid")},
    }
    for metric, (chance, candidates, n) in expected.items():
        score = table[metric]
        assert (score.chance, score.candidates, score.n) == (pytest.approx(chance), candidates, n), metric
    assert all(score.simulated and score.subject == "001" and score.stage == "decode" for score in table.values())
    assert all(score.low <= score.value <= score.high for score in table.values() if score.low is not None)


def test_values_are_those_of_the_definitions(planted: dict[str, np.ndarray]) -> None:
    table, predicted, true = decoding(planted), planted["predicted"], planted["true"]
    mean = planted["train"].mean(axis=0)
    raw = similarity(predicted, true)
    assert table["identification/raw"].value == identification(raw).mean()
    assert table["correlation/sample/raw"].value == pytest.approx(np.diagonal(raw).mean())
    centred = [np.corrcoef(a - mean, b - mean)[0, 1] for a, b in zip(predicted, true, strict=True)]
    assert table["correlation/sample"].value == pytest.approx(np.mean(centred))
    c = similarity(predicted - mean, true - mean)
    assert table["identification"].value == identification(c).mean()
    over_clips = [np.corrcoef(predicted[:, d], true[:, d])[0, 1] for d in range(30)]
    assert table["correlation/dimension"].value == pytest.approx(np.mean(over_clips))
    per_genre = [table[f"identification/genre=genre{i}"].value for i in range(5)]
    assert np.mean(per_genre) == pytest.approx(table["identification"].value)


def test_a_planted_signal_is_found_and_baselines_behave(planted: dict[str, np.ndarray]) -> None:
    table = decoding(planted)
    for metric in ("identification", "identification/within-genre", "top1", "correlation/dimension"):
        assert table[metric].p < 0.01
        assert table[metric].low > table[metric].chance
    assert table["identification/baseline=mean-vector"].value == pytest.approx(0.5)
    assert table["correlation/sample/baseline=mean-vector"].value > 0.9
    assert table["correlation/sample/raw"].chance > 0.8
    assert abs(table["correlation/sample"].chance) < 0.1
    assert table["identification/baseline=random-vector"].p > 0.01
    oracle = table["identification/baseline=genre-centroid"]
    assert 0.7 < oracle.value < 1


def test_predictions_of_the_genre_alone_score_nothing_within_it(planted: dict[str, np.ndarray]) -> None:
    centroids = genre_centroids(planted["train"], [f"genre{i % 5}" for i in range(100)])
    table = decoding({**planted, "predicted": genre_oracle(centroids, GENRES)})
    assert table["identification"].p < 0.01
    assert table["identification/within-genre"].value == pytest.approx(0.5)
    assert table["identification/within-genre"].p > 0.9


def test_shuffled_clips_are_at_chance(planted: dict[str, np.ndarray], rng: np.random.Generator) -> None:
    table = decoding({**planted, "predicted": rng.permutation(planted["predicted"])})
    assert abs(table["identification"].value - 0.5) < 0.15
    assert table["identification"].p > 0.01


def test_constant_dimensions_are_left_out_and_said(planted: dict[str, np.ndarray]) -> None:
    held = planted["true"].copy()
    held[:, [3, 7]] = 1.5
    score = decoding({**planted, "true": held})["correlation/dimension"]
    assert "2 of 30 dimensions are constant" in score.note
    rest = [d for d in range(30) if d not in (3, 7)]
    assert score.value == pytest.approx(
        np.mean([np.corrcoef(planted["predicted"][:, d], held[:, d])[0, 1] for d in rest])
    )


def test_note_and_ceiling_are_carried(planted: dict[str, np.ndarray]) -> None:
    table = decoding(planted, note="rank 6", ceiling={"identification": 0.97})
    assert table["identification"].ceiling == 0.97
    assert table["top1"].ceiling is None
    assert all(score.note.startswith("rank 6") for score in table.values())


def test_few_clips_leave_out_what_cannot_be_asked(planted: dict[str, np.ndarray], rng: np.random.Generator) -> None:
    few = {name: planted[name][:4] for name in ("predicted", "true")}
    mean = planted["train"].mean(axis=0)
    scores = score_decoding(**few, genres=["a", "b", "c", "d"], train_mean=mean, rng=rng, **WHO)
    metrics = {score.metric for score in scores}
    assert {"identification", "top1", "top3"} <= metrics
    assert not metrics & {"top5", "10-way", "identification/within-genre"}
    assert next(score for score in scores if score.metric == "identification/genre=a").n == 1
    with pytest.raises(ValueError, match="do not fit"):
        score_decoding(**few, genres=["a"], train_mean=mean, rng=rng, **WHO)


def test_scores_repeat_exactly(planted: dict[str, np.ndarray]) -> None:
    assert decoding(planted) == decoding(planted)


def test_each_fold_may_have_its_own_statistics(planted: dict[str, np.ndarray]) -> None:
    train, true = planted["train"], planted["true"]
    mean = np.broadcast_to(train.mean(axis=0), true.shape).copy()
    mean[:20] += 0.5
    predicted = planted["predicted"]
    scores = score_decoding(predicted, true, GENRES, train_mean=mean, rng=np.random.default_rng(3), **WHO)
    assert scores[0].value == identification(similarity(predicted - mean, true - mean)).mean()


def test_genres_without_training_clips_are_named(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="polka"):
        genre_oracle(genre_centroids(rng.normal(size=(4, 3)), "aabb"), ["a", "polka"])


def test_retrieval_is_scored_against_oracle_and_random_tracks(rng: np.random.Generator) -> None:
    true = rng.normal(size=(40, 20))
    retrieved, oracle = true + 1.5 * rng.normal(size=true.shape), true + 0.2 * rng.normal(size=true.shape)
    gallery = ["genre0"] * 30 + ["genre1"] * 10 + ["polka"] * 10 + [""] * 50
    scores = score_retrieval(
        retrieved,
        true,
        GENRES,
        judge="mfcc",
        rng=rng,
        oracle=oracle,
        random=rng.normal(size=(6, 40, 20)),
        retrieved_genres=["", "polka", *GENRES[2:]],
        oracle_genres=GENRES,
        gallery_genres=gallery,
        **WHO,
    )
    table = {score.metric: score for score in scores}
    found = table["identification/judge=mfcc"]
    assert found.value == identification(similarity(retrieved, true)).mean()
    assert found.ceiling == table["identification/oracle/judge=mfcc"].value > found.value
    assert found.p < 0.01
    assert found.stage == "retrieve"
    assert table["identification/baseline=random-track/judge=mfcc"].value == pytest.approx(0.5, abs=0.06)
    agreement = table["genre-agreement"]
    assert (agreement.value, agreement.n) == (pytest.approx(38 / 39), 39)
    assert agreement.chance == pytest.approx((0.2 * 30 + 0.2 * 10) / 50)
    assert agreement.ceiling == 1
    assert "1 retrieved tracks have no genre" in agreement.note


def test_a_judge_that_is_the_decoded_embedding_is_not_named(rng: np.random.Generator) -> None:
    true = rng.normal(size=(40, 20))
    scores = score_retrieval(true, true, GENRES, judge="musicnn-mtt", rng=rng, retrieved_genres=[""] * 40, **WHO)
    assert "identification" in {score.metric for score in scores}
    assert not {score.metric for score in scores} & {"genre-agreement", "identification/judge=musicnn-mtt"}


def test_subjects_are_summarised(planted: dict[str, np.ndarray]) -> None:
    subjects = [replace(score, subject=s) for s in ("001", "002", "003") for score in decoding(planted).values()]
    values = {"001": 0.8, "002": 0.9, "003": 1.0}
    subjects = [replace(score, value=values[score.subject]) if score.metric == "top1" else score for score in subjects]
    table = {score.metric: score for score in summarise([*subjects, *summarise(subjects)])}
    top = table["top1"]
    assert (top.subject, top.n, top.candidates, top.p, top.simulated) == ("group", 3, 40, None, True)
    assert top.value == pytest.approx(0.9)
    assert "SD 0.100" in top.note
    assert top.low == pytest.approx(0.9 - 4.302653 * 0.1 / np.sqrt(3))
    assert summarise([score for score in subjects if score.subject == "001"]) == []


def test_scores_survive_the_disk(planted: dict[str, np.ndarray], tmp_path: Path) -> None:
    scores = [*decoding(planted).values()]
    write_scores(tmp_path / "scores.json", scores)
    assert read_scores(tmp_path / "scores.json") == scores
    write_scores(tmp_path / "scores.json", [replace(scores[0], value=float("nan"))])
    assert json.loads((tmp_path / "scores.json").read_text())[0]["value"] is None
    assert np.isnan(read_scores(tmp_path / "scores.json")[0].value)


@pytest.mark.parametrize("text", ["{}", "[1]", '[{"metric": "a"}]', '[{"metric": "a", "value": 1, "chance": 0}]', "no"])
def test_what_is_not_a_list_of_scores_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        read_scores(file)
    assert caught.value.file == file


def test_in_folds_p_is_of_refits_or_not_given(planted: dict[str, np.ndarray], rng: np.random.Generator) -> None:
    without = decoding(planted, in_folds=True)
    assert {metric for metric, score in without.items() if score.p is not None} == {
        "identification/baseline=random-vector",
        "correlation/sample/baseline=random-vector",
    }
    mean = planted["train"].mean(axis=0)
    orders = [rng.permutation(40) for _ in range(8)]
    refits = [
        Refit(mean + rng.normal(size=(40, 30)), planted["true"][order], mean, [GENRES[i] for i in order])
        for order in orders
    ]
    table = decoding(planted, in_folds=True, refits=refits)
    given = {metric for metric, score in table.items() if score.p is not None}
    assert given == set(without) - {m for m in without if "mean-vector" in m or "genre-centroid" in m}
    assert table["identification"].p == pytest.approx(1 / 501, abs=2e-3)
    fixed = [metric for metric in table if "random-vector" not in metric]
    assert [table[m].value for m in fixed] == pytest.approx([without[m].value for m in fixed])
    expected = np.mean([np.diagonal(similarity(r.predicted - mean, r.true - mean)).mean() for r in refits])
    assert table["correlation/sample"].chance == pytest.approx(expected)


def test_the_genre_oracle_in_folds_does_not_know_the_clip(rng: np.random.Generator) -> None:
    vectors, genres = rng.normal(size=(6, 3)), list("aabbbc")
    folds = [np.array([0, 2]), np.array([1, 3]), np.array([4, 5])]
    oracle = genre_oracle_in_folds(vectors, genres, folds)
    np.testing.assert_allclose(oracle[0], vectors[1])
    np.testing.assert_allclose(oracle[2], vectors[[3, 4]].mean(axis=0))
    np.testing.assert_allclose(oracle[5], vectors[:4].mean(axis=0))
