"""Noise on the condition: of the embeddings' own covariance, for a share of them."""

import numpy as np
import pytest
import torch

from brain2music.train.condition_noise import LEAST, ConditionNoise


@pytest.fixture
def vectors() -> torch.Tensor:
    """20,000 embeddings of 6 dimensions, correlated."""
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((6, 6))
    return torch.from_numpy((rng.standard_normal((20_000, 6)) @ mixing + 3.0).astype(np.float32))


def test_mean_and_covariance_stay_as_they_were(vectors: torch.Tensor) -> None:
    noisy = ConditionNoise.fit(vectors, 1.0)(vectors, np.random.default_rng(1))
    spread = vectors.std(0)
    assert ((noisy.mean(0) - vectors.mean(0)).abs() < 0.05 * spread).all()
    torch.testing.assert_close(torch.corrcoef(noisy.T), torch.corrcoef(vectors.T), atol=0.03, rtol=0)
    torch.testing.assert_close(noisy.std(0), spread, atol=0, rtol=0.03)


def test_what_is_left_of_an_embedding_lies_between_the_least_and_all(vectors: torch.Tensor) -> None:
    noisy = ConditionNoise.fit(vectors, 1.0)(vectors, np.random.default_rng(1))
    both = torch.stack([vectors[:, 0], noisy[:, 0]])
    assert float(torch.corrcoef(both)[0, 1]) == pytest.approx((1 + LEAST) / 2, abs=0.02)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_share_is_noisy_and_the_others_are_not_touched(vectors: torch.Tensor, share: float) -> None:
    noisy = ConditionNoise.fit(vectors, share)(vectors, np.random.default_rng(2))
    touched = ~torch.isclose(noisy, vectors, atol=1e-5).all(dim=1)
    assert float(touched.float().mean()) == pytest.approx(share, abs=0.02)


def test_the_same_randomness_gives_the_same_noise(vectors: torch.Tensor) -> None:
    noise = ConditionNoise.fit(vectors, 0.5)
    assert torch.equal(noise(vectors, np.random.default_rng(3)), noise(vectors, np.random.default_rng(3)))
