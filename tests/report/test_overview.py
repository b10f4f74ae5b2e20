"""Figures of a whole run, levels of players, and two runs side by side."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from brain2music._utils.errors import InputError
from brain2music._utils.files import read_json, write_json
from brain2music.metrics.records import read_scores, summarise, write_scores
from brain2music.pipeline.outputs import GROWTH, Outputs
from brain2music.report.beside import build_comparison, common_scores
from brain2music.report.data import read_run_folder
from brain2music.report.levels import TARGET_RMS, playback_gain
from brain2music.report.overview import flow_figure, genre_confusion, references, subjects_forest
from brain2music.report.page import build_report

from .conftest import write_run


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two subjects and their mean."""
    folder = write_run(
        tmp_path_factory.mktemp("overview") / "first", subjects=("001", "002"), embeddings=("mulan-small",)
    )
    outputs = Outputs(folder)
    scores = read_scores(outputs.scores)
    write_scores(outputs.scores, [*summarise(scores), *scores])
    return folder


def test_sounds_are_turned_down_to_one_level(tmp_path: Path, rng: np.random.Generator) -> None:
    sound = rng.normal(size=22_050)
    for name, level in (("loud", 0.3), ("soft", 0.01)):
        soundfile.write(tmp_path / f"{name}.wav", level * sound / sound.std(), 22_050, subtype="FLOAT")
    assert playback_gain(tmp_path / "loud.wav") == pytest.approx(TARGET_RMS / 0.3, rel=1e-3)
    assert playback_gain(tmp_path / "soft.wav") == 1.0
    soundfile.write(tmp_path / "silent.wav", np.zeros(1000), 22_050)
    assert playback_gain(tmp_path / "silent.wav") == 1.0
    assert playback_gain(tmp_path / "absent.wav") == 1.0


def test_nothing_is_said_of_mp3_files_that_are_whole(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 22050 * 12)
    soundfile.write(tmp_path / "whole.mp3", noise * np.repeat([0.01, 1], len(noise) // 2), 22050)
    assert playback_gain(tmp_path / "whole.mp3") < 1
    assert capfd.readouterr().err == ""


def test_confusion_counts_the_genre_of_the_most_similar_candidate() -> None:
    similarity = np.array([[0.9, 0.1, 0.2], [0.3, 0.2, 0.8], [0.1, 0.7, 0.5]])
    np.testing.assert_array_equal(genre_confusion(similarity, ["rock", "jazz", "rock"]), [[0, 1], [1, 1]])


def test_the_overview_says_what_was_run(root: Path) -> None:
    run = read_run_folder(root)
    assert (
        "What was run: Study: 2 subjects, simulated; then Responses: 60 voxels and Music: 36 + 6 clips"
        in flow_figure(run)
    )
    forest = subjects_forest(run)
    assert forest is not None
    assert "mean of 2 subjects" in forest["figure"]
    assert forest["n"] == 6
    one = replace(run, scores=tuple(score for score in run.scores if score.subject == "001"))
    assert subjects_forest(one) is None


def test_references_are_those_of_what_was_used(root: Path) -> None:
    cited = " ".join(references(read_run_folder(root)))
    assert all(name in cited for name in ("Denk, Takagi", "MuLan", "musicnn", "Benjamini", "Winkler"))
    assert not any(name in cited for name in ("YAMNet", "JEN-1", "Hopfield", "SoundStream"))


def test_pages_have_the_new_figures_and_levels(root: Path) -> None:
    rows = [(30, 7.5, 0.7, 0.6, 0.8, 0.01, 6), (60, 15.0, 0.87, 0.8, 0.93, 0.001, 6)]
    GROWTH.write(Outputs(root).growth("001", "mulan-small"), pd.DataFrame(rows, columns=list(GROWTH.columns)))
    build_report(root)
    index, page = ((root / name).read_text(encoding="utf-8") for name in ("index.html", "sub-001.html"))
    assert "What was run, from the study to the scores." in index
    assert "Two-way identification of every subject" in index
    assert "<h3>References</h3>" in index
    assert "identification 0.70 to 0.87 from 8 to 15 minutes of training" in page
    assert "Which genre the most similar candidate has" in page
    assert page.count("data-gain=") == page.count("<audio ")
    assert all(
        "aria-label=" in svg.split(">")[0]
        for html in (index, page)
        for svg in html.split("<svg ")[1:]
        if "role=" in svg.split(">")[0]
    )


def test_two_runs_are_shown_side_by_side(root: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path / "second", subjects=("001", "002"), embeddings=("mulan-small", "logmel"))
    outputs = Outputs(other)
    scores = [replace(score, decoder="stacked", value=score.value - 0.1) for score in read_scores(outputs.scores)]
    write_scores(outputs.scores, scores)
    study = read_json(outputs.study)
    study["settings"]["decoding.decoder"] = "stacked"
    write_json(outputs.study, study)
    one, two = read_run_folder(root), read_run_folder(other)
    pairs = common_scores(one.scores, two.scores)
    assert {a.embedding for a, _ in pairs} == {"mulan-small"}
    assert all(b.value - a.value == pytest.approx(-0.1) for a, b in pairs if a.subject != "group")
    page = build_comparison(root, other)
    html = page.read_text(encoding="utf-8")
    assert page.name == "beside-second.html"
    assert html.count('<th scope="row">') >= len(pairs)
    assert "decoding.decoder" in html
    assert "-0.100" in html
    with pytest.raises(InputError, match="compared with itself"):
        build_comparison(root, root)
    third = write_run(tmp_path / "third", subjects=("009",), embeddings=("logmel",))
    with pytest.raises(InputError, match="no score in common"):
        build_comparison(root, third)
