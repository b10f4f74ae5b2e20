"""Music moved to where musicnn's own training music lies: its statistics, and the tags of features."""

import numpy as np
import pytest
import torch

from brain2music.models.mulan.feature_extractor import FeatureExtractor
from brain2music.models.mulan.tagged_music import move_to_tagged_music, tags_of_features
from brain2music.models.musicnn.musicnn_embedder import MusicnnEmbedder, load_network, package_folder
from brain2music.models.musicnn.network import MusicnnNetwork


@pytest.fixture
def network() -> MusicnnNetwork:
    return load_network("msd", package_folder())[0]


def test_features_get_the_statistics_that_batch_normalisation_keeps(network, rng: np.random.Generator) -> None:
    features = (3 + 2 * rng.standard_normal((200, 2130))).astype(np.float32)
    moved = move_to_tagged_music(features, network)
    mean, deviation = network.usual_features
    np.testing.assert_allclose(moved[:, :1506].mean(axis=0), mean, atol=1e-2)
    np.testing.assert_allclose(moved[:, :1506].std(axis=0), deviation, rtol=1e-2, atol=1e-3)
    np.testing.assert_array_equal(moved[:, 1506:], features[:, 1506:])
    affine = network._pooled(torch.stack([mean[753:], mean[:753]], dim=1).flatten())
    again = network._pooled(torch.stack([(mean + deviation)[753:], (mean + deviation)[:753]], dim=1).flatten())
    spread = (again - affine).abs()
    gamma = (network._pooled.scale.abs() * (network._pooled.deviation**2 + 1e-3).sqrt())[:1506]
    wide = network._pooled.deviation > 0.3
    torch.testing.assert_close(spread[wide], gamma[wide], rtol=0.02, atol=1e-3)


def test_tags_of_features_are_those_of_the_sound(network, rng: np.random.Generator) -> None:
    sound = rng.standard_normal(3 * 16000 + 100).astype(np.float32) * 0.1
    features = FeatureExtractor(10.0, 5.0)(sound, 16000)
    tags = MusicnnEmbedder("msd", 10.0, 5.0).tags(sound, 16000)
    np.testing.assert_allclose(tags_of_features(features, network), tags, atol=1e-5)
