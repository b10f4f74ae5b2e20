"""Named files of a repository: where they are found, what is refused, and how they are fetched."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from brain2music._utils.errors import InputError
from brain2music.models.adapters.file_kinds import file_kind, read_checkpoint
from brain2music.models.adapters.named_files import NamedFiles, VendorFolder, plans
from brain2music.models.sources import CompositeWeights, PipWeights

from .toy_hub import ToyHub, toy_hub

pytest.importorskip("huggingface_hub")
GRAPH = b"\x1c\x00\x00\x00TFL3" + b"graph" * 100
TABLE = bytes(range(256)) * 4000
VENDOR = VendorFolder("VENDOR_HOME", "~/Documents/Vendor", "models")
FILES = NamedFiles("toy", "somebody/toy", ("a.tflite", "b.bin"), "inside", ("c.tflite",), VENDOR, 1.0, "CC-BY-4.0")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("VENDOR_HOME", str(tmp_path / "vendor"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[ToyHub]:
    with toy_hub() as found:
        monkeypatch.setenv("HF_ENDPOINT", found.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1 << 16)
        content = {"inside/a.tflite": GRAPH, "inside/b.bin": TABLE, "inside/c.tflite": GRAPH, "README.md": b"read"}
        found.repositories["somebody/toy"] = content
        yield found


def put(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(GRAPH if name.endswith("tflite") else TABLE)
    return folder


def test_absent_files_say_where_they_were_looked_for_and_both_commands(home: Path) -> None:
    with pytest.raises(InputError) as said:
        FILES.folder()
    line = str(said.value)
    for word in (home / "models" / "toy", home / "vendor" / "models", home / "cache", "somebody/toy", "1.0 MB"):
        assert str(word) in line
    assert "brain2music models pull toy" in line
    assert 'hf download somebody/toy --include "inside/a.tflite" --include "inside/b.bin"' in line
    assert "\n" not in line
    assert not FILES.available()


def test_the_places_are_looked_at_in_turn(home: Path) -> None:
    vendor = put(home / "vendor" / "models" / "inside", "a.tflite", "b.bin")
    assert FILES.folder() == vendor
    flat = put(home / "models" / "toy", "a.tflite", "b.bin")
    assert FILES.folder() == flat
    deep = put(home / "models" / "toy" / "inside", "a.tflite", "b.bin")
    assert FILES.folder() == deep
    assert FILES.path("b.bin") == deep / "b.bin"
    with pytest.raises(InputError, match=r"c.tflite is missing. Run `hf download .*inside/c.tflite"):
        FILES.path("c.tflite")


def test_half_a_bundle_is_told(home: Path) -> None:
    put(home / "models" / "toy", "a.tflite")
    with pytest.raises(InputError, match=r"b.bin is missing, and 1 of 2 files of somebody/toy are here"):
        FILES.folder()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "LFS"),
        (b"<!DOCTYPE html><html><title>Sign in</title></html>", "page"),
        (b"\x80\x02}q\x00.", "pickle"),
        (TABLE, "numbers without a format, not a TFLite model"),
    ],
)
def test_a_wrong_file_under_the_right_name_is_told(home: Path, content: bytes, what: str) -> None:
    folder = put(home / "models" / "toy", "a.tflite", "b.bin")
    (folder / "a.tflite").write_bytes(content)
    with pytest.raises(InputError, match=what):
        FILES.folder()


def test_the_digest_is_of_the_files_that_decide_in_their_order(home: Path) -> None:
    folder = put(home / "models" / "toy", "a.tflite", "b.bin", "c.tflite")
    own, of_one = FILES.digest(), FILES.digest(["a.tflite"])
    assert own != of_one
    (folder / "c.tflite").write_bytes(GRAPH + b"more")
    assert FILES.digest() == own
    (folder / "b.bin").write_bytes(TABLE[::-1])
    os.utime(folder / "b.bin", ns=(1, 1))
    assert FILES.digest() != own
    assert FILES.digest(["a.tflite"]) == of_one


def test_a_pull_says_its_size_before_and_verifies_what_came(home: Path, hub: ToyHub) -> None:
    size = 2 * len(GRAPH) + len(TABLE)
    (line,) = plans(CompositeWeights((FILES,)))
    assert f"3 files of somebody/toy, {size / 1e6:.1f} MB, CC-BY-4.0" in line
    FILES.pull()
    assert FILES.path("c.tflite").read_bytes() == GRAPH
    assert FILES.path("b.bin").read_bytes() == TABLE
    assert str(home / "cache") in str(FILES.folder())
    assert "README.md" not in hub.requests
    assert plans(FILES) == []
    assert plans(PipWeights("not_here", "not_here==1")) == ["not_here: pip installs not_here==1"]


def test_a_pull_goes_on_where_it_was_cut(home: Path, hub: ToyHub) -> None:
    hub.cuts["inside/b.bin"] = 700_000
    FILES.pull()
    assert FILES.path("b.bin").read_bytes() == TABLE
    first, second = hub.requests["inside/b.bin"]
    assert (first, 0 < second <= 700_000) == (0, True)


def test_other_bytes_than_the_hub_lists_are_removed(home: Path, hub: ToyHub) -> None:
    hub.claimed["inside/b.bin"] = "0" * 64
    with pytest.raises(InputError, match=r"inside/b.bin came with other bytes than somebody/toy lists \(sha256\)"):
        FILES.pull()
    assert not FILES.available()
    hub.claimed.clear()
    FILES.pull()
    assert FILES.available()


def test_what_cannot_be_pulled_is_told(hub: ToyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"somebody/other could not be fetched.*hf download somebody/other"):
        NamedFiles("other", "somebody/other", ("a.bin",)).pull()
    with pytest.raises(InputError, match=r"somebody/toy has no inside/z.bin"):
        NamedFiles("toy", "somebody/toy", ("z.bin",), "inside").pull()
    monkeypatch.setattr("brain2music.models.adapters.named_files.free_bytes", lambda _: 1000)
    with pytest.raises(InputError, match=r"takes 1.0 MB, and 1.0 kB are free"):
        FILES.pull()
    assert not hub.requests


def test_checkpoints_of_tensors_are_read_and_code_is_not(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}
    save_file(tensors, tmp_path / "x.safetensors")
    torch.save({"model_state_dict": tensors, "step": 3}, tmp_path / "x.pt")
    assert file_kind(tmp_path / "x.pt") == "pickle"
    read = read_checkpoint(tmp_path / "x.pt")
    assert set(read) == {"model_state_dict.a", "model_state_dict.b"}
    assert torch.equal(read["model_state_dict.a"], read_checkpoint(tmp_path / "x.safetensors")["a"])
    torch.save({"module": torch.nn.Linear(2, 2)}, tmp_path / "code.pt")
    with pytest.raises(InputError, match="more than tensors"):
        read_checkpoint(tmp_path / "code.pt")
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "script.pt"))
    assert file_kind(tmp_path / "script.pt") == "torchscript"
    with pytest.raises(InputError, match="TorchScript archive, which is code"):
        read_checkpoint(tmp_path / "script.pt")
    (tmp_path / "x.safetensors").write_bytes((tmp_path / "x.safetensors").read_bytes()[:-4])
    with pytest.raises(InputError, match="damaged"):
        read_checkpoint(tmp_path / "x.safetensors")
    np.zeros(4, np.float16).tofile(tmp_path / "raw.bin")
    with pytest.raises(InputError, match="numbers without a format"):
        read_checkpoint(tmp_path / "raw.bin")
