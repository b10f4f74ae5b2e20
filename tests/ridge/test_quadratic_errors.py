"""Held-out squared errors as quadratic forms equal those of refitting in every fold."""

import numpy as np
import pytest
import torch

from brain2music.ridge import assign_folds, plan, ridge_cv
from brain2music.ridge._principal_axes import principal_axes
from brain2music.ridge._quadratic_errors import QuadraticErrors

from .conftest import KINDS, make_problem, quadratic_problem, refitted, scores_of

ALPHAS = np.logspace(-2, 7, 7)
MSE = "neg_mean_squared_error"
quiet = pytest.mark.filterwarnings("ignore:the best alpha", "ignore:. is constant")


@quiet
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["random", "duplicates"])
def test_a_problem_that_is_solved_so_equals_refitting(kind, dtype, rng) -> None:
    """By public names: as many targets as it takes for quadratic forms to be planned."""
    X, Y, groups = make_problem(kind, rng, n_targets=1200)
    settings = {"solver": "primal_per_fold", "dtype": dtype}
    assert plan(*X.shape, 1200, len(ALPHAS), 4, **settings).quadratic_errors
    folds = assign_folds(len(X), groups, 4)
    reference = refitted(X, Y, ALPHAS, folds, True)
    fit = ridge_cv(X, Y, alphas=ALPHAS, folds=folds, scoring=MSE, **settings)
    expected, best = scores_of(MSE, Y, reference, folds), fit.cv_scores.argmax(0)
    reached = expected[best, np.arange(1200)]
    np.testing.assert_allclose(reached, expected.max(0), rtol=1e-5)
    np.testing.assert_allclose(fit.cv_scores.max(0), expected.max(0), rtol=1e-5 if dtype == "float32" else 1e-8)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_forms_equal_refitting(kind, intercept, rng) -> None:
    """Folds of unequal size, features fewer and more than rows, triangles of one strip and of several."""
    X, Y, groups = make_problem(kind, rng)
    folds = assign_folds(len(X), groups, 4)
    expected = scores_of(MSE, Y, refitted(X, Y, ALPHAS, folds, intercept), folds)
    for dtype, tolerance in [("float64", 1e-7), ("float32", 1e-5)]:
        arrays = X.astype(dtype), Y.astype(dtype)
        problem = quadratic_problem(*arrays, ALPHAS, folds, fit_intercept=intercept, dtype=dtype)
        np.testing.assert_allclose(problem.solver.scores(MSE), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("scale", [np.ones(1000), np.logspace(0, -3, 1000)])
def test_single_precision_is_right_where_penalties_are_small(scale, rng) -> None:
    """Small penalties leave single precision for double, great ones leave hardly anything to predict with."""
    X = (rng.standard_normal((1100, 1000)) * scale).astype(np.float32)
    Y = (X[:, :2] + rng.standard_normal((1100, 2))).astype(np.float32)
    alphas = np.logspace(-1, 8, 10)
    single, double = (quadratic_problem(X, Y, alphas, dtype=d).solver.scores(MSE) for d in ("float32", "float64"))
    np.testing.assert_allclose(single, double, rtol=2e-5)


def test_forms_are_not_used_where_they_do_not_resolve_the_errors(rng) -> None:
    """Features of 1e5 and a penalty of 0.01: what is left of the identity would have no digits."""
    X, Y, groups = make_problem("random", rng)
    X, folds = 1e5 * X, assign_folds(len(X), groups, 4)
    expected = scores_of(MSE, Y, refitted(X, Y, ALPHAS, folds, True), folds)
    problem = quadratic_problem(X, Y, ALPHAS, folds, dtype="float64")
    np.testing.assert_allclose(problem.solver.scores(MSE), expected, rtol=1e-6)


def test_forms_are_not_used_where_single_precision_was_enough_to_factorise(rng) -> None:
    """Rows of similar size are well-conditioned whatever the penalty, however small it is beside them."""
    X = 100 * rng.standard_normal((1100, 3000), dtype=np.float32)
    Y = (X[:, :2] / 100 + rng.standard_normal((1100, 2))).astype(np.float32)
    alphas = np.array([1e-1, 1e4, 1e8])
    single, double = (quadratic_problem(X, Y, alphas, dtype=d).solver.scores(MSE) for d in ("float32", "float64"))
    np.testing.assert_allclose(single, double, rtol=2e-4)


def test_penalties_ruled_out_by_rounded_numbers_are_not_the_best(rng) -> None:
    """Targets predictable to every degree: best penalties and scores are exact, the rest are estimates."""
    X = rng.standard_normal((1100, 1000), dtype=np.float32)  # smaller problems are solved in double precision
    strength = np.repeat([0.0, 0.03, 0.3, 3.0], 300).astype(np.float32)
    Y = strength * (X[:, :8] @ rng.standard_normal((8, 1200), dtype=np.float32))
    Y += rng.standard_normal((1100, 1200), dtype=np.float32)
    Y[0, 5] += 300  # one row has all of the variance
    alphas = np.logspace(1, 6, 12)
    exact, rounded = (
        quadratic_problem(X, Y, alphas, screened=screened, batch=500).solver.scores(MSE).numpy()
        for screened in (False, True)
    )
    np.testing.assert_array_equal(rounded.argmax(0), exact.argmax(0))
    np.testing.assert_allclose(rounded.max(0), exact.max(0), rtol=1e-5)
    near = exact > 1.2 * exact.max(0)
    np.testing.assert_allclose(rounded[near], exact[near], rtol=2e-2)
    assert not np.array_equal(rounded[near], exact[near])
    np.testing.assert_allclose(rounded, exact, rtol=0.6)  # six deviations of a sketch
    assert np.abs(rounded / exact - 1)[~near].max() > 0.05


@pytest.mark.parametrize("intercept", [True, False])
def test_the_residual_maker_leaves_what_a_fit_does_not_explain(intercept, rng) -> None:
    from sklearn.linear_model import Ridge

    X, Y = rng.standard_normal((60, 25)), rng.standard_normal((60, 4))
    if intercept:
        X, Y = X - X.mean(0), Y - Y.mean(0)
    errors = QuadraticErrors.from_axes(
        torch.from_numpy(X), principal_axes(torch.from_numpy(X), 1.0, intercept), (slice(0, 60),), intercept
    )
    residuals, y = errors.residual_maker(5.0), torch.from_numpy(Y)
    expected = Y - Ridge(alpha=5.0, fit_intercept=intercept).fit(X, Y).predict(X)
    np.testing.assert_allclose(residuals(y), expected, atol=1e-10)
    np.testing.assert_allclose(residuals.matrix() @ y, expected, atol=1e-10)
    rows = slice(10, 30)
    np.testing.assert_allclose(residuals.matrix(rows), residuals.matrix()[rows, rows], atol=1e-12)


def test_errors_of_a_few_targets_equal_the_form(rng) -> None:
    X, Y = torch.from_numpy(rng.standard_normal((90, 40))), torch.from_numpy(rng.standard_normal((90, 7)))
    X, Y = X - X.mean(0), Y - Y.mean(0)
    folds = (slice(0, 20), slice(20, 50), slice(50, 90))
    errors = QuadraticErrors.from_axes(X, principal_axes(X, 0.1, True), folds, True)
    for alpha in (0.1, 10.0, 1e5):
        torch.testing.assert_close(errors.errors_at(alpha, Y), errors.form(alpha)(Y), rtol=1e-9, atol=0)
