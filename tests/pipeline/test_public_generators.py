"""Runs whose music toys of public generators make: players on the page, and digests of all that decides."""

import json
import warnings
from pathlib import Path

import pandas as pd
import pytest

from brain2music.brain.source import BidsSource
from brain2music.config import RunConfig
from brain2music.models.generators import get_generator
from brain2music.pipeline.outputs import Outputs
from brain2music.pipeline.run import run_pipeline
from brain2music.report.page import build_report
from tests.models.adapters import toy_diffrhythm, toy_pipelines
from tests.study.tiny_study import TinyStudy

from .tiny_config import CONFIG

pytestmark = pytest.mark.slow


@pytest.fixture
def study(tmp_path: Path) -> TinyStudy:
    study = TinyStudy(tmp_path / "study")
    study.add_mask()
    return study


def settings(embedding: str, generator: str) -> RunConfig:
    made = {"generator": generator, "n_samples": 1, "n_clips": 2, "duration_s": 1.0}
    return CONFIG.changed(embeddings=(embedding,), **made)


def run(study: TinyStudy, out: Path, embedding: str, generator: str) -> Outputs:
    config = settings(embedding, generator)
    outputs = run_pipeline(BidsSource.read(study.root, config), out, config)
    build_report(outputs.root)
    return outputs


def check(outputs: Outputs, embedding: str, generator: str, licence: str) -> None:
    """Every piece has a player, its terms and the digests of what it was made by and from."""
    page, table = outputs.page("01").read_text(), pd.read_parquet(outputs.generated_table("01", embedding))
    assert len(table) == 2 * 3
    assert set(table["generator"]) == {generator}
    model = get_generator(generator)
    assert model.space is not None
    for file in table["file"]:
        assert f'src="{file}"' in page
        source = json.loads((outputs.root / file).with_suffix(".json").read_text())["source"]
        assert source["checkpoint_sha256"] == model.sha256
        assert len(source["embedding_sha256"]) == 64
        assert (source["embedding"], source["commercial"]) == (embedding, False)
        assert licence in source["licence"]
    (record,) = (outputs.root / "sub-01" / "generated").glob("*denoised*_together.json")
    kept = json.loads(record.read_text())
    assert kept["inputs"]["generator"] == model.sha256
    assert kept["settings"]["space"]["sha256"] == model.space.sha256


def test_toy_muq_mulan_drives_toy_diffrhythm(study: TinyStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    folder = toy_diffrhythm.write(tmp_path / "models")
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(folder))
    monkeypatch.setenv(*toy_diffrhythm.trust(folder))
    outputs = run(study, tmp_path / "out", "muq-mulan", "diffrhythm")
    check(outputs, "muq-mulan", "diffrhythm", "CC-BY-NC-4.0")


def test_toy_clap_drives_toy_musicldm(study: TinyStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path / "models"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        toy_pipelines.musicldm(tmp_path / "models" / "clap-musicldm")
    outputs = run(study, tmp_path / "out", "clap-musicldm", "musicldm")
    check(outputs, "clap-musicldm", "musicldm", "CC-BY-NC-SA-4.0")
