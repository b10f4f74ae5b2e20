"""Maps of responses on surfaces: written to their vertices, and drawn."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nilearn.datasets import fetch_surf_fsaverage

from brain2music._utils.errors import InputError
from brain2music.brain.responses import VoxelSpace
from brain2music.encoding import map_figure, write_statmap
from brain2music.encoding.maps import hemispheres
from brain2music.study.surfaces import Grayordinates, read_surface_header
from tests.study.surface_study import LEFT, N, add_cifti, brain_models
from tests.study.tiny_study import TinyStudy

KEPT = np.arange(N) % 7 != 0


def space_of(grayordinates: Grayordinates, kept: np.ndarray = KEPT) -> VoxelSpace:
    return VoxelSpace(kept[:, None, None], np.eye(4), grayordinates=grayordinates)


def test_a_pair_of_hemispheres_goes_back_to_its_vertices(tmp_path: Path, rng: np.random.Generator) -> None:
    values = rng.normal(size=int(KEPT.sum()))
    space = space_of(Grayordinates("fsnative", (LEFT, N - LEFT)))
    path = tmp_path / "sub-01_desc-x_stat-r_statmap.nii.gz"
    files = write_statmap(path, values, space, description="r", simulated=False)
    assert [file.name for file in files] == [f"sub-01_desc-x_hemi-{side}_stat-r_statmap.func.gii" for side in "LR"]
    read = np.concatenate([nib.load(file).agg_data() for file in files])
    np.testing.assert_array_equal(read[KEPT], values.astype(np.float32))
    assert not read[~KEPT].any()
    sides = [nib.load(file).meta["AnatomicalStructurePrimary"] for file in files]
    assert sides == ["CortexLeft", "CortexRight"]
    content = [file.read_bytes() for file in files]
    write_statmap(path, values, space, description="r", simulated=False)
    assert content == [file.read_bytes() for file in files]


def test_grayordinates_go_back_to_a_scalar_of_their_models(tmp_path: Path, rng: np.random.Generator) -> None:
    found = read_surface_header(add_cifti(TinyStudy(tmp_path / "study"))[0])
    space, values = space_of(found.grayordinates), rng.normal(size=int(KEPT.sum()))
    (file,) = write_statmap(tmp_path / "stat-r_statmap.nii.gz", values, space, description="r", simulated=False)
    assert file.name == "stat-r_statmap.dscalar.nii"
    image = nib.load(file)
    assert image.header.get_axis(1) == brain_models()
    np.testing.assert_array_equal(image.get_fdata()[0, KEPT], values.astype(np.float32))
    left = hemispheres(values, space)["left"]
    assert left.shape == (40,)
    assert np.isnan(left[:2]).all()
    assert left[3] == np.float32(values[0])  # grayordinate 1 is vertex 3; 0 is not kept


def test_figures_are_drawn_on_fsaverage5_on_a_given_mesh_or_by_vertex(tmp_path: Path) -> None:
    n = 10242
    whole = VoxelSpace(np.ones((2 * n, 1, 1), bool), np.eye(4), grayordinates=Grayordinates("fsaverage5", (n, n)))
    values = np.linspace(0, 0.5, 2 * n)
    map_figure(tmp_path / "a.png", values, whole, title="r")
    own = VoxelSpace(whole.mask, whole.affine, grayordinates=Grayordinates("fsnative", (n, n)))
    mesh = fetch_surf_fsaverage("fsaverage5")
    meshes = Path(mesh["infl_left"]), Path(mesh["infl_right"])
    map_figure(tmp_path / "b.png", values, own, title="r", meshes=meshes)
    map_figure(tmp_path / "c.svg", values, own, title="r")
    assert (tmp_path / "a.png").stat().st_size > 50_000 < (tmp_path / "b.png").stat().st_size
    assert (tmp_path / "c.svg").stat().st_size > 1000
    other = space_of(Grayordinates("fsnative", (LEFT, N - LEFT)))
    with pytest.raises(InputError, match="10242 vertices, and the map of this hemisphere 34"):
        map_figure(tmp_path / "d.png", np.zeros(int(KEPT.sum())), other, title="r", meshes=meshes)
