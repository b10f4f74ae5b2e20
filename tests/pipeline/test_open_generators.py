"""A run with MusicCoCa and Magenta RealTime 2, of which toys with the published inputs and outputs are here."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from brain2music._utils.files import read_json
from brain2music.audio.sound import Reconstruction
from brain2music.brain.source import BidsSource
from brain2music.cli import main
from brain2music.config import RunConfig
from brain2music.models.embedders import get_embedder
from brain2music.models.generators import get_generator, list_generators
from brain2music.pipeline.run import run_pipeline
from brain2music.report.page import build_report
from tests.models.adapters import toy_magenta, toy_tflite
from tests.study.tiny_study import TinyStudy


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toys")
    toy_tflite.musiccoca(folder / "musiccoca")
    toy_magenta.magenta(folder / "magenta-rt2")
    return folder


@pytest.fixture(autouse=True)
def here(toys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(toys))
    monkeypatch.setenv("MAGENTA_HOME", str(tmp_path / "none"))


@pytest.mark.slow
def test_a_run_decodes_musiccoca_and_generates_with_magenta_rt2(tmp_path: Path) -> None:
    study = TinyStudy(tmp_path / "study")
    study.add_mask()
    settings = RunConfig.of(
        embeddings=("musiccoca",), generator="magenta-rt2", duration_s=1.5, n_samples=1, window_s=1.5, lag_tr=0,
        compare_lags_tr=(), n_inner_folds=2, n_permutations=100, fade_s=0.1, encoding={"enabled": False},
        leave_one_genre_out=False, n_permuted_fits=1,
    )  # fmt: skip
    outputs = run_pipeline(BidsSource.read(study.root, settings), tmp_path / "out", settings)
    table = pd.read_parquet(outputs.generated_table("01", "musiccoca"))
    assert set(table["condition"]) == {"denoised", "decoded", "true"}
    generator, space = get_generator("magenta-rt2"), get_embedder("musiccoca").space
    tokens = set()
    for name in table["file"]:
        file = outputs.root / name
        sound, rate = soundfile.read(file)
        assert (rate, sound.shape) == (48000, (72000, 2))
        assert np.abs(sound).max() > 0.01
        described = read_json(file.with_suffix(".json"))
        assert described["licence"] == "CC-BY-4.0; made with Google (Magenta RealTime 2, MusicCoCa)"
        assert described["source"]["checkpoint_sha256"] == generator.sha256
        tokens.add(tuple(described["source"]["tokens"]))
    assert len(tokens) > 2
    (record, *_) = sorted(outputs.root.rglob("*_together.json"))
    text = record.read_text()
    assert generator.sha256 in text
    assert space.sha256 in text
    build_report(outputs.root)
    page = (outputs.root / "sub-01.html").read_text(encoding="utf-8")
    assert "<audio" in page
    assert "Their licence: CC-BY-4.0; made with Google" in page
    assert all(name in page for name in table["file"][table["sample"] == 0])


def test_a_text_is_embedded_by_the_model_s_own_text_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "piece.flac"
    asked = ["generate", "--generator", "magenta-rt2", "--duration-s", "0.5", "-o", str(out)]

    def call(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["brain2music", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    assert call(*asked, "--text", "disco funk") == 0
    described = read_json(out.with_suffix(".json"))
    embedder = get_embedder("musiccoca")
    tokens = embedder.tokens(embedder.embed_text("disco funk"))  # type: ignore[attr-defined]
    assert described["source"]["tokens"] == tokens[0].tolist()
    with soundfile.SoundFile(out) as file:
        assert file.copyright == described["licence"]
        assert (file.samplerate, file.channels, file.frames) == (48000, 2, 24000)
    assert call(*asked, "--overwrite", "--text", "disco", "--duration-s", "0.01") == 1
    assert "cannot make 0.01 s of music" in capsys.readouterr().err
    recording = tmp_path / "own.wav"
    soundfile.write(recording, np.zeros(48000), 48000)
    other = str(tmp_path / "other.flac")
    assert call("continue", str(recording), "-o", other, "--generator", "magenta-rt2") == 1
    assert "magenta-rt2 continues no recordings. It makes new music only" in capsys.readouterr().err
    gap = ["--from", "0.1", "--to", "0.5"]
    assert call("inpaint", str(recording), "-o", other, "--generator", "magenta-rt2", *gap) == 1


def test_a_licence_that_is_not_commercial_is_in_every_file(tmp_path: Path) -> None:
    source = {"generator": "x", "licence": "CC-BY-NC-4.0", "commercial": False, "attribution": "Somebody"}
    piece = Reconstruction(np.full((1, 800), 0.1, np.float32), 8000, source)
    words = "CC-BY-NC-4.0, not for commercial use; made with Somebody"
    for suffix in ("wav", "flac", "ogg", "mp3"):
        file = piece.save(tmp_path / f"{suffix}.{suffix}")
        with soundfile.SoundFile(file) as written:
            assert written.copyright == ("" if suffix == "mp3" else words)  # MP3 has no such tag here
            assert json.loads(written.comment)["licence"] == "CC-BY-NC-4.0"
        assert json.loads(file.with_suffix(".json").read_text())["licence"] == words
    own = Reconstruction(piece.waveform, 8000, {"licence": "yours"}).save(tmp_path / "own.wav")
    assert "licence" not in json.loads(own.with_suffix(".json").read_text())


def test_generators_are_listed_with_what_they_take_and_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def listed() -> str:
        return next(line for line in list_generators() if line.startswith("magenta-rt2 "))

    assert listed().split()[1] == "here"
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path))
    assert listed().split()[1] == "absent"
    for words in (
        "Takes embedding, text, sound; makes 48 kHz stereo of 0.04 s or more; results: CC-BY-4.0",
        "2.7 GB to download; 2.5 GB of memory; a GPU helps",
        "`brain2music models pull magenta-rt2`",
    ):
        assert words in listed()
