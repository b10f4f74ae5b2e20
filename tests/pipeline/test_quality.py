"""Reliability of runs and subjects: planted levels of noise are found, and put into words."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr
from typer.testing import CliRunner

from brain2music._utils.jobs import Parallel
from brain2music.brain.responses import Responses
from brain2music.brain.source import BidsSource
from brain2music.cli import app
from brain2music.config import RunConfig
from brain2music.pipeline.outputs import QUALITY
from brain2music.pipeline.quality import judge_quality, measure_agreement, quality_table
from brain2music.study.study import Clip
from tests.study.tiny_study import TinyStudy

ROW: dict[str, Any] = {
    **{"scans": 400, "tsnr": 60.0, "spikes": 2, "repeats": 4, "clips": 10},
    **{"repeat_r_top": 0.3, "ceiling_top": 0.6, "reliable": 0.2},
}


def planted(signal: float, n_repeats: int, rng: np.random.Generator, n: int = 60, voxels: int = 200) -> Responses:
    """Responses with signal of a variance, in every voxel, and noise of variance 1 in each repeat."""
    common = np.sqrt(signal) * rng.normal(size=(n, 10, voxels))
    repeats = (common + rng.normal(size=(n_repeats, n, 10, voxels))).astype(np.float32)
    clips = tuple(Clip(f"{i}", 0.0, 15.0) for i in range(n))
    counts = np.full(n, n_repeats)
    return Responses("01", repeats.mean(axis=0), clips, np.arange(n) // 20, 1.5, 3, counts, repeats)


@pytest.mark.parametrize(("signal", "n_repeats"), [(0.25, 4), (1.0, 2), (1.0, 4)])
def test_planted_noise_is_found(rng: np.random.Generator, signal: float, n_repeats: int) -> None:
    responses = planted(signal, n_repeats, rng)
    found = measure_agreement(responses)
    assert found is not None
    assert abs(found.repeat_r - signal / (signal + 1)) < 0.02
    assert abs(found.split_half - signal / (signal + 1 / n_repeats)) < 0.03
    assert abs(found.ceiling - np.sqrt(signal / (signal + 1 / n_repeats))) < 0.03
    assert found.reliable == 1
    of_voxel = np.asarray(responses.repeats)[..., 0].reshape(n_repeats, -1)
    pairs = [pearsonr(of_voxel[a], of_voxel[b])[0] for a in range(n_repeats) for b in range(a)]
    alone = measure_agreement(planted(signal, n_repeats, np.random.default_rng(0)))
    assert alone is not None
    assert alone.repeat_r_top > np.mean(pairs) - 0.1


def test_noise_alone_agrees_in_hardly_any_voxel(rng: np.random.Generator) -> None:
    found = measure_agreement(planted(0.0, 4, rng))
    assert found is not None
    assert found.reliable < 0.01
    assert abs(found.repeat_r) < 0.02


def test_responses_without_repeats_are_not_measured(rng: np.random.Generator) -> None:
    responses = planted(1.0, 2, rng)
    assert measure_agreement(Responses(*[getattr(responses, name) for name in list(vars(responses))[:7]])) is None


@pytest.mark.parametrize(
    ("changes", "grade", "words"),
    [
        ({}, "good", "repeats agree in 20 % of voxels (r 0.30, noise ceiling 0.60 in the best 5 %)"),
        ({"spikes": 40}, "fair", "fair: 40 of 400 scans are spikes; repeats agree"),
        ({"spikes": 100}, "poor", "poor: 100 of 400 scans are spikes"),
        ({"tsnr": 20.0}, "fair", "a temporal signal-to-noise ratio of 20"),
        ({"tsnr": 5.0, "spikes": 40}, "poor", "poor: a temporal signal-to-noise ratio of 5; 40 of 400"),
        ({"reliable": 0.0}, "poor", "nothing can be decoded"),
        ({"reliable": 0.004}, "fair", "repeats agree in 0.4 % of voxels"),
        ({"repeats": 0}, "good", "clips were not repeated"),
        ({"repeats": 0, "scans": 0, "tsnr": np.nan}, "unknown", "no images to measure"),
    ],
)
def test_verdicts_are_in_words(changes: dict[str, Any], grade: str, words: str) -> None:
    found, verdict = judge_quality(ROW | changes)
    assert found == grade
    assert words in verdict
    assert verdict.startswith(grade)


def _spiky(study: TinyStudy) -> str:
    """Make a third of the scans of the test run spikes; the name of the run."""
    rng = np.random.default_rng(1)
    shape, n = (3, 4, 5), 60
    scans = rng.normal(1000, 10, (*shape, n))
    scans[..., 5::3] += rng.normal(0, 100, scans[..., 5::3].shape)
    path = study.image("task-Test_run-01")
    image = nib.load(path)
    nib.save(nib.Nifti1Image(scans.astype(np.float32), image.affine, image.header), path)
    return "sub-01_task-Test_run-01"


def test_every_run_is_measured_and_a_spiky_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = TinyStudy(tmp_path / "study")
    study.add_mask()
    name = _spiky(study)
    source = BidsSource.read(study.root, RunConfig.of(lag_tr=0))
    table = quality_table(source, "01", source.responses("01", 0))
    QUALITY.write(tmp_path / "quality.parquet", table)
    kept = source.keeping(tmp_path / "cleaned", Parallel(1))
    responses = kept.responses("01", 0)
    monkeypatch.setattr("brain2music.brain.run_facts.read_voxels", lambda *_: pytest.fail("an image was read again"))
    pd.testing.assert_frame_equal(quality_table(kept, "01", responses), table)
    monkeypatch.undo()
    assert table["run"].tolist()[0] == "all"
    assert len(table) == 4
    spiky = table[table["run"] == name].iloc[0]
    assert spiky["grade"] == "poor"
    assert spiky["spikes"] >= 18
    assert spiky["repeats"] == 2
    assert spiky["split"] == "test"
    series = np.asarray(nib.load(study.image("task-Training_run-01")).dataobj).reshape(60, -1)
    scans, ratios = np.arange(series.shape[1]), []
    for voxel in series.astype(float):
        ratios.append(voxel.mean() / (voxel - np.polyval(np.polyfit(scans, voxel, 1), scans)).std())
    calm = table[table["run"] == "sub-01_task-Training_run-01"].iloc[0]
    assert abs(calm["tsnr"] - np.median(ratios)) < 0.01
    result = CliRunner().invoke(app, ["check", str(study.root), "--lag-tr", "0", "--embedding", "logmel"])
    assert f"{name} is poor" in result.stdout
    assert "sub-01: poor" in result.stdout
    quiet = CliRunner().invoke(app, ["check", str(study.root), "--no-reliability", "--embedding", "logmel"])
    assert "poor" not in quiet.stdout
