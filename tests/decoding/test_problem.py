"""What regressors and post-processing have in common: spectra, identification, held-out sides."""

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from brain2music.decoding.problem import HeldOut, inner_identification, shrunk_spectrum
from brain2music.metrics.ranking import identification_by_clip as scored
from brain2music.metrics.ranking import similarity

from .fitting import problem_of


@pytest.mark.parametrize("shape", [(30, 50), (200, 8)])
def test_shrunk_spectrum_is_scikit_learns_ledoit_wolf(rng, shape):
    rows = (rng.standard_normal(shape) * np.linspace(0.2, 3, shape[1])).astype(np.float32)
    basis, values, floor = shrunk_spectrum(rows)
    full = (basis * (values - floor)) @ basis.T + floor * np.eye(shape[1])
    np.testing.assert_allclose(full, LedoitWolf().fit(rows.astype(float)).covariance_, atol=1e-5)


def test_identification_is_that_of_the_scores(rng):
    predicted, true = rng.standard_normal((2, 30, 6)).astype(np.float32)
    predicted += true
    assert inner_identification(predicted, true) == pytest.approx(scored(similarity(predicted, true)).mean())
    assert inner_identification(np.zeros_like(true), true) == 0


def test_held_out_sides_are_about_the_mean_that_their_fold_was_fitted_with(rng):
    X, Y = rng.standard_normal((2, 20, 5)).astype(np.float32)
    problem = problem_of(X, n_folds=4)
    held_out = HeldOut.of(problem.ridge([Y])[0], Y, problem)
    for fold in range(4):
        expected = Y[problem.folds != fold].mean(0)
        np.testing.assert_allclose((Y - held_out.true)[problem.folds == fold], expected[None].repeat(5, 0), atol=1e-6)
