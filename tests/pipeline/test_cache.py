"""Outputs are kept while what they are made from is the same, else made again, and removed with their stage."""

import json
from pathlib import Path

import pytest

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music._utils.files import write_text
from brain2music.pipeline.cache import Stages, Step, stage


class Counted:
    """A stage that writes a file and counts how often it ran."""

    def __init__(self, folder: Path) -> None:
        self.path, self.ran = folder / "out.txt", 0

    def __call__(self, inputs: str = "a", settings: int = 1) -> bool:
        return stage([self.path], self._make, {"in": inputs}, {"s": settings})

    def _make(self) -> None:
        self.ran += 1
        write_text(self.path, "made")


def test_a_stage_runs_once_for_the_same_inputs(tmp_path: Path) -> None:
    made = Counted(tmp_path)
    assert made()
    assert not made()
    assert made.ran == 1


@pytest.mark.parametrize("change", ["inputs", "settings", "edited", "removed", "record"])
def test_a_stage_runs_again_after_a_change(change: str, tmp_path: Path) -> None:
    made = Counted(tmp_path)
    made()
    if change == "edited":
        made.path.write_text("by hand")
    elif change == "removed":
        made.path.unlink()
    elif change == "record":
        made.path.with_suffix(".json").unlink()
    changed = {"inputs": "b"} if change == "inputs" else {"settings": 2} if change == "settings" else {}
    assert made(**changed)
    assert made.ran == 2


def test_a_stage_that_failed_is_not_taken_for_done(tmp_path: Path) -> None:
    made = Counted(tmp_path)
    made()

    def fail() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        stage([made.path], fail, {"in": "b"}, {"s": 1})
    assert made(inputs="a")


DAMAGES = {
    "empty": "",
    "cut off": '{"outputs": {"out.txt"',
    "a list": "[1, 2]",
    "nested deeply": "[" * 100_000,
    "no outputs": '{"generated_by": "brain2music 1", "inputs": {}, "settings": {}, "outputs": 3}',
    "a number of 10,000 digits": "1" * 10_000,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_record_is_made_again(damage: str, tmp_path: Path) -> None:
    made = Counted(tmp_path)
    made()
    whole = (tmp_path / "out.json").read_text()
    (tmp_path / "out.json").write_text(DAMAGES[damage])
    assert made()
    assert (tmp_path / "out.json").read_text() == whole


def test_a_folder_in_the_place_of_an_output_is_told_before_the_work(tmp_path: Path) -> None:
    made = Counted(tmp_path)
    (tmp_path / "out.txt").mkdir()
    with pytest.raises(InputError, match="folder where a file"):
        made()
    assert made.ran == 0


def several(folder: Path, names: list[str], setting: int = 1) -> bool:
    """A stage that writes the named files, the first known beforehand."""
    files = [folder / name for name in names]

    def make() -> list[Path]:
        for file in files:
            write_text(file, f"made with {setting}")
        return files[1:]

    return stage(files[:1], make, {}, {"s": setting}, folder / "record.json")


def test_what_a_stage_no_longer_makes_is_removed_unless_it_was_edited(tmp_path: Path) -> None:
    several(tmp_path, ["a", "b", "below/c", "d"])
    (tmp_path / "foreign").touch()
    (tmp_path / "d").write_text("edited")
    with pytest.warns(Brain2MusicWarning, match="changed since"):
        several(tmp_path, ["a"], 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "d", "foreign", "record.json"]


def test_an_output_below_the_folder_counts(tmp_path: Path) -> None:
    assert several(tmp_path, ["a", "below/c"])
    assert not several(tmp_path, ["a", "below/c"])
    (tmp_path / "below" / "c").write_text("edited")
    assert several(tmp_path, ["a", "below/c"])


def test_what_a_killed_stage_wrote_goes_with_it(tmp_path: Path) -> None:
    def stop() -> None:
        write_text(tmp_path / "dropped", "half of the outputs")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage([tmp_path / "dropped"], stop, {}, {})
    stages = Stages()
    stages.make(Step([tmp_path / "kept"], lambda: write_text(tmp_path / "kept", "k"), {}, {}))
    (tmp_path / "foreign.json").write_text('{"outputs": {"kept": null}}')
    gone = stages.discard(stages.others(tmp_path))
    assert [path.name for path in gone] == ["dropped"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["foreign.json", "kept", "kept.json"]


def test_a_record_never_removes_what_lies_outside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("mine")
    outputs = {"../outside": None, str(tmp_path / "outside"): None}
    record = {"generated_by": "brain2music 0", "inputs": {}, "settings": {}, "version": "0", "outputs": outputs}
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.json").write_text(json.dumps(record))
    stages = Stages()
    assert stages.discard(stages.others(tmp_path / "in")) == []
    assert (tmp_path / "outside").exists()
