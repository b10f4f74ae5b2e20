"""Preprocessed images, their sidecars and headers: compared with the raw, and never some of each."""

import gzip
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.study import read_study
from brain2music.study.bids import survey_study
from brain2music.study.images import trailing_bytes

from .tiny_study import TR, TinyStudy, voxels

TRAIN, OTHER, TEST = "task-Training_run-01", "task-Training_run-02", "task-Test_run-01"
MNI = "space-MNI152NLin2009cAsym_desc-preproc"


def found(tiny: TinyStudy, code: str) -> list[str]:
    """Severity and text of the findings of a kind, in tables and headers."""
    findings = survey_study(tiny.root).findings
    return [f"{finding.severity}: {finding.what}" for finding in findings if finding.code == code]


@pytest.mark.parametrize("named", [True, False])
def test_preprocessed_images_take_the_place_of_the_raw_in_the_best_space(tiny: TinyStudy, named: bool) -> None:
    tiny.add_preprocessed("space-T1w_desc-preproc")
    paths = tiny.add_preprocessed(MNI)
    tiny.add_preprocessed("desc-smoothAROMAnonaggr")
    study = read_study(tiny.root, derivatives=tiny.root / "derivatives" / "fmriprep" if named else None)
    assert [run.bold for run in study.runs] == paths
    assert str(study.images) == (
        "the preprocessed images (desc-preproc, space-MNI152NLin2009cAsym) of derivatives/fmriprep"
    )
    assert study.runs[0].tr == TR
    assert str(read_study(tiny.root, raw_images=True).images) == "the raw images, as they are"
    native = read_study(tiny.root, bids_filter={"space": "T1w"})
    assert all(run.bold is not None and "space-T1w" in run.bold.name for run in native.runs)
    with pytest.raises(InputError, match=r"no desc-preproc_bold image, space-T2w in .*; it has .*space-MNI"):
        read_study(tiny.root, bids_filter={"space": "T2w"})


def test_of_resolutions_the_coarsest_and_first_the_images_own(tiny: TinyStudy) -> None:
    tiny.add_preprocessed("space-MNI152NLin2009cAsym_res-1_desc-preproc")
    coarse = tiny.add_preprocessed("space-MNI152NLin2009cAsym_res-2_desc-preproc")
    assert [run.bold for run in read_study(tiny.root).runs] == coarse
    own = tiny.add_preprocessed(MNI)
    assert [run.bold for run in read_study(tiny.root).runs] == own


def test_spaces_of_which_none_is_preferred_are_listed(tiny: TinyStudy) -> None:
    tiny.add_preprocessed("space-MNIPediatricAsym_cohort-1_desc-preproc")
    tiny.add_preprocessed("space-OASIS30ANTs_desc-preproc")
    with pytest.raises(InputError, match=r"MNIPediatricAsym.*OASIS30ANTs.*Choose by preprocessing.bids_filter"):
        read_study(tiny.root)


@pytest.mark.parametrize("names", [[TRAIN], [TRAIN, OTHER]])
def test_a_missing_preprocessed_image_is_named(tiny: TinyStudy, names: list[str]) -> None:
    tiny.add_preprocessed(MNI, names)
    missing = [name for name in (TRAIN, OTHER, TEST) if name not in names]
    findings = [finding for finding in survey_study(tiny.root).findings if finding.code == "preproc-missing"]
    assert [finding.file for finding in findings] == [tiny.image(name) for name in sorted(missing)]
    assert {(finding.severity, finding.subject) for finding in findings} == {("error", "01")}
    with pytest.raises(InputError, match="no desc-preproc_bold image"):
        read_study(tiny.root)
    assert read_study(tiny.root, raw_images=True).runs[0].bold == tiny.image(TRAIN)


def test_a_run_in_another_space_than_the_others_is_an_error(tiny: TinyStudy) -> None:
    tiny.add_preprocessed("space-T1w_desc-preproc")
    tiny.add_preprocessed(MNI, [TRAIN, OTHER])
    with pytest.raises(InputError, match=rf"{TEST}.*no image processed like .*MNI152NLin2009cAsym"):
        read_study(tiny.root)
    assert len(read_study(tiny.root, bids_filter={"space": "T1w"}).runs) == 3


def test_only_the_subjects_asked_for_must_be_preprocessed(tiny: TinyStudy) -> None:
    paths = tiny.add_preprocessed(MNI)
    tiny.copy_subject("02")
    assert [run.bold for run in read_study(tiny.root, subjects=["01"]).runs] == paths
    with pytest.warns(Brain2MusicWarning, match="sub-02 is left out: .*no desc-preproc_bold"):
        assert read_study(tiny.root).subjects == ("01",)


def test_several_folders_are_an_error_that_lists_them(tiny: TinyStudy) -> None:
    tiny.add_preprocessed(MNI)
    later = tiny.add_preprocessed(MNI, folder="derivatives/fmriprep-24")
    with pytest.raises(InputError, match=r"derivatives/fmriprep, .*derivatives/fmriprep-24\. Choose one with --deriv"):
        read_study(tiny.root)
    study = read_study(tiny.root, derivatives=tiny.root / "derivatives" / "fmriprep-24")
    assert [run.bold for run in study.runs] == later


def test_derivatives_may_lie_anywhere(tiny: TinyStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.add_preprocessed(MNI, folder="../elsewhere/fmriprep")
    for folder in (tmp_path / "elsewhere", tiny.root / ".." / "elsewhere" / "fmriprep"):
        study = read_study(tiny.root, derivatives=folder)
        assert all(run.bold is not None and run.bold.is_file() and "preproc" in run.bold.name for run in study.runs)
    monkeypatch.chdir(tiny.root)
    assert str(read_study(".", derivatives="../elsewhere").images).endswith("of ../elsewhere")
    with pytest.raises(InputError, match="no such folder"):
        read_study(tiny.root, derivatives=tiny.root / "nowhere")


def test_dropped_scans_are_named_in_scans_and_seconds(tiny: TinyStudy) -> None:
    paths = tiny.add_preprocessed(MNI)
    tiny.write_image(TRAIN, voxels(8))
    (text,) = found(tiny, "volumes-differ")
    assert text.startswith("error: the preprocessed image has 6 scans of 1.5 s, 2 scans (3 s) fewer")
    tiny.write_image(TRAIN, voxels(5))
    (text,) = found(tiny, "volumes-differ")
    assert "1 scans (1.5 s) more" in text
    tiny.image(TRAIN).unlink()
    tiny.image(TRAIN).symlink_to(tiny.root / "not-downloaded")
    assert found(tiny, "volumes-differ") == []
    (text,) = found(tiny, "raw-missing")
    assert text.startswith("warning: 1 preprocessed images")
    assert read_study(tiny.root).runs[0].bold == paths[0]


@pytest.mark.parametrize(("header", "severity"), [(1.0, "warning"), (1500.0, "warning"), (2.0, "error")])
def test_a_preprocessed_header_that_is_known_to_be_wrong_is_a_warning(
    tiny: TinyStudy, header: float, severity: str
) -> None:
    path = tiny.add_preprocessed(MNI)[0]
    tiny.write_image(TRAIN, voxels(6, shape=(2, 2, 2)), tr=header, path=path)
    (text,) = found(tiny, "tr-mismatch")
    assert text.startswith(f"{severity}: RepetitionTime is 1.5 s but the header of {path.name} says {header:g} s")
    if severity == "warning":
        assert read_study(tiny.root).runs[0].tr == TR


def test_the_preprocessed_images_own_sidecar_governs_and_must_fit_its_scans(tiny: TinyStudy) -> None:
    paths = tiny.add_preprocessed(MNI)
    for path, count in zip(paths, (12, 12, 20), strict=True):
        tiny.write_image("", voxels(count, shape=(2, 2, 2)), tr=0.75, path=path)
        tiny.write_json(path.with_name(path.name.replace(".nii.gz", ".json")), {"RepetitionTime": 0.75})
    assert all(text.startswith("warning: the image was resampled in time") for text in found(tiny, "tr-resampled"))
    study = read_study(tiny.root)
    assert [run.tr for run in study.runs] == [0.75] * 3
    assert study.runs[0].presentations[1].volumes == range(4, 8)
    tiny.write_image("", voxels(6, shape=(2, 2, 2)), tr=0.75, path=paths[0])
    (text,) = found(tiny, "tr-mismatch")
    assert text.startswith("error: the preprocessed image has 6 scans of 0.75 s by its sidecar, but the raw image 6")


def test_own_sidecars_are_inherited_within_the_derivatives_only(tiny: TinyStudy) -> None:
    tiny.add_preprocessed(MNI)
    tiny.write_json("derivatives/fmriprep/task-Training_bold.json", {"RepetitionTime": TR})
    tiny.write_json("derivatives/task-Training_bold.json", {"RepetitionTime": 9})
    assert [run.tr for run in read_study(tiny.root).runs] == [TR] * 3


@pytest.mark.parametrize(("tr", "hint"), [(2000, "seconds: 2, if"), (60, "0.06, if"), (0.0015, "give it in seconds")])
def test_a_tr_that_is_none_is_an_error(tiny: TinyStudy, tr: float, hint: str) -> None:
    tiny.write_json(tiny.sidecar(TRAIN), {"RepetitionTime": tr})
    tiny.write_image(TRAIN, voxels(6), tr=0)
    (finding,) = [each for each in survey_study(tiny.root).findings if each.code == "tr-invalid"]
    assert finding.severity == "error"
    assert hint in finding.hint


@pytest.mark.parametrize("tr", [0.1, 10, 20])
def test_fast_and_sparse_trs_are_trs(tiny: TinyStudy, tr: float) -> None:
    for name, count in ((TRAIN, 100), (OTHER, 100), (TEST, 200)):
        tiny.write_json(tiny.sidecar(name), {"RepetitionTime": tr})
        tiny.write_image(name, voxels(count, shape=(1, 1, 2)), tr=tr)
    assert [run.tr for run in read_study(tiny.root).runs] == [tr] * 3


def test_regular_timing_of_volumes_is_a_tr(tiny: TinyStudy) -> None:
    timing = [TR * scan for scan in range(6)]
    tiny.write_json(tiny.sidecar(TRAIN), {"VolumeTiming": timing, "AcquisitionDuration": 1.0})
    assert read_study(tiny.root).runs[0].tr == TR
    tiny.write_json(tiny.sidecar(TRAIN), {"VolumeTiming": [*timing[:5], 20.0]})
    with pytest.raises(InputError, match="VolumeTiming is irregular"):
        read_study(tiny.root)


def test_trs_that_differ_between_runs_are_found(tiny: TinyStudy) -> None:
    tiny.write_json(tiny.sidecar(TEST), {"RepetitionTime": 2})
    tiny.write_image(TEST, voxels(10), tr=2)
    (text,) = found(tiny, "tr-differs")
    assert text == f"error: the TR is 2 s but that of sub-01_{TRAIN} is 1.5 s"
    tiny.write_json(tiny.sidecar(TEST), {"RepetitionTime": 1.5003})  # rounding
    tiny.write_image(TEST, voxels(10), tr=1.5)
    assert found(tiny, "tr-differs") == []


def test_an_affine_that_differs_is_found_and_said(tiny: TinyStudy) -> None:
    for change, text in (
        (np.array([[1, 0, 0, 3.0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), "is 3 × 0 × 0 mm away"),
        (np.diag([2.0, 2, 2, 1]), "voxels of 2 × 2 × 2 mm, not 1 × 1 × 1"),
        (np.diag([-1.0, 1, 1, 1]), "its axes are turned"),
    ):
        nib.save(nib.Nifti1Image(voxels(6), change), tiny.image(OTHER))
        (finding,) = [each for each in survey_study(tiny.root).findings if each.code == "grid-mismatch"]
        assert (finding.severity, finding.file, finding.subject) == ("error", tiny.image(OTHER), "01")
        assert f"affine differs from that of sub-01_{TRAIN}_bold.nii.gz" in finding.what
        assert text in finding.what


@pytest.mark.parametrize(
    "junk",
    [b"\x00\x01junk", b"\x1f\x8b\x08\x00broken", b"\x00" * 30, gzip.compress(b"more", mtime=0)],
    ids=["junk", "broken member", "zeros", "another member"],
)
def test_bytes_after_the_gzip_stream_are_a_warning_at_most(tiny: TinyStudy, junk: bytes) -> None:
    whole = tiny.image(TRAIN).read_bytes()
    tiny.image(TRAIN).write_bytes(whole + junk)
    findings = tiny.check()
    assert {finding.severity for finding in findings} <= {"warning"}
    assert {finding.code for finding in findings} <= {"image-longer"}
    assert findings or not any(junk)  # zeros are padding by the standard
    content = gzip.decompress(whole)
    tiny.image(TRAIN).write_bytes(gzip.compress(content[:999]) + gzip.compress(content[999:]))
    assert tiny.check() == []
    tiny.image(TRAIN).write_bytes(gzip.compress(content[:999]) + gzip.compress(content[999:])[:-9])
    assert [finding.code for finding in tiny.check()] == ["image-truncated"]


def test_trailing_bytes_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    one, two = gzip.compress(b"a" * 5000), gzip.compress(b"b" * 7000)
    path.write_bytes(one + two + b"tail")
    assert trailing_bytes(path, 12000) == 4
    assert trailing_bytes(path, 5000) == len(two) + 4
    assert trailing_bytes(path, 12001) is None
    path.write_bytes((one + two)[:-5])
    assert trailing_bytes(path, 12000) is None
    assert zlib.decompress(one, wbits=31) == b"a" * 5000


def test_images_of_other_descriptions_are_read_only_where_asked_for(tiny: TinyStudy) -> None:
    paths = tiny.add_preprocessed("desc-denoised", folder="derivatives/xcp")
    with pytest.warns(Brain2MusicWarning, match="derivatives/xcp: the images .* not read, .*desc-denoised"):
        assert read_study(tiny.root).runs[0].bold == tiny.image(TRAIN)
    for study in (
        read_study(tiny.root, derivatives=tiny.root / "derivatives" / "xcp"),
        read_study(tiny.root, bids_filter={"desc": "denoised"}),
    ):
        assert [run.bold for run in study.runs] == paths
    tiny.add_preprocessed("desc-smoothed", folder="derivatives/xcp")
    with pytest.raises(InputError, match=r'desc-denoised.*desc-smoothed.*bids_filter = \{desc = "denoised"\}'):
        read_study(tiny.root, derivatives=tiny.root / "derivatives" / "xcp")


def test_the_raw_header_is_compared_too(tiny: TinyStudy) -> None:
    path = tiny.add_preprocessed(MNI)[0]
    tiny.write_image(TRAIN, voxels(6), tr=2)
    (text,) = found(tiny, "tr-mismatch")  # the preprocessed header bears the sidecar out
    assert text.startswith("warning: RepetitionTime is 1.5 s but the header of sub-01_task-Training_run-01_bold.nii.gz")
    tiny.write_image("", voxels(6, shape=(2, 2, 2)), tr=1, path=path)
    assert sorted(text.split(":")[0] for text in found(tiny, "tr-mismatch")) == ["error", "warning"]
