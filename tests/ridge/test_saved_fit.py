"""A fit as arrays: weights of features predict what the fitted rows do, and arrays what the weights do."""

import numpy as np
import pytest

from brain2music.ridge import RidgeFit, ridge_cv


@pytest.mark.parametrize("solver", ["dual", "primal_per_fold"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_fit_without_rows_and_from_its_arrays(solver: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    X, Y, asked = rng.normal(size=(40, 90)), rng.normal(size=(40, 3)), rng.normal(size=(2, 90))
    fit = ridge_cv(X, Y, alphas=[1.0, 100.0], n_folds=4, solver=solver, dtype=dtype, keep_held_out=True)
    light = fit.without_rows()
    np.testing.assert_allclose(light.predict(asked), fit.predict(asked), atol=1e-5)
    np.testing.assert_allclose(light.predict(asked), asked @ fit.coef + fit.intercept, atol=1e-5)
    assert light.held_out is None
    again = RidgeFit.from_arrays(light.arrays())
    np.testing.assert_array_equal(again.predict(asked), light.predict(asked))
    np.testing.assert_array_equal(again.best_alphas, fit.best_alphas)
    assert again.predict(asked).dtype == dtype


def test_arrays_that_do_not_fit_together_are_refused() -> None:
    rng = np.random.default_rng(0)
    arrays = ridge_cv(rng.normal(size=(20, 5)), rng.normal(size=(20, 3)), alphas=[1.0], n_folds=2).arrays()
    with pytest.raises(ValueError, match="without chunk"):
        RidgeFit.from_arrays({name: array for name, array in arrays.items() if name != "chunk"})
    with pytest.raises(ValueError, match="weights of shape"):
        RidgeFit.from_arrays({**arrays, "x_mean": arrays["x_mean"][1:]})
