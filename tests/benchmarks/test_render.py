"""The page of measurements: up to date, and no number on it that is not in a result."""

import importlib
import json
import re
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?")
ROW = {"question": "seconds", "value": 2.5, "unit": "s", "low": None, "high": None, "peer": 5.0, "ratio": 2.0}
ROW |= {"bar": "≥ 4", "n": 7, "note": "", "command": "python benchmarks/ridge.py", "processor": None, "cores": 2}
ROW |= {"commit": "abc1234", "date": "2026-11-30"}


@pytest.fixture
def render(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("render")


def all_rows() -> list[dict]:
    return [row for file in sorted(RESULTS.glob("*.json")) for row in json.loads(file.read_text(encoding="utf-8"))]


def tables(page: str) -> list[list[dict[str, str]]]:
    """The rows of each table by the titles of its columns; those that are a heading have one cell."""
    found: list[list[list[str]]] = []
    for line in page.splitlines():
        if not line.startswith("|"):
            found.append([])
        elif not re.fullmatch(r"[| -]+", line):
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
    return [[dict(zip(rows[0], row, strict=True)) for row in rows[1:]] for rows in found if rows]


def test_the_page_is_up_to_date(render):
    assert render.PAGE.read_text(encoding="utf-8") == render.render_page(RESULTS), "run `python benchmarks/render.py`"


def test_every_table_is_on_the_page_and_asks_something(render):
    page = render.PAGE.read_text(encoding="utf-8")
    assert len(tables(page)) == len(render.TABLES) == 7
    assert all("?" in table.asks for table in render.TABLES)


def test_every_number_in_a_table_is_that_of_its_row(render):
    rows = all_rows()
    for table in tables(render.PAGE.read_text(encoding="utf-8")):
        for shown in table:
            if shown["from"]:
                assert any(is_row(shown, row) for row in rows), shown


def is_row(shown: dict[str, str], row: dict) -> bool:
    """Whether the cells of a line are what a row of results says, numbers to four digits."""
    if shown["what"] != row["question"]:
        return False
    texts = all(shown.get(name, "") == row[name] for name in ("unit", "bar", "note"))
    for name in ("value", "low", "high", "peer", "ratio", "n"):
        cell = shown.get(name, "")
        if (cell == "") != (row[name] is None):
            return False
        if cell and float(cell.replace(",", "")) != pytest.approx(row[name], rel=5.1e-4):
            return False
    return texts


def test_no_number_outside_of_the_tables_is_without_a_result(render):
    page = render.PAGE.read_text(encoding="utf-8")
    words = " ".join(str(value) for row in all_rows() for value in row.values())
    known = set(NUMBER.findall(words)) | set(NUMBER.findall(" ".join(name for name, _ in files(render))))
    beside = "\n".join(line for line in page.splitlines() if not line.startswith("|"))
    assert set(NUMBER.findall(beside)) <= known


def files(render: ModuleType) -> list[tuple[str, str]]:
    return [figure for table in render.TABLES for figure in table.figures]


def test_every_script_and_figure_is_there(render):
    scripts = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    recipes = {path.stem for path in (ROOT / "recipes").glob("*.sh")}
    kept_by_hand = {"between_subject", "embedding_kinds"}  # two scores of runs, by the command in each row
    of_other_generators = {f"{script}_{name}" for script in scripts for name in ("jen1", "musiclm")}  # --generator
    for name in (name for table in render.TABLES for name in table.groups):
        assert name in scripts | recipes | kept_by_hand | of_other_generators, name
    assert all((ROOT / "benchmarks" / "figures" / file).is_file() for file, _ in files(render))


@pytest.mark.parametrize(
    ("bar", "value", "ratio", "met"),
    [
        ("≥ 4", 1.0, 5.0, True),
        ("≥ 4", 9.0, 2.0, False),
        ("≤ 1e-4", 1.2e-4, None, False),
        ("< 0.1", 0.081, None, True),
        ("0.45 to 0.55", 0.56, None, False),
        ("all 46", 45, None, False),
        ("480", 480, None, True),
        ("no growth", 0.4, None, None),
        ("≥ 4", None, None, None),
        ("", 1.0, None, None),
    ],
)
def test_a_bar_is_of_the_ratio_where_there_is_one(render, bar, value, ratio, met):
    assert render.met_bar(ROW | {"bar": bar, "value": value, "ratio": ratio}) is met


def test_a_page_that_is_old_is_told(render, tmp_path, monkeypatch):
    shutil.copytree(RESULTS, tmp_path / "results")
    monkeypatch.setattr(render, "FOLDER", tmp_path / "results")
    monkeypatch.setattr("sys.argv", ["render.py", "--check"])
    render.main()
    (tmp_path / "results" / "ridge.json").write_text(json.dumps([ROW]), encoding="utf-8")
    with pytest.raises(SystemExit, match="not up to date"):
        render.main()
    page = render.render_page(tmp_path / "results")
    shown = next(row for table in tables(page) for row in table if row["what"] == "seconds" and row["value"] == "2.5")
    assert {name: shown[name] for name in ("unit", "peer", "ratio", "bar", "met", "n")} == {
        "unit": "s", "peer": "5", "ratio": "2", "bar": "≥ 4", "met": "**no**", "n": "7",
    }  # fmt: skip
    assert "`python benchmarks/ridge.py`, 2 cores, `abc1234`, 2026-11-30" in page
