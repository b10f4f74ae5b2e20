"""Images that are not what they should be, or are so in an unusual way: read right, or refused by name."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brain2music._utils import gzipped
from brain2music._utils.errors import InputError
from brain2music.brain.load import load_responses, voxel_space
from brain2music.brain.mask import epi_mask
from brain2music.brain.volumes import open_image, read_mean, read_volume, read_voxels
from brain2music.study import Clip, Run, Study

GRID = (5, 4, 3)
MakeRun = Callable[..., Run]

OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = 2 * np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
FLIPPED = np.diag([-2.0, 2, 2, 1])


def save(path: Path, image: nib.Nifti1Image) -> Path:
    nib.save(image, path)
    return path


def study_of(run: Run, tmp_path: Path) -> Study:
    return Study(tmp_path, "tiny", (run,))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("affine", [FLIPPED, OBLIQUE, np.diag([2.0, 2, 2, 1])[[1, 0, 2, 3]]])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64, np.dtype(">f4")])
def test_every_orientation_type_and_version_is_read_as_by_nibabel(tmp_path, rng, suffix, affine, kind, dtype):
    image = kind(rng.integers(0, 200, (*GRID, 6)).astype(dtype), affine)
    image.header.set_slope_inter(0.013, -2.5)
    path = save(tmp_path / f"bold{suffix}", image)
    mask = rng.random(GRID) < 0.5
    expected = nib.load(path).get_fdata()
    opened = open_image(path)
    np.testing.assert_array_equal(opened.affine, nib.load(path).affine)
    np.testing.assert_allclose(read_voxels(opened, mask), expected[mask].T, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(read_mean(opened), expected.mean(axis=-1), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(read_volume(opened), expected[..., 0], rtol=1e-6, atol=1e-6)


def test_a_mask_of_another_orientation_is_brought_to_the_image(tmp_path, rng, clips, volumes, make_run: MakeRun):
    run = make_run(tmp_path, "01", "train", clips[:3], volumes(16))
    image = nib.load(run.bold)
    mask = rng.random(GRID) < 0.5
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = GRID[0] - 1
    file = save(tmp_path / "mask.nii", nib.Nifti1Image(mask[::-1].astype(np.uint8), image.affine @ flip))
    np.testing.assert_array_equal(voxel_space(study_of(run, tmp_path), "001", mask=file).mask, mask)


def test_a_dimension_of_one_beside_time_is_none_and_more_are_refused(tmp_path, rng):
    numbers = rng.normal(100, 10, (*GRID, 6)).astype(np.float32)
    mask = np.ones(GRID, bool)
    for shape in ((*GRID, 1, 6), (*GRID, 6, 1)):
        path = save(tmp_path / "five.nii", nib.Nifti1Image(numbers.reshape(shape), np.eye(4)))
        np.testing.assert_array_equal(read_voxels(open_image(path), mask), numbers[mask].T)
    path = save(tmp_path / "five.nii", nib.Nifti1Image(numbers.reshape(*GRID, 2, 3), np.eye(4)))
    with pytest.raises(InputError, match=r"five\.nii: the image has the shape \(5, 4, 3, 2, 3\): more dimensions"):
        open_image(path)


def test_complex_numbers_and_colours_are_refused(tmp_path):
    path = save(tmp_path / "complex.nii", nib.Nifti1Image(np.zeros((*GRID, 2), np.complex64), np.eye(4)))
    with pytest.raises(InputError, match=r"complex\.nii: its voxels are not numbers but complex64"):
        open_image(path)
    colours = np.zeros((*GRID, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    path = save(tmp_path / "rgb.nii", nib.Nifti1Image(colours, np.eye(4)))
    with pytest.raises(InputError, match=r"rgb\.nii: its voxels are not numbers"):
        open_image(path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_file_of_no_bytes_is_refused(tmp_path, suffix, clips, volumes, mask_file, make_run: MakeRun):
    run = make_run(tmp_path, "01", "train", clips[:3], volumes(16), suffix=suffix)
    run.bold.write_bytes(b"")
    with pytest.raises(InputError, match=r"bold\.nii(\.gz)?: this is not a readable NIfTI image"):
        load_responses(study_of(run, tmp_path), "001", "train", mask=mask_file)


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("faster", [True, False])
def test_a_compressed_image_that_ends_early_is_refused(tmp_path, rng, kept, faster, monkeypatch):
    if not faster:
        monkeypatch.setattr(gzipped, "_faster", None)
    path = save(tmp_path / "bold.nii.gz", nib.Nifti1Image(rng.normal(size=(*GRID, 400)), np.eye(4)))
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(InputError, match=r"bold\.nii\.gz: the image ends before the last of its 400 scans"):
        read_voxels(open_image(path), np.ones(GRID, bool))


@pytest.mark.parametrize("faster", [True, False])
def test_a_checksum_that_differs_is_refused_and_bytes_after_the_stream_are_not(tmp_path, rng, faster, monkeypatch):
    if not faster:
        monkeypatch.setattr(gzipped, "_faster", None)
    numbers, mask = rng.normal(size=(*GRID, 40)), np.ones(GRID, bool)
    path = save(tmp_path / "bold.nii.gz", nib.Nifti1Image(numbers, np.eye(4)))
    whole = path.read_bytes()
    path.write_bytes(whole + b"more bytes that are no gzip stream")
    np.testing.assert_array_equal(read_voxels(open_image(path), mask), numbers[mask].T.astype(np.float32))
    path.write_bytes(whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:])
    with pytest.raises(InputError, match=r"bold\.nii\.gz: the image is damaged"):
        read_voxels(open_image(path), mask)


def test_an_image_of_nan_is_refused(tmp_path, clips, volumes, mask_file, make_run: MakeRun):
    run = make_run(tmp_path, "01", "train", clips[:3], np.full_like(volumes(16), np.nan))
    with pytest.raises(InputError, match="every voxel of sub-001 is NaN or infinite in a train run"):
        load_responses(study_of(run, tmp_path), "001", "train", mask=mask_file)
    with pytest.raises(InputError, match=r"bold\.nii: no mask goes with the image, and no brain was found"):
        epi_mask(open_image(run.bold))


def test_a_run_of_another_shape_is_refused(tmp_path, rng, clips: list[Clip], volumes, mask_file, make_run: MakeRun):
    first = make_run(tmp_path, "01", "train", clips[:3], volumes(16))
    other = make_run(tmp_path, "02", "train", clips[3:], rng.normal(size=(5, 4, 4, 16)).astype(np.float32))
    with pytest.raises(InputError, match=r"run-02_bold\.nii: the image has the grid \(5, 4, 4\) but the mask"):
        load_responses(Study(tmp_path, "tiny", (first, other)), "001", "train", mask=mask_file)


def test_large_mapped_images_give_back_their_pages_and_the_same_numbers(tmp_path, rng, monkeypatch):
    monkeypatch.setattr("brain2music.brain.volumes.FORGET_BYTES", 4096)
    numbers = rng.integers(0, 1000, (12, 11, 10, 30)).astype(np.int16)
    path = save(tmp_path / "bold.nii", nib.Nifti1Image(numbers, np.eye(4)))
    mask = rng.random((12, 11, 10)) < 0.2
    np.testing.assert_array_equal(read_voxels(open_image(path), mask), numbers[mask].T)
