"""Principal axes are those of the singular value decomposition, and fit ridge in either form."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from brain2music.ridge._principal_axes import drop_rows, principal_axes, projection

SHAPES = [(60, 25), (25, 60), (40, 40)]


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_eigenvalues_are_squares_of_singular_values(shape, intercept, rng) -> None:
    X = rng.standard_normal(shape) + 2
    axes = principal_axes(torch.from_numpy(X), 1.0, intercept)
    centred = X - X.mean(0) if intercept else X
    expected = np.linalg.svd(centred, compute_uv=False) ** 2
    if intercept and shape[0] < shape[1]:  # the constant direction is given the mean eigenvalue
        expected = np.sort(np.append(expected[:-1], expected.sum() / shape[0]))[::-1]
    np.testing.assert_allclose(axes.values.flip(0), expected, atol=1e-9 * expected.max())
    np.testing.assert_allclose(axes.mean, X.mean(0) if intercept else 0, atol=1e-12)
    assert (axes.project is None) == (shape[1] <= shape[0])


@pytest.mark.parametrize("alpha", [0.1, 30.0])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_weights_are_those_of_scikit_learn(shape, intercept, alpha, rng) -> None:
    X, Y = rng.standard_normal(shape) + 2, rng.standard_normal((shape[0], 3))
    axes = principal_axes(torch.from_numpy(X), 0.1, intercept)
    project = projection(axes, torch.from_numpy(X) - axes.mean)
    centred = torch.from_numpy(Y - Y.mean(0) if intercept else Y)
    weights = axes.to_weights @ ((project @ centred) / (axes.values[:, None] + alpha))
    expected = Ridge(alpha=alpha, fit_intercept=intercept, solver="svd").fit(X, Y).coef_.T
    np.testing.assert_allclose(weights, expected, atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_axes_in_another_precision_are_the_same_rounded(shape, rng) -> None:
    axes = principal_axes(torch.from_numpy(rng.standard_normal(shape)), 1.0, True)
    rounded = axes.to(torch.float32)
    for name in ("values", "mean", "to_weights", "project"):
        before, after = getattr(axes, name), getattr(rounded, name)
        assert (before is None) == (after is None)
        if before is not None:
            assert torch.equal(after, before.float())
            assert after.is_contiguous()
    assert rounded.condition == axes.condition


def test_penalties_that_double_precision_does_not_resolve_are_refused(rng) -> None:
    X = torch.from_numpy(rng.standard_normal((50, 20)) * np.logspace(0, -9, 20))
    with pytest.raises(ValueError, match="alpha=1e-15 is too small for these features"):
        principal_axes(X, 1e-15, True)
    assert principal_axes(X, 1e-9, True).condition < 1e13


@pytest.mark.parametrize(("alpha", "precision"), [(1e-3, torch.float64), (1e3, torch.float32)])
def test_ill_conditioned_rows_are_decomposed_in_double_precision(alpha: float, precision: torch.dtype) -> None:
    X = torch.from_numpy(np.random.default_rng(0).standard_normal((1300, 1100)) * np.logspace(0, -3, 1100)).float()
    found = principal_axes(X, alpha, intercept=True)
    assert found.values.dtype == precision
    assert found.condition > 1e4 if precision == torch.float64 else found.condition < 1e4


@pytest.mark.parametrize("rows", [slice(0, 2), slice(3, 5), slice(4, 6)])
def test_the_other_rows_remain(rows) -> None:
    A = torch.arange(12).view(6, 2)
    expected = np.delete(A.numpy(), np.arange(rows.start, rows.stop), axis=0)
    np.testing.assert_array_equal(drop_rows(A, rows), expected)
