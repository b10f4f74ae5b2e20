"""Ridge at every penalty at once, against ridge at each, and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from brain2music.ridge import DEFAULT_ALPHAS, ridge, ridge_path

ALPHAS = [1.0, 31.0, 1e3, 1e5]
SHAPES = {
    "few features": (90, 12),
    "just fewer than half": (90, 44),
    "half": (90, 45),
    "about equal": (90, 91),
    "equal": (90, 90),
    "many features": (40, 700),
    "more than a block": (20, 9000),
    "more than 1024 rows": (1100, 1500),
    "more than 1024 rows and few features": (1100, 60),
}


def drawn(rng, n: int, p: int, n_new: int = 7, n_targets: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    X = (rng.standard_normal((n + n_new, p)) * rng.uniform(0.1, 3, p) + 5).astype(np.float32)
    Y = X[:n, :4] @ rng.standard_normal((4, n_targets)) + rng.standard_normal((n, n_targets)) + [50, 0, -3]
    return X[:n], Y.astype(np.float32), X[n:]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_penalty_is_ridge_at_that_penalty(rng, shape):
    X, Y, X_new = drawn(rng, *SHAPES[shape])
    path = ridge_path(X, Y, X_new, alphas=ALPHAS)
    assert (path.shape, path.dtype) == ((4, 7, 3), np.float32)
    for alpha, predicted in zip(ALPHAS, path, strict=True):
        expected = ridge(X, Y, np.full(3, alpha)).predict(X_new)
        np.testing.assert_allclose(predicted, expected, rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_penalty_is_scikit_learns(rng, shape):
    X, Y, X_new = drawn(rng, *SHAPES[shape])
    path = ridge_path(X, Y, X_new, alphas=ALPHAS)
    for alpha, predicted in zip(ALPHAS, path, strict=True):
        model = Ridge(alpha=alpha, solver="cholesky").fit(X.astype(float), Y.astype(float))
        np.testing.assert_allclose(predicted, model.predict(X_new.astype(float)), rtol=1e-4, atol=2e-3)


def test_penalties_ascend_whatever_their_order_and_have_a_default(rng):
    X, Y, X_new = drawn(rng, 30, 50)
    np.testing.assert_array_equal(ridge_path(X, Y, X_new, alphas=ALPHAS[::-1]), ridge_path(X, Y, X_new, alphas=ALPHAS))
    path = ridge_path(X, Y, X_new)
    assert len(path) == len(DEFAULT_ALPHAS) == 20
    np.testing.assert_allclose(path[-1], Y.mean(0)[None].repeat(7, 0), atol=0.05)


@pytest.mark.parametrize("shape", ["few features", "many features"])
def test_nothing_that_was_given_is_changed_and_precisions_and_tensors_are_taken(rng, shape):
    X, Y, X_new = drawn(rng, *SHAPES[shape])
    before = [each.copy() for each in (X, Y, X_new)]
    path = ridge_path(X, Y, X_new, alphas=ALPHAS)
    for each, kept in zip((X, Y, X_new), before, strict=True):
        np.testing.assert_array_equal(each, kept)
    double = ridge_path(*(each.astype(np.float64) for each in before), alphas=ALPHAS)
    np.testing.assert_allclose(double, path, rtol=1e-5, atol=1e-4)
    tensors = ridge_path(*(torch.from_numpy(each) for each in before), alphas=ALPHAS)
    np.testing.assert_array_equal(tensors, path)


@pytest.mark.parametrize("shape", ["few features", "many features"])
def test_constant_features_get_no_weight_and_constant_targets_are_their_mean(rng, shape):
    X, Y, X_new = drawn(rng, *SHAPES[shape])
    X[:, 1], Y[:, 2] = 4.0, 9.0
    path = ridge_path(X, Y, X_new, alphas=ALPHAS)
    np.testing.assert_allclose(path[..., 2], 9.0, atol=1e-5)
    other = X_new.copy()
    other[:, 1] = 1e3
    np.testing.assert_allclose(ridge_path(X, Y, other, alphas=ALPHAS), path, rtol=1e-4, atol=1e-3)


def test_duplicated_rows_and_features_are_no_matter(rng):
    X, Y, X_new = drawn(rng, 40, 60)
    X, X_new = np.c_[X, X], np.c_[X_new, X_new]
    X[::2] = X[1::2]
    for alpha, predicted in zip(ALPHAS, ridge_path(X, Y, X_new, alphas=ALPHAS), strict=True):
        model = Ridge(alpha=alpha, solver="svd").fit(X.astype(float), Y.astype(float))
        np.testing.assert_allclose(predicted, model.predict(X_new.astype(float)), rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize("shape", ["few features", "many features"])
def test_what_cannot_be_fitted_is_refused(rng, shape):
    X, Y, X_new = drawn(rng, *SHAPES[shape])
    for given in ((X, Y, X_new[:, 1:]), (X, Y[1:], X_new), (X[0], Y, X_new), (X, Y[:, 0], X_new), (X, Y, X_new[0])):
        with pytest.raises(ValueError, match="do not fit together"):
            ridge_path(*given, alphas=ALPHAS)
    for alphas in ([], [0.0], [-1.0, 1.0], [np.inf], [np.nan]):
        with pytest.raises(ValueError, match="positive finite penalties"):
            ridge_path(X, Y, X_new, alphas=alphas)
    for bad in (np.nan, np.inf):
        for which, name in ((0, "X"), (1, "Y")):
            given = [X.copy(), Y.copy(), X_new]
            given[which][3, 1] = bad
            with pytest.raises(ValueError, match=name):
                ridge_path(*given, alphas=ALPHAS)


def test_penalties_too_small_for_double_precision_are_refused(rng):
    X, Y, X_new = drawn(rng, 40, 700)
    X[::2] = X[1::2]
    with pytest.raises(ValueError, match="alpha"):
        ridge_path(X * 1e6, Y, X_new * 1e6, alphas=[1e-12])
