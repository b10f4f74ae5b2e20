"""Outputs on disk: whole or not there, and back as they were; whatever is wrong with a file is one line."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brain2music._utils.errors import InputError
from brain2music._utils.files import (
    atomic_path,
    digest_array,
    new_folder,
    read_arrays,
    read_json,
    read_object,
    sweep,
    write_arrays,
    write_json,
    write_table,
    write_text,
)
from brain2music.audio.io import write_audio


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("library", ["own", "soundfile", "safetensors", "pyarrow"])
def test_a_full_disk_is_one_line_whatever_library_writes(library: str, tmp_path: Path) -> None:
    import resource

    path = tmp_path / f"a.{ {'soundfile': 'wav', 'safetensors': 'safetensors'}.get(library, 'bin') }"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))  # the disk has no more room than that
    try:
        with pytest.raises(InputError, match="no room left"):
            _write_much(library, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def _write_much(library: str, path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, 100_000).astype(np.float32)
    if library == "safetensors":
        write_arrays(path, {"a": noise})
    elif library == "pyarrow":
        write_table(path, pd.DataFrame({"a": noise}))
    elif library == "own":
        write_text(path, "a" * 100_000)
    else:
        write_audio(path, noise, 8000)


@pytest.mark.parametrize("folder", ["a file", "a name that is too long"])
def test_a_folder_that_cannot_be_made_is_one_line(folder: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    within = "file/x" if folder == "a file" else "x" * 300
    with pytest.raises(InputError, match="cannot be written"):
        write_text(tmp_path / within / "a.txt", "a")


def test_json_takes_numpy_and_says_null_for_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": np.float32(0.5), "b": [np.nan, np.inf], "c": Path("x"), "d": {1, 0}})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 0.5, "b": [None, None], "c": "x", "d": [0, 1]}


BROKEN = {
    "empty": b"",
    "cut off": b"{",
    "no text": b"\xff\xfe",
    "nested deeply": b"[" * 100_000,
    "objects nested deeply": b'{"a":' * 100_000,
    "a number of 10,000 digits": b"1" * 10_000,
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_json_is_named(what: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(BROKEN[what])
    with pytest.raises(InputError, match=r"a\.json: this is not valid JSON"):
        read_json(path)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(InputError, match="missing"):
        read_json(path)
    path.symlink_to(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_json(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="not a file"):
        read_json(path)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(InputError, match="not a file"):  # and does not wait for somebody to write
        read_json(path)


def test_json_may_begin_with_a_mark_and_must_hold_what_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"RepetitionTime": 1.5}')
    assert read_object(path) == {"RepetitionTime": 1.5}
    path.write_text("[1]")
    with pytest.raises(InputError, match="list, not an object"):
        read_object(path)


def test_arrays_come_back_bit_for_bit(tmp_path: Path, rng: np.random.Generator) -> None:
    arrays = {"a": rng.normal(size=(3, 4)).astype(np.float32), "b": np.arange(5)[::2]}
    write_arrays(tmp_path / "a.safetensors", arrays, {"k": 3})
    found, metadata = read_arrays(tmp_path / "a.safetensors")
    assert metadata == {"k": 3}
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("suffix", [".tsv", ".parquet"])
def test_tables_come_back(suffix: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1.5, np.nan], "b": ["x", "y"]})
    path = tmp_path / f"t{suffix}"
    write_table(path, table)
    found = pd.read_parquet(path) if suffix == ".parquet" else pd.read_csv(path, sep="\t", na_values="n/a")
    pd.testing.assert_frame_equal(found, table)


def test_digests_tell_shape_and_type_apart() -> None:
    flat = np.zeros(4, np.float32)
    assert len({digest_array(flat), digest_array(flat.reshape(2, 2)), digest_array(np.zeros(2, np.float64))}) == 3


WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from brain2music._utils.files import atomic_path, new_folder
with new_folder(Path(sys.argv[1]) / "study") as root, atomic_path(Path(sys.argv[1]) / "a.nii.gz") as temporary:
    (root / "half").touch()
    temporary.write_text("half of")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_write_left_is_swept_and_what_is_being_written_is_not(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    with atomic_path(tmp_path / "b.txt") as temporary, new_folder(tmp_path / "study") as root:
        (root / "whole").touch()
        temporary.write_text("whole")
        sweep(tmp_path)
        with pytest.raises(RuntimeError), new_folder(tmp_path / "study"):
            raise RuntimeError
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.txt", "study"]
    assert (tmp_path / "b.txt").read_text() == "whole"
    assert [path.name for path in (tmp_path / "study").iterdir()] == ["whole"]


def test_a_long_name_is_written_as_a_short_one(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250 + ".txt")
    write_text(path, "a")
    assert path.read_text() == "a"


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(InputError, match="there is a folder where a file is to be written"):
        write_text(tmp_path / "a.txt", "a")


def test_a_link_to_itself_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to(tmp_path / "a.txt")
    write_text(tmp_path / "a.txt", "a")
    assert (tmp_path / "a.txt").read_text() == "a"
