"""Reading runs into responses: against nilearn and against plain indexing of the volumes."""

import gzip
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nilearn.maskers import NiftiMasker

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.brain import common_voxels
from brain2music.brain.load import load_responses
from brain2music.brain.volumes import open_image, read_voxels
from brain2music.study import Clip, Run, Study

GRID = (5, 4, 3)
AFFINE = np.array([[2.0, 0, 0, -10], [0, 2, 0, -20], [0, 0, 2, 5], [0, 0, 0, 1]])

RAW = {"detrend": "none", "zscore": False}


def series_of(run: Run, mask_file: Path) -> np.ndarray:
    """Voxels (scans, voxels) of a run as nibabel and numpy give them."""
    return nib.load(run.bold).get_fdata()[nib.load(mask_file).get_fdata() > 0].T


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.dtype(">i2")])
def test_voxels_equal_niftimasker(tmp_path, rng, mask_file, suffix, dtype):
    image = nib.Nifti1Image(rng.integers(-500, 500, (*GRID, 7)).astype(dtype), AFFINE)
    image.header.set_slope_inter(0.25, 3.0)
    path = tmp_path / f"bold{suffix}"
    nib.save(image, path)
    expected = NiftiMasker(mask_file, standardize=None).fit_transform(path)
    mask = nib.load(mask_file).get_fdata() > 0
    np.testing.assert_allclose(read_voxels(open_image(path), mask), expected, rtol=1e-6)


@pytest.mark.parametrize("lag", [0, 2])
def test_clips_are_cut_after_the_carry_in_and_the_end_is_padded(study, mask_file, lag):
    responses = load_responses(study, "001", "train", lag_tr=lag, mask=mask_file, **RAW)
    run = study.runs_of("001", "train")[1]
    series = series_of(run, mask_file)
    padded = np.concatenate([series, np.repeat(series[-1:], lag, axis=0)])
    expected = padded[4 + lag : 16 + lag].reshape(3, 4, -1)
    np.testing.assert_allclose(responses.data[3:], expected, rtol=1e-6)
    assert responses.clips == study.train_clips
    assert responses.runs.tolist() == [0, 0, 0, 1, 1, 1]
    assert responses.repeats is None
    assert responses.lag_tr == lag


def test_repeats_are_averaged_and_kept(study, mask_file):
    responses = load_responses(study, "001", "test", mask=mask_file, **RAW)
    runs = [series_of(run, mask_file)[4:].reshape(3, 4, -1) for run in study.runs_of("001", "test")]
    np.testing.assert_allclose(responses.repeats, runs, rtol=1e-6)
    np.testing.assert_allclose(responses.data, np.mean(runs, axis=0), rtol=1e-6)
    assert responses.n_repeats.tolist() == [2, 2, 2]


def test_unequal_repeats_are_averaged_but_not_kept(tmp_path, clips, volumes, mask_file, make_run):
    runs = [make_run(tmp_path, "01", "test", [clips[0], clips[1], clips[0]], volumes(16))]
    responses = load_responses(Study(tmp_path, "tiny", tuple(runs)), "001", "test", mask=mask_file, **RAW)
    a, b, c = series_of(runs[0], mask_file)[4:].reshape(3, 4, -1)
    np.testing.assert_allclose(responses.data, [(a + c) / 2, b], rtol=1e-6)
    assert responses.repeats is None
    assert responses.n_repeats.tolist() == [2, 1]


def test_runs_are_standardised_over_all_their_scans(study, mask_file):
    responses = load_responses(study, "001", "train", mask=mask_file, detrend="none")
    series = series_of(study.runs[0], mask_file)
    expected = ((series - series.mean(0)) / series.std(0))[4:].reshape(3, 4, -1)
    np.testing.assert_allclose(responses.data[:3], expected, atol=1e-4)


def test_memory_map_holds_the_same_numbers(study, mask_file, tmp_path):
    in_memory = load_responses(study, "001", "test", mask=mask_file)
    mapped = load_responses(study, "001", "test", mask=mask_file, work_dir=tmp_path / "work", in_memory_bytes=0)
    assert isinstance(mapped.data, np.memmap)
    np.testing.assert_array_equal(mapped.data, in_memory.data)
    np.testing.assert_array_equal(mapped.repeats, in_memory.repeats)


def test_nan_voxels_leave_the_mask_with_a_count(tmp_path, clips, volumes, mask_file, study, make_run):
    spoiled = volumes(16)
    inside = np.argwhere(nib.load(mask_file).get_fdata() > 0)
    spoiled[tuple(inside[3])] = np.nan
    run = make_run(tmp_path / "spoiled", "01", "train", clips[:3], spoiled)
    with pytest.warns(Brain2MusicWarning, match=f"1 of {len(inside)} voxels are NaN"):
        train = load_responses(Study(tmp_path, "tiny", (run,)), "001", "train", mask=mask_file)
    assert train.n_voxels == len(inside) - 1
    assert not train.space.mask[tuple(inside[3])]
    test = load_responses(study, "001", "test", mask=mask_file)
    _, restricted = common_voxels(train, test)
    np.testing.assert_array_equal(restricted.data, np.delete(test.data, 3, axis=2))
    np.testing.assert_array_equal(restricted.space.mask, train.space.mask)


def test_constant_voxels_become_zero_with_a_count(tmp_path, clips, volumes, mask_file, make_run):
    flat = volumes(16)
    inside = np.argwhere(nib.load(mask_file).get_fdata() > 0)
    flat[tuple(inside[0])] = 7.0
    run = make_run(tmp_path, "01", "train", clips[:3], flat)
    with pytest.warns(Brain2MusicWarning, match=r"1 of \d+ voxels are constant"):
        responses = load_responses(Study(tmp_path, "tiny", (run,)), "001", "train", mask=mask_file)
    assert not responses.data[..., 0].any()
    assert responses.data[..., 1:].any(axis=(0, 1)).all()


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_truncated_images_are_named(tmp_path, clips, volumes, mask_file, suffix, make_run):
    run = make_run(tmp_path, "01", "train", clips[:3], volumes(16), suffix=suffix)
    run.bold.write_bytes(run.bold.read_bytes()[:-500])
    with pytest.raises(InputError, match=f"{run.bold.name}: the image ends before the last of its 16 scans"):
        load_responses(Study(tmp_path, "tiny", (run,)), "001", "train", mask=mask_file)


def test_spoiled_gzip_is_named(tmp_path, clips, volumes, mask_file, make_run):
    run = make_run(tmp_path, "01", "train", clips[:3], volumes(16), suffix=".nii.gz")
    compressed = bytearray(run.bold.read_bytes())
    compressed[-2000:-1900] = bytes(100)
    run.bold.write_bytes(compressed)
    with pytest.raises(InputError, match=run.bold.name):
        load_responses(Study(tmp_path, "tiny", (run,)), "001", "train", mask=mask_file)


@pytest.mark.parametrize("content", [b"", b"not an image at all", gzip.compress(b"short", mtime=0)])
def test_files_that_are_no_images_are_named(tmp_path, content):
    path = tmp_path / "bold.nii.gz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bold\.nii\.gz: this is not a readable NIfTI image"):
        open_image(path)


def test_run_shorter_than_its_events_is_named(tmp_path, clips, volumes, mask_file, make_run):
    run = make_run(tmp_path, "01", "train", clips[:3], volumes(15))
    with pytest.raises(InputError, match=r"ends after 15 scans, but pop\.00002_1-7 covers scans 12 to 15"):
        load_responses(Study(tmp_path, "tiny", (run,)), "001", "train", mask=mask_file)


def test_runs_on_another_grid_are_refused(tmp_path, clips, volumes, mask_file, make_run):
    run = make_run(tmp_path, "01", "train", clips[:3], volumes(16))
    moved = AFFINE.copy()
    moved[0, 3] += 3
    nib.save(nib.Nifti1Image(volumes(16), moved), run.bold)
    other = make_run(tmp_path, "02", "train", clips[3:], volumes(16))
    with pytest.raises(InputError, match="differs from that of the mask"):
        load_responses(Study(tmp_path, "tiny", (other, run)), "001", "train", mask=mask_file)


def test_metadata_without_images_says_so(study, mask_file):
    bare = replace(study, runs=tuple(replace(run, bold=None) for run in study.runs))
    with pytest.raises(InputError, match="events but no BOLD image"):
        load_responses(bare, "001", "train", mask=mask_file)


def test_of_clips_of_different_lengths_the_scans_that_all_have_are_taken(study, mask_file):
    first, *others = study.runs[0].presentations[1:]
    longer = replace(first, clip=Clip("long", 0.0, 9.0), volumes=range(4, 10))
    run = replace(study.runs[0], presentations=(longer, *others))
    responses = load_responses(replace(study, runs=(run,)), "001", "train", mask=mask_file)
    assert responses.n_scans == min(len(each.volumes) for each in others) == 4
    alone = load_responses(
        replace(study, runs=(replace(run, presentations=(longer,)),)), "001", "train", mask=mask_file
    )
    np.testing.assert_array_equal(responses.data[0], alone.data[0, :4])


def test_progress_counts_runs(study, mask_file):
    seen = []
    load_responses(study, "001", "train", mask=mask_file, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_confounds_are_removed(study, mask_file, rng):
    run = study.runs[0]
    table = rng.standard_normal((16, 2))
    lines = ["trans_x\tother", *("\t".join(map(str, row)) for row in table)]
    run.bold.with_name(f"{run.name}_desc-confounds_timeseries.tsv").write_text("\n".join(lines) + "\n")
    alone = replace(study, runs=(run,))
    cleaned = load_responses(alone, "001", "train", mask=mask_file, confounds=("trans_*",), **RAW)
    series = series_of(run, mask_file)
    design = np.column_stack([np.ones(16), table[:, 0]])
    residual = series - design @ np.linalg.lstsq(design, series, rcond=None)[0]
    np.testing.assert_allclose(cleaned.data, residual[4:].reshape(3, 4, -1), atol=1e-3)
    beside = run.bold.with_name(f"{run.name}_desc-confounds_timeseries.tsv")
    elsewhere = study.root / "derivatives" / "fmriprep" / beside.name
    elsewhere.parent.mkdir(parents=True)
    beside.rename(elsewhere)
    again = load_responses(alone, "001", "train", mask=mask_file, confounds=("trans_*",), **RAW)
    np.testing.assert_array_equal(again.data, cleaned.data)
    assert cleaned.tr == run.tr
