"""Volumes that take no part: what becomes of the clips over them, and where it is said."""

from pathlib import Path

import numpy as np
import pytest
from nilearn.interfaces.fmriprep import load_confounds
from nilearn.signal import clean

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music._utils.files import read_object
from brain2music.brain.source import BidsSource
from brain2music.brain.volumes import open_image, read_voxels
from brain2music.pipeline.check import check_bids
from brain2music.pipeline.outputs import QUALITY
from brain2music.pipeline.run import run_pipeline
from tests.brain.fmriprep_tables import write_fmriprep_table
from tests.pipeline.tiny_config import CONFIG
from tests.study.tiny_study import SCANS, TinyStudy

TRAIN, OTHER, TEST = "task-Training_run-01", "task-Training_run-02", "task-Test_run-01"
SCRUB = CONFIG.changed(strategy=("global_signal", "scrub"), scrub=0, detrend="none")


@pytest.fixture
def study(tmp_path: Path) -> TinyStudy:
    """A study with preprocessed images; clips have two scans, and the first of a training run does not count."""
    study = TinyStudy(tmp_path / "study")
    for image in study.add_preprocessed("space-T1w_desc-preproc"):
        mask = image.with_name(image.name.replace("preproc_bold", "brain_mask"))
        study.write_image("", np.ones((2, 2, 2), np.uint8), path=mask)
    write_tables(study)
    return study


def write_tables(study: TinyStudy, moved: dict[str, list[int]] | None = None) -> None:
    """Write the tables, with a volume before the steady state in the first run, and others that moved."""
    for number, (name, n_scans) in enumerate(SCANS.items()):
        steady, seen = [0] * (name == TRAIN), (moved or {}).get(name, [])
        write_fmriprep_table(table_of(study, name), n_scans, steady=steady, moved=seen, seed=number)


def table_of(study: TinyStudy, name: str) -> Path:
    return study.root / f"derivatives/fmriprep/sub-01/func/sub-01_{name}_desc-confounds_timeseries.tsv"


def test_a_clip_is_made_of_the_volumes_that_remain_or_left_out(study: TinyStudy) -> None:
    write_tables(study, {TRAIN: [2], OTHER: [4, 5]})
    with pytest.warns(Brain2MusicWarning, match="volumes take no part"):
        source = BidsSource.read(study.root, SCRUB)
    (said,) = [line for line in source.remarks if "take no part" in line]
    assert "sub-01 1 + 3 (task-Training_run-01 2, task-Training_run-02 2 and 1 clips)" in said
    assert "1 presentations with fewer are left out" in said
    train, _ = source.responses("01", 0)
    assert [clip.track for clip in train.clips] == ["jazz.00001", "jazz.00002", "jazz.00003"]
    image = study.root / f"derivatives/fmriprep/sub-01/func/sub-01_{TRAIN}_space-T1w_desc-preproc_bold.nii.gz"
    confounds, remaining = load_confounds(str(image), strategy=("global_signal", "scrub"), scrub=0)
    assert remaining.tolist() == [1, 3, 4, 5]
    series = read_voxels(open_image(image), np.ones((2, 2, 2), bool))
    expected = clean(series, confounds=confounds, sample_mask=remaining, detrend=False, standardize="zscore_sample")
    expected *= np.sqrt(4 / 3)  # nilearn divides by one volume less
    np.testing.assert_allclose(train.data[0, 1], expected[1], atol=1e-4)
    np.testing.assert_allclose(train.data[0, 0], (expected[0] + expected[1]) / 2, atol=1e-4)  # between volumes 1 and 3
    np.testing.assert_allclose(train.data[1], expected[2:], atol=1e-4)
    strict = BidsSource.read(study.root, SCRUB.changed(least_kept=1.0)).responses("01", 0).train
    assert [clip.track for clip in strict.clips] == ["jazz.00002", "jazz.00003"]
    shifted = BidsSource.read(study.root, SCRUB.changed(lag_tr=1))  # clip 3 is read from scans 3 and 4 of the run
    assert "and 1 clips" in shifted.remarks[-1]


def test_a_study_that_was_read_is_cleaned_by_other_settings_or_read_again(study: TinyStudy) -> None:
    write_tables(study, {OTHER: [4, 5]})
    plain = BidsSource.read(study.root, CONFIG)
    with pytest.warns(Brain2MusicWarning, match="volumes take no part"):
        scrubbed = plain.with_settings(SCRUB)
    assert scrubbed.study.runs == BidsSource.read(study.root, SCRUB).study.runs
    assert "take no part" in scrubbed.remarks[-1]
    assert plain.with_settings(CONFIG.changed(lag_tr=1)).study is plain.study
    with pytest.raises(InputError, match="Give preprocessing and events to load_study"):
        scrubbed.with_settings(CONFIG)


def test_what_takes_no_part_is_on_the_page_and_in_the_record(study: TinyStudy, tmp_path: Path) -> None:
    write_tables(study, {OTHER: [5]})
    outputs = run_pipeline(BidsSource.read(study.root, SCRUB), tmp_path / "out", SCRUB)
    table = QUALITY.read(outputs.quality("01")).set_index("run")
    assert table.loc["all", ["non_steady_state", "scrubbed"]].tolist() == [1, 1]
    assert table.loc[f"sub-01_{OTHER}", ["non_steady_state", "scrubbed"]].tolist() == [0, 1]
    said = read_object(outputs.study)
    assert any("sub-01 1 + 1 (task-Training_run-01 1, task-Training_run-02 1)" in line for line in said["warnings"])
    assert "displacement above 0.5 mm or a standardised DVARS above 1.5" in said["methods"]
    assert said["settings"]["preprocessing.strategy"] == ["global_signal", "scrub"]
    found = [each for each in check_bids(study.root, SCRUB, tmp_path / "out") if each.code == "volumes-left-out"]
    assert [each.severity for each in found] == ["warning"]


def test_a_subject_without_volumes_is_an_error(study: TinyStudy, tmp_path: Path) -> None:
    config = SCRUB.changed(fd_threshold=0.05)  # below every displacement
    with pytest.raises(InputError, match="too few volumes remain of the response to every train clip of sub-01"):
        BidsSource.read(study.root, config)
    errors = [each for each in check_bids(study.root, config) if each.severity == "error"]
    assert {each.code for each in errors} == {"volumes-left-out"}


def test_tables_that_all_lack_a_column_are_one_line(study: TinyStudy, tmp_path: Path) -> None:
    config = CONFIG.changed(cleaning="regression")
    for name in SCANS:
        table = table_of(study, name)
        rows = [line.split("\t") for line in table.read_text().splitlines()]
        kept = [i for i, column in enumerate(rows[0]) if not column.startswith(("trans", "rot"))]
        table.write_text("\n".join("\t".join(row[i] for i in kept) for row in rows) + "\n")
    errors = [each for each in check_bids(study.root, config) if each.severity == "error"]
    (line,) = [each for each in errors if each.code == "confounds-unusable"]
    assert "lacks what motion of preprocessing.strategy read" in line.what
    assert "in all 3 runs" in line.what
    assert "['high_pass', 'compcor']" in line.hint
    (columns,) = [
        each
        for each in check_bids(study.root, CONFIG.changed(confounds=("trans_?",)))
        if each.code == "confounds-unusable"
    ]
    assert "no confound is named 'trans_?'" in columns.what
    for name in SCANS:
        table_of(study, name).unlink()
    (missing,) = [each for each in check_bids(study.root, config) if each.code == "confounds-unusable"]
    assert "in all 3 runs" in missing.what


def test_more_columns_than_volumes_are_refused(study: TinyStudy) -> None:
    config = CONFIG.changed(cleaning="regression")  # 13 columns and a constant for 6 scans
    errors = [each for each in check_bids(study.root, config) if each.severity == "error"]
    assert any("columns cannot be fitted" in each.what for each in errors)
