"""The map of texts by tags: a ridge in closed form, added to texts that are unlike the tower's captions only."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from brain2music.models.mulan.model import MuLan, MuLanConfig
from brain2music.models.mulan.mulan_embedder import MuLanEmbedder, MuLanTextEmbedder, mulan_text_vectors
from brain2music.models.mulan.tag_map import TagMap
from brain2music.weights import find

TAGS = ("loud", "quiet", "fast", "slow")


def sentences(texts) -> np.ndarray:
    """Sentences that say a tag are that tag's axis, and others the last."""
    rows = np.zeros((len(texts), 384), np.float32)
    for row, text in enumerate(texts):
        said = [number for number, tag in enumerate(TAGS) if tag in text]
        rows[row, said or [383]] = 1.0
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def music(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Sounds (60, 6), and tags that each follow one dimension."""
    sounds = rng.standard_normal((60, 6)).astype(np.float32)
    return sounds, 1 / (1 + np.exp(-sounds[:, :4]))


@pytest.fixture
def fitted(music) -> TagMap:
    texts = [*TAGS, "something else"]
    return TagMap.fit(TAGS, *music, texts, ["a caption", "another caption"], sentences)


def pooled(texts) -> torch.Tensor:
    return torch.from_numpy(np.pad(sentences(texts), ((0, 0), (768, 0))))


def test_directions_are_those_of_a_ridge(fitted: TagMap, music) -> None:
    sounds, posteriors = music
    logs = np.log(posteriors + 1e-4)
    target = (logs - logs.mean(axis=0)) / logs.std(axis=0)
    expected = Ridge(alpha=1.0).fit(sounds, target).coef_
    np.testing.assert_allclose(fitted._directions.numpy(), expected, atol=1e-4)


def test_a_text_moves_to_the_sounds_that_have_its_tag(fitted: TagMap, music) -> None:
    tower = torch.nn.functional.normalize(torch.ones(4, 6), dim=1)
    moved = fitted(pooled(TAGS), tower).numpy()
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1.0, atol=1e-6)
    gains = (moved - tower.numpy()) @ np.eye(6)[:4].T
    assert (gains.argmax(axis=1) == np.arange(4)).all()


def test_texts_like_the_towers_captions_stay(fitted: TagMap) -> None:
    tower = torch.nn.functional.normalize(torch.randn(1, 6, generator=torch.Generator().manual_seed(0)), dim=1)
    torch.testing.assert_close(fitted(pooled(["a caption of its own"]), tower), tower, atol=1e-5, rtol=0)
    assert float(fitted.amount(pooled(["loud"])[:, -384:])) == pytest.approx(2.0, abs=1e-3)


def test_it_is_saved_with_the_model_and_changes_texts_only(fitted: TagMap, tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain = MuLan(MuLanConfig("ast", width=16, layers=1, heads=1, mels=128, text_width=16, dims=6)).eval()
    plain.save_pretrained(tmp_path / "plain")
    plain.tag_map = fitted
    plain.save_pretrained(tmp_path / "mapped")
    before, after = (MuLan.from_pretrained(tmp_path / name) for name in ("plain", "mapped"))
    assert before.tag_map is None
    states, tower = pooled(["fast and loud"]), torch.nn.functional.normalize(torch.ones(1, 6), dim=1)
    assert after.tag_map is not None
    torch.testing.assert_close(after.tag_map(states, tower), fitted(states, tower), atol=2e-3, rtol=0)
    spaces = [MuLanEmbedder(tmp_path / name).space for name in ("plain", "mapped")]
    assert spaces[0] == spaces[1]
    of_texts = [MuLanTextEmbedder(tmp_path / name).space.sha256 for name in ("plain", "mapped")]
    assert of_texts[0] != of_texts[1]


def test_the_shipped_map_brings_plain_words_nearer_to_their_tags() -> None:
    model = MuLan.from_pretrained(find("mulan-small"))
    assert model.tag_map is not None
    texts = ["jazz music", "heavy metal", "a string quartet"]
    mapped = mulan_text_vectors(model, texts)
    tags, model.tag_map = model.tag_map, None
    tower = mulan_text_vectors(model, texts)
    np.testing.assert_allclose(np.linalg.norm(mapped, axis=1), 1.0, atol=1e-5)
    assert (np.sum(mapped * tower, axis=1) < 0.95).all()
    assert tags.amount(torch.zeros(1, 384)).item() == pytest.approx(2.0)
