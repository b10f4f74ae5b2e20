"""Every fault that a study can have is made, and found by its code, at its file, with a hint."""

import gzip
import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from brain2music._utils.errors import InputError
from brain2music.study import check_study, read_study

from .tiny_study import HEADER, RATE, TinyStudy, voxels

TRAIN, OTHER, TEST = "task-Training_run-01", "task-Training_run-02", "task-Test_run-01"
Fault = Callable[[TinyStudy], Path]
FAULTS: dict[str, tuple[str, Fault]] = {}
ROW_AT_FAULT = {"run-short", "event-outside", "row-ragged", "onset is no number", "onset-negative", "duration-invalid"}
ROW_AT_FAULT |= {"excerpt-invalid", "label-missing"}
WARNINGS = {"label-quoted", "label-malformed", "excerpt-length", "image-longer", "constant voxels", "voxels-nan"}
WARNINGS |= ROW_AT_FAULT | {"scans-empty", "name-unread", "name without task"}


def fault(name: str, code: str | None = None) -> Callable[[Fault], Fault]:
    """Register a way to break a study; it returns the file at which ``code`` (default the name) is found."""

    def register(breaks: Fault) -> Fault:
        FAULTS[name] = (code or name, breaks)
        return breaks

    return register


@fault("description-missing")
def _(tiny: TinyStudy) -> Path:
    (tiny.root / "dataset_description.json").unlink()
    return tiny.root / "dataset_description.json"


@fault("description is not JSON", "description-invalid")
def _(tiny: TinyStudy) -> Path:
    (tiny.root / "dataset_description.json").write_text("{Name: Tiny")
    return tiny.root / "dataset_description.json"


@fault("description is a list", "description-invalid")
def _(tiny: TinyStudy) -> Path:
    tiny.write_json("dataset_description.json", ["Tiny"])
    return tiny.root / "dataset_description.json"


@fault("sidecar-missing")
def _(tiny: TinyStudy) -> Path:
    tiny.sidecar(TRAIN).unlink()
    return tiny.image(TRAIN)


@fault("sidecar-invalid")
def _(tiny: TinyStudy) -> Path:
    tiny.sidecar(TRAIN).write_bytes(b"\xff\xfe{")
    return tiny.sidecar(TRAIN)


@fault("TR missing", "tr-invalid")
def _(tiny: TinyStudy) -> Path:
    tiny.write_json(tiny.sidecar(TRAIN), {"TaskName": "listening"})
    return tiny.sidecar(TRAIN)


@fault("TR zero", "tr-invalid")
def _(tiny: TinyStudy) -> Path:
    tiny.write_json(tiny.sidecar(TRAIN), {"RepetitionTime": 0})
    return tiny.sidecar(TRAIN)


@fault("TR as text", "tr-invalid")
def _(tiny: TinyStudy) -> Path:
    tiny.write_json(tiny.sidecar(TRAIN), {"RepetitionTime": "1.5 s"})
    return tiny.sidecar(TRAIN)


@fault("tr-mismatch")
def _(tiny: TinyStudy) -> Path:
    tiny.write_image(TRAIN, voxels(6), tr=2.0)
    return tiny.sidecar(TRAIN)


@fault("run-short")
def _(tiny: TinyStudy) -> Path:
    tiny.write_image(TRAIN, voxels(5))
    return tiny.events(TRAIN)


@fault("event-outside")
def _(tiny: TinyStudy) -> Path:
    tiny.edit(tiny.events(TRAIN), "6\t3\tjazz", "600\t3\tjazz")
    return tiny.events(TRAIN)


@fault("image is not downloaded", "image-missing")
def _(tiny: TinyStudy) -> Path:
    tiny.image(TRAIN).unlink()
    tiny.image(TRAIN).symlink_to(tiny.root / ".git" / "annex" / "nothing")
    return tiny.image(TRAIN)


@fault("image-missing")
def _(tiny: TinyStudy) -> Path:
    tiny.image(TRAIN).unlink()
    return tiny.sidecar(TRAIN)


@fault("images-missing")
def _(tiny: TinyStudy) -> Path:
    for name in (TRAIN, OTHER, TEST):
        tiny.image(name).unlink()
    return tiny.root


@fault("image of no bytes", "image-unreadable")
def _(tiny: TinyStudy) -> Path:
    tiny.image(TRAIN).write_bytes(b"")
    return tiny.image(TRAIN)


@fault("image is text", "image-unreadable")
def _(tiny: TinyStudy) -> Path:
    tiny.image(TRAIN).write_text("not an image")
    return tiny.image(TRAIN)


@fault("header is short", "image-unreadable")
def _(tiny: TinyStudy) -> Path:
    tiny.image(TRAIN).write_bytes(gzip.compress(gzip.decompress(tiny.image(TRAIN).read_bytes())[:200]))
    return tiny.image(TRAIN)


@fault("voxels of three colours", "image-not-4d")
def _(tiny: TinyStudy) -> Path:
    _patch_header(tiny, "<2h", 70, 128, 24)
    return tiny.image(TRAIN)


@fault("gzip breaks off", "image-truncated")
def _(tiny: TinyStudy) -> Path:
    whole = tiny.image(TRAIN).read_bytes()
    tiny.image(TRAIN).write_bytes(whole[: len(whole) * 3 // 4])
    return tiny.image(TRAIN)


@fault("gzip has a flipped bit", "image-truncated")
def _(tiny: TinyStudy) -> Path:
    damaged = bytearray(tiny.image(TRAIN).read_bytes())
    damaged[-7] ^= 1  # in the checksum
    tiny.image(TRAIN).write_bytes(damaged)
    return tiny.image(TRAIN)


@fault("nii breaks off", "image-truncated")
def _(tiny: TinyStudy) -> Path:
    path = tiny.write_image(TRAIN, voxels(6), path=tiny.func / f"sub-01_{TRAIN}_bold.nii")
    tiny.image(TRAIN).unlink()
    path.write_bytes(path.read_bytes()[:-100])
    return path


@fault("header promises too many scans", "image-truncated")
def _(tiny: TinyStudy) -> Path:
    return _claim_scans(tiny, 8)


@fault("header promises a million million voxels", "image-truncated")
def _(tiny: TinyStudy) -> Path:
    _patch_header(tiny, "<4h", 42, 30000, 30000, 30000, 6)
    return tiny.image(TRAIN)


@fault("image-longer")
def _(tiny: TinyStudy) -> Path:
    tiny.write_image(TRAIN, voxels(8))
    return _claim_scans(tiny, 6)


@fault("image-not-4d")
def _(tiny: TinyStudy) -> Path:
    tiny.write_image(TRAIN, voxels(6)[..., 0])
    return tiny.image(TRAIN)


@fault("scans-empty")
def _(tiny: TinyStudy) -> Path:
    data = voxels(6)
    data[..., 2] = 0
    tiny.write_image(TRAIN, data)
    return tiny.image(TRAIN)


@fault("affine of zeros", "image-unreadable")
def _(tiny: TinyStudy) -> Path:
    _patch_header(tiny, "<12f", 280, *[0.0] * 12)
    return tiny.image(TRAIN)


@fault("affine of NaN", "image-unreadable")
def _(tiny: TinyStudy) -> Path:
    _patch_header(tiny, "<12f", 280, *[float("nan")] * 12)
    return tiny.image(TRAIN)


@fault("name-unread")
def _(tiny: TinyStudy) -> Path:
    return tiny.write_image("", voxels(6), path=tiny.func / "sub-01_task-Training_run_03_bold.nii.gz")


@fault("name without task", "name-unread")
def _(tiny: TinyStudy) -> Path:
    return tiny.write_image("", voxels(6), path=tiny.func / "sub-01_run-03_bold.nii.gz")


@fault("suffix in capitals", "name-unread")
def _(tiny: TinyStudy) -> Path:
    return tiny.image(TRAIN).rename(tiny.func / f"sub-01_{TRAIN}_bold.NII.GZ")


@fault("name-differs")
def _(tiny: TinyStudy) -> Path:
    tiny.events(OTHER).rename(tiny.func / f"sub-1_{OTHER}_events.tsv")
    return tiny.image(OTHER).rename(tiny.func / f"sub-1_{OTHER}_bold.nii.gz")


@fault("columns-twice")
def _(tiny: TinyStudy) -> Path:
    rows = tiny.events(TRAIN).read_text(encoding="utf-8").split()
    header, values = rows[:6], rows[6:]
    lines = ["\t".join((*values[at : at + 6], "5")) for at in range(0, len(values), 6)]
    tiny.write_events(TRAIN, ["\t".join((*header, "track")), *lines])
    return tiny.events(TRAIN)


@fault("grid-mismatch")
def _(tiny: TinyStudy) -> Path:
    tiny.write_image(OTHER, voxels(6, shape=(3, 4, 6)))
    return tiny.image(OTHER)


@fault("voxels-nan")
def _(tiny: TinyStudy) -> Path:
    data = voxels(6)
    data[0, 0, 0, 3] = np.nan
    tiny.write_image(TRAIN, data)
    return tiny.image(TRAIN)


@fault("image of NaN", "voxels-nan")
def _(tiny: TinyStudy) -> Path:
    tiny.write_image(TRAIN, np.full((3, 4, 5, 6), np.nan, np.float32))
    return tiny.image(TRAIN)


@fault("constant voxels", "voxels-constant")
def _(tiny: TinyStudy) -> Path:
    data = voxels(6)
    data[1, 1, 1] = 7
    tiny.write_image(TRAIN, data)
    return tiny.image(TRAIN)


@fault("constant image", "voxels-constant")
def _(tiny: TinyStudy) -> Path:
    tiny.write_image(TRAIN, np.zeros((3, 4, 5, 6), np.float32))
    return tiny.image(TRAIN)


@fault("run-duplicate")
def _(tiny: TinyStudy) -> Path:
    tiny.write_image(TRAIN, voxels(6), path=tiny.func / "sub-01_task-Training_run-1_bold.nii.gz")
    return tiny.image(TRAIN)


@fault("events-missing")
def _(tiny: TinyStudy) -> Path:
    tiny.events(TRAIN).unlink()
    return tiny.image(TRAIN)


@fault("events are no text", "table-unreadable")
def _(tiny: TinyStudy) -> Path:
    tiny.events(TRAIN).write_bytes(b"\x89PNG\r\n\x1a\n\x00\xff")
    return tiny.events(TRAIN)


@fault("events of no bytes", "table-empty")
def _(tiny: TinyStudy) -> Path:
    tiny.events(TRAIN).write_bytes(b"")
    return tiny.events(TRAIN)


@fault("events-empty")
def _(tiny: TinyStudy) -> Path:
    tiny.write_events(TRAIN, [HEADER])
    return tiny.events(TRAIN)


@fault("columns-missing")
def _(tiny: TinyStudy) -> Path:
    tiny.edit(tiny.events(TRAIN), "onset", "began")
    return tiny.events(TRAIN)


@fault("no column names a clip", "columns-missing")
def _(tiny: TinyStudy) -> Path:
    tiny.edit(tiny.events(TRAIN), "track", "number")
    return tiny.events(TRAIN)


@fault("row-ragged")
def _(tiny: TinyStudy) -> Path:
    tiny.edit(tiny.events(TRAIN), "jazz\t1\t0.5\t3.5", "jazz\t1\t0.5\t3.5\tloud")
    return tiny.events(TRAIN)


@fault("onset is no number", "number-invalid")
def _(tiny: TinyStudy) -> Path:
    tiny.edit(tiny.events(TRAIN), "3\t3\tjazz\t1", "3 s\t3\tjazz\t1")
    return tiny.events(TRAIN)


@fault("onset-negative")
def _(tiny: TinyStudy) -> Path:
    tiny.edit(tiny.events(TRAIN), "0\t3\tjazz\t4", "-1.5\t3\tjazz\t4")
    return tiny.events(TRAIN)


@fault("duration-invalid")
def _(tiny: TinyStudy) -> Path:
    tiny.edit(tiny.events(TRAIN), "3\t3\tjazz\t1", "3\t0\tjazz\t1")
    return tiny.events(TRAIN)


@fault("excerpt-invalid")
def _(tiny: TinyStudy) -> Path:
    tiny.edit(tiny.events(TRAIN), "1\t0.5\t3.5", "1\t3.5\t0.5")
    return tiny.events(TRAIN)


@fault("excerpt-length")
def _(tiny: TinyStudy) -> Path:
    tiny.edit(tiny.events(TRAIN), "1\t0.5\t3.5", "1\t0.5\t2.5")
    return tiny.events(TRAIN)


@fault("events-overlap")
def _(tiny: TinyStudy) -> Path:
    tiny.edit(tiny.events(TRAIN), "3\t3\tjazz\t1", "1.5\t3\tjazz\t1")
    return tiny.events(TRAIN)


@fault("label-quoted")
def _(tiny: TinyStudy) -> Path:
    tiny.edit(tiny.events(TRAIN), "jazz", "'jazz'")
    return tiny.events(TRAIN)


@fault("label-malformed")
def _(tiny: TinyStudy) -> Path:
    tiny.edit(tiny.events(TRAIN), "jazz\t1", "jazz'\t1")
    return tiny.events(TRAIN)


@fault("label-missing")
def _(tiny: TinyStudy) -> Path:
    tiny.edit(tiny.events(TRAIN), "jazz\t1", "n/a\t1")
    return tiny.events(TRAIN)


@fault("tasks-unclear")
def _(tiny: TinyStudy) -> Path:
    for path in tiny.func.glob("*task-Test*"):
        path.rename(path.with_name(path.name.replace("task-Test", "task-rest")))
    return tiny.root


@fault("audio-missing")
def _(tiny: TinyStudy) -> Path:
    tiny.track(1).unlink()
    return tiny.root / "stimuli"


@fault("audio-short")
def _(tiny: TinyStudy) -> Path:
    tiny.write_track(1, seconds=3.0)
    return tiny.track(1)


@fault("audio is text", "audio-unreadable")
def _(tiny: TinyStudy) -> Path:
    tiny.track(1).write_text("no sound")
    return tiny.track(1)


@fault("audio-silent")
def _(tiny: TinyStudy) -> Path:
    soundfile.write(tiny.track(1), np.zeros(4 * RATE), RATE)
    return tiny.track(1)


def _claim_scans(tiny: TinyStudy, count: int) -> Path:
    """Write another number of scans into the header of the training image."""
    _patch_header(tiny, "<h", 48, count)
    return tiny.image(TRAIN)


def _patch_header(tiny: TinyStudy, layout: str, offset: int, *values: float) -> None:
    whole = bytearray(gzip.decompress(tiny.image(TRAIN).read_bytes()))
    struct.pack_into(layout, whole, offset, *values)
    tiny.image(TRAIN).write_bytes(gzip.compress(whole))


def test_whole_study_has_no_fault(tiny: TinyStudy) -> None:
    assert tiny.check() == []


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_found(tiny: TinyStudy, name: str) -> None:
    code, breaks = FAULTS[name]
    file = breaks(tiny)
    found = [finding for finding in tiny.check() if (finding.code, finding.file) == (code, file)]
    assert found
    for finding in found:
        assert finding.severity == ("warning" if name in WARNINGS else "error")
        assert finding.hint
        assert str(file) in str(finding)


READING_OPENS_NEITHER = {"gzip breaks off", "gzip has a flipped bit", "header promises too many scans"} | {
    name for name, (code, _) in FAULTS.items() if code.startswith(("voxels-", "audio-"))
}


@pytest.mark.parametrize("name", sorted(FAULTS.keys() - WARNINGS - READING_OPENS_NEITHER))
def test_reading_raises_what_checking_reports(tiny: TinyStudy, name: str) -> None:
    FAULTS[name][1](tiny)
    first = next(finding for finding in tiny.check() if finding.severity == "error")
    with pytest.raises(InputError) as raised:
        read_study(tiny.root)
    assert str(raised.value) == str(first.as_error())
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", sorted(WARNINGS))
def test_warnings_are_read_around(tiny: TinyStudy, name: str) -> None:
    FAULTS[name][1](tiny)
    assert len(read_study(tiny.root).runs) == 3


@pytest.mark.parametrize("name", sorted(ROW_AT_FAULT))
def test_a_row_at_fault_costs_that_row(tiny: TinyStudy, name: str) -> None:
    FAULTS[name][1](tiny)
    before, after = (
        len(run.presentations)
        for run in (read_study(TinyStudy(tiny.root.parent / "whole").root).runs[0], read_study(tiny.root).runs[0])
    )
    assert (before, after) == (3, 2)


def test_all_faults_are_found_at_once(tiny: TinyStudy) -> None:
    together = [
        "TR zero",
        "gzip breaks off",
        "onset-negative",
        "label-quoted",
        "audio-missing",
        "description-missing",
    ]
    wanted = {(FAULTS[name][0], FAULTS[name][1](tiny)) for name in together}
    assert wanted <= {(finding.code, finding.file) for finding in tiny.check()}


def test_a_fault_above_all_runs_is_told_once(tiny: TinyStudy) -> None:
    shared = tiny.root / "task-Training_bold.json"
    shared.write_text("{")
    assert [finding.file for finding in tiny.check()] == [shared]


def test_zero_is_background_unless_it_varies_in_another_run(tiny: TinyStudy) -> None:
    for name, count in ((TRAIN, 6), (OTHER, 6), (TEST, 10)):
        data = voxels(count)
        data[0] = 0
        tiny.write_image(name, data)
    assert tiny.check() == []
    data[1, 2, 3] = 0
    tiny.write_image(TEST, data)
    (finding,) = tiny.check()
    assert (finding.code, finding.file) == ("voxels-constant", tiny.image(TEST))
    assert finding.what.startswith("1 of 60 voxels")


def test_what_the_image_library_mends_is_no_news(tiny: TinyStudy, caplog: pytest.LogCaptureFixture) -> None:
    _patch_header(tiny, "<i", 0, 347)  # the size of the header, which is always 348
    _patch_header(tiny, "<b", 123, 0b001111)  # a unit of space that does not exist; of time, seconds
    assert tiny.check() == []
    assert caplog.records == []


def test_names_that_are_ignored_on_purpose_are_no_news(tiny: TinyStudy) -> None:
    FAULTS["name-unread"][1](tiny)
    (tiny.root / ".bidsignore").write_text("*run_03*\n")
    assert not [finding for finding in tiny.check() if finding.code == "name-unread"]


def test_a_column_that_is_there_twice_with_equal_cells_does_no_harm(tiny: TinyStudy) -> None:
    lines = tiny.events(TRAIN).read_text(encoding="utf-8").splitlines()
    tiny.write_events(TRAIN, [f"{line}\t{line.split()[0]}" for line in lines])
    assert tiny.check() == []


def test_studies_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    assert [finding.code for finding in check_study(tmp_path / "nowhere")] == [
        "root-missing",
        "stimuli-missing",
    ]
    assert check_study(tmp_path / "file")[0].code == "root-missing"
    codes = [finding.code for finding in check_study(tmp_path / "empty")]
    assert codes[:2] == ["description-missing", "runs-missing"]


def test_stimuli_that_are_not_there(tiny: TinyStudy) -> None:
    (finding,) = check_study(tiny.root, tiny.root / "nowhere")
    assert (finding.code, finding.severity) == ("stimuli-missing", "error")


@pytest.mark.parametrize("seed", range(15))
def test_random_damage_never_raises(tiny: TinyStudy, seed: int) -> None:
    rng = np.random.default_rng(seed)
    files = sorted(path for path in tiny.root.rglob("*") if path.is_file())
    for path in rng.choice(np.array(files, dtype=object), 4, replace=False):
        damaged = bytearray(path.read_bytes())
        for place in rng.integers(len(damaged), size=1 + len(damaged) // 50):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(1, len(damaged) + 1)])
    for finding in tiny.check():
        json.dumps(str(finding))
        assert finding.hint


@pytest.mark.real_data
def test_real_metadata_has_quotes_and_no_images(real_data: Path) -> None:
    findings = check_study(real_data / "ds003720")
    found = {code: sum(finding.code == code for finding in findings) for code in {f.code for f in findings}}
    assert found == {"label-quoted": 90, "label-malformed": 15, "images-missing": 1, "stimuli-missing": 1}
