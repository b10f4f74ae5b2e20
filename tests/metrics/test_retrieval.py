"""The scores of retrieved music: against the oracle, random tracks, and genres."""

import numpy as np
import pytest

from brain2music.metrics.ranking import identification_by_clip, similarity
from brain2music.metrics.retrieval import score_retrieval

from .score_tables import GENRES, build, keyed


def test_retrieval_is_scored_against_oracle_and_random_tracks(rng: np.random.Generator) -> None:
    true = rng.normal(size=(40, 20))
    retrieved, oracle = true + 1.5 * rng.normal(size=true.shape), true + 0.2 * rng.normal(size=true.shape)
    gallery = ["genre0"] * 30 + ["genre1"] * 10 + ["polka"] * 10 + [""] * 50
    scores = score_retrieval(
        retrieved,
        true,
        GENRES,
        build(rng, stage="retrieve", judge="mfcc", decoder="ridge"),
        oracle=oracle,
        matched=retrieved,
        random=rng.normal(size=(6, 40, 20)),
        retrieved_genres=["", "polka", *GENRES[2:]],
        oracle_genres=GENRES,
        gallery_genres=gallery,
    )
    table = keyed(scores)
    found, by_true = table["identification", "decoded", "all"], table["identification", "true", "all"]
    assert found.value == identification_by_clip(similarity(retrieved, true)).mean()
    assert found.ceiling == by_true.value > found.value
    assert by_true.ceiling is None
    assert found.p < 0.01
    assert {(score.stage, score.embedding) for score in scores} == {("retrieve", "musicnn-mtt")}
    assert table["identification", "matched", "all"].value == found.value
    assert table["identification", "random", "all"].value == pytest.approx(0.5, abs=0.06)
    agreement = table["genre_agreement", "decoded", "all"]
    assert (agreement.value, agreement.n) == (pytest.approx(38 / 39), 39)
    assert agreement.chance == pytest.approx((0.2 * 30 + 0.2 * 10) / 50)
    assert agreement.ceiling == 1
    assert "1 retrieved tracks have no genre" in agreement.detail
    assert {score.judge for score in scores if score is not agreement} == {"mfcc"}
    assert agreement.judge is None
    decoders = {score.condition: score.decoder for score in scores}
    assert decoders == {"decoded": "ridge", "matched": "ridge", "true": None, "random": None}


def test_without_known_genres_their_agreement_is_not_scored(rng: np.random.Generator) -> None:
    true = rng.normal(size=(40, 20))
    scores = score_retrieval(true, true, GENRES, build(rng, stage="retrieve"), retrieved_genres=[""] * 40)
    assert ("identification", "decoded", "all") in keyed(scores)
    assert "genre_agreement" not in {score.metric for score in scores}
