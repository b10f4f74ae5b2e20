"""Semantic tokens: 25 a second, standardised by dimension, learned in a stream."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from brain2music._utils.errors import InputError
from brain2music.models.musiclm.semantic import (
    MusicnnFrames,
    SemanticTokenizer,
    StreamingKMeans,
    codebook_use,
    pool_to_tokens,
)

from .conftest import RampFeatures


def planted(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Five clusters in two dimensions of scales that differ a thousandfold."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(5, (count,), generator=draw)
    angle = 2 * torch.pi * labels / 5
    points = torch.stack([angle.cos(), angle.sin()], dim=1) + 0.1 * torch.randn(count, 2, generator=draw)
    return points * torch.tensor([1000.0, 1.0]) + torch.tensor([0.0, 50.0]), labels


def test_every_dimension_counts_alike_whatever_its_scale() -> None:
    learner = StreamingKMeans(30)
    for seed in range(4):
        learner.add(planted(400, seed)[0])
    points, labels = planted(500, 9)
    tokenizer = SemanticTokenizer(learner.clusters, {"name": "planted", "sha256": "0"})
    assert purity(tokenizer.tokens(points, Fraction(25)), labels) > 0.97
    unscaled = KMeans(30, n_init=1, random_state=0).fit_predict(points)
    assert purity(torch.from_numpy(unscaled), labels) < 0.8  # without standardising, one dimension decides


def purity(tokens: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of the points whose token's commonest label is their own."""
    right = sum(int(labels[tokens == token].bincount().max()) for token in tokens.unique())
    return right / len(labels)


def test_scales_are_of_the_dimension_not_of_the_frame() -> None:
    learner = StreamingKMeans(5)
    points, _ = planted(400)
    learner.add(points)
    torch.testing.assert_close(learner.clusters.mean, points.mean(0))
    torch.testing.assert_close(learner.clusters.scale, points.std(0, correction=0))


def test_dead_clusters_start_again() -> None:
    learner = StreamingKMeans(4)
    learner.add(planted(400)[0])
    far = planted(400)[0] + torch.tensor([1e5, 0.0])
    for _ in range(3):
        learner.add(far)
    nearest = SemanticTokenizer(learner.clusters, {"name": "", "sha256": ""}).tokens(far, Fraction(25))
    assert codebook_use(torch.bincount(nearest, minlength=4).float())["codes_used"] > 0.5


@pytest.mark.parametrize(("hz", "expected"), [(25, [0, 1, 2]), (50, [0.5, 2.5, 4.5]), (75, [1, 4, 7])])
def test_pooling_to_25_hz(hz: int, expected: list[float]) -> None:
    frames = torch.arange(3 * hz // 25).float()[:, None]
    assert pool_to_tokens(frames, Fraction(hz))[:, 0].tolist() == expected


def test_pooling_shares_frames_that_lie_across_tokens() -> None:
    """62.5 Hz: tokens are means of two and a half frames."""
    frames = torch.arange(10).float()[:, None]
    found = pool_to_tokens(frames, Fraction(125, 2))[:, 0]
    torch.testing.assert_close(found, torch.tensor([0 + 1 + 1, 1 + 3 + 4, 5 + 6 + 3.5, 3.5 + 8 + 9]) / 2.5)


def test_use_of_a_codebook() -> None:
    even = codebook_use(torch.full((8,), 3.0))
    assert even == pytest.approx({"codes_used": 1.0, "perplexity": 8.0})
    assert codebook_use(torch.tensor([5.0, 0, 0, 0])) == pytest.approx({"codes_used": 0.25, "perplexity": 1.0})


def test_saved_and_loaded_it_gives_the_same_tokens_and_refuses_other_features(tmp_path: Path) -> None:
    learner = StreamingKMeans(5)
    learner.add(torch.arange(100.0)[:, None].expand(-1, 2))
    model = RampFeatures()
    tokenizer = SemanticTokenizer(learner.clusters, {"name": model.name, "sha256": model.sha256})
    tokenizer.save(tmp_path)
    loaded = SemanticTokenizer.load(tmp_path)
    sound = np.zeros(32000, np.float32)
    tokens = loaded.encode(sound, 16000, model)
    assert len(tokens) == 50
    assert torch.equal(tokens, tokenizer.encode(sound, 16000, model))
    other = RampFeatures()
    other.sha256 = "1" * 64
    with pytest.raises(InputError, match="cannot be made with ramp"):
        loaded.encode(sound, 16000, other)


def test_musicnn_frames_are_those_that_its_network_pools() -> None:
    from brain2music.models.musicnn.musicnn_embedder import PATCH_SAMPLES, musicnn_log_mel

    sound = (0.1 * np.random.default_rng(0).standard_normal(PATCH_SAMPLES)).astype(np.float32)
    model = MusicnnFrames()
    frames = model.frames(sound, 16000)
    assert frames.shape[1] == model.dims
    mel = musicnn_log_mel(sound)[:187]
    pooled_by_network = model._network(mel, [0]).mean_pool[0, -model.dims :]
    torch.testing.assert_close(model.frames_from_mel(mel).mean(0), pooled_by_network, atol=1e-5, rtol=1e-5)
    whole = np.zeros(30 * 16000, np.float32)
    assert len(pool_to_tokens(model.frames(whole, 16000), model.hz)) == 750
