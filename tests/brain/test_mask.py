"""Masks and regions: which file is taken, and on which grid."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nilearn.image import resample_to_img
from nilearn.masking import compute_epi_mask

from brain2music._utils.errors import InputError
from brain2music.brain.load import load_responses, voxel_space
from brain2music.brain.mask import check_masks, choose_mask, sample_nearest
from brain2music.brain.roi import find_dseg, label_voxels, read_label_table

GRID = (5, 4, 3)
AFFINE = np.array([[2.0, 0, 0, -10], [0, 2, 0, -20], [0, 0, 2, 5], [0, 0, 0, 1]])


def write(path: Path, volume: np.ndarray, affine: np.ndarray = AFFINE) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(volume.astype(np.uint8), affine), path)
    return volume.astype(bool)


@pytest.fixture
def anat(study) -> Path:
    return study.root / "derivatives" / "prep" / "sub-001" / "anat"


def test_grey_matter_comes_before_brain_masks(study, anat, rng):
    brain = write(anat / "sub-001_desc-brain_mask.nii.gz", rng.random(GRID) > 0.2)
    np.testing.assert_array_equal(choose_mask(study, "001").mask, brain)
    grey = write(anat / "sub-001_label-GM_mask.nii.gz", rng.random(GRID) > 0.5)
    np.testing.assert_array_equal(choose_mask(study, "001").mask, grey)


def test_brain_masks_of_runs_are_intersected_and_come_before_anatomical(study, anat, rng):
    func = anat.parent / "func"
    write(anat / "sub-001_desc-brain_mask.nii.gz", np.ones(GRID))
    masks = [
        write(func / f"sub-001_task-train_run-0{i}_desc-brain_mask.nii.gz", rng.random(GRID) > 0.3) for i in (1, 2)
    ]
    np.testing.assert_array_equal(choose_mask(study, "001").mask, masks[0] & masks[1])


def test_masks_of_other_spaces_and_subjects_are_passed_over(study, anat, rng, mask_file):
    write(anat / "sub-001_space-MNI152NLin6Asym_desc-brain_mask.nii.gz", np.ones(GRID))
    write(anat.parents[1] / "sub-0012" / "sub-0012_desc-brain_mask.nii.gz", np.ones(GRID))
    own = write(anat / "sub-001_desc-brain_mask.nii.gz", rng.random(GRID) > 0.3)
    np.testing.assert_array_equal(choose_mask(study, "001").mask, own)
    chosen = choose_mask(study, "001", mask=mask_file)
    np.testing.assert_array_equal(chosen.mask, nib.load(mask_file).get_fdata() > 0)


def test_without_masks_it_is_nilearns(tmp_path, clips, make_run, rng):
    from brain2music.study import Study

    volumes = rng.normal(100, 5, (16, 16, 12, 16)).astype(np.float32)
    volumes[4:12, 4:12, 3:9] += 900
    run = make_run(tmp_path, "01", "train", clips[:3], volumes)
    space = choose_mask(Study(tmp_path, "tiny", (run,)), "001")
    np.testing.assert_array_equal(space.mask, compute_epi_mask(str(run.bold)).get_fdata() > 0)
    assert 0 < space.mask.sum() < space.mask.size


def test_an_image_without_a_brain_asks_for_a_mask(tmp_path, clips, make_run, recwarn):
    from brain2music.study import Study

    volumes = np.ones((*GRID, 6), np.float32)
    run = make_run(tmp_path, "01", "train", clips[:3], volumes)
    with pytest.raises(InputError, match=r"no mask goes with the image.*desc-brain_mask, into the derivatives"):
        choose_mask(Study(tmp_path, "tiny", (run,)), "001")
    assert not recwarn.list


def test_nearest_sampling_equals_nilearns(rng):
    source = nib.Nifti1Image(rng.integers(0, 9, (7, 6, 5)).astype(np.float32), np.diag([1.7, 1.9, 2.3, 1]))
    target = nib.Nifti1Image(np.zeros(GRID, np.float32), np.diag([2.1, 2.2, 2.7, 1]))
    expected = resample_to_img(source, target, "nearest", force_resample=True, copy_header=True).get_fdata()
    sampled = sample_nearest(source.get_fdata(dtype=np.float32), source.affine, GRID, target.affine)
    np.testing.assert_array_equal(sampled, expected)


def test_masks_that_keep_nothing_are_refused(study, tmp_path):
    far = AFFINE.copy()
    far[0, 3] = 500
    write(tmp_path / "far.nii.gz", np.ones(GRID), far)
    with pytest.raises(InputError, match=r"far\.nii\.gz: the mask keeps no voxel"):
        choose_mask(study, "001", mask=tmp_path / "far.nii.gz")
    with pytest.raises(InputError, match="there is no sub-009"):
        choose_mask(study, "009")


def test_masks_of_several_volumes_or_of_no_place_are_refused(study, tmp_path):
    write(tmp_path / "two.nii.gz", np.ones((*GRID, 2), np.uint8))
    with pytest.raises(InputError, match="the mask has 2 volumes"):
        choose_mask(study, "001", mask=tmp_path / "two.nii.gz")
    flat = tmp_path / "flat.nii"
    write(flat, np.ones(GRID))
    content = bytearray(flat.read_bytes())
    content[280:296] = content[296:312]  # two axes along one line
    flat.write_bytes(content)
    with pytest.raises(InputError, match="does not say where in space"):
        choose_mask(study, "001", mask=flat)


def test_regions_are_named_from_a_finer_grid(study, anat, mask_file):
    fine = np.zeros((10, 8, 6))
    fine[:5], fine[5:] = 1, 2
    fine_affine = AFFINE.copy()
    fine_affine[:3, :3] = np.eye(3)
    fine_affine[:3, 3] -= 0.5
    write(anat / "sub-001_desc-toy_dseg.nii.gz", fine, fine_affine)
    (anat / "sub-001_desc-toy_dseg.tsv").write_text("index\tname\n1\tHeschl\n")
    assert find_dseg(study, "001") == anat / "sub-001_desc-toy_dseg.nii.gz"
    space = voxel_space(study, "001", mask=mask_file)
    first = np.argwhere(space.mask)[:, 0]
    assert space.roi == tuple("Heschl" if x <= 2 else "" for x in first)
    assert load_responses(study, "001", "train", mask=mask_file).space.roi == space.roi


def test_segmentations_without_a_table_are_not_found(study, anat):
    write(anat / "sub-001_dseg.nii.gz", np.ones(GRID))
    assert find_dseg(study, "001") is None
    (anat / "dseg.tsv").write_text("index\tname\n1\tgrey\n")
    assert find_dseg(study, "001") == anat / "sub-001_dseg.nii.gz"


def test_tables_and_labels_that_do_not_fit_are_named(study, mask_file, tmp_path):
    space = choose_mask(study, "001", mask=mask_file)
    write(tmp_path / "atlas.nii.gz", np.zeros(GRID))
    table = tmp_path / "atlas.tsv"
    with pytest.raises(InputError, match=r"atlas\.tsv: the label table is missing"):
        label_voxels(space, tmp_path / "atlas.nii.gz")
    table.write_text("index\tname\n1\tA1\n")
    with pytest.raises(InputError, match=r"atlas\.nii\.gz: no voxel of the mask has a named label"):
        label_voxels(space, tmp_path / "atlas.nii.gz")
    table.write_text("label\tname\n1\tA1\n")
    with pytest.raises(InputError, match="lacks the column 'index'"):
        read_label_table(table)
    table.write_text("index\tname\none\tA1\n")
    with pytest.raises(InputError, match="this is not a label table"):
        read_label_table(table)


def test_masks_are_looked_for_in_the_folder_named_and_then_in_the_studys(study, anat, rng, tmp_path):
    own = write(anat / "sub-001_label-GM_mask.nii.gz", rng.random(GRID) > 0.5)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    np.testing.assert_array_equal(choose_mask(study, "001", elsewhere).mask, own)
    named = write(elsewhere / "sub-001" / "sub-001_desc-brain_mask.nii.gz", rng.random(GRID) > 0.2)
    np.testing.assert_array_equal(choose_mask(study, "001", elsewhere).mask, named)


def test_masks_on_another_grid_are_reported_with_the_share_that_is_within(study, anat):
    write(anat / "sub-001_desc-brain_mask.nii.gz", np.ones(GRID))
    assert check_masks(study, "001") == []
    moved = AFFINE.copy()
    moved[0, 3] += 2.0 * 2  # two of five voxels along x
    write(anat / "sub-001_desc-brain_mask.nii.gz", np.ones(GRID), moved)
    (finding,) = check_masks(study, "001")
    assert (finding.severity, finding.code, finding.subject) == ("warning", "mask-resampled", "001")
    assert "affine differs" in finding.what
    assert "60% of it is within" in finding.what
