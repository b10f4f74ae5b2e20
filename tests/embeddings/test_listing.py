"""Lists of files to embed: each file once, a bad one costs itself, names and rows belong together."""

import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from brain2music._utils.errors import InputError
from brain2music.audio.io import write_audio
from brain2music.cli import main
from brain2music.embeddings import Embeddings, embed_files, load_embeddings, save_embeddings
from brain2music.embeddings.listing import REPEATED, list_files
from brain2music.models.embedders import get_embedder


@pytest.fixture
def music(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three recordings in a folder of the folder that is worked in."""
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        write_audio(tmp_path / "m" / f"{number}.wav", rng.uniform(-0.5, 0.5, 16000).astype(np.float32), 16000)
    return Path("m")


def test_a_file_is_taken_once_however_it_is_named(music: Path, tmp_path: Path) -> None:
    Path("link").symlink_to("m")
    paths = [music / "1.wav", "m/../m/1.wav", tmp_path / "m" / "1.wav", "link/1.wav", music, "link"]
    found = list_files(paths)
    assert list(map(str, found.files)) == ["m/1.wav", "m/0.wav", "m/2.wav"]
    assert [why for _, why in found.passed_over] == [REPEATED] * 7


def test_links_to_files_and_missing_files_are_files_of_their_own(music: Path) -> None:
    Path("again.wav").symlink_to(music / "0.wav")
    assert list_files([music / "0.wav", "again.wav", "none.wav"]).files == [
        music / "0.wav",
        Path("again.wav"),
        Path("none.wav"),
    ]


def test_a_folder_without_sound_costs_itself(music: Path) -> None:
    Path("empty").mkdir()
    found = list_files(["empty", music])
    assert len(found.files) == 3
    assert found.passed_over == [(Path("empty"), "the folder holds no sound files")]
    with pytest.raises(InputError, match="holds no sound files"):
        list_files(["empty"])


def test_a_bad_file_among_many_costs_itself(music: Path, rng: np.random.Generator) -> None:
    (music / "1.wav").write_bytes(b"RIFF and no more")
    embedder, bad = get_embedder("logmel", 1.0, 0.5), list[tuple[Path, str]]()
    files = [*sorted(music.iterdir()), Path("none.wav")]
    embedded = embed_files(files, embedder, on_error=lambda path, error: bad.append((path, error.what)))
    assert embedded.names == ("m/0.wav", "m/2.wav")
    assert [path for path, _ in bad] == [music / "1.wav", Path("none.wav")]
    for name, row in zip(embedded.names, embedded.data, strict=True):
        np.testing.assert_array_equal(row, embed_files([Path(name)], embedder).data[0])
    with pytest.raises(InputError, match="none of 2 sound files"):
        embed_files([music / "1.wav", Path("none.wav")], embedder, on_error=lambda *_: None)
    with pytest.raises(InputError, match=r"readable|holds no"):
        embed_files([music / "1.wav"], embedder, on_error=lambda *_: None)


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["brain2music", "embed", *words, "--embedding", "logmel", "-o", "e.parquet"])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def test_the_command_says_what_it_left_out(
    music: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (music / "1.wav").write_bytes(b"")
    assert call(monkeypatch, "m/0.wav", "m", "m/0.wav", "none.wav") == 0
    assert load_embeddings("e.parquet").names == ("m/0.wav", "m/2.wav")
    errors = capsys.readouterr().err
    assert "passed over: 2 named before (m/0.wav, m/0.wav)" in errors
    assert "not embedded: m/1.wav" in errors
    assert "not embedded: none.wav: the sound file is missing" in errors
    assert "2 of 4 files are not in e.parquet" in errors
    os.remove("e.parquet")
    assert call(monkeypatch, "none.wav") == 1
    assert not Path("e.parquet").exists()


def embeddings(names: tuple[str, ...], windows: int, rng: np.random.Generator) -> Embeddings:
    data = rng.standard_normal((len(names), windows, 96)).astype(np.float32)
    return Embeddings(data, names, get_embedder("logmel").space)


def test_names_that_stand_for_two_clips_are_neither_written_nor_read(tmp_path: Path, rng: np.random.Generator) -> None:
    with pytest.raises(InputError, match="such as 'a'"):
        save_embeddings(tmp_path / "e.parquet", embeddings(("a", "a", "b"), 2, rng))
    save_embeddings(tmp_path / "e.parquet", embeddings(("a", "b"), 2, rng))
    table = parquet.read_table(tmp_path / "e.parquet")
    parquet.write_table(pa.concat_tables([table, table]), tmp_path / "twice.parquet")
    with pytest.raises(InputError, match="such as 'a'"):
        load_embeddings(tmp_path / "twice.parquet")


def test_rows_out_of_order_are_refused_and_one_clip_keeps_its_windows(tmp_path: Path, rng: np.random.Generator) -> None:
    one = embeddings(("a",), 3, rng)
    save_embeddings(tmp_path / "e.parquet", one)
    np.testing.assert_array_equal(load_embeddings(tmp_path / "e.parquet").data, one.data)
    save_embeddings(tmp_path / "e.parquet", embeddings(("a", "b"), 2, rng))
    table = parquet.read_table(tmp_path / "e.parquet")
    parquet.write_table(table.take([0, 2, 1, 3]), tmp_path / "mixed.parquet")
    with pytest.raises(InputError, match="not the windows of every clip in order"):
        load_embeddings(tmp_path / "mixed.parquet")
