"""Where may be written: never over an input, nor over what somebody else put there; and it is said before the work."""

import os

import numpy as np
import pandas as pd
import pytest
import soundfile

from brain2music._utils.destinations import is_ours, require_output
from brain2music._utils.errors import InputError
from brain2music._utils.files import write_arrays, write_json, write_text
from brain2music.pipeline.cache import stage


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "song.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(800), 8000)
    return path


def write_tagged(path):
    with soundfile.SoundFile(path, "w", 8000, 1) as file:
        file.software = "brain2music 0.1.0"
        file.write(np.zeros(100))


def refuse(message, *asked, **more):
    with pytest.raises(InputError, match=message) as caught:
        require_output(*asked, **more)
    assert caught.value.hint


def test_a_new_file_may_be_written_also_in_a_folder_that_is_not_there_yet(tmp_path, song):
    assert require_output(tmp_path / "new.wav", [song], (".wav",)) == tmp_path / "new.wav"
    assert require_output(str(tmp_path / "a" / "b" / "new.WAV"), [song], (".wav",)).name == "new.WAV"
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("way", ["itself", "dots", "symbolic link", "hard link", "linked folder", "overwrite"])
def test_an_input_is_never_written_over(way, tmp_path, song):
    output = tmp_path / "other.wav"
    if way == "symbolic link":
        output.symlink_to(song)
    elif way == "hard link":
        os.link(song, output)
    elif way == "linked folder":
        (tmp_path / "folder").symlink_to(tmp_path)
        output = tmp_path / "folder" / "song.wav"
    else:
        output = tmp_path / "a" / ".." / "song.wav" if way == "dots" else song
        (tmp_path / "a").mkdir()
    refuse("input", output, [tmp_path / "nothing.wav", song], overwrite=way == "overwrite")


def test_an_input_that_is_not_there_is_none_the_less_no_output(tmp_path):
    refuse("input", tmp_path / "song.wav", [tmp_path / "song.wav"])


@pytest.mark.parametrize("name", ["notes.json", "song.wav", "list.tsv", "table.parquet", "w.safetensors", "x.bin"])
def test_what_somebody_else_made_is_replaced_only_if_asked(name, tmp_path, song):
    path = tmp_path / name
    if name == "notes.json":
        path.write_text('{"my": "notes"}')
    elif name == "table.parquet":
        pd.DataFrame({"a": [1]}).to_parquet(path)
    elif name != "song.wav":
        path.write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    refuse("did not make", path)
    assert require_output(path, overwrite=True) == path


def test_a_file_beside_the_output_counts_too(tmp_path):
    (tmp_path / "u.json").write_text('{"my": "notes"}')
    refuse(r"u\.json", tmp_path / "u.wav", beside=[tmp_path / "u.json"])


def test_what_we_made_is_replaced(tmp_path):
    write_json(tmp_path / "a.json", {"generated_by": "brain2music 0.1.0"})
    write_arrays(tmp_path / "a.safetensors", {"x": np.zeros(2)})
    for suffix in ("wav", "flac", "ogg"):
        write_tagged(tmp_path / f"a.{suffix}")
    for name in ("a.json", "a.safetensors", "a.wav", "a.flac", "a.ogg"):
        assert require_output(tmp_path / name) == tmp_path / name


def test_an_output_of_a_stage_is_ours_until_somebody_edits_it(tmp_path):
    table = tmp_path / "scores.tsv"
    stage([table], lambda: write_text(table, "a\tb\n"), {}, {})
    assert is_ours(table)
    table.write_text("a\tc\n")
    assert not is_ours(table)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.mp3", "cannot write"),
        ("x", "without a suffix"),
        ("folder.wav", "is a folder"),
        ("song.wav/x.wav", "not a folder"),
        ("broken.wav", "did not make"),
        ("pipe.wav", "pipe"),
    ],
)
def test_what_cannot_be_written_is_known_before_the_work(name, message, tmp_path, song):
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "broken.wav").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe.wav")
    refuse(message, tmp_path / name, [], (".wav", ".flac"))


def test_a_folder_without_permission_is_known_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    refuse("cannot be written to", tmp_path / "new" / "x.wav")
