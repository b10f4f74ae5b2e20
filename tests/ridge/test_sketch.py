"""Errors estimated by a few random sums of them, and what is ruled out by that."""

import numpy as np
import pytest
import torch

from brain2music.ridge._principal_axes import principal_axes
from brain2music.ridge._quadratic_errors import QuadraticErrors
from brain2music.ridge._sketch import Sketch, gaussian_sketch

FOLDS = (slice(0, 100), slice(100, 260), slice(260, 400))


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("features", [300, 500])
def test_a_sketch_is_that_of_the_errors(features: int, intercept: bool) -> None:
    """S E, of E worked out by refitting: the errors of every row as a linear map of all rows."""
    rng = np.random.default_rng(features)
    X = torch.from_numpy(rng.standard_normal((400, features)) + 1)
    X -= X.mean(0) if intercept else 0
    forms = QuadraticErrors.from_axes(X, principal_axes(X, 1.0, intercept), FOLDS, intercept)
    alphas, expected = (3.0, 200.0, 1e15), []
    for alpha in alphas:
        E = torch.eye(400, dtype=X.dtype)
        for fold in FOLDS:
            train = torch.ones(400, dtype=torch.bool)
            train[fold] = False
            mean = X[train].mean(0) if intercept else torch.zeros_like(X[0])
            T, n_train = X[train] - mean, int(train.sum())
            inverse = torch.linalg.inv(T @ T.T + alpha * torch.eye(n_train, dtype=X.dtype))
            predict = (X[fold] - mean) @ T.T @ inverse
            if intercept:
                predict = predict - predict.mean(1, keepdim=True) + 1 / n_train
            E[fold.start : fold.stop, train] -= predict
            E[fold] /= (3 * (fold.stop - fold.start)) ** 0.5
        expected.append(gaussian_sketch(400) @ E)
    found = forms.sketch(alphas[:-1])
    torch.testing.assert_close(found.rows, torch.stack(expected).bfloat16(), rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize("intercept", [True, False])
def test_the_null_errors_are_those_of_a_boundless_penalty(intercept: bool) -> None:
    rng = np.random.default_rng(1)
    X, Y = torch.from_numpy(rng.standard_normal((400, 20))), torch.from_numpy(rng.standard_normal((400, 6)))
    if intercept:
        X, Y = X - X.mean(0), Y - Y.mean(0)
    forms = QuadraticErrors.from_axes(X, principal_axes(X, 1.0, intercept), FOLDS, intercept)
    torch.testing.assert_close(forms.null_errors(Y), forms.form(1e12)(Y), rtol=1e-7, atol=0)


def test_estimates_spread_as_the_distribution_says_and_bounds_hold() -> None:
    """Errors near those of the mean alone, and far from them."""
    rng = np.random.default_rng(0)
    null = torch.eye(500)
    other = torch.from_numpy(rng.standard_normal((500, 500))).float() / 500**0.5
    errors = [null, null + 0.02 * other, null + 0.3 * other, 2 * null + 3 * other]
    Y = torch.from_numpy(rng.standard_normal((500, 4000))).float()
    S = gaussian_sketch(500).float()
    sketch = Sketch(torch.stack([S @ E for E in [*errors, null]]).bfloat16())
    truth = torch.stack([(E @ Y).square().sum(0) for E in errors])
    estimates, bounds = sketch(Y, truth[0])
    ratio = estimates / truth
    assert (ratio.mean(1) - 1).abs().max() < 0.1
    assert ratio.std(1).numpy() == pytest.approx((2 / 240) ** 0.5, rel=0.3)
    assert bool((bounds <= truth * (1 + 1e-5)).all())
    below = ((truth - bounds) / truth).mean(1)
    assert below.argsort().tolist() == [0, 1, 2, 3]
    assert below[1] < 0.05 < below[2] < below[3] < 0.5


def test_of_columns_of_nothing_nothing_is_said() -> None:
    found = Sketch(torch.ones(3, 2, 10, dtype=torch.bfloat16))(torch.zeros(10, 3), torch.zeros(3))
    assert not any(bool(each.any()) for each in found)
