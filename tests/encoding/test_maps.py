"""Maps hold every voxel's value at its place: through nilearn and back, on fsaverage, as pictures."""

import nibabel as nib
import numpy as np
import pytest
from nilearn.maskers import NiftiMasker
from PIL import Image

from brain2music._utils.files import read_json
from brain2music.brain import VoxelSpace
from brain2music.encoding import map_figure, surface_values, write_statmap
from brain2music.encoding.maps import is_mni_like


@pytest.fixture(scope="module")
def mni() -> VoxelSpace:
    """An ellipsoid of 8-mm voxels in the place of the MNI152 brain."""
    affine = np.diag([8.0, 8.0, 8.0, 1.0])
    affine[:3, 3] = [-72, -108, -72]
    ijk = np.indices((19, 24, 20)).reshape(3, -1).T
    xyz = ijk @ affine[:3, :3].T + affine[:3, 3]
    inside = (((xyz - [0, -17, 5]) / [72, 90, 72]) ** 2).sum(axis=1) <= 1
    return VoxelSpace(inside.reshape(19, 24, 20), affine)


def test_maps_come_back_through_nilearns_masker(tmp_path, rng, mni):
    values = rng.standard_normal(int(mni.mask.sum()))
    path = tmp_path / "sub-001_stat-r_desc-toy_statmap.nii.gz"
    write_statmap(path, values, mni, description="r", simulated=True)
    mask = nib.Nifti1Image(mni.mask.astype(np.int8), mni.affine)
    np.testing.assert_allclose(
        NiftiMasker(mask, standardize=None).fit_transform(nib.load(path)).ravel(), values, rtol=1e-6
    )
    assert read_json(tmp_path / "sub-001_stat-r_desc-toy_statmap.json") == {
        "Description": "Simulated: r",
        "Simulated": True,
    }
    first = path.read_bytes()
    write_statmap(path, values, mni, description="r", simulated=True)
    assert path.read_bytes() == first
    assert len(list(tmp_path.iterdir())) == 2


def test_only_brains_in_the_templates_place_pass_for_mni(mni):
    assert is_mni_like(mni)
    moved, small = mni.affine.copy(), mni.affine.copy()
    moved[:3, 3] += [0, 40, 0]
    small[:3, :3] /= 4
    empty = np.zeros_like(mni.mask)
    empty[9, 12, 10] = True
    assert not is_mni_like(VoxelSpace(mni.mask, moved))
    assert not is_mni_like(VoxelSpace(mni.mask, small))
    assert not is_mni_like(VoxelSpace(empty, mni.affine))
    assert not is_mni_like(VoxelSpace(np.zeros_like(mni.mask), mni.affine))


def test_a_side_to_side_gradient_arrives_on_its_hemispheres(mni):
    x = (np.argwhere(mni.mask) @ mni.affine[:3, :3].T + mni.affine[:3, 3])[:, 0]
    sampled = surface_values(x, mni)
    assert np.nanmean(sampled["left"]) < -15
    assert np.nanmean(sampled["right"]) > 15
    assert len(sampled["left"]) == 10242
    hidden = surface_values(np.where(x < 0, np.nan, x), mni)
    assert np.isnan(hidden["left"]).mean() > 0.8
    assert np.isnan(hidden["right"]).mean() < 0.5
    assert np.nanmin(hidden["right"]) >= 0
    assert np.nanmax(surface_values(np.where(x > 60, x, np.nan), mni)["right"]) > 60
    assert np.nanmin(surface_values(np.where(x > 40, x, np.nan), mni)["right"]) > 40
    assert np.isnan(surface_values(np.full(len(x), np.nan), mni)["left"]).all()


@pytest.mark.parametrize("native", [False, True])
def test_pictures_show_the_map_and_repeat(tmp_path, rng, mni, native):
    space = mni
    if native:
        affine = mni.affine.copy()
        affine[:3, 3] += 100
        space = VoxelSpace(mni.mask, affine)
    values = rng.uniform(0.2, 1, int(mni.mask.sum()))
    nothing, full, again = (tmp_path / f"{name}.png" for name in ("nothing", "full", "again"))
    map_figure(nothing, np.full(len(values), np.nan), space, title="map", top=1.0)
    for path in (full, again):
        map_figure(path, values, space, title="map", top=1.0)
    colourful = [
        np.ptp(np.asarray(Image.open(path).convert("RGB"), int), axis=2).max(axis=1) for path in (nothing, full)
    ]
    rows = slice(0, int(0.7 * len(colourful[0])))  # above the colour bar
    assert colourful[0][rows].max() < 30
    assert colourful[1][rows].max() > 100
    assert full.read_bytes() == again.read_bytes()


def test_simulated_maps_say_so_in_text(tmp_path, mni):
    affine = mni.affine.copy()
    affine[:3, 3] += 100
    values = np.linspace(-1, 1, int(mni.mask.sum()))
    for simulated in (True, False):
        path = tmp_path / "map.svg"
        map_figure(path, values, VoxelSpace(mni.mask, affine), title="map", simulated=simulated, diverging=True)
        assert ("<!-- map (simulated) -->" in path.read_text()) == simulated
