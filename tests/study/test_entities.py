"""Every BIDS entity counts: which runs there are, and which files go with each."""

import json
from pathlib import Path

import pytest

from brain2music._utils.errors import InputError
from brain2music.study import read_study
from brain2music.study.entities import parse_name

from .tiny_study import HEADER, TinyStudy, voxels

TRAIN, OTHER, TEST = "task-Training_run-01", "task-Training_run-02", "task-Test_run-01"


@pytest.mark.parametrize("entity", ["acq", "ce", "dir", "chunk", "inv", "mt", "newly"])
def test_any_entity_tells_runs_apart(tiny: TinyStudy, entity: str) -> None:
    for old, label, run in ((TRAIN, "1", "01"), (OTHER, "2", "01")):
        for path in sorted(tiny.func.glob(f"*{old}_*")):
            name = path.name.replace(old, f"task-Training_{entity}-{label}_run-{run}")
            path.rename(path.with_name(name))
    train = read_study(tiny.root).runs_of("01", "train")
    assert [run.name for run in train] == [f"sub-01_task-Training_{entity}-{label}_run-01" for label in "12"]
    for run in train:
        assert run.bold is not None
        assert run.bold.name.removesuffix("_bold.nii.gz") == run.events.name.removesuffix("_events.tsv") == run.name
    assert [[shown.clip.track for shown in run.presentations] for run in train] == [
        ["jazz.00004", "jazz.00001", "jazz.00002"],
        ["jazz.00002", "jazz.00003", "jazz.00004"],
    ]


def test_preprocessed_images_keep_to_their_own_events_and_confounds(tiny: TinyStudy) -> None:
    for old, new in ((TRAIN, "task-Training_dir-AP_run-1"), (OTHER, "task-Training_dir-PA_run-1")):
        for path in sorted(tiny.func.glob(f"*{old}_*")):
            path.rename(path.with_name(path.name.replace(old, new)))
        image = tiny.root / f"derivatives/fmriprep/sub-01/func/sub-01_{new}_space-T1w_desc-preproc_bold.nii.gz"
        tiny.write_image("", voxels(6, shape=(2, 2, 2)), path=image)
    tiny.add_preprocessed("space-T1w_desc-preproc", [TEST])
    train = read_study(tiny.root).runs_of("01", "train")
    assert len(train) == 2
    for run, direction in zip(train, ("dir-AP", "dir-PA"), strict=True):
        assert run.bold is not None
        assert direction in run.bold.name
        assert direction in run.events.name


def test_numbers_may_be_padded_and_labels_may_not(tiny: TinyStudy) -> None:
    tiny.events(TRAIN).rename(tiny.func / "sub-01_task-Training_run-1_events.tsv")
    assert len(read_study(tiny.root).runs) == 3
    tiny.image(OTHER).rename(tiny.func / "sub-01_ses-1_task-Training_run-02_bold.nii.gz")
    tiny.events(OTHER).rename(tiny.func / "sub-01_ses-01_task-Training_run-02_events.tsv")
    (finding,) = [each for each in tiny.check() if each.code == "events-missing"]
    assert finding.file == tiny.func / "sub-01_ses-1_task-Training_run-02_bold.nii.gz"
    assert "sub-01_ses-01_task-Training_run-02_events.tsv" in finding.what


def test_the_most_specific_events_are_the_runs(tiny: TinyStudy) -> None:
    wrong = [HEADER, "0\t3\tjazz\t6\t0.5\t3.5"]
    for name in ("task-Training_events.tsv", "sub-01_task-Training_events.tsv"):
        (tiny.root / name).write_text("\n".join(wrong))
    (tiny.func / "sub-01_task-Training_events.tsv").write_text("\n".join(wrong))
    (tiny.func / "sub-01_task-Training_acq-other_run-01_events.tsv").write_text("\n".join(wrong))
    assert read_study(tiny.root, need_images=False).runs[-1].events == tiny.events(TEST)
    (tiny.func / "sub-01_task-Training_acq-other_run-01_events.tsv").unlink()
    assert [run.events for run in read_study(tiny.root).runs] == [tiny.events(name) for name in (TRAIN, OTHER, TEST)]


def test_tables_that_are_equally_close_are_an_error_that_lists_them(tiny: TinyStudy) -> None:
    for path in sorted(tiny.func.glob(f"*{TRAIN}_*")):
        path.rename(path.with_name(path.name.replace("Training_run-01", "Training_acq-a_dir-b_run-01")))
    whole = tiny.func / "sub-01_task-Training_acq-a_dir-b_run-01_events.tsv"
    text = whole.read_text()
    whole.unlink()
    for entities in ("acq-a", "dir-b"):
        (tiny.func / f"sub-01_task-Training_{entities}_run-01_events.tsv").write_text(text)
    with pytest.raises(InputError, match=r"acq-a_run-01_events\.tsv, .*dir-b_run-01_events\.tsv"):
        read_study(tiny.root)


def test_sidecars_that_are_equally_close_may_not_differ(tiny: TinyStudy) -> None:
    for path in sorted(tiny.func.glob(f"*{TRAIN}_*")):
        path.rename(path.with_name(path.name.replace("Training_run-01", "Training_acq-a_dir-b_run-01")))
    (tiny.func / "sub-01_task-Training_acq-a_dir-b_run-01_bold.json").unlink()
    for entities in ("acq-a", "dir-b"):
        tiny.write_json(tiny.func / f"sub-01_task-Training_{entities}_bold.json", {"RepetitionTime": 1.5})
    assert read_study(tiny.root).runs[0].tr == 1.5
    tiny.write_json(tiny.func / "sub-01_task-Training_dir-b_bold.json", {"RepetitionTime": 2})
    with pytest.raises(InputError, match=r"RepetitionTime 1\.5 and 2"):
        read_study(tiny.root)


def test_magnitude_is_read_and_phase_never(tiny: TinyStudy) -> None:
    for name in (TRAIN, OTHER, TEST):
        for kind in ("bold.nii.gz", "bold.json"):
            path = tiny.func / f"sub-01_{name}_{kind}"
            path.with_name(path.name.replace("_bold", "_part-phase_bold")).write_bytes(path.read_bytes())
            path.rename(path.with_name(path.name.replace("_bold", "_part-mag_bold")))
    runs = read_study(tiny.root).runs
    assert len(runs) == 3
    assert all(run.bold is not None and "part-mag" in run.bold.name for run in runs)
    (tiny.func / f"sub-01_{TRAIN}_part-mag_bold.nii.gz").unlink()
    with pytest.raises(InputError, match="magnitude"):
        read_study(tiny.root)


def split_echoes(tiny: TinyStudy) -> None:
    """Make three echoes of every image, each with its sidecar."""
    for name in (TRAIN, OTHER, TEST):
        for kind in ("bold.nii.gz", "bold.json"):
            path = tiny.func / f"sub-01_{name}_{kind}"
            for echo in "123":
                path.with_name(path.name.replace("_bold", f"_echo-{echo}_bold")).write_bytes(path.read_bytes())
            path.unlink()


def test_single_echoes_are_refused_unless_one_is_named(tiny: TinyStudy) -> None:
    split_echoes(tiny)
    with pytest.raises(InputError, match=r"echo-1_bold.*echo-2_bold.*echo-3_bold.*bids_filter = \{echo"):
        read_study(tiny.root)
    second = read_study(tiny.root, bids_filter={"echo": "02"}).runs
    assert all(run.bold is not None and "echo-2" in run.bold.name for run in second)
    assert [run.name for run in second] == [f"sub-01_{name}" for name in (TRAIN, OTHER, TEST)]


@pytest.mark.parametrize("combined", ["desc-preproc", "desc-optcom"])
def test_combined_echoes_come_before_single(tiny: TinyStudy, combined: str) -> None:
    split_echoes(tiny)
    for echo in "123":
        tiny.add_preprocessed(f"echo-{echo}_desc-preproc")
    paths = tiny.add_preprocessed(combined)
    assert [run.bold for run in read_study(tiny.root).runs] == paths


def test_reconstructions_are_alternatives_to_choose_from(tiny: TinyStudy) -> None:
    for name in (TRAIN, OTHER, TEST):
        image = tiny.image(name)
        for rec in ("norm", "dis2d"):
            image.with_name(image.name.replace("_bold", f"_rec-{rec}_bold")).write_bytes(image.read_bytes())
        image.unlink()
    with pytest.raises(InputError, match=r'rec-dis2d.*rec-norm.*bids_filter = \{rec = "dis2d"\}'):
        read_study(tiny.root)
    runs = read_study(tiny.root, bids_filter={"rec": "norm"}).runs
    assert all(run.bold is not None and "rec-norm" in run.bold.name for run in runs)


def test_the_filter_chooses_runs_too(tiny: TinyStudy) -> None:
    assert [run.label for run in read_study(tiny.root, bids_filter={"run": "1"}).runs] == ["01", "01"]
    with pytest.raises(InputError, match="no run is called acq-x"):
        read_study(tiny.root, bids_filter={"acq": "x"})


def test_bidsignore_is_honoured_and_told(tiny: TinyStudy) -> None:
    (tiny.root / ".bidsignore").write_text("# not usable\n*_run-02_*\n!*_events.tsv\nderivatives/\n*_desc-*\n")
    paths = tiny.add_preprocessed()
    findings = [finding for finding in tiny.check() if finding.code == "files-ignored"]
    assert len(findings) == 1
    assert findings[0].severity == "warning"
    assert "sub-01_task-Training_run-02_bold.nii.gz" in findings[0].what
    tiny.edit(tiny.root / ".bidsignore", "!*_events.tsv", "sub-*/func/*_task-Test_*")
    with pytest.warns(match="left out, as this file asks"):
        study = read_study(tiny.root)
    assert [run.bold for run in study.runs] == paths[:1]  # the derivatives are another dataset


def test_folders_of_other_subjects_are_not_entered(tiny: TinyStudy) -> None:
    tiny.copy_subject("02")
    (tiny.root / "sub-02" / "func").rename(tiny.root / "sub-02" / "hidden")
    (tiny.root / "sub-02" / "func").symlink_to(tiny.root)  # a loop
    assert read_study(tiny.root, subjects=["sub-01"]).subjects == ("01",)
    assert read_study(tiny.root).all_subjects == ("01", "02")


@pytest.mark.parametrize(
    ("name", "entities", "suffix"),
    [
        ("sub-01_task-x_dir-AP_run-1_bold.nii.gz", ["sub", "task", "dir", "run"], "bold"),
        ("sub-01_task-x_bold_space-T1w_preproc.nii.gz", ["sub", "task", "space", "desc"], "bold"),
        ("sub-01_task-x_run-1_bold_confounds.tsv", ["sub", "task", "run"], "confounds"),
        ("task-x_events.json", ["task"], "events"),
    ],
)
def test_names(name: str, entities: list[str], suffix: str) -> None:
    file = parse_name(Path(name))
    assert file is not None
    assert (list(file.entities), file.suffix) == (entities, suffix)


@pytest.mark.parametrize("name", ["README", "bold.nii.gz", "notes_bold.nii.gz", ".DS_Store", "sub-01_task-x_b-c.tsv"])
def test_what_is_no_bids_name(name: str) -> None:
    assert parse_name(Path(name)) is None


def test_json_written_by_others_is_untouched(tiny: TinyStudy) -> None:
    before = tiny.sidecar(TRAIN).read_bytes()
    read_study(tiny.root)
    assert tiny.sidecar(TRAIN).read_bytes() == before
    assert json.loads(before)["RepetitionTime"] == 1.5
