"""Responses on surfaces equal those of the same values in a volume, and maps go back to their vertices."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brain2music.brain.layout import from_layout, layout_of, require_same_grid
from brain2music.brain.load import load_responses
from brain2music.brain.run_store import RunStore
from brain2music.brain.source import BidsSource
from brain2music.config import RunConfig
from brain2music.study import read_study
from tests.study.surface_study import LEFT, N, add_cifti, add_gifti, values_of
from tests.study.tiny_study import SCANS, TinyStudy

WALL = np.isin(np.arange(N), [LEFT - 1, N - 1])


@pytest.fixture
def tiny(tmp_path: Path) -> TinyStudy:
    return TinyStudy(tmp_path / "study")


@pytest.mark.parametrize("write", [add_gifti, add_cifti])
@pytest.mark.parametrize("stored", [False, True])
def test_responses_of_vertices_are_those_of_the_same_voxels(
    tiny: TinyStudy, tmp_path: Path, write: object, stored: bool
) -> None:
    tiny.add_mask()
    volume = load_responses(read_study(tiny.root, raw_images=True), "01", "train")
    assert callable(write)
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
