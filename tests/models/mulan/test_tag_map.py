"""The map of texts by tags: a ridge in closed form, added to texts that are unlike the tower's captions only."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from brain2music.models.mulan.model import MuLan, MuLanConfig
from brain2music.models.mulan.mulan_embedder import MuLanEmbedder, MuLanTextEmbedder, mulan_text_vectors
from brain2music.models.mulan.tag_map import TagMap
from brain2music.models.mulan.training_data import ComposedPiece
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
    return TagMap.fit(TAGS, *music, np.arange(60) % 2, texts, ["a caption", "another caption"], sentences)


def pooled(texts) -> torch.Tensor:
    return torch.from_numpy(np.pad(sentences(texts), ((0, 0), (768, 0))))


def unit(vectors: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(vectors, dim=1)


def test_directions_are_those_of_a_ridge_within_kinds(fitted: TagMap, music) -> None:
    sounds, target = music[0].copy(), np.log(music[1] + 1e-4)
    for kind in (0, 1):
        rows = np.arange(60) % 2 == kind
        sounds[rows] -= sounds[rows].mean(axis=0)
        target[rows] = (target[rows] - target[rows].mean(axis=0)) / target[rows].std(axis=0)
    expected = Ridge(alpha=3.0, fit_intercept=False).fit(sounds, target).coef_
    np.testing.assert_allclose(fitted._directions.numpy(), expected, atol=1e-4)


def test_a_text_moves_to_the_sounds_that_have_its_tag(fitted: TagMap) -> None:
    tower = unit(torch.ones(4, 6))
    moved = fitted(pooled(TAGS), tower).numpy()
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1.0, atol=1e-6)
    gains = (moved - tower.numpy()) @ np.eye(6)[:4].T
    assert (gains.argmax(axis=1) == np.arange(4)).all()


def test_texts_are_near_no_music_for_what_all_music_has(fitted: TagMap, music) -> None:
    mean = music[0].mean(axis=0) / np.linalg.norm(music[0].mean(axis=0))
    tower = unit(torch.from_numpy(mean)[None] + 0.1)
    assert float(tower @ torch.from_numpy(mean)) > 0.9
    sure = TagMap(**{**fitted._arrays, **fitted._numbers, "threshold": -50.0})
    assert float(sure(pooled(["loud"]), tower) @ torch.from_numpy(mean)) == pytest.approx(0.0, abs=1e-5)


def test_texts_like_the_towers_captions_stay(fitted: TagMap) -> None:
    texts = [*TAGS, *(f"caption {number}" for number in range(30))]
    rows = fitted.amount(torch.from_numpy(sentences(texts)))
    assert float(rows[: len(TAGS)].min()) > 0.6 > 0.4 > float(rows[len(TAGS) :].max())
    never = TagMap(**{**fitted._arrays, **fitted._numbers, "threshold": 50.0})
    tower = unit(torch.randn(1, 6, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(never(pooled(["loud"]), tower), tower, atol=1e-5, rtol=0)


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


def test_the_shipped_map_brings_what_people_write_nearer_to_tags() -> None:
    model = MuLan.from_pretrained(find("mulan-small"))
    assert model.tag_map is not None
    texts = ["jazz music", "heavy metal", "a string quartet", ComposedPiece(7, "jazz", 3).caption()]
    mapped = mulan_text_vectors(model, texts)
    tags, model.tag_map = model.tag_map, None
    tower = mulan_text_vectors(model, texts)
    np.testing.assert_allclose(np.linalg.norm(mapped, axis=1), 1.0, atol=1e-5)
    alike = np.sum(mapped * tower, axis=1)
    assert (alike[:3] < 0.95).all()
    assert alike[3] > 0.97
    assert np.abs(mapped[:3] @ tags._centre.numpy()).max() < 0.05
