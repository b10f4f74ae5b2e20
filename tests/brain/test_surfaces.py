"""Responses on surfaces equal those of the same values in a volume, and maps go back to their vertices."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.brain.layout import from_layout, layout_of, require_same_grid
from brain2music.brain.load import load_responses
from brain2music.brain.roi import dseg_files
from brain2music.brain.run_store import RunStore
from brain2music.brain.source import BidsSource
from brain2music.config import RunConfig
from brain2music.prediction.new_scans import read_new_run
from brain2music.study import read_study
from tests.study.surface_study import LEFT, N, add_cifti, add_gifti, brain_models, values_of
from tests.study.tiny_study import SCANS, TinyStudy

WALL = np.isin(np.arange(N), [LEFT - 1, N - 1])


@pytest.fixture
def tiny(tmp_path: Path) -> TinyStudy:
    return TinyStudy(tmp_path / "study")


@pytest.mark.parametrize("write", [add_gifti, add_cifti])
@pytest.mark.parametrize("stored", [False, True])
def test_responses_of_vertices_are_those_of_the_same_voxels(
    tiny: TinyStudy, tmp_path: Path, write: Callable, stored: bool
) -> None:
    tiny.add_mask()
    volume = load_responses(read_study(tiny.root, raw_images=True), "01", "train")
    write(tiny)
    store = RunStore(tmp_path / "store") if stored else None
    surface = load_responses(read_study(tiny.root), "01", "train", store=store)
    assert surface.space is not None
    assert surface.space.grayordinates is not None
    np.testing.assert_array_equal(surface.space.mask.ravel(), ~WALL)
    np.testing.assert_array_equal(surface.data, volume.data[..., ~WALL])


def test_the_cut_scans_are_those_of_nibabel(tiny: TinyStudy) -> None:
    add_gifti(tiny)
    got = load_responses(read_study(tiny.root), "01", "train", detrend="none", zscore=False)
    first = values_of(tiny, next(iter(SCANS)))[:, ~WALL]
    np.testing.assert_array_equal(got.data[1], first[4:6])  # the second clip that counts; the first scans carry in


def test_layouts_tell_surfaces_apart(tiny: TinyStudy) -> None:
    add_gifti(tiny)
    responses = load_responses(read_study(tiny.root), "01", "train")
    arrays: dict[str, np.ndarray] = {}
    again = from_layout(layout_of(responses, arrays), arrays)
    assert again.space is not None
    assert responses.space is not None
    assert again.space.grayordinates == responses.space.grayordinates
    require_same_grid(again, responses)
    other = replace(again, space=replace(again.space, grayordinates=None))
    with pytest.raises(Exception, match="other surfaces"):
        require_same_grid(other, responses)


def test_digests_cover_both_hemispheres(tiny: TinyStudy) -> None:
    left = add_gifti(tiny)[0]
    right = left.with_name(left.name.replace("hemi-L", "hemi-R"))
    source = BidsSource.read(tiny.root, RunConfig.of(lag_tr=0))
    before = source.digests("01")
    assert {Path(name).name for name in before} >= {left.name, right.name}
    image = nib.load(right)
    image.darrays[0].data[0] += 1
    nib.save(image, right)
    assert len(before.items() ^ BidsSource.read(tiny.root, RunConfig.of(lag_tr=0)).digests("01").items()) == 2


def label_pair(tiny: TinyStudy, keys: np.ndarray) -> Path:
    """Labels of both hemispheres: 1 is Heschl, 2 planum, 0 and 3 nothing."""
    folder = tiny.root / "derivatives" / "fmriprep" / "sub-01" / "anat"
    folder.mkdir(parents=True, exist_ok=True)
    table = nib.gifti.GiftiLabelTable()
    for key, name in enumerate(["none", "Heschl", "planum", "???"]):
        label = nib.gifti.GiftiLabel(key)
        label.label = name
        table.labels.append(label)
    paths = [folder / f"sub-01_hemi-{side}_space-fsnative_dseg.label.gii" for side in "LR"]
    for path, half in zip(paths, (keys[:LEFT], keys[LEFT:]), strict=True):
        array = nib.gifti.GiftiDataArray(half.astype(np.int32), intent="NIFTI_INTENT_LABEL")
        nib.save(nib.GiftiImage(darrays=[array], labeltable=table), path)
    return paths[0]


def test_regions_are_those_of_the_labels_of_the_vertices(tiny: TinyStudy) -> None:
    add_gifti(tiny)
    keys = np.arange(N) % 4
    left = label_pair(tiny, keys)
    study = read_study(tiny.root)
    expected = np.array(["", "Heschl", "planum", ""], dtype=object)[keys][~WALL]
    space = load_responses(study, "01", "train").space
    assert space is not None
    assert space.roi == tuple(expected)
    assert [path.name[7:13] for path in dseg_files(study, "01")] == ["hemi-L", "hemi-R"]
    label_pair(tiny, keys[:-1])
    with pytest.raises(InputError, match="labels of 59 vertices, and 60 in the runs"):
        load_responses(study, "01", "train")
    left.with_name(left.name.replace("hemi-L", "hemi-R")).unlink()
    with pytest.raises(InputError, match="the right hemisphere is missing"):
        load_responses(study, "01", "train")


def test_regions_of_grayordinates_are_in_their_label_file(tiny: TinyStudy) -> None:
    add_cifti(tiny)
    path = tiny.root / "derivatives" / "fmriprep" / "sub-01" / "anat" / "sub-01_space-fsLR_den-91k_dseg.dlabel.nii"
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = (np.arange(N) % 2).astype(np.float32)
    table = {0: ("???", (0, 0, 0, 0)), 1: ("Heschl", (1, 0, 0, 1))}
    axes = nib.cifti2.LabelAxis(["regions"], [table]), brain_models()
    nib.save(nib.Cifti2Image(keys[None], nib.cifti2.Cifti2Header.from_axes(axes)), path)
    space = load_responses(read_study(tiny.root), "01", "train").space
    assert space is not None
    assert space.roi == tuple(np.where(keys[~WALL] > 0, "Heschl", ""))


@pytest.mark.parametrize("write", [add_gifti, add_cifti])
def test_new_series_are_read_on_the_surfaces_of_a_model(tiny: TinyStudy, write: Callable) -> None:
    path = write(tiny)[0]
    model = load_responses(read_study(tiny.root), "01", "train")
    arrays: dict[str, np.ndarray] = {}
    layout = from_layout(layout_of(model, arrays), arrays)
    ending = ".func.gii" if write is add_gifti else ".dtseries.nii"
    path.with_name(path.name.removesuffix(ending) + ".json").write_text('{"RepetitionTime": 1.5}')
    got = read_new_run(path, layout, {"preprocessing": {"detrend": "median"}})
    assert got.data.shape == (3, 2, N - 2)
    np.testing.assert_array_equal(got.data[1:], model.data[:2])  # the first clip of the run carries in


def test_confounds_of_a_run_are_those_of_its_hemispheres(tiny: TinyStudy, rng: np.random.Generator) -> None:
    left = add_gifti(tiny)
    for path, (name, scans) in zip(left, SCANS.items(), strict=True):
        rows = "\n".join(["trans_x", *map(str, rng.normal(size=scans))])
        path.with_name(f"sub-01_{name}_desc-confounds_timeseries.tsv").write_text(rows + "\n")
    tiny.add_mask()
    surface = load_responses(read_study(tiny.root), "01", "train", confounds=("trans_x",))
    volume = load_responses(read_study(tiny.root, raw_images=True), "01", "train", confounds=("trans_x",))
    np.testing.assert_allclose(surface.data, volume.data[..., ~WALL], atol=1e-5)
    assert np.abs(surface.data - load_responses(read_study(tiny.root), "01", "train").data).max() > 0.1
