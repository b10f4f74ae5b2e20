"""A run beside the paper: what was published is there, nothing else is claimed, and every substitution is named."""

import re
import sys
from pathlib import Path

import pandas as pd
import pytest

from brain2music.cli import main
from brain2music.metrics.records import read_scores, summarise, write_scores
from brain2music.pipeline.outputs import ENCODING, Outputs
from brain2music.report.data import read_run_folder
from brain2music.report.paper_rows import comparisons
from brain2music.report.replicate import replicate, substitutions

from .conftest import write_run

PUBLISHED_BARS = {"Figure 4a", "Figure 4b", "Figure 4c", "Figure 7a", "Figure 7b"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two subjects, in embeddings that stand for two of the paper's."""
    folder = write_run(
        tmp_path_factory.mktemp("replicate") / "run",
        subjects=("001", "002"),
        embeddings=("mulan-small", "w2v-bert-avg"),
    )
    outputs = Outputs(folder)
    scores = read_scores(outputs.scores)
    write_scores(outputs.scores, [*summarise(scores), *scores])
    voxels = pd.DataFrame({name: [0.0] * 3 for name in ENCODING.columns})
    voxels = voxels.assign(voxel=range(3), roi="A1", r=[0.1, 0.4, 0.2], significant=False)
    ENCODING.write(outputs.encoding("001", "mulan-small"), voxels)
    return folder


def test_published_numbers_stand_beside_ours(root: Path) -> None:
    rows = {(row.item, row.what): row for row in comparisons(read_run_folder(root))}
    row = rows["Table 2", "MuLan_music: identification, test"]
    assert (row.paper, row.paper_spread, row.ours, row.of) == (
        0.876,
        "± 0.015",
        pytest.approx(0.87),
        "mean of 2 subjects",
    )
    assert (row.chance, row.n, row.embedding) == (0.5, 2, "mulan-small")
    assert "mulan-small for MuLan_music" in row.different
    nothing = rows["Table 2", "SoundStream-avg: identification, test"]
    assert (nothing.paper, nothing.ours) == (0.674, None)
    assert nothing.different == "this run has none"
    assert rows["Table 1", "w2v-BERT-avg: dimensions"].paper == 1024
    later = {what: row.paper for (item, what), row in rows.items() if item == "Later work"}
    assert sorted(value for value in later.values() if value is not None) == [0.293, 0.434, 0.823, 0.857, 0.914]
    assert "clips" not in rows["Later work", "song top-1 of 60"].of


def test_no_number_is_claimed_where_none_was_published(root: Path) -> None:
    rows = comparisons(read_run_folder(root))
    items = {row.item for row in rows}
    assert items >= PUBLISHED_BARS
    assert all(row.paper is None for row in rows if row.item in PUBLISHED_BARS)
    assert any(row.ours is not None for row in rows if row.item == "Figure 4c")
    assert any(row.ours is not None for row in rows if row.item == "Figure 7a")
    largest = [row for row in rows if row.what.startswith("largest r")]
    assert all(
        row.ours is None or row.chance is not None for row in rows if row.item != "Table 1" and row not in largest
    )
    assert {row.chance for row in largest} == {None}
    for row in largest:
        said = "above 0 by chance, too" if row.ours is not None else "this run has none"
        assert row.different.endswith(said)
        assert row.of == ("" if row.ours is None else "sub-001")
    assert {row.ours for row in largest} == {0.4, None}


def test_every_substitution_is_named(root: Path) -> None:
    text = " ".join(substitutions(read_run_folder(root)))
    for said in (
        "The brain is simulated", "MuLan_music is not public; mulan-small", "Nothing in this run stands for MuLan_text",
        "shifted by 3 TR (4.5 s)", "The decoder is ridge", "6 clips were scored", "2 of the paper's 5 subjects",
        "200 tracks, not the 106,574",
    ):  # fmt: skip
        assert said in text, said


def test_the_command_writes_a_page_and_a_table(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["brain2music", "replicate", str(root), "-o", str(tmp_path)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert (stop.value.code or 0) == 0, capsys.readouterr().err
    html = (tmp_path / "replicate.html").read_text(encoding="utf-8")
    assert "Simulated brain data" in html
    assert not re.search(r'(?:src|href)="https?://', html)
    table = pd.read_csv(tmp_path / "replicate.tsv", sep="\t")
    assert len(table) == len(comparisons(read_run_folder(root)))
    assert table["simulated"].all()
    assert html.count('<tr><th scope="row">') == len(table)


def test_a_run_of_other_embeddings_has_only_what_was_published(tmp_path: Path) -> None:
    page, table = replicate(write_run(tmp_path / "run", embeddings=("logmel",), gallery=False))
    read = pd.read_csv(table, sep="\t")
    assert page.is_file()
    assert read["ours"].isna().all()
    assert (read["paper"] == 0.876).any()
