"""Scores of a run become results of its recipe."""

import importlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from brain2music.metrics import Score, write_scores

ROOT = Path(__file__).parents[2]
SCORE = Score(
    stage="decode",
    metric="identification",
    condition="decoded",
    embedding="logmel",
    subject="001",
    value=0.8,
    chance=0.5,
    n=20,
    candidates=20,
)
SCORES = [
    replace(SCORE, low=0.7, high=0.9),
    replace(SCORE, condition="permuted", value=0.48),
    replace(SCORE, embedding="musicnn-mtt", value=0.9),
    replace(SCORE, embedding="musicnn-mtt", subject="002", value=0.8),
    replace(SCORE, embedding="musicnn-mtt", subject="group", value=0.1),
    replace(SCORE, embedding="musicnn-mtt", ablation="lag", lag_tr=0, value=0.6),
]


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """What is kept of questions, by question."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    module = importlib.import_module("run_scores")
    results = module.Results
    monkeypatch.setattr(module, "Results", lambda name, command: results(name, tmp_path, command))
    write_scores(tmp_path / "scores.parquet", SCORES)

    def keep(*questions: str) -> dict[str, dict]:
        module.main("natsound165", tmp_path / "scores.parquet", list(questions))
        rows = json.loads((tmp_path / "natsound165.json").read_text(encoding="utf-8"))
        return {row["question"]: row for row in rows}

    return keep


def test_a_query_selects_the_run_s_own_decoding_unless_it_says_otherwise(kept):
    permuted = "embedding == 'logmel' and condition == 'permuted'"
    rows = kept("log-mel; ≥ 0.75", "embedding == 'logmel'", "permuted", permuted)
    one = rows["log-mel"]
    assert (one["value"], one["low"], one["high"], one["n"], one["bar"]) == (0.8, 0.7, 0.9, 20, "≥ 0.75")
    assert one["command"] == "recipes/natsound165.sh"
    assert rows["permuted"]["value"] == 0.48


def test_a_value_is_the_mean_of_subjects_without_the_group_s(kept):
    rows = kept("both", "embedding == 'musicnn-mtt'", "lag", "embedding == 'musicnn-mtt' and ablation == 'lag'")
    assert rows["both"]["value"] == pytest.approx(0.85)
    assert rows["both"]["n"] is None
    assert rows["lag"]["value"] == pytest.approx(0.6)


def test_a_score_that_is_not_there_is_an_error(kept):
    with pytest.raises(SystemExit, match="no score with"):
        kept("absent", "embedding == 'clap-music'")
