"""Series on surfaces: which are taken, and what is said of those that are broken."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.study import check_study, read_study
from brain2music.study.bids import survey_study
from brain2music.study.surfaces import read_surface, read_surface_header

from .surface_study import LEFT, N, add_cifti, add_gifti, brain_models, values_of, write_hemisphere
from .tiny_study import SCANS, TR, TinyStudy


def right_of(left: Path) -> Path:
    return left.with_name(left.name.replace("hemi-L", "hemi-R"))


def test_a_pair_of_hemispheres_is_read_left_before_right(tiny: TinyStudy) -> None:
    paths = add_gifti(tiny)
    study = read_study(tiny.root)
    assert [run.bold for run in study.runs] == paths
    assert [run.n_volumes for run in study.runs] == list(SCANS.values())
    assert str(study.images) == "the preprocessed images (space-fsnative) of derivatives/fmriprep"
    header = read_surface_header(paths[0])
    assert (header.grayordinates.vertices, header.grayordinates.count) == ((LEFT, N - LEFT), N)
    for path, name in zip(paths, SCANS, strict=True):
        halves = [nib.load(each).agg_data().T for each in (path, right_of(path))]
        np.testing.assert_array_equal(read_surface(path), np.hstack(halves))
        np.testing.assert_array_equal(read_surface(path), values_of(tiny, name))


def test_one_array_of_vertices_by_scans_is_the_same_series(tiny: TinyStudy) -> None:
    path = add_gifti(tiny)[0]
    before = read_surface(path)
    array = nib.gifti.GiftiDataArray(np.ascontiguousarray(before[:, :LEFT].T))
    nib.save(nib.GiftiImage(darrays=[array]), path)
    np.testing.assert_array_equal(read_surface(path), before)


def test_grayordinates_of_cifti_keep_their_models(tiny: TinyStudy) -> None:
    path = add_cifti(tiny)[0]
    header = read_surface_header(path)
    assert (header.tr, header.grayordinates.vertices, header.grayordinates.count) == (TR, (40, 40), N)
    assert header.grayordinates.axis() == brain_models()
    np.testing.assert_array_equal(read_surface(path), nib.load(path).get_fdata(dtype=np.float32))
    assert next(run.bold for run in read_study(tiny.root).runs) == path


def test_volumes_come_first_and_what_was_passed_over_is_said(tiny: TinyStudy) -> None:
    volumes = tiny.add_preprocessed("space-T1w_desc-preproc")
    surfaces = add_gifti(tiny)
    add_cifti(tiny)
    (remark,) = [each for each in survey_study(tiny.root).findings if each.code == "surface-unread"]
    assert remark.severity == "warning"
    assert remark.what == "taken in space-T1w; the run is on surfaces too: fsLR, fsnative"
    with pytest.warns(UserWarning, match="on surfaces too"):
        assert [run.bold for run in read_study(tiny.root).runs] == volumes
    study = read_study(tiny.root, bids_filter={"space": "fsnative"})
    assert [run.bold for run in study.runs] == surfaces


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_missing_hemisphere_is_named(tiny: TinyStudy, side: str) -> None:
    left = add_gifti(tiny)[0]
    gone = left if side == "left" else right_of(left)
    gone.unlink()
    with pytest.raises(InputError, match=f"the {side} hemisphere is missing"):
        read_study(tiny.root)


def test_hemispheres_of_other_lengths_and_vertices_are_errors(tiny: TinyStudy) -> None:
    left = add_gifti(tiny, "fsaverage5")[0]
    with pytest.raises(InputError, match="34 vertices, the right 26; those of fsaverage5 are equal"):
        read_study(tiny.root)
    write_hemisphere(right_of(left), np.ones((5, LEFT)))
    with pytest.raises(InputError, match="the left hemisphere has 6 scans, the right 5"):
        read_surface_header(left)


def test_other_numbers_of_scans_than_the_raw_and_other_vertices_than_the_first_run(tiny: TinyStudy) -> None:
    left = add_gifti(tiny)[0]
    for path, width in ((left, LEFT), (right_of(left), N - LEFT)):
        write_hemisphere(path, np.random.default_rng(0).normal(size=(4, width)))
    assert any(each.code == "volumes-differ" for each in survey_study(tiny.root).findings)
    for path in (left, right_of(left)):
        write_hemisphere(path, np.random.default_rng(0).normal(size=(6, 20)))
    assert any(each.code == "grid-mismatch" for each in survey_study(tiny.root).findings)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"<?xml version='1.0'?><GIFTI><DataArr"])
def test_what_is_no_series_is_refused_by_name(tiny: TinyStudy, content: bytes) -> None:
    left = add_gifti(tiny)[0]
    left.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_study(tiny.root)
    assert left.name in str(caught.value)


@pytest.mark.parametrize("cut", [100, 2000, -200])
def test_cut_grayordinates_are_an_error(tiny: TinyStudy, cut: int) -> None:
    path = add_cifti(tiny)[0]
    path.write_bytes(path.read_bytes()[:cut])
    findings = [each for each in check_study(tiny.root) if each.file == path and each.severity == "error"]
    assert findings
