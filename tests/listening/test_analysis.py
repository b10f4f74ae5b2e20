"""The analysis against scipy and statsmodels, against planted effects, and against none."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

from brain2music import InputError
from brain2music.listening import analyse_answers, export_bids, krippendorff_alpha, read_answers
from tests.listening.listeners import judge


def row_of(tasks: pd.DataFrame, task: str) -> pd.Series:
    return tasks[tasks["task"] == task].iloc[0]


def test_a_planted_effect_is_found_and_the_binomial_test_is_that_of_scipy(tmp_path: Path) -> None:
    store = judge(tmp_path / "answers.sqlite", 10, 0.8, liking=1.5)
    analysis = analyse_answers(store.answers())
    store.close()
    answers = row_of(analysis.tasks, "2afc")
    assert answers["p_binomial"] == binomtest(round(answers["score"] * 80), 80, 0.5, alternative="greater").pvalue
    assert 0.7 < answers["score"] < 0.9
    assert answers["low"] < answers["score"] < answers["high"]
    assert answers["p_model"] < 1e-4
    assert answers["model_low"] < 0.8 < answers["model_high"]
    odd = row_of(analysis.tasks, "oddoneout")
    assert odd["chance"] == pytest.approx(1 / 3)
    assert odd["p_model"] < 1e-4
    rated = row_of(analysis.tasks, "similarity")
    assert rated["score"] == pytest.approx(1.5, abs=0.6)
    assert rated["model"] == pytest.approx(rated["score"], abs=0.3)
    assert rated["p_model"] < 1e-4
    assert "0.857" in " ".join(analysis.sentences())
    assert "another study" in " ".join(analysis.sentences())


def test_listeners_who_guess_are_not_called_significant() -> None:
    rng = np.random.default_rng(0)
    low = 0
    for _ in range(12):
        right = (rng.random((10, 16)) < 0.5).astype(float)
        answers = pd.DataFrame(
            [
                {"listener": listener, "task": "2afc", "catch": False, "question": f"q{clip}", "embedding": "e",
                 "source": "generated", "clip": f"c{clip}", "genre": "jazz", "same_origin": True, "answer": 1,
                 "right": right[listener, clip]}
                for listener in range(10)
                for clip in range(16)
            ]
        )  # fmt: skip
        low += bool(row_of(analyse_answers(answers).tasks, "2afc")["p_model"] < 0.05)
    assert low <= 3  # of 12; more would have a probability of 0.2 %


def test_variance_between_listeners_widens_the_interval() -> None:
    """Half of the listeners hear everything, half nothing: the answers are no 400 independent ones."""
    rng = np.random.default_rng(0)
    rows = []
    for listener in range(20):
        share = 0.95 if listener % 2 else 0.35
        rows += [
            {"listener": listener, "task": "2afc", "catch": False, "question": f"q{clip}", "embedding": "e",
             "source": "generated", "clip": f"c{clip}", "genre": "jazz", "same_origin": True, "answer": 1,
             "right": float(rng.random() < share)}
            for clip in range(20)
        ]  # fmt: skip
    found = row_of(analyse_answers(pd.DataFrame(rows)).tasks, "2afc")
    assert found["p_model"] > 10 * found["p_binomial"]
    assert found["high"] - found["low"] > 2 * 1.96 * np.sqrt(0.25 / 400)


def test_listeners_who_fail_catch_trials_are_left_out_and_named(tmp_path: Path) -> None:
    store = judge(tmp_path / "answers.sqlite", 4, 1.0, deaf=(1,))
    answers = store.answers()
    store.close()
    analysis = analyse_answers(answers)
    assert list(analysis.excluded["listener"]) == [2]
    assert (analysis.listeners, analysis.all_listeners) == (3, 4)
    assert row_of(analysis.tasks, "2afc")["answers"] == 3 * 8  # no catch trial
    assert "Listener 2 passed 0% of 6 catch trials: excluded." in analysis.sentences()
    assert analyse_answers(answers, passing=0.0).listeners == 4
    with pytest.raises(InputError, match="every listener was excluded"):
        analyse_answers(answers[answers["listener"] == 2])
    with pytest.raises(InputError, match="nobody has answered"):
        analyse_answers(answers[:0])


def test_alpha_is_fleiss_kappa_where_all_judge_all_of_many_questions() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 2000)
    ratings = np.where(rng.random((5, 2000)) < 0.8, truth, 1 - truth)
    kappa = fleiss_kappa(aggregate_raters(ratings.T)[0])
    assert krippendorff_alpha(ratings.astype(float)) == pytest.approx(kappa, abs=1e-3)
    assert abs(krippendorff_alpha(rng.integers(0, 2, (5, 2000)).astype(float))) < 0.03
    assert np.isnan(krippendorff_alpha(np.ones((3, 4))))
    assert np.isnan(krippendorff_alpha(np.array([[1.0, np.nan], [np.nan, 2.0]])))


def test_an_export_is_bids_describes_its_columns_and_reads_back(tmp_path: Path) -> None:
    store = judge(tmp_path / "answers.sqlite", 3, 0.7)
    table = export_bids(store, tmp_path / "bids")
    before = store.answers()
    store.close()
    assert table == tmp_path / "bids" / "phenotype" / "listening_test.tsv"
    listeners = pd.read_csv(table, sep="\t")
    described = pd.read_json(table.with_suffix(".json"), typ="series")
    assert set(listeners.columns) == set(described.index) - {"MeasurementToolMetadata"}
    assert listeners.columns[0] == "participant_id"
    assert list(listeners["participant_id"]) == ["sub-L001", "sub-L002", "sub-L003"]
    people = pd.read_csv(tmp_path / "bids" / "participants.tsv", sep="\t")
    assert list(people["participant_id"]) == list(listeners["participant_id"])
    mine = before[(before["listener"] == 1) & ~before["catch"]]
    assert listeners["2afc_right"][0] == pytest.approx(mine[mine["task"] == "2afc"]["right"].mean())
    rated = mine[(mine["task"] == "similarity") & mine["same_origin"].astype(bool)]
    assert listeners["similarity_own"][0] == pytest.approx(rated["answer"].mean())
    again = read_answers(tmp_path / "bids")
    columns = ["listener", "trial", "task", "catch", "clip", "foil", "same_origin", "answer", "right"]
    pd.testing.assert_frame_equal(again[columns], before[columns], check_dtype=False)
    first, second = analyse_answers(before).tasks, analyse_answers(again).tasks
    pd.testing.assert_frame_equal(first, second)
    (tmp_path / "bids" / "sub-L002" / "beh" / "sub-L002_task-listening_beh.tsv").write_text("trial\n1\n")
    with pytest.raises(InputError, match="has no column task"):
        read_answers(tmp_path / "bids")
