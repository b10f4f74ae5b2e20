"""Recipes that nobody runs in a test: their commands exist, with these options, and their files can be read."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from brain2music.audio import write_audio
from brain2music.brain.arrays import read_arrays_study
from brain2music.study import read_study

from .docs.guide_pages import parse

RECIPES = Path(__file__).parents[1] / "recipes"
COMMAND = '"$bin/brain2music" '
ARRAYS = {'"${labels[@]}"': "--participant-label=001", '"${settings[@]}"': ""}


def commands(script: Path) -> list[list[str]]:
    """The brain2music commands of a shell script, with words in place of its variables."""
    text = script.read_text(encoding="utf-8").replace("\\\n", " ")
    options = re.search(r"^settings=\((.*)\)$", text, re.MULTILINE)
    found = []
    for line in text.splitlines():
        _, command, words = line.partition(COMMAND)
        if command:
            for name, value in (ARRAYS | {'"${settings[@]}"': options[1] if options else ""}).items():
                words = words.replace(name, value)
            found.append(shlex.split(re.sub(r"\$\{?\w+\}?", "x", words)))
    return found


def test_the_whole_of_ds003720_is_what_the_commands_take() -> None:
    found = commands(RECIPES / "ds003720.sh")
    assert [words[0] for words in found] == [*["fetch"] * 5, "preprocess", "gallery", "check", "run", "run", "report"]
    for words in found:
        parse(words)


@pytest.mark.slow
@pytest.mark.real_data
def test_arrays_of_the_authors_are_read_in_the_order_of_the_events(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Voxels whose value is the number of their scan come back clip by clip."""
    for label in range(1, 6):
        for name, scans in (("Training", 4800), ("Test_Mean", 600)):
            array = np.tile(np.arange(scans, dtype=np.float32), (7, 1))
            np.save(tmp_path / f"sub-{label:03d}_Resp_{name}.npy", array)
    for clip in (study := read_study(real_data / "ds003720", need_images=False)).train_clips + study.test_clips:
        write_audio(tmp_path / "gtzan" / clip.genre / f"{clip.track}.wav", np.zeros(100), 22_050)
    for name, folder in (("ZENODO", tmp_path), ("BIDS", real_data / "ds003720"), ("GTZAN", tmp_path / "gtzan")):
        monkeypatch.setenv(name, str(folder))
    source = read_arrays_study(RECIPES / "zenodo8275363.toml")
    assert source.subjects == ("001", "002", "003", "004", "005")
    assert (len(source.train_clips), len(source.test_clips)) == (480, 60)
    train = source.responses("003", lag_tr=0).train
    assert train.data.shape == (480, 10, 7)
    assert np.array_equal(train.data[:, :, 0].ravel(), np.arange(4800))
