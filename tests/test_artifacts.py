"""Outputs on disk: whole or not there, known by their provenance, and back as they were."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brain2music.artifacts import (
    atomic_path,
    digest_array,
    read_arrays,
    read_json,
    stage,
    write_arrays,
    write_json,
    write_table,
    write_text,
)
from brain2music.audio.io import write_audio
from brain2music.errors import InputError


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


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe"])
def test_broken_json_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.json"):
        read_json(path)


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


@pytest.mark.parametrize("change", ["inputs", "settings", "edited", "removed", "sidecar"])
def test_a_stage_runs_again_after_a_change(change: str, tmp_path: Path) -> None:
    made = Counted(tmp_path)
    made()
    if change == "edited":
        made.path.write_text("by hand")
    elif change == "removed":
        made.path.unlink()
    elif change == "sidecar":
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
