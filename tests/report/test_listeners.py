"""What listeners said stands in the report and beside the paper, and the published judgement is never taken for it."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music._utils.files import read_json, write_json, write_text
from brain2music.cli import main
from brain2music.listening import TestDesign
from brain2music.pipeline.outputs import Outputs
from brain2music.report.data import read_run_folder
from brain2music.report.page import build_report
from brain2music.report.paper_rows import comparisons
from brain2music.report.replicate import replicate
from tests.listening.listeners import judge

MakeRun = Callable[..., Path]


def analyse(root: Path, **listeners: object) -> dict:  # type: ignore[type-arg]
    """Let invented listeners judge, and analyse by the command; what it wrote."""
    (root / "listening").mkdir()
    judge(root / "listening" / "answers.sqlite", 8, 0.8, **listeners).close()  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["brain2music", "listening", "analyse", str(root)])
        with pytest.raises(SystemExit) as stop:
            main()
    assert not stop.value.code
    return read_json(Outputs(root).listening_analysis)


def cells(html: str, caption: str) -> list[list[str]]:
    """Cells of a table, without the small print."""
    table = next(each for each in html.split("<table")[1:] if f"<caption>{caption}" in each).split("</table>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", table.split("<tbody>")[1], re.DOTALL)
    plain = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in rows]
    return [[re.sub(r"<span class=\"note\">.*?</span>|<[^>]+>", "", cell).strip() for cell in row] for row in plain]


def test_the_index_shows_each_task_with_n_chance_interval_and_the_published_value(make_run: MakeRun) -> None:
    root = make_run(embeddings=("mulan-small",))
    said = analyse(root, deaf=(2,))
    build_report(root)
    html = Outputs(root).index.read_text(encoding="utf-8")
    rows = cells(html, "What listeners said")
    assert [row[0] for row in rows] == [
        "right of two",
        "odd one out found of three",
        "own music rated above other music, points of 7",
        "right of two, published",
    ]
    first, shown = said["tasks"][0], rows[0]
    assert shown[2:5] == [f"{first['score']:.3f}", f"{first['low']:.3f} to {first['high']:.3f}", "0.500"]
    assert shown[8:] == [f"{first['agreement']:.2f}", "7", "8", str(first["answers"])]
    assert rows[3][1:5] == ["another study", "0.857", "–", "0.500"]
    assert f"The value of another study is of {said['published']['study']}" in html
    assert "7 of 8 listeners are analysed; they had to pass 75 % of the catch trials." in html
    assert re.search(r"Left out: listener 3 \(0 % of 6\)\.", html)
    assert "simulated" in html.split("What listeners said")[1].split("</caption>")[0]
    assert "another study (Ciferri et al. 2025)" in html.split("<h2>Listening test</h2>")[1].split("</figure>")[0]


def test_the_paper_has_listeners_beside_it(make_run: MakeRun) -> None:
    root = make_run(embeddings=("mulan-small",))
    (nothing,) = [row for row in comparisons(read_run_folder(root)) if "listeners" in row.what]
    assert (nothing.paper, nothing.ours) == (0.857, None)
    assert "brain2music listening analyse OUT" in nothing.different
    said = analyse(root, design=TestDesign(("2afc",), n_trials=8, n_catch=2))["tasks"][0]
    (row,) = [row for row in comparisons(read_run_folder(root)) if "listeners" in row.what]
    assert (row.item, row.paper, row.ours, row.low, row.high) == (
        "Later work",
        0.857,
        pytest.approx(said["score"]),
        pytest.approx(said["low"]),
        pytest.approx(said["high"]),
    )
    assert (row.chance, row.n, row.of) == (0.5, 8, "64 answers of 8 listeners on 8 clips")
    assert "other recordings" in row.different


def test_published_listeners_are_not_set_beside_music_that_was_retrieved(make_run: MakeRun) -> None:
    root = make_run(embeddings=("mulan-small",))
    analyse(root, design=TestDesign(("2afc",), n_trials=8, n_catch=2))
    path = Outputs(root).listening_analysis
    said = read_json(path)
    said["tasks"][0]["source"] = "retrieved"
    write_json(path, said)
    table = pd.DataFrame([vars(row) for row in comparisons(read_run_folder(root)) if "listeners" in row.what])
    assert table["paper"].isna().tolist() == [False, True]
    assert table["ours"].isna().tolist() == [True, False]


def test_answers_that_came_in_later_are_spoken_of_until_they_are_analysed(make_run: MakeRun) -> None:
    root = make_run(embeddings=("mulan-small",))
    said = analyse(root)
    build_report(root)
    assert "were analysed: run" not in Outputs(root).index.read_text(encoding="utf-8")
    answers = said["all_answers"]
    judge(Outputs(root).listening_answers, 1, 0.8).close()
    later = f"Listeners have given {answers + 30} answers, and {answers} were analysed"
    with pytest.warns(Brain2MusicWarning, match=later):
        build_report(root)
    assert later in Outputs(root).index.read_text(encoding="utf-8")
    with pytest.warns(Brain2MusicWarning, match=later):
        page, _ = replicate(root)
    assert later in page.read_text(encoding="utf-8")
    Outputs(root).listening_analysis.unlink()
    with pytest.warns(Brain2MusicWarning, match=f"{answers + 30} answers, which were not analysed"):
        build_report(root)
    assert "which were not analysed" in Outputs(root).index.read_text(encoding="utf-8")


def test_an_analysis_goes_where_it_can_be_written_and_over_nothing_else(make_run: MakeRun, tmp_path: Path) -> None:
    root = make_run(embeddings=("mulan-small",))
    analyse(root)
    own = tmp_path / "own.json"
    own.write_text('{"my": "notes"}')
    for output in (own, tmp_path, root / "analysis.txt"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("brain2music.listening.analysis.analyse_answers", lambda *_, **__: pytest.fail("too late"))
            patch.setattr(sys, "argv", ["brain2music", "listening", "analyse", str(root), "-o", str(output)])
            with pytest.raises(SystemExit) as stop:
                main()
        assert stop.value.code == 1
    assert own.read_text() == '{"my": "notes"}'


def test_without_listeners_there_is_no_section_and_a_broken_file_is_named(make_run: MakeRun) -> None:
    root = make_run(embeddings=("mulan-small",))
    build_report(root)
    assert "Listening test" not in Outputs(root).index.read_text(encoding="utf-8")
    write_text(Outputs(root).listening_analysis, '{"listeners": 3}')
    with pytest.raises(InputError, match="Analyse the answers again") as error:
        build_report(root)
    assert error.value.file == Outputs(root).listening_analysis
