"""Every adapter to a public model, on tiny random checkpoints that go the way of the real ones."""

import hashlib
import json

import numpy as np
import pytest
import torch

from brain2music._utils.errors import InputError
from brain2music.embeddings.protocols import TextEmbedder
from brain2music.models.adapters.clap import pooled_output
from brain2music.models.adapters.hub_windows import mean_direction, split_window, to_unit_length
from brain2music.models.catalogue import EMBEDDINGS
from brain2music.models.embedders import get_embedder, get_text_embedder

from . import tiny_hub

JOINT = ["clap-music", "clap-musicldm", "muq-mulan"]
LAYERED = ["hubert-avg", "mert-avg", "w2v-bert-2-avg", "muq-avg"]
RATES = {"clap-music": 8000, "clap-musicldm": 8000, "hubert-avg": 16000, "w2v-bert-2-avg": 16000}


@pytest.fixture(scope="module")
def models_folder(tmp_path_factory):
    """A folder with a tiny checkpoint of every public model."""
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("models")
    tiny_hub.clap(folder / "clap-music")
    ldm = folder / "clap-musicldm"
    tiny_hub.clap(ldm / "text_encoder")
    for name in ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"):
        (ldm / "text_encoder" / name).unlink()
    tiny_hub.tokenizer(ldm / "tokenizer")
    tiny_hub.clap_extractor(ldm / "feature_extractor")
    tiny_hub.hubert(folder / "hubert-avg")
    tiny_hub.hubert(folder / "mert-avg", mert=True)
    tiny_hub.w2v_bert_2(folder / "w2v-bert-2-avg")
    tiny_hub.muq_mulan(folder)
    tiny_hub.save(folder / "muq-avg", tiny_hub.MUQ, tiny_hub.muq_state())
    return folder


@pytest.fixture
def here(models_folder, monkeypatch):
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(models_folder))
    return models_folder


@pytest.fixture
def sound():
    return np.random.default_rng(0).standard_normal(4 * 16000).astype(np.float32) / 10


@pytest.mark.parametrize("name", [*JOINT, *LAYERED])
def test_windows_are_as_many_as_fit_and_the_same_each_time(here, sound, name):
    embedder = get_embedder(name, window_s=2.0, step_s=1.0)
    found = embedder.embed(sound, 16000)
    assert found.shape == (3, embedder.space.dims)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, embedder.embed(sound, 16000))
    np.testing.assert_array_equal(found, get_embedder(name, window_s=2.0, step_s=1.0).embed(sound, 16000))
    assert len(embedder.embed(sound[:16000], 16000)) == 1
    assert len(embedder.embed(sound[:50], 16000)) == 1
    assert not np.allclose(found[0], found[2])


@pytest.mark.parametrize("name", [*JOINT, *LAYERED])
def test_a_window_depends_on_nothing_outside_it(here, sound, name):
    embedder = get_embedder(name, window_s=1.0, step_s=1.0)
    sample_rate = embedder.space.sample_rate
    sound = np.random.default_rng(1).standard_normal(3 * sample_rate).astype(np.float32) / 10
    alone = embedder.embed(sound[sample_rate : 2 * sample_rate], sample_rate)
    np.testing.assert_allclose(embedder.embed(sound, sample_rate)[1], alone[0], atol=1e-6)


@pytest.mark.parametrize("name", [*JOINT, *LAYERED])
def test_the_space_names_the_weight_file(here, name):
    space = get_embedder(name).space
    part = "text_encoder" if name == "clap-musicldm" else ""
    digest = hashlib.sha256((here / name / part / "model.safetensors").read_bytes()).hexdigest()
    assert (space.name, space.sha256) == (name, digest)
    assert space.sample_rate == RATES.get(name, 24000)
    assert EMBEDDINGS[name].available()


@pytest.mark.parametrize("name", JOINT)
def test_sound_longer_than_ten_seconds_is_cut_not_cropped(here, name):
    embedder = get_embedder(name, window_s=15.0, step_s=1.5)
    sample_rate = embedder.space.sample_rate
    sound = np.random.default_rng(2).standard_normal(15 * sample_rate).astype(np.float32)
    sound *= np.linspace(0.01, 0.5, len(sound), dtype=np.float32)
    found = embedder.embed(sound, sample_rate)
    np.testing.assert_array_equal(found, embedder.embed(sound, sample_rate))
    assert found.shape == (1, embedder.space.dims)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-6)
    short = get_embedder(name, window_s=10.0, step_s=5.0).embed(sound, sample_rate)
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), 1.0, atol=1e-6)
    assert np.linalg.norm(short.mean(axis=0)) < 1 - 1e-7
    np.testing.assert_allclose(found[0], mean_direction(list(short)), atol=1e-5)


def test_fused_clap_is_deterministic_too(tmp_path, monkeypatch, sound):
    tiny_hub.clap(tmp_path / "clap-music", fused=True)
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path))
    embedder = get_embedder("clap-music", window_s=2.0, step_s=1.0)
    np.testing.assert_array_equal(embedder.embed(sound, 16000), embedder.embed(sound, 16000))


@pytest.mark.parametrize("name", JOINT)
def test_text_lies_in_the_space_of_sound(here, name):
    embedder = get_text_embedder(name)
    assert isinstance(embedder, TextEmbedder)
    found = embedder.embed_text(["loud drums", "a slow, sad piano, and nothing else"])
    assert found.shape == (2, embedder.space.dims)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-6)
    np.testing.assert_array_equal(found[:1], embedder.embed_text(["loud drums"]))
    assert not np.allclose(found[0], found[1])
    assert embedder.embed_text([]).shape == (0, embedder.space.dims)
    assert embedder.embed_text(["a " * 1000]).shape == (1, embedder.space.dims)
    with pytest.raises(InputError, match="empty"):
        embedder.embed_text(["drums", " "])


def test_text_is_refused_where_there_is_no_text_side(here):
    with pytest.raises(InputError, match="clap-music, clap-musicldm, clap-unfused, muq-mulan"):
        get_text_embedder("mert-avg")


def test_clap_is_that_of_transformers(here, sound):
    from transformers import AutoTokenizer, ClapModel

    embedder = get_text_embedder("clap-music")
    model = ClapModel.from_pretrained(here / "clap-music").eval()
    tokens = AutoTokenizer.from_pretrained(here / "clap-music")("a b", return_tensors="pt")
    with torch.no_grad():
        theirs = pooled_output(model.get_text_features(tokens["input_ids"], tokens["attention_mask"])).numpy()
    np.testing.assert_allclose(embedder.embed_text(["a b"]), to_unit_length(theirs), atol=1e-6)


def test_features_are_unwrapped_from_either_version_of_transformers():
    vector = torch.ones(1, 3)
    assert pooled_output(vector) is vector
    assert pooled_output(type("Output", (), {"pooler_output": vector})()) is vector


@pytest.mark.parametrize("name", LAYERED)
def test_layers_are_chosen_by_relative_depth(here, sound, name):
    embedder = get_embedder(f"{name}@0.25", window_s=4.0, step_s=1.0)
    assert embedder.space.name == f"{name}@0.25"
    assert get_embedder(f"{name}@{EMBEDDINGS[name].depth}").space.name == name
    first, last = (get_embedder(f"{name}@{depth}", 4.0, 1.0).embed(sound, 16000) for depth in ("0", "1"))
    assert not np.allclose(first, last)


def test_hidden_states_are_those_of_transformers(here, sound):
    from transformers import HubertModel

    states = HubertModel.from_pretrained(here / "hubert-avg").eval()
    given = torch.from_numpy((sound - sound.mean()) / np.sqrt(sound.var() + 1e-7))[None]
    with torch.no_grad():
        theirs = states(given, output_hidden_states=True).hidden_states[2][0].mean(0)
    ours = get_embedder("hubert-avg@0.5", 4.0, 1.0).embed(sound, 16000)
    np.testing.assert_allclose(ours[0], theirs, atol=1e-5)


@pytest.mark.parametrize(("name", "depth"), [("mert-avg", "1.5"), ("mert-avg", "top"), ("mert-avg", "nan")])
def test_a_depth_that_cannot_be(here, name, depth):
    with pytest.raises(InputError, match=r"number from 0 to 1, as in 'mert-avg@0.5'"):
        get_embedder(f"{name}@{depth}")


def test_models_without_layers_take_no_depth(here):
    with pytest.raises(InputError, match="no layers to choose from"):
        get_embedder("clap-music@0.5")


@pytest.mark.parametrize("option", ["feature_extractor_cqt", "deepnorm"])
def test_a_mert_that_is_no_hubert_is_refused(tmp_path, monkeypatch, option):
    tiny_hub.hubert(tmp_path / "mert-avg", mert=True)
    config = json.loads((tmp_path / "mert-avg" / "config.json").read_text()) | {option: True}
    (tmp_path / "mert-avg" / "config.json").write_text(json.dumps(config))
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path))
    with pytest.raises(InputError, match=f"{option}.*MERT-v1-95M"):
        get_embedder("mert-avg")


@pytest.mark.parametrize(
    ("count", "seconds", "firsts"), [(1, 4, [0]), (1, 10, [0]), (2, 15, [0, 5]), (3, 25, [0, 7, 15])]
)
def test_pieces_cover_a_window_evenly(count, seconds, firsts):
    window = np.arange(seconds * 10, dtype=np.float32)
    cut = split_window(window, 10, 10.0)
    assert len(cut) == count
    assert all(len(piece) == min(100, len(window)) for piece in cut)
    assert [int(piece[0] // 10) for piece in cut] == firsts
    assert (cut[0][0], cut[-1][-1]) == (window[0], window[-1])
