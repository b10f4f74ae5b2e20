"""MusicLM on the tokens of MusicCoCa's own quantizer: prepared, trained, saved, and asked for music."""

from pathlib import Path

import numpy as np
import pytest
import torch

from brain2music._utils.errors import InputError
from brain2music.audio.io import write_audio
from brain2music.models.codecs import get_token_codec
from brain2music.models.embedders import get_embedder
from brain2music.models.generator_parts.pieces import RecordedSegment, WindowEmbedder
from brain2music.models.generators import get_generator
from brain2music.models.musiclm.condition import Conditioner
from brain2music.models.musiclm.published_tokens import PublishedTokens
from brain2music.models.musiclm.token_shards import PieceTokenizer, TokenData, write_shards
from brain2music.models.musiclm.training import MusicLMTask
from brain2music.training.arguments import TrainingArguments
from brain2music.training.loop import fit

from ..adapters import toy_tflite


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("MAGENTA_HOME", str(tmp_path / "none"))
    return toy_tflite.musiccoca(tmp_path / "models" / "musiccoca")


def test_vectors_are_brought_to_the_length_of_the_training_music(toys: Path, tmp_path: Path) -> None:
    embedder = get_embedder("musiccoca")
    vectors = torch.randn(6, 768, generator=torch.Generator().manual_seed(0))
    conditioner = Conditioner.fit_to(embedder, vectors)
    length = float(vectors.norm(dim=1).mean())
    unit = torch.nn.functional.normalize(vectors, dim=1)
    expected = embedder.tokens((length * unit).numpy())  # type: ignore[attr-defined]
    assert np.array_equal(conditioner(0.1 * vectors).tokens.numpy(), expected)
    assert conditioner.token_shape == (12, 1024, 768)
    conditioner.save(tmp_path)
    again = Conditioner.load(tmp_path)
    assert again.same_tokens_as(conditioner)
    assert torch.equal(again(vectors).tokens, conditioner(vectors).tokens)
    other = Conditioner(embedder.space, PublishedTokens("musiccoca", 768, 2 * length, conditioner.tokenizer.sha256))
    assert not other.same_tokens_as(conditioner)
    fitted = Conditioner.fit(embedder.space, vectors, 2, 4)
    assert not fitted.same_tokens_as(conditioner)
    assert not conditioner.same_tokens_as(fitted)
    toy_tflite.musiccoca(toys, seed=1)
    with pytest.raises(InputError, match="is not that of the training"):
        Conditioner.load(tmp_path)(vectors)


@pytest.mark.slow
def test_a_musiclm_is_trained_on_musiccoca(toys: Path, tmp_path: Path, codec: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(2):
        write_audio(tmp_path / f"{number}.wav", 0.1 * rng.standard_normal(12 * 24000).astype(np.float32), 24000)
    sources = [RecordedSegment(tmp_path / f"{number}.wav") for number in range(2)]
    embedder = WindowEmbedder("musiccoca", 1.0)
    tokenizer = PieceTokenizer(str(codec), get_token_codec(str(codec)), embedder)
    write_shards(sources, tmp_path / "shards", "toy", tokenizer, "musiccoca", seconds=12.0)
    Conditioner.fit_to(embedder.embedder, TokenData(tmp_path / "shards").windows()).save(tmp_path / "shards")
    task = MusicLMTask(tmp_path / "shards", "tiny", "single", batch_divisor=16.0, codec=str(codec))
    steps = TrainingArguments(steps=2, validate_every=2, checkpoint_every=2, log_every=2, device="cpu", workers=0)
    model = get_generator(fit(task, steps, tmp_path / "out"), codec=codec)
    assert model.space is not None
    assert model.space.name == "musiccoca"
    (piece,) = model.generate(rng.standard_normal(768).astype(np.float32), seconds=1.0)
    assert piece.seconds == 1.0
    (named,) = model.generate(text="disco funk", seconds=1.0)
    assert named.source["text"] == "disco funk"
