"""Whitening, against the covariance of scikit-learn, and what it is for."""

import numpy as np
from scipy.linalg import sqrtm
from sklearn.covariance import LedoitWolf

from brain2music.decoding.problem import inner_identification
from brain2music.decoding.whitening import fit_whitening, whitened

from .fitting import held_out_of


def test_whitening_is_the_power_of_the_covariance_of_true_embeddings(rng):
    predicted, true = rng.standard_normal((2, 60, 9)).astype(np.float32)
    held_out = held_out_of(predicted, true)
    mapped = fit_whitening(held_out, [0.5])[0].transform(predicted)
    expected = predicted @ np.linalg.inv(np.real(sqrtm(LedoitWolf().fit(true.astype(float)).covariance_)))
    np.testing.assert_allclose(mapped, expected * predicted.std() / expected.std(), rtol=1e-3, atol=1e-3)


def test_whitening_brings_out_what_a_loud_direction_hides(rng):
    """A loud direction whose prediction is noise hides quiet ones that are decoded."""
    true = rng.standard_normal((80, 6)) * [10, 1, 1, 1, 1, 1]
    predicted = true + rng.standard_normal((80, 6)) * [30, 0.3, 0.3, 0.3, 0.3, 0.3]
    fresh_true = rng.standard_normal((80, 6)) * [10, 1, 1, 1, 1, 1]
    fresh = (fresh_true + rng.standard_normal((80, 6)) * [30, 0.3, 0.3, 0.3, 0.3, 0.3]).astype(np.float32)
    fitted, across = whitened(held_out_of(predicted, true), 0)
    assert fitted.power > 0
    before = inner_identification(fresh, fresh_true.astype(np.float32))
    assert inner_identification(fitted.transform(fresh), fresh_true.astype(np.float32)) > before + 0.03
    assert across.identification() > held_out_of(predicted, true).identification()
