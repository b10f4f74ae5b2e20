"""AST on a tiny random checkpoint, against the library's own way, and the tagger of musicnn's tags."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from brain2music._utils.errors import InputError
from brain2music.embeddings.protocols import Tagger
from brain2music.metrics.classes import GROUPS, TAG_GROUPS, group_columns
from brain2music.models.embedders import get_embedder
from brain2music.models.musicnn.music_tagger import MusicnnTagger

from . import tiny_hub


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("transformers")
    tiny_hub.ast(tmp_path / "ast")
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path))
    return tmp_path / "ast"


def test_classes_are_the_librarys(folder: Path, rng: np.random.Generator) -> None:
    from transformers import ASTFeatureExtractor, ASTForAudioClassification

    sound = rng.normal(size=16_000).astype(np.float32) / 10
    tagger = get_embedder("ast")
    assert isinstance(tagger, Tagger)
    model, extractor = (kind.from_pretrained(folder) for kind in (ASTForAudioClassification, ASTFeatureExtractor))
    with torch.inference_mode():
        logits = model.eval()(extractor(sound, sampling_rate=16_000, return_tensors="pt")["input_values"]).logits[0]
    np.testing.assert_allclose(tagger.classes(sound, 16_000), torch.sigmoid(logits).numpy(), atol=1e-5)
    assert tagger.embed(sound, 16_000).shape == (1, 16)
    for group in GROUPS:
        assert len(group_columns(group, tagger.class_names)) == len(group.classes)


def test_long_sound_is_averaged_over_pieces(folder: Path, rng: np.random.Generator) -> None:
    tagger = get_embedder("ast")
    sound = rng.normal(size=2 * 20_480).astype(np.float32) / 10
    halves = [tagger.classes(part, 16_000) for part in (sound[:20_480], sound[20_480:])]
    np.testing.assert_allclose(tagger.classes(sound, 16_000), np.mean(halves, axis=0), atol=1e-5)


def test_a_checkpoint_without_names_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    count = len(config["id2label"])
    config["id2label"] = {str(number): f"LABEL_{number}" for number in range(count)}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="names no classes"):
        get_embedder("ast")


def test_musicnns_tags_have_the_groups(rng: np.random.Generator) -> None:
    tagger = MusicnnTagger()
    found = tagger.classes(rng.normal(size=4 * 16_000).astype(np.float32), 16_000)
    assert found.shape == (len(tagger.class_names),) == (100,)
    for group in TAG_GROUPS:
        assert len(set(group_columns(group, tagger.class_names))) == len(group.classes)
