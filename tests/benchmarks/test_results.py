"""Results of benchmarks: one row per question, with where it is from, and never half a file."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def module() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "_results.py"
    spec = importlib.util.spec_from_file_location("_results", path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_a_question_has_one_row_that_says_where_it_is_from(module, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/benchmarks/speed.py", "--cache", str(tmp_path / "music"), "--n", "3"])
    module.origin.cache_clear()
    results = module.Results("speed", tmp_path / "results")
    results.add("seconds, theirs over ours", 2.0, "s", peer=5.0, ratio=2.5, bar="≥ 2", n=3)
    results.add("recall", 0.123456789, low=0.1, high=float("nan"))
    results.add("seconds, theirs over ours", 1.0, "s", peer=4.0, ratio=4.0, bar="≥ 2", n=3)
    rows = json.loads((tmp_path / "results" / "speed.json").read_text())
    assert rows == results.read()
    assert [row["question"] for row in rows] == ["recall", "seconds, theirs over ours"]
    recall, seconds = rows
    assert (recall["value"], recall["low"], recall["high"], recall["n"], recall["bar"]) == (
        0.123457,
        0.1,
        None,
        None,
        "",
    )
    assert (seconds["value"], seconds["peer"], seconds["ratio"], seconds["unit"], seconds["n"]) == (1, 4, 4, "s", 3)
    assert all(tuple(row) == module.ORDER for row in rows)
    for row in rows:
        assert row["command"] == "python benchmarks/speed.py --cache music --n 3"
        assert row["processor"]
        assert row["cores"] >= 1
        assert row["date"].count("-") == 2


def test_a_row_that_cannot_be_written_leaves_the_file_as_it_was(module, tmp_path, monkeypatch):
    results = module.Results("speed", tmp_path)
    results.add("seconds", 2.0)
    before = results.file.read_bytes()
    monkeypatch.setattr(module.json, "dump", lambda *_, **__: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space"):
        results.add("minutes", 3.0)
    assert results.file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["speed.json"]
