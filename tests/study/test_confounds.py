"""The confounds of a run are found by what its image's name says, under newer and older names."""

import shutil
from pathlib import Path

import pytest

from brain2music._utils.errors import InputError
from brain2music.study import read_study
from brain2music.study.confounds import confounds_table

from .tiny_study import TinyStudy

TRAIN, OTHER, TEST = "task-Training_run-01", "task-Training_run-02", "task-Test_run-01"
MNI = "space-MNI152NLin2009cAsym_res-2_desc-preproc"


def add_tables(tiny: TinyStudy, ending: str, folder: str = "derivatives/fmriprep") -> list[Path]:
    """Write a table for every run."""
    func = tiny.root / folder / "sub-01" / "func"
    func.mkdir(parents=True, exist_ok=True)
    paths = [func / f"sub-01_{name}_{ending}.tsv" for name in (TRAIN, OTHER, TEST)]
    for path in paths:
        path.write_text("csf\n1\n")
    return paths


@pytest.mark.parametrize("ending", ["desc-confounds_timeseries", "desc-confounds_regressors", "bold_confounds"])
def test_newer_and_older_names_are_found(tiny: TinyStudy, ending: str) -> None:
    paths = add_tables(tiny, ending)
    raw = read_study(tiny.root)
    assert [confounds_table(raw, run) for run in raw.runs] == paths
    tiny.add_preprocessed(MNI)
    study = read_study(tiny.root)
    assert [confounds_table(study, run) for run in study.runs] == paths


def test_the_newest_name_and_the_images_folder_come_first(tiny: TinyStudy) -> None:
    tiny.add_preprocessed(MNI)
    add_tables(tiny, "desc-confounds_regressors")
    newest = add_tables(tiny, "desc-confounds_timeseries")
    add_tables(tiny, "desc-confounds_timeseries", "derivatives/another")
    study = read_study(tiny.root)
    assert [confounds_table(study, run) for run in study.runs] == newest
    raw = read_study(tiny.root, raw_images=True)
    with pytest.raises(InputError, match=r"several tables of confounds: .*another.*fmriprep"):
        confounds_table(raw, raw.runs[0])
    assert confounds_table(raw, raw.runs[0], tiny.root / "derivatives" / "fmriprep") == newest[0]


def test_entities_count_and_their_order_and_zeros_do_not(tiny: TinyStudy) -> None:
    for path in sorted(tiny.func.glob(f"*{TRAIN}_*")):
        for direction in ("AP", "PA"):
            copy = path.with_name(path.name.replace("Training_run-01", f"Training_dir-{direction}_run-01"))
            shutil.copyfile(path, copy)
        path.unlink()
    func = tiny.root / "derivatives" / "fmriprep" / "sub-01" / "func"
    func.mkdir(parents=True)
    for direction in ("AP", "PA"):
        (func / f"sub-01_task-Training_run-1_dir-{direction}_desc-confounds_timeseries.tsv").write_text("csf\n1\n")
    study = read_study(tiny.root)
    first, second, other = study.runs_of("01", "train")
    assert "dir-AP" in confounds_table(study, first).name
    assert "dir-PA" in confounds_table(study, second).name
    with pytest.raises(InputError, match=r"sub-01_task-Training_run-02_desc-confounds_timeseries\.tsv is missing"):
        confounds_table(study, other)


def test_of_a_single_echo_the_runs_table(tiny: TinyStudy) -> None:
    paths = add_tables(tiny, "desc-confounds_timeseries")
    tiny.add_preprocessed("echo-2_" + MNI)
    study = read_study(tiny.root, bids_filter={"echo": "2", "space": "MNI152NLin2009cAsym"}, raw_images=False)
    assert [confounds_table(study, run) for run in study.runs] == paths
