"""Tables of scores on disk and over subjects."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brain2music._utils.errors import InputError
from brain2music.metrics.records import read_scores, scores_table, summarise, write_scores
from brain2music.metrics.score import COLUMNS, Score

from .score_tables import Key

Decoding = Callable[..., dict[Key, Score]]
Planted = dict[str, np.ndarray]
SCORE = Score(
    stage="generate",
    metric="identification",
    condition="denoised",
    embedding="logmel",
    judge="yamnet",
    decoder="ridge",
    generator="musiclm-small",
    lag_tr=3,
    subject="001",
    value=0.75,
    low=0.6,
    high=0.9,
    chance=0.5,
    ceiling=0.95,
    p=0.01,
    n=20,
    candidates=20,
    detail="mean of 3 samples per clip",
)
UNDEFINED = replace(
    SCORE, value=float("nan"), chance=float("nan"), low=None, high=None, p=None, lag_tr=None, judge=None
)


def test_a_score_prints_as_one_line_with_all_that_is_needed_to_interpret_it() -> None:
    assert (
        str(SCORE)
        == "identification 0.750 (95 % interval 0.600 to 0.900), chance 0.5, p = 0.010, n = 20, candidates 20"
    )
    of_simulated = str(replace(SCORE, p=0.0001, simulated=True))
    assert of_simulated.endswith("p < 0.001, n = 20, candidates 20, simulated")
    assert "identification nan (95 % interval none), chance nan, p none" in str(UNDEFINED)


def test_subjects_are_summarised(planted: Planted, decoding: Decoding) -> None:
    subjects = [replace(score, subject=s) for s in ("001", "002", "003") for score in decoding(planted).values()]
    values = {"001": 0.8, "002": 0.9, "003": 1.0}
    subjects = [replace(score, value=values[score.subject]) if score.metric == "top1" else score for score in subjects]
    (top,) = [score for score in summarise([*subjects, *summarise(subjects)]) if score.metric == "top1"]
    assert (top.subject, top.n, top.candidates, top.p, top.simulated) == ("group", 3, 40, None, True)
    assert top.value == pytest.approx(0.9)
    assert "SD 0.100" in top.detail
    assert top.low == pytest.approx(0.9 - 4.302653 * 0.1 / np.sqrt(3))
    assert summarise([score for score in subjects if score.subject == "001"]) == []


@pytest.mark.parametrize(
    ("column", "other"),
    [
        *{"stage": "decode", "metric": "top1", "condition": "true", "embedding": "mfcc", "judge": "mfcc"}.items(),
        *{"decoder": "whitened", "generator": "jen1", "group": "jazz", "held_out": "subject"}.items(),
        *{"alignment": "srm", "versus": "mfcc", "ablation": "decoder"}.items(),
    ],
)
def test_scores_of_different_things_are_not_averaged(column: str, other: str) -> None:
    pair = [SCORE, replace(SCORE, subject="002", **{column: other})]
    assert summarise(pair) == []
    assert len(summarise([*pair, replace(pair[1], subject="003")])) == 1


def test_the_lag_of_a_run_differs_in_scans_with_the_tr() -> None:
    pair = [SCORE, replace(SCORE, subject="002", lag_tr=6)]
    assert [score.lag_tr for score in summarise(pair)] == [None]
    assert [score.lag_tr for score in summarise([SCORE, replace(pair[1], lag_tr=3)])] == [3]
    assert summarise([replace(score, ablation="lag") for score in pair]) == []


@pytest.mark.parametrize("name", ["scores.json", "scores.parquet"])
def test_scores_survive_the_disk(planted: Planted, decoding: Decoding, tmp_path: Path, name: str) -> None:
    scores = [SCORE, *decoding(planted).values()]
    write_scores(tmp_path / name, scores)
    assert read_scores(tmp_path / name) == scores
    write_scores(tmp_path / name, [UNDEFINED])
    (read,) = read_scores(tmp_path / name)
    assert np.isnan([read.value, read.chance]).all()
    assert replace(read, value=0.0, chance=0.0) == replace(UNDEFINED, value=0.0, chance=0.0)


def test_undefined_numbers_are_null_in_json(tmp_path: Path) -> None:
    write_scores(tmp_path / "scores.json", [UNDEFINED])
    assert json.loads((tmp_path / "scores.json").read_text())[0]["value"] is None


def test_the_table_has_the_columns_of_scores_whatever_they_hold(tmp_path: Path) -> None:
    tables = []
    for scores in ([SCORE], [UNDEFINED], []):
        write_scores(tmp_path / "scores.parquet", scores)
        tables.append(pd.read_parquet(tmp_path / "scores.parquet"))
    assert tuple(tables[0].columns) == COLUMNS == tuple(field.name for field in fields(Score))
    assert tables[0].dtypes.equals(tables[1].dtypes)
    assert tables[0].dtypes.equals(tables[2].dtypes)
    assert scores_table([SCORE]).query("judge == 'yamnet' and group == 'all'")["value"].tolist() == [0.75]


def test_an_empty_run_has_an_empty_table(tmp_path: Path) -> None:
    write_scores(tmp_path / "scores.parquet", [])
    assert read_scores(tmp_path / "scores.parquet") == []


@pytest.mark.parametrize("text", ["{}", "[1]", '[{"metric": "a"}]', '[{"metric": "a", "value": 1, "chance": 0}]', "no"])
def test_what_is_not_a_list_of_scores_is_named(text: str, tmp_path: Path) -> None:
    for name in ("scores.json", "scores.parquet"):
        file = tmp_path / name
        file.write_text(text)
        with pytest.raises(InputError) as caught:
            read_scores(file)
        assert caught.value.file == file


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *[("stage", "listen"), ("condition", "brain"), ("held_out", "jazz"), ("n", 1.5), ("value", "0.5"), ("p", "no")],
        *[("lag_tr", "3"), ("simulated", 1), ("subject", None), ("judge", 7), ("colour", "red")],
    ],
)
def test_a_row_that_is_no_score_is_named_with_its_column(column: str, value: object, tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    file.write_text(json.dumps([SCORE.as_row(), {**SCORE.as_row(), column: value}]))
    with pytest.raises(InputError, match=rf"{column}: "):
        read_scores(file)


def test_a_table_that_lacks_a_column_is_named(tmp_path: Path) -> None:
    file = tmp_path / "scores.parquet"
    scores_table([SCORE]).drop(columns="judge").to_parquet(file)
    with pytest.raises(InputError, match="judge: field required"):
        read_scores(file)
    with pytest.raises(InputError, match="missing"):
        read_scores(tmp_path / "gone.parquet")
