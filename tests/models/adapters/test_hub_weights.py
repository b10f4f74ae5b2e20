"""Where public weights are looked for, what is said where they are not, and how they are fetched."""

import hashlib
import json
from pathlib import Path

import pytest
import torch

from brain2music._utils.errors import InputError
from brain2music.models.adapters.hub_weights import HubWeights, weight_files
from brain2music.models.catalogue import EMBEDDINGS
from brain2music.models.embedders import get_embedder, pull

from . import tiny_hub

pytest.importorskip("huggingface_hub")
PUBLIC = [name for name, member in EMBEDDINGS.items() if isinstance(member.weights, HubWeights)]
MODEL = HubWeights("model", "somebody/model")


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    """No models anywhere."""
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    import huggingface_hub.file_download

    monkeypatch.setattr(huggingface_hub.file_download.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path


def cached(tmp_path: Path, repo: str) -> Path:
    """An empty snapshot of a repository in the hub's cache, as ``hf download`` lays it out."""
    root = tmp_path / "cache" / f"models--{repo.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text("abc")
    (root / "snapshots" / "abc").mkdir(parents=True)
    return root / "snapshots" / "abc"


@pytest.mark.parametrize("name", PUBLIC)
def test_absent_weights_say_where_they_were_looked_for_and_what_to_run(empty, name):
    pytest.importorskip("transformers")
    assert not EMBEDDINGS[name].available()
    with pytest.raises(InputError) as said:
        get_embedder(name)
    assert str(empty / "models" / name) in str(said.value)
    assert str(empty / "cache") in str(said.value)
    assert f"hf download {EMBEDDINGS[name].weights.repo}" in str(said.value).replace("Run `", "")
    assert "\n" not in str(said.value)


def test_a_folder_of_ones_own_goes_before_the_cache(empty):
    tiny_hub.save(cached(empty, MODEL.repo), {}, {"a": torch.zeros(1)})
    assert MODEL.folder() == empty / "cache" / "models--somebody--model" / "snapshots" / "abc"
    tiny_hub.save(empty / "models" / "model", {}, {"a": torch.ones(1)})
    assert MODEL.folder() == empty / "models" / "model"
    assert MODEL.available()


def test_a_part_of_a_pipeline_lies_in_its_folder(empty):
    part = HubWeights("ldm", "somebody/ldm", part="text_encoder", beside=("tokenizer",))
    tiny_hub.save(cached(empty, part.repo) / "text_encoder", {}, {"a": torch.zeros(1)})
    assert part.folder() == part.root() / "text_encoder"
    assert '--include "text_encoder/*.safetensors"' in part.command
    assert '--include "tokenizer/*.json"' in part.command


def test_what_it_needs_must_be_here_too(empty):
    settings = HubWeights("other", "somebody/other", settings_only=True)
    both = HubWeights("model", "somebody/model", needs=(settings,))
    tiny_hub.save(empty / "models" / "model", {}, {"a": torch.zeros(1)})
    assert not both.available()
    (empty / "models" / "other").mkdir()
    (empty / "models" / "other" / "config.json").write_text("{}")
    assert both.available()


def test_a_pickle_is_never_read(empty):
    folder = empty / "models" / "model"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    assert not MODEL.available()
    with pytest.raises(InputError, match=r"pickle, which is never read.*weights_only=True.*safetensors"):
        MODEL.folder()


def test_the_command_that_converts_a_pickle_works(empty, monkeypatch):
    folder = empty / "models" / "model"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    weight = torch.arange(6.0).reshape(2, 3)
    torch.save({"a": weight.T, "b": weight}, folder / "pytorch_model.bin")
    with pytest.raises(InputError) as said:
        MODEL.folder()
    monkeypatch.chdir(folder)
    code = str(said.value).split('python -c "')[1].rsplit('"', 1)[0]
    exec(code)
    from safetensors.torch import load_file

    assert MODEL.folder() == folder
    torch.testing.assert_close(load_file(folder / "model.safetensors")["a"], weight.T)


def test_weights_in_several_files_have_one_digest(empty):
    folder = empty / "models" / "model"
    names = [f"model-0000{part}-of-00002.safetensors" for part in (1, 2)]
    for name in names:
        tiny_hub.save(folder / "part", {}, {"a": torch.rand(3)})
        (folder / "part" / "model.safetensors").rename(folder / name)
    (folder / "config.json").write_text("{}")
    index = {"weight_map": {"b": names[1], "a": names[0], "c": names[1]}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert weight_files(folder) == [folder / name for name in names]
    digests = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names]
    assert MODEL.digest() == hashlib.sha256("".join(digests).encode()).hexdigest()
    (folder / names[1]).unlink()
    with pytest.raises(InputError, match=f"{names[1]} is missing"):
        MODEL.digest()


@pytest.mark.parametrize("name", ["clap-music", "muq-avg", "hubert-avg"])
def test_damaged_weights_are_one_line(empty, name):
    pytest.importorskip("transformers")
    folder = empty / "models" / name
    if name == "muq-avg":
        tiny_hub.save(folder, tiny_hub.MUQ, {})
    else:
        {"clap-music": tiny_hub.clap, "hubert-avg": tiny_hub.hubert}[name](folder)
    (folder / "model.safetensors").write_bytes(b"not safetensors at all")
    with pytest.raises(InputError, match="ownload the model again") as said:
        get_embedder(name)
    assert "\n" not in str(said.value)


def test_pull_fetches_what_is_used_and_no_more(empty, monkeypatch):
    asked = []

    def snapshot(repo, allow_patterns):
        asked.append((repo, allow_patterns))
        tiny_hub.save(cached(empty, repo), {}, {"a": torch.zeros(1)})

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    pull("muq-mulan")
    assert [repo for repo, _ in asked] == [
        "OpenMuQ/MuQ-MuLan-large",
        "OpenMuQ/MuQ-large-msd-iter",
        "FacebookAI/xlm-roberta-base",
    ]
    assert "*.safetensors" in asked[0][1]
    assert not any("safetensors" in pattern for pattern in asked[1][1] + asked[2][1])
    assert not any(".bin" in pattern for _, patterns in asked for pattern in patterns)


def test_pull_that_fails_says_so(monkeypatch):
    def snapshot(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    with pytest.raises(InputError, match=r"no route to host.*hf download laion/larger_clap_music"):
        pull("clap-music")


def test_nothing_is_fetched_unless_pulled(monkeypatch):
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: pytest.fail("the hub was asked"))
    for name in PUBLIC:
        with pytest.raises(InputError):
            get_embedder(name)
