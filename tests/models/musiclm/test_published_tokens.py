"""MusicLM on the tokens of MusicCoCa's own quantizer: prepared, trained, saved, and asked for music."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from brain2music._utils.errors import InputError
from brain2music.audio.io import write_audio
from brain2music.cli import app
from brain2music.models.codecs import get_token_codec
from brain2music.models.embedders import get_embedder
from brain2music.models.generator_parts.pieces import RecordedSegment, WindowEmbedder
from brain2music.models.generators import get_generator
from brain2music.models.musiclm.condition import Conditioner
from brain2music.models.musiclm.model import MusicLM
from brain2music.models.musiclm.published_tokens import PublishedTokens
from brain2music.models.musiclm.semantic import Clusters, SemanticTokenizer
from brain2music.models.musiclm.token_shards import PieceTokenizer, TokenData, write_shards

from ..adapters import toy_tflite
from .conftest import RampFeatures


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    toy_tflite.musiccoca(folder / "musiccoca")
    return folder


@pytest.fixture(autouse=True)
def here(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(models))
    monkeypatch.setenv("MAGENTA_HOME", str(tmp_path / "none"))


@pytest.fixture
def other_weights(here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Take another MusicCoCa in place of that of the training."""

    def take() -> None:
        toy_tflite.musiccoca(tmp_path / "others" / "musiccoca", seed=1)
        monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path / "others"))

    return take


def test_vectors_are_brought_to_the_length_of_the_training_music(
    tmp_path: Path, other_weights: Callable[[], None]
) -> None:
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
    other_weights()
    with pytest.raises(InputError, match="is not that of the training"):
        Conditioner.load(tmp_path)(vectors)


@pytest.fixture(scope="module")
def shards(models: Path, codec: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tokens of two pieces of noise for three stages, with windows of a toy of MusicCoCa."""
    folder = tmp_path_factory.mktemp("shards")
    sources = []
    rng = np.random.default_rng(0)
    for number in range(2):
        wave = 0.1 * rng.standard_normal(12 * 24000).astype(np.float32)
        write_audio(folder / f"{number}.wav", wave, 24000)
        sources.append(RecordedSegment(folder / f"{number}.wav"))
    clusters = Clusters(torch.zeros(2), torch.ones(2), torch.randn(16, 2))
    semantic = SemanticTokenizer(clusters, {"name": "ramp", "sha256": "0" * 64})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAIN2MUSIC_MODELS", str(models))
        embedder = WindowEmbedder("musiccoca", 1.0)
        tokenizer = PieceTokenizer(str(codec), get_token_codec(str(codec)), embedder, RampFeatures(), semantic)
        write_shards(sources, folder, "toy", tokenizer, "musiccoca", seconds=12.0)
        Conditioner.fit_to(embedder.embedder, TokenData(folder).windows()).save(folder)
    semantic.save(folder, {})
    return folder


def train(shards: Path, out: Path, *options: str) -> Any:
    sizes = ["--size", "tiny", "--shrink", "16", "--steps", "2", "--every", "2", "--device", "cpu"]
    return CliRunner().invoke(app, ["train", "musiclm", str(shards), str(out), *sizes, *options])


@pytest.mark.slow
@pytest.mark.parametrize("plan", [["--single"], []])
def test_a_musiclm_is_trained_on_musiccoca(shards: Path, tmp_path: Path, codec: Path, plan: list[str]) -> None:
    result = train(shards, tmp_path / "out", "--embedding", "musiccoca", *plan)
    assert result.exit_code == 0, result.output
    model = get_generator(tmp_path / "out" / "model", codec=codec)
    assert isinstance(model, MusicLM)
    assert len(model.stages) == (1 if plan else 3)
    assert isinstance(model.conditioner.tokenizer, PublishedTokens)
    assert model.space.same_as(get_embedder("musiccoca").space)
    (piece,) = model.generate(np.random.default_rng(0).standard_normal(768).astype(np.float32), seconds=1.0)
    assert piece.seconds == 1.0
    (named,) = model.generate(text="disco funk", seconds=1.0)
    assert named.source["text"] == "disco funk"


@pytest.mark.slow
def test_tokens_of_another_embedding_are_refused(
    shards: Path, tmp_path: Path, other_weights: Callable[[], None]
) -> None:
    result = train(shards, tmp_path / "out", "--embedding", "logmel")
    assert isinstance(result.exception, InputError)
    said = str(result.exception)
    assert "these tokens were made with the embedding musiccoca, not logmel" in said
    assert "`python recipes/musiclm_data.py NEW --embedding logmel …`" in said
    assert str(shards) in said
    other_weights()
    result = train(shards, tmp_path / "out", "--embedding", "musiccoca")
    assert isinstance(result.exception, InputError)
    assert f", not {get_embedder('musiccoca').space.sha256[:12]}), not musiccoca" in str(result.exception)
    assert not (tmp_path / "out").exists()
