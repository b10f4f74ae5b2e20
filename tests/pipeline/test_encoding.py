"""The step on a small simulated study: planted voxels are found, the rest is not, and all files are written."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from brain2music._utils.files import digest_file
from brain2music.brain.source import BidsSource
from brain2music.config import RunConfig
from brain2music.embeddings.embeddings import Embeddings, EmbeddingSpace
from brain2music.encoding.alignment import Windows
from brain2music.encoding.ceiling import response_ceiling
from brain2music.pipeline.context import Music, SubjectContext
from brain2music.pipeline.encoding import encode_subject, encoding_files
from brain2music.pipeline.outputs import Outputs
from brain2music.simulation.brain import Truth, read_truth, simulate
from brain2music.simulation.brain.design import DESIGNS, StudyDesign

pytestmark = pytest.mark.slow

SMALL = StudyDesign(2, 20, 2, 10, repeats=4, resolution_mm=9.0, snr=1.5)
GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
RATE = 8000


@pytest.fixture(scope="module")
def study_folder(tmp_path_factory) -> Path:
    """Simulated responses to tones, six tracks a genre."""
    folder, rng = tmp_path_factory.mktemp("encoding"), np.random.default_rng(0)
    for genre in GENRES:
        for number in range(6):
            path = folder / "music" / genre / f"{genre}.{number:05d}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            notes = rng.uniform(100, 1500, 17).repeat(RATE), rng.uniform(0.1, 1, 17).repeat(RATE)
            soundfile.write(path, 0.3 * notes[1] * np.sin(2 * np.pi * np.cumsum(notes[0]) / RATE), RATE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DESIGNS, "quick", SMALL)
        simulate(folder / "study", stimuli=folder / "music", seed=3, n_jobs=1)
    return folder / "study"


@pytest.fixture(scope="module")
def truth(study_folder) -> Truth:
    return read_truth(study_folder, "001")


class Given:
    """An embedder that only names its space: the vectors are there already."""

    def __init__(self, name: str, dims: int) -> None:
        self.space = EmbeddingSpace(name, "1", "none", dims, 3.0, 1.5, RATE)

    def embed(self, waveform, rate):
        raise AssertionError("nothing is left to embed")


@pytest.fixture(scope="module")
def heard(study_folder, truth, tmp_path_factory) -> tuple[SubjectContext, Music, Outputs]:
    """The true features as one embedding, noise as another."""
    config = RunConfig.of(
        embeddings=("truth", "noise"),
        lag_tr=3,
        n_permutations=2000,
        detrend="cosine",
        n_inner_folds=4,
        variance_partitioning=True,
    )
    source, outputs = BidsSource.read(study_folder, config), Outputs(tmp_path_factory.mktemp("out"))
    names = tuple(truth.features)
    frames = np.stack([truth.features[name] for name in names])
    width, step = round(3.0 * truth.rate), round(1.5 * truth.rate)
    starts = range(0, frames.shape[1] - width + 1, step)
    data = np.stack([frames[:, at : at + width].mean(axis=1) for at in starts], axis=1).astype(np.float32)
    noise = np.random.default_rng(1).standard_normal((*data.shape[:2], 5)).astype(np.float32)
    music = Music(source, (Given("truth", data.shape[2]), Given("noise", 5)), outputs)
    for embedder, values in zip(music.embedders, (data, noise), strict=True):
        music._done[embedder.space.name] = Embeddings(values, names, embedder.space)
    return SubjectContext(source, "001", config), music, outputs


@pytest.fixture(scope="module")
def scores(heard):
    return encode_subject(*heard)


def planted(truth: Truth, context: SubjectContext) -> np.ndarray:
    """The planted ceiling of every voxel of the responses, scan by scan."""
    mask = context.responses[1].space.mask
    volume = np.zeros(mask.shape)
    volume[tuple(truth.table[["i", "j", "k"]].to_numpy().T)] = truth.table["ceiling_mean"]
    return volume[mask]


def test_planted_voxels_are_found_and_others_are_not(heard, scores, truth):
    context, _, outputs = heard
    table, signal = pd.read_parquet(outputs.encoding("001", "truth")), planted(truth, context) > 0.5
    nothing = planted(truth, context) == 0
    assert signal.sum() > 20
    order = table["r"].rank()
    auc = (order[signal].mean() - (signal.sum() + 1) / 2) / (~signal).sum()
    assert auc > 0.85
    found = table["significant"]
    assert found[signal].mean() > 0.3
    assert found[nothing].sum() <= 0.15 * found.sum()
    gaussian = table["p_gaussian"] < 0.05
    assert gaussian[nothing].mean() > 2 * (table["p"][nothing] < 0.05).mean()
    noise = pd.read_parquet(outputs.encoding("001", "noise"))
    assert noise["r"][signal].mean() < 0.1


def test_ceilings_are_near_the_planted(heard, scores, truth):
    context, _, _ = heard
    test, expected = context.responses[1], planted(truth, context)
    ceiling, signal = response_ceiling(test, Windows(1, 1, test.n_scans)), expected > 0
    assert np.abs(ceiling.r - expected)[signal].mean() < 0.06
    assert abs((ceiling.r - expected)[signal].mean()) < 0.03


def test_scores_say_what_they_are(heard, scores):
    outputs = heard[2]
    by_metric = {(score.metric, score.embedding, score.group): score for score in scores}
    assert len(by_metric) == len(scores)
    assert {(score.condition, score.decoder, score.lag_tr) for score in scores} == {("true", None, heard[0].lag_tr)}
    reliable = by_metric["r", "truth", "reliable"]
    assert all(score.stage == "encode" and score.simulated and score.subject == "001" for score in scores)
    assert reliable.low < reliable.value < reliable.high
    assert reliable.p < 0.01
    assert "reliable voxels" in reliable.detail
    compared = by_metric["r_difference", "truth", "reliable"]
    assert compared.versus == "noise"
    assert compared.value == pytest.approx(reliable.value - by_metric["r", "noise", "reliable"].value)
    assert compared.low > 0
    alone, nothing = (by_metric["unique_r2", name, "reliable"] for name in ("truth", "noise"))
    assert alone.low < alone.value < alone.high
    assert alone.low > max(nothing.value, 0)
    assert nothing.value < 0.02
    rois = pd.read_parquet(outputs.encoding_rois("001")).query("embedding == 'truth'").set_index("roi")
    for group in ("all", "reliable", "Heschl's gyrus L"):
        assert by_metric["r", "truth", group].value == pytest.approx(rois.loc[group, "mean_r"])
    gaussian, permuted = (by_metric[f"significant_{test}", "truth", "all"] for test in ("gaussian", "fdr"))
    assert gaussian.value > permuted.value
    assert "gaussian (paper)" in gaussian.detail


def test_all_files_are_there_and_a_repeat_gives_the_same_bytes(heard, scores):
    context, music, outputs = heard
    files = encoding_files(context, ("truth", "noise"), outputs)
    before = {path: digest_file(path) for path in files}
    assert outputs.statmap("001", "truth", "r").name == "sub-001_stat-r_desc-truth_statmap.nii.gz"
    assert encode_subject(context, music, outputs) == scores
    assert {path: digest_file(path) for path in files} == before
