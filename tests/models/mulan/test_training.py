"""Training MuLan: planted pairs are learned, unrelated ones are refused, chunks change nothing, texts are true."""

import importlib.util
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from brain2music._utils.errors import InputError
from brain2music._utils.files import write_arrays, write_table
from brain2music.audio.io import write_audio
from brain2music.models.mulan import training_data as mulan_data
from brain2music.models.mulan.feature_extractor import DIMS, VERSION, FeatureExtractor
from brain2music.models.mulan.minilm import PACKAGE, POOLED, sentence_encoder
from brain2music.models.mulan.model import SIZES, MuLan
from brain2music.models.mulan.pairs import CachedPairs
from brain2music.models.mulan.tokens import MuLanTokenizer
from brain2music.models.mulan.training import PATIENCE, MuLanHyperparameters, MuLanTask, PairBatch, recall
from brain2music.models.mulan.training_data import (
    ComposedPiece,
    RecordedExcerpt,
    piece_from_row,
    read_feature_shards,
    row_of_piece,
    write_feature_shards,
)
from brain2music.models.mulan.training_run import train_mulan
from brain2music.models.mulan.training_texts import TextStore, texts_for
from brain2music.models.musicnn.musicnn_embedder import SAMPLE_RATE
from brain2music.simulation.music.genres import GENRES
from brain2music.simulation.music.render import write_corpus
from brain2music.training.arguments import TrainingArguments
from brain2music.training.engine import Engine
from brain2music.training.loop import fit

ARGUMENTS = TrainingArguments(steps=40, validate_every=40, checkpoint_every=40, log_every=10, device="cpu")
HYPERPARAMETERS = MuLanHyperparameters(batch=32, lr=3e-3)
needs_wheels = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in (PACKAGE, "musicnn")), reason="the wheels are not installed"
)


class Planted:
    """Sounds and texts that are two fixed maps of the same eight hidden numbers; or of unrelated ones."""

    facts = "planted pairs"

    def __init__(self, related: bool = True) -> None:
        rng = np.random.default_rng(0)
        self.related = related
        self.maps = [torch.from_numpy(rng.standard_normal((8, width)).astype(np.float32)) for width in (DIMS, POOLED)]

    def sample_batch(self, size: int, rng: np.random.Generator) -> PairBatch:
        hidden, other = (torch.from_numpy(rng.standard_normal((size, 8)).astype(np.float32)) for _ in range(2))
        sounds, texts = hidden @ self.maps[0], (hidden if self.related else other) @ self.maps[1]
        return PairBatch(sounds[:, None].repeat(1, 2, 1), texts, torch.arange(size))

    def held_out(self) -> tuple[list[torch.Tensor], torch.Tensor]:
        batch = self.sample_batch(100, np.random.default_rng(1))
        return list(batch.windows), batch.texts


def task(related: bool = True, **changes: object) -> MuLanTask:
    torch.manual_seed(0)
    return MuLanTask(MuLan(SIZES["musicnn", "tiny"]), Planted(related), replace(HYPERPARAMETERS, **changes))


@pytest.mark.parametrize("form", ["symmetric", "decoupled"])
def test_planted_pairs_are_found(form, tmp_path):
    learner = task(form=form)
    before = learner.validate(learner.models)["recall_at_10"]
    fit(learner, replace(ARGUMENTS, steps=80, ema_decay=0.9), tmp_path)
    assert before < 0.4
    assert learner.validate({"mulan": MuLan.from_pretrained(tmp_path / "model")})["recall_at_10"] > 0.8


def test_unrelated_pairs_stop_the_training(tmp_path):
    learner = task(related=False, lr=1e-5)
    learner.check_divergence([{"step": PATIENCE - 1, "loss": 3.46, "chance_loss": 3.4657}])
    with pytest.raises(InputError, match=r"as if nothing were known \(3\.466 for this batch\)"):
        fit(learner, replace(ARGUMENTS, steps=PATIENCE + 100, validate_every=10_000, checkpoint_every=10_000), tmp_path)


def test_a_line_of_validation_is_no_reason_to_stop():
    assert (
        task().check_divergence([{"step": PATIENCE, "loss": 1.0, "chance_loss": 3.0}, {"step": 900, "val_x": 1.0}])
        is None
    )


@pytest.mark.parametrize("form", ["symmetric", "decoupled"])
def test_chunks_give_the_gradient_of_the_whole_batch(form):
    gradients = []
    for chunk in (0, 12):
        learner = task(form=form, chunk=chunk, noise=0.0)
        learner.models["mulan"].eval()  # dropout draws differently for other shapes
        learner._forward_backward(PairBatch(*learner.batch(0)), 0, Engine(ARGUMENTS))
        gradients.append([weight.grad.clone() for weight in learner.models["mulan"].parameters()])
    for whole, chunked in zip(*gradients, strict=True):
        torch.testing.assert_close(chunked, whole, rtol=1e-4, atol=1e-6)


def test_recall_by_hand():
    texts = torch.eye(20)
    assert recall(texts, texts) == {"recall_at_1": 1.0, "recall_at_10": 1.0}
    assert recall(torch.roll(texts, 1, 0), texts)["recall_at_1"] == 0.0


def write_shard(folder, count: int = 60) -> None:
    """Features that tell the genre, of composed pieces with two windows each and a few recordings with one."""
    rng = np.random.default_rng(0)
    sources = [ComposedPiece(3, genre, number) for number in range(count // 10) for genre in GENRES]
    rows = [row_of_piece(source, source.piece(4.0)) for source in sources]
    rows += [
        {"package": "p", "style": "techno", "licence": "CC0", "file": "a.ogg", "song": f"song {n}", "start_s": 0.0}
        for n in range(6)
    ]
    piece = np.array([*np.repeat(np.arange(count), 2), *range(count, count + 6)], np.int32)
    centres = rng.standard_normal((11, DIMS))
    kind = np.array([*(np.arange(count) % 10), *[10] * 6])[piece]
    features, low, step = mulan_data._quantise(
        (centres[kind] + rng.standard_normal((len(piece), DIMS))).astype(np.float32)
    )
    arrays = {
        "features": features,
        "low": low,
        "step": step,
        "tags": rng.random((len(piece), 100)).astype(np.float16),
        "piece": piece,
    }
    write_arrays(folder / "rendered-3-000.safetensors", arrays, {"rows": rows, "features": VERSION})


@needs_wheels
def test_from_shards_to_a_model_with_tokens(tmp_path):
    write_shard(tmp_path / "data")
    folder = train_mulan(tmp_path / "data", tmp_path / "out", HYPERPARAMETERS, ARGUMENTS, "tiny", codebook_size=16)
    assert {file.name for file in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "README.md",
        "tokens.safetensors",
    }
    model = MuLan.from_pretrained(folder)
    pairs = CachedPairs(tmp_path / "data")
    vectors = model.audio(pairs.features)
    assert MuLanTokenizer.from_pretrained(folder).encode(vectors).shape == (126, 12)
    card = (folder / "README.md").read_text()
    for said in ("12 quantizers of 16 codes", "60 composed pieces", "6 recorded excerpts", "CC0", "recall_at_10"):
        assert said in card


@needs_wheels
def test_pairs_are_of_one_piece_and_keep_some_back(tmp_path):
    write_shard(tmp_path)
    pairs = CachedPairs(tmp_path)
    windows, texts = pairs.held_out()
    assert (len(windows), len(texts)) == (3, 3)
    batch = pairs.sample_batch(40, np.random.default_rng(0))
    again = pairs.sample_batch(40, np.random.default_rng(0))
    torch.testing.assert_close(batch.windows, again.windows, rtol=0, atol=0)
    assert batch.windows.shape == (40, 1, DIMS)
    kept = torch.cat(windows)
    assert not (batch.windows.flatten(0, 1)[:, None] == kept[None]).all(-1).any()
    assert len(list((tmp_path / "texts").iterdir())) == 1  # read once, for both


@needs_wheels
def test_texts_of_a_piece_are_true_of_it(tmp_path):
    source = ComposedPiece(3, "jazz", 4)
    row = row_of_piece(source, source.piece(4.0))
    said = texts_for(row, np.zeros(100, np.float32))
    assert said == texts_for(row, np.zeros(100, np.float32))
    assert len(set(said.long)) == 4
    piece = piece_from_row(row)
    assert all("jazz" in text.lower() for text in said.long)
    assert any(piece.mood in text for text in said.short)
    assert any(name in text for name in piece.instruments for text in said.short)
    assert not any(genre in text.lower().split() for text in said.short for genre in GENRES if genre != "jazz")


def test_the_caption_of_a_piece_is_that_of_the_corpus(tmp_path):
    truth = pd.read_csv(write_corpus(tmp_path, {"jazz": 1}, seed=3, seconds=10.0, n_jobs=1), sep="\t")
    assert list(truth["caption"]) == [ComposedPiece(3, "jazz", 0).caption()]


@needs_wheels
def test_texts_of_a_recording_are_what_is_heard_in_it():
    row = {"package": "p", "style": "techno", "licence": "CC0", "file": "a.ogg", "song": "a", "start_s": 3.0}
    tags = np.full(100, 1e-6, np.float32)
    tags[[0, 50]] = 1.0  # rock, guitar
    said = texts_for(row, tags)
    words = {
        word for text in (*said.long, *said.short) for word in ("rock", "guitar", "techno") if word in text.lower()
    }
    assert words == {"rock", "guitar", "techno"}
    assert said != texts_for(row | {"start_s": 4.0}, tags)


@needs_wheels
def test_only_new_texts_are_read(tmp_path, monkeypatch):
    encoder = sentence_encoder()
    read = []

    def pooled(texts):
        read.extend(texts)
        return np.full((len(texts), POOLED), len(read), np.float32)

    monkeypatch.setattr(encoder, "pooled", pooled)
    TextStore(tmp_path).add(["a", "b", "a"], encoder)
    store = TextStore(tmp_path)
    store.add(["b", "c"], encoder)
    assert read == ["a", "b", "c"]
    assert store.rows == {"a": 0, "b": 1, "c": 2}
    assert store.pooled()[:, 0].tolist() == [2, 2, 3]


@needs_wheels
@pytest.mark.slow
def test_music_is_heard_once(tmp_path, monkeypatch):
    sound = (np.random.default_rng(0).standard_normal(11 * 22050) / 10).astype(np.float32)
    for name in ("song", "drums"):
        write_audio(tmp_path / f"{name}.wav", sound, 22050)
    sources = [
        ComposedPiece(3, "rock", 0),
        RecordedExcerpt((tmp_path / "song.wav", tmp_path / "drums.wav"), 0.5, "p", "rock", "CC0"),
    ]
    files = write_feature_shards(sources, tmp_path / "out", "rendered-3", per_shard=1)
    assert [file.name for file in files] == ["rendered-3-000.safetensors", "rendered-3-001.safetensors"]
    composed, recorded = read_feature_shards(tmp_path / "out")
    assert composed.features.shape == (1, DIMS)
    assert recorded.rows[0]["song"] == tmp_path.name
    twice = FeatureExtractor(10.0, 10.0)(2 * _heard(tmp_path / "song.wav"), SAMPLE_RATE)
    np.testing.assert_allclose(recorded.features[0], twice[0], rtol=0.02, atol=0.1)  # half precision
    monkeypatch.setattr(mulan_data, "_write", lambda *_: pytest.fail("heard again"))
    assert write_feature_shards(sources, tmp_path / "out", "rendered-3", per_shard=1) == files
    assert write_feature_shards(sources, tmp_path / "none", "rendered-3", per_shard=1, minutes=-1.0) == []


def _heard(file):
    from brain2music.audio.io import read_audio

    return read_audio(file, SAMPLE_RATE, start=0.5, duration=10.0)[0]


@needs_wheels
@pytest.mark.parametrize("tower", ["resnet50", "ast"])
def test_spectrogram_towers_train_on_sound(tower, tmp_path):
    import pandas as pd

    rng = np.random.default_rng(0)
    for number in range(3):
        write_audio(
            tmp_path / f"{number}.wav", (rng.standard_normal(16000 * (4 + 8 * number)) / 10).astype(np.float32), 16000
        )
    table = pd.DataFrame({"file": ["0.wav", "1.wav", "1.wav", "2.wav"], "caption": ["low", "noise", "hiss", "loud"]})
    write_table(tmp_path / "captions.tsv", table)
    arguments = replace(ARGUMENTS, steps=2, validate_every=2, checkpoint_every=2, log_every=1)
    folder = train_mulan(
        tmp_path, tmp_path / "out", MuLanHyperparameters(batch=3, chunk=2), arguments, "tiny", tower, codebook_size=1
    )
    assert MuLan.from_pretrained(folder).config.audio == tower


def test_data_that_is_no_data(tmp_path):
    for tower, reason in (("musicnn", "no prepared music"), ("ast", "no captions")):
        with pytest.raises(InputError, match=reason):
            train_mulan(tmp_path, tmp_path / "out", HYPERPARAMETERS, ARGUMENTS, "tiny", tower)
