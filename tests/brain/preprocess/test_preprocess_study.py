"""A study of moving heads is corrected: files by fMRIPrep's names, motion as planted, and only what is missing."""

import gzip
import json
import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.interfaces.fmriprep import load_confounds

from brain2music._utils.errors import InputError
from brain2music.brain import PreprocessSettings, preprocess_study
from brain2music.brain.preprocess.raw_runs import find_raw_runs
from brain2music.study.derivatives import ImageChoice, choose_images
from brain2music.study.index import index_bids
from brain2music.study.run_files import group_run_files

from .moving_heads import AFFINE, TR, drift_and_jumps, head, moving_run, write_run

RUNS = ("sub-01_task-music_run-1", "sub-01_task-music_run-2")
N_SCANS = 7
MOTION = PreprocessSettings(anatomy=False)


@pytest.fixture(scope="module")
def motions() -> list[np.ndarray]:
    """Of both runs; the second begins away from the first."""
    first, second = (drift_and_jumps(N_SCANS, np.random.default_rng(seed)) for seed in (1, 2))
    return [first, second + np.array([1.5, -2.0, 1.0, 0.02, -0.01, 0.015])]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, motions: list[np.ndarray]) -> Path:
    root = tmp_path_factory.mktemp("bids")
    for seed, (name, motion) in enumerate(zip(RUNS, motions, strict=True)):
        write_run(root, name, moving_run(motion, seed), SliceTiming=np.linspace(0, 1.4, 26).tolist())
    return root


@pytest.fixture(scope="module")
def done(study: Path) -> Path:
    return preprocess_study(study, study / "derivatives" / "prep", settings=MOTION, n_jobs=2)


def func(done: Path, name: str, ending: str) -> Path:
    return done / "sub-01" / "func" / f"{name}_{ending}"


def test_planted_motion_is_in_the_confounds(done: Path, motions: list[np.ndarray]) -> None:
    for name, motion in zip(RUNS, motions, strict=True):
        table = pd.read_csv(func(done, name, "desc-confounds_timeseries.tsv"), sep="\t", na_values="n/a")
        found = table[["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]].to_numpy()
        # the centre of the brain is that of the grid to within a voxel: rotations move it by less than 0.2 mm
        assert np.median(np.abs(found - motion)[:, 3:]) < np.radians(0.05)
        assert np.median(np.abs(found - motion)[:, :3]) < 0.1
        assert (table["dvars"][1:] < table["dvars_uncorrected"][1:]).mean() > 0.5
        jump = table["framewise_displacement"].to_numpy()
        assert np.isnan(jump[0])
        assert jump[1:].max() > 2


def test_corrected_scans_are_still(done: Path) -> None:
    brain = nib.load(func(done, RUNS[0], "desc-brain_mask.nii.gz")).get_fdata() > 0
    assert 0.7 < brain.sum() / (head() > 400).sum() < 1.3
    for name in RUNS:
        scans = nib.load(func(done, name, "desc-preproc_bold.nii.gz"))
        np.testing.assert_allclose(scans.affine, AFFINE)
        assert scans.header.get_zooms()[3] == pytest.approx(TR)
        assert scans.get_data_dtype() == np.int16
        inside = scans.get_fdata()[brain]
        assert np.abs(inside.mean(axis=1) - head()[brain]).mean() < 15  # noise of 8 a scan, structure of 250
        record = json.loads(func(done, name, "desc-preproc_bold.json").read_text())
        assert record["MedianTSNR"]["after"] > 1.5 * record["MedianTSNR"]["before"]


def test_it_is_read_as_fmripreps(done: Path, study: Path) -> None:
    runs = choose_images(group_run_files(index_bids(study), study), study, ImageChoice(), findings := [])
    assert findings == []
    assert [run.image.path for run in runs if run.image] == [func(done, n, "desc-preproc_bold.nii.gz") for n in RUNS]
    bold = str(func(done, RUNS[0], "desc-preproc_bold.nii.gz"))
    confounds, _ = load_confounds(bold, strategy=("motion", "high_pass"), motion="full", demean=False)
    assert confounds.shape[0] == N_SCANS
    assert {"trans_x_derivative1_power2", "rot_z_power2"} <= set(confounds.columns)


def test_a_second_call_makes_only_what_is_missing(done: Path, study: Path) -> None:
    bold, other = (func(done, name, "desc-preproc_bold.nii.gz") for name in RUNS)
    before, kept = bold.read_bytes(), other.stat().st_mtime_ns
    func(done, RUNS[0], "boldref.nii.gz").unlink()
    os.utime(bold, (0, 0))
    preprocess_study(study, done, settings=MOTION, n_jobs=1)
    assert bold.stat().st_mtime > 0
    assert gzip.decompress(bold.read_bytes()) == gzip.decompress(before)  # and by one thread as by two
    assert other.stat().st_mtime_ns == kept
    assert not list(done.rglob(".part-*"))


@pytest.mark.slow
def test_other_settings_make_it_again_and_slices_are_corrected(study: Path, tmp_path: Path) -> None:
    settings = PreprocessSettings(slice_timing=True, anatomy=False)
    done = preprocess_study(study, tmp_path / "prep", settings=settings, n_jobs=1)
    record = json.loads(func(done, RUNS[0], "desc-preproc_bold.json").read_text())
    assert (record["SliceTimingCorrected"], record["StartTime"]) == (True, TR / 2)
    first = func(done, RUNS[0], "desc-preproc_bold.nii.gz").read_bytes()
    preprocess_study(study, done, settings=MOTION, n_jobs=1)
    assert not json.loads(func(done, RUNS[0], "desc-preproc_bold.json").read_text())["SliceTimingCorrected"]
    assert func(done, RUNS[0], "desc-preproc_bold.nii.gz").read_bytes() != first


def test_bad_input_is_refused_by_name(study: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="inputs are never written to"):
        preprocess_study(study, study / "sub-01")
    (tmp_path / "fmriprep").mkdir()
    (tmp_path / "fmriprep" / "dataset_description.json").write_text('{"GeneratedBy": [{"Name": "fMRIPrep"}]}')
    with pytest.raises(InputError, match="derivatives of fMRIPrep"):
        preprocess_study(study, tmp_path / "fmriprep")
    with pytest.raises(InputError, match="no BOLD run of sub-07"):
        preprocess_study(study, tmp_path / "out", subjects=["07"])
    write_run(tmp_path / "bids", "sub-01_task-music", np.zeros((4, 12, 12, 12), np.int16))
    with pytest.raises(InputError, match="no SliceTiming"):
        preprocess_study(
            tmp_path / "bids", tmp_path / "out", settings=PreprocessSettings(slice_timing=True, anatomy=False)
        )
    with pytest.raises(InputError, match="no brain was found"):
        preprocess_study(tmp_path / "bids", tmp_path / "out", settings=MOTION)
    image = next((tmp_path / "bids").rglob("*_bold.nii.gz"))
    image.write_bytes(image.read_bytes()[:60])
    with pytest.raises(InputError):
        preprocess_study(tmp_path / "bids", tmp_path / "out", settings=MOTION)


def test_a_full_disk_is_told_before_the_work(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(InputError, match="GB are free there"):
        preprocess_study(study, tmp_path / "out", settings=MOTION)
    assert not (tmp_path / "out").exists()


def test_slice_times_are_turned_with_their_axis(study: Path) -> None:
    run = find_raw_runs(study)["01"][0]
    times, axis = run.slice_times()
    assert (times[0], axis) == (0.0, 2)
    run.sidecar["SliceEncodingDirection"] = "k-"
    assert run.slice_times()[0] == times[::-1]
