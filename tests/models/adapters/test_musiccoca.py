"""MusicCoCa on TFLite graphs with the published shapes: sound, text, tokens, and files that are not right."""

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.embeddings.protocols import TextEmbedder
from brain2music.models.adapters.musiccoca import MusicCoCaEmbedder, check_tokens
from brain2music.models.embedders import get_embedder

from . import toy_tflite
from .contract import block_sockets

RATE = 16000


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toys")
    toy_tflite.musiccoca(folder / "musiccoca")
    return folder


@pytest.fixture
def own(toys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the toy that may be spoiled."""
    shutil.copytree(toys / "musiccoca", tmp_path / "models" / "musiccoca")
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("MAGENTA_HOME", str(tmp_path / "none"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "models" / "musiccoca"


@pytest.fixture
def embedder(toys: Path, monkeypatch: pytest.MonkeyPatch) -> MusicCoCaEmbedder:
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(toys))
    return MusicCoCaEmbedder()


def noise(seconds: float, seed: int = 0, rate: int = RATE) -> np.ndarray:
    rng = np.random.default_rng(seed)
    beats = (np.arange(round(seconds * rate)) / rate % (0.2 + 0.1 * seed)) < 0.1
    return (0.3 * rng.standard_normal(len(beats)) * beats).astype(np.float32)


def test_sounds_are_embedded_by_name(toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(toys))
    block_sockets(monkeypatch)
    embedder = get_embedder("musiccoca")
    assert isinstance(embedder, MusicCoCaEmbedder)
    assert isinstance(embedder, TextEmbedder)
    assert (embedder.space.dims, embedder.space.sample_rate, embedder.space.window_s) == (768, 16000, 10.0)
    vectors = embedder.embed(noise(13.0), RATE)
    assert vectors.shape == (3, 768)
    assert np.isfinite(vectors).all()
    other = embedder.embed(noise(13.0, seed=1), RATE)
    cosines = np.sum(vectors * other, axis=1) / np.linalg.norm(vectors, axis=1) / np.linalg.norm(other, axis=1)
    assert cosines.max() < 0.9
    stereo = np.stack([noise(13.0), noise(13.0)])
    assert np.allclose(embedder.embed(stereo, RATE), vectors, atol=1e-5)
    assert not {"jax", "magenta_rt", "tensorflow"} & set(sys.modules)


def test_short_sounds_are_followed_by_silence_and_long_windows_are_means(
    embedder: MusicCoCaEmbedder, toys: Path
) -> None:
    short = noise(4.0)
    padded = np.pad(short, (0, 6 * RATE))
    assert np.array_equal(embedder.embed(short, RATE), embedder.embed(padded, RATE))
    long = noise(20.0, seed=2)
    parts = np.concatenate([embedder.embed(part, RATE) for part in (long[: 10 * RATE], long[10 * RATE :])])
    whole = MusicCoCaEmbedder(window_s=20.0).embed(long, RATE)
    assert np.allclose(whole[0], parts.mean(axis=0), atol=1e-6)


def test_texts_are_lowered_marked_and_padded(embedder: MusicCoCaEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    class Recorder:
        def run(self, ids: np.ndarray, paddings: np.ndarray) -> np.ndarray:
            given.append((ids.copy(), paddings.copy()))
            return np.ones(768, np.float32)

    monkeypatch.setitem(embedder.__dict__, "_text_encoder", Recorder())
    embedder.embed_text(["Disco FUNK", "disco funk"])
    (ids, paddings), (lowered, _) = given
    n = int((paddings == 0).sum())
    assert np.array_equal(ids, lowered)
    assert ids[0] == 1
    assert (ids[1:n] > 0).all()
    assert not ids[n:].any()
    assert np.array_equal(paddings, np.r_[np.zeros(n), np.ones(128 - n)])
    with pytest.warns(Brain2MusicWarning, match="cut after 127"):
        embedder.embed_text("disco funk " * 100)
    assert not given[-1][1].any()
    with pytest.raises(InputError, match="is empty"):
        embedder.embed_text(["disco", "  "])


def test_texts_pass_through_the_mapper(embedder: MusicCoCaEmbedder) -> None:
    first, second = embedder.embed_text(["a jazz piano trio", "disco funk"])
    assert np.isclose(np.linalg.norm(first), 1.0, atol=1e-5)
    assert np.linalg.norm(first - second) > 0.1
    assert np.array_equal(embedder.embed_text("disco funk")[0], second)
    plain = MusicCoCaEmbedder(mapper=False).embed_text("disco funk")[0]
    noise = np.random.RandomState(0).randn(768).astype(np.float32)
    assert np.allclose((plain + noise) / np.linalg.norm(plain + noise), second, atol=1e-5)
    other = MusicCoCaEmbedder(mapper_seed=1).embed_text("disco funk")[0]
    assert np.linalg.norm(other - second) > 0.1


def test_tokens_are_ids_in_the_order_of_levels(embedder: MusicCoCaEmbedder) -> None:
    vectors = np.concatenate([embedder.embed(noise(10.0, seed), RATE) for seed in range(3)])
    tokens = embedder.tokens(vectors)
    assert tokens.shape == (3, 12)
    assert tokens.dtype == np.int32
    assert len({tuple(row) for row in tokens.tolist()}) == 3
    assert np.array_equal(embedder.tokens(vectors[1:2]), tokens[1:2])
    assert np.array_equal(embedder.tokens(vectors, levels=6), tokens[:, :6])
    assert not np.array_equal(embedder.tokens(0.3 * vectors), tokens)  # by distance: length matters
    for wrong in (tokens.astype(float), tokens[0], tokens + 1024, tokens - 1024):
        with pytest.raises(InputError, match="tokens"):
            check_tokens(wrong)
    with pytest.raises(InputError, match="no 13 levels"):
        embedder.tokens(vectors, levels=13)
    lengths = np.linalg.norm(vectors, axis=1)
    assert 0.1 * lengths.mean() < embedder.sound_length < 10 * lengths.mean()


def test_files_that_are_not_right_are_told_in_one_line(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = get_embedder("musiccoca").space.sha256
    toy_tflite.musiccoca(own, seed=1)
    assert get_embedder("musiccoca").space.sha256 != digest
    (own / "mapper.tflite").unlink()
    with pytest.raises(InputError, match=r"mapper.tflite is missing.*hf download google/magenta-realtime-2"):
        get_embedder("musiccoca").embed_text("disco")  # type: ignore[attr-defined]
    (own / "spm.model").write_bytes(b"\x0a\x05words")
    with pytest.raises(InputError, match="not a model of SentencePiece"):
        MusicCoCaEmbedder(mapper=False).embed_text("disco")
    shutil.copy(own / "pretrained_vector_quantizer.tflite", own / "music_encoder.tflite")
    with pytest.raises(InputError, match="not the inputs of this graph of MusicCoCa"):
        get_embedder("musiccoca")
    (own / "music_encoder.tflite").write_bytes((own / "text_encoder.tflite").read_bytes()[:300])
    with pytest.raises(InputError, match="not a TFLite model that can be run"):
        get_embedder("musiccoca")
    (own / "music_encoder.tflite").unlink()
    with pytest.raises(InputError, match=r"music_encoder.tflite is missing, and 2 of 3 files"):
        get_embedder("musiccoca")
    shutil.rmtree(own)
    with pytest.raises(InputError, match=r"brain2music models pull musiccoca.*hf download.*957.0 MB") as said:
        get_embedder("musiccoca")
    assert "\n" not in str(said.value)


def test_an_absent_package_is_told(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = MusicCoCaEmbedder()
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(InputError, match=r"pip install 'brain2music\[magenta\]'"):
        embedder.embed_text("disco")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(InputError, match=r"ai-edge-litert.*pip install 'brain2music\[magenta\]'"):
        MusicCoCaEmbedder()


def test_threads_do_not_mix(embedder: MusicCoCaEmbedder) -> None:
    vectors = np.random.default_rng(0).standard_normal((40, 768)).astype(np.float32)
    expected = embedder.tokens(vectors)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda row: embedder.tokens(row[None])[0], vectors))
    assert np.array_equal(np.stack(found), expected)
