"""``examples/quickstart.py`` on small simulated studies of two TRs."""

import json
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import brain2music as b2m
from brain2music.simulation.brain.design import DESIGNS

SCRIPT = Path(__file__).parents[1] / "examples" / "quickstart.py"
GENRES = ("blues", "jazz", "pop")


@pytest.fixture
def music(tmp_path: Path, rng: np.random.Generator) -> Path:
    for genre in GENRES:
        for number in range(4):
            path = tmp_path / "music" / genre / f"{genre}.{number:05d}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            pitch = 110 * 2 ** rng.uniform(0, 4)
            wave = np.sin(2 * np.pi * pitch * np.arange(17 * 8000) / 8000) + rng.normal(0, 0.1, 17 * 8000)
            soundfile.write(path, 0.3 * wave, 8000)
    return tmp_path / "music"


@pytest.mark.slow
@pytest.mark.parametrize("tr", [1.5, 2.0])
def test_quickstart_runs_at(tr: float, music: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    few = {"train_runs": 1, "train_clips": 9, "test_runs": 1, "test_clips": 3, "repeats": 2}
    small = replace(DESIGNS["quick"], **few, resolution_mm=12.0, clip_s=12.0)
    monkeypatch.setitem(DESIGNS, "quick", small)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    study = b2m.simulate_study(tmp_path / "study", stimuli=music, tr=tr, n_jobs=1)
    assert study.simulated
    assert study.responses("001").train.tr == tr
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(tmp_path / "study"), str(out), "--seconds", "1"])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    told = capsys.readouterr().out
    assert "simulated brains" in told
    assert f"a window every {tr:g} s" in told
    assert (out / "run" / "index.html").is_file()
    assert soundfile.info(out / "heard.wav").duration == pytest.approx(1.0, abs=0.1)
    scores = json.loads((out / "run" / "scores.json").read_text())
    assert {score["stage"] for score in scores} == {"decode", "retrieve", "generate", "encode"}
