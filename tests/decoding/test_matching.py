"""Distribution matching, against the optimal transport between Gaussians."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from brain2music._utils.errors import InputError
from brain2music._utils.files import write_arrays
from brain2music.decoding.matching import Matching


def test_matching_gives_predictions_the_covariance_of_true_embeddings(rng):
    true = rng.multivariate_normal([5, -3, 0], [[4, 1, 0], [1, 2, 0.5], [0, 0.5, 1]], 5000).astype(np.float32)
    shrunk = ((true - true.mean(0)) * [0.5, 0.4, 0.35] + rng.normal(0, 0.2, true.shape)).astype(np.float32)
    mapped = Matching.fit(shrunk, true).transform(shrunk)
    np.testing.assert_allclose(mapped.mean(0), true.mean(0), atol=1e-3)
    np.testing.assert_allclose(np.cov(mapped.T), np.cov(true.T), atol=0.05)


def test_matching_is_the_optimal_transport_between_gaussians(rng):
    predicted, true = rng.standard_normal((2, 4000, 4)).astype(np.float32)
    mixing = np.linalg.qr(rng.standard_normal((4, 4)))[0] * [0.5, 0.8, 1.0, 2.0]
    predicted = (predicted @ mixing @ np.linalg.qr(rng.standard_normal((4, 4)))[0]).astype(np.float32)
    matching = Matching.fit(predicted, true)
    full = matching.basis @ matching.inner @ matching.basis.T
    S, T = np.cov(predicted.T.astype(float)), np.cov(true.T.astype(float))
    root = np.real(sqrtm(S))
    expected = np.linalg.inv(root) @ np.real(sqrtm(root @ T @ root)) @ np.linalg.inv(root)
    np.testing.assert_allclose(full, expected, rtol=0.05, atol=0.03)


def test_what_is_not_decoded_is_not_filled_with_noise(rng):
    true = rng.standard_normal((500, 6)).astype(np.float32)
    predicted = (true * [0.5, 0.5, 0, 0, 0, 0] + 1e-4 * rng.standard_normal((500, 6))).astype(np.float32)
    mapped = Matching.fit(predicted, true).transform(predicted)
    np.testing.assert_allclose(mapped.std(0)[:2], 1, atol=0.1)
    assert mapped.std(0)[2:].max() < 1e-3


def test_a_matching_survives_the_disk_and_other_files_are_refused(rng, tmp_path):
    predicted, true = rng.standard_normal((2, 40, 6)).astype(np.float32)
    matching = Matching.fit(predicted, true)
    matching.save(tmp_path / "c.safetensors")
    again = Matching.load(tmp_path / "c.safetensors")
    np.testing.assert_array_equal(again.transform(predicted), matching.transform(predicted))
    write_arrays(tmp_path / "other.safetensors", {"a": predicted})
    with pytest.raises(InputError, match="no distribution matching"):
        Matching.load(tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="all true embeddings are equal"):
        Matching.fit(predicted, np.ones_like(true))
