"""The README's Python is run as it stands, on a small simulated study; its links lead somewhere, and it stays short."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import brain2music as b2m
from brain2music.simulation.brain.design import DESIGNS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GENRES = ("blues", "jazz", "pop")
FEW = {"train_runs": 1, "train_clips": 9, "test_runs": 1, "test_clips": 3, "repeats": 2}


def code(language: str) -> list[str]:
    """The blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def write_music(folder: Path, rng: np.random.Generator) -> None:
    for genre in GENRES:
        for number in range(4):
            path = folder / genre / f"{genre}.{number:05d}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            tone = np.sin(2 * np.pi * 110 * 2 ** rng.uniform(0, 4) * np.arange(17 * 8000) / 8000)
            soundfile.write(path, 0.3 * (tone + rng.normal(0, 0.1, len(tone))), 8000)


@pytest.mark.slow
def test_the_python_of_the_readme_runs_as_it_stands(tmp_path, rng, monkeypatch, capsys):
    monkeypatch.setitem(DESIGNS, "quick", replace(DESIGNS["quick"], **FEW, resolution_mm=12.0, clip_s=12.0))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_music(Path("MUSIC"), rng)
    b2m.simulate_study("BIDS_DIR", stimuli="MUSIC", n_jobs=1)
    b2m.build_gallery(Path("MUSIC"), Path("gallery"), b2m.get_embedder("mulan-small"))
    (program,) = code("python")
    names: dict = {}
    exec(compile(program, "README.md", "exec"), names)
    assert names["decoded"].data.shape[0] == FEW["test_clips"]
    assert soundfile.info("heard.wav").duration == pytest.approx(5.0, abs=0.1)
    assert Path("r.nii.gz").is_file()
    told = capsys.readouterr().out
    assert "identification" in told
    assert "rank" in told


def test_its_python_has_ten_lines():
    (program,) = code("python")
    assert len([line for line in program.splitlines() if line and not line.startswith("import ")]) <= 10


def test_it_fits_on_a_screen_and_a_half():
    assert len(README.splitlines()) <= 75


def test_its_links_lead_to_files_that_are_there():
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", README) if "://" not in target]
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_it_names_every_model_that_ships():
    shipped = {path.parent.name for path in (ROOT / "src" / "brain2music" / "weights").glob("*/README.md")}
    assert shipped
    assert [name for name in sorted(shipped) if name not in README] == []


def test_its_commands_are_ones_that_exist():
    from typer.main import get_command

    from brain2music.cli import app

    known = set(get_command(app).commands)
    inline = re.findall(r"`[^`\n]+`", re.sub(r"```.*?```", "", README, flags=re.DOTALL))
    used = set(re.findall(r"brain2music ([a-z][a-z-]*)", "\n".join(inline + code("sh"))))
    assert used
    assert used <= known
