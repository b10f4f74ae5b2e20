"""Answers are exported into a folder of their own: nothing else is written over, and tests are never mixed."""

from pathlib import Path

import pytest

from brain2music import InputError
from brain2music._utils.files import write_json
from brain2music.listening import export_bids, read_answers
from tests.listening.listeners import judge


def test_the_study_itself_is_never_written_over(tmp_path: Path) -> None:
    study = tmp_path / "study"
    write_json(study / "dataset_description.json", {"Name": "Music Genre fMRI", "BIDSVersion": "1.10.0"})
    (study / "participants.tsv").write_text("participant_id\tage\nsub-001\t25\n")
    before = {file.name: file.read_bytes() for file in study.iterdir()}
    store = judge(tmp_path / "answers.sqlite", 2, 1.0)
    with pytest.raises(InputError, match="something else than a listening test") as error:
        export_bids(store, study)
    store.close()
    assert error.value.file == study
    assert {file.name: file.read_bytes() for file in study.iterdir()} == before


def test_an_export_is_replaced_by_a_later_one_of_more_listeners_but_not_of_fewer(tmp_path: Path) -> None:
    for count in (2, 3):
        store = judge(tmp_path / f"{count}.sqlite", count, 1.0)
        export_bids(store, tmp_path / "listeners")
        store.close()
        assert read_answers(tmp_path / "listeners")["listener"].nunique() == count
    other = judge(tmp_path / "other.sqlite", 1, 1.0)
    with pytest.raises(InputError, match="2 listeners of another test, such as sub-L002"):
        export_bids(other, tmp_path / "listeners")
    other.close()
