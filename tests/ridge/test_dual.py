"""The dual solver on a Gram matrix that is given: for fits that share one, and for features never seen."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from brain2music.ridge import assign_folds, ridge
from brain2music.ridge._chunked import centred_gram
from brain2music.ridge._dual import factorise, predictions
from brain2music.ridge._problem import prepare_problem
from brain2music.ridge._ridge import solve

from .conftest import KINDS, make_problem, refitted, scores_of

ALPHAS = np.logspace(-2, 5, 5)
SETTINGS = {"fit_intercept": True, "dtype": "float64", "memory_gb": 4}


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_predictions_from_the_gram_matrix_alone_are_those_of_refitting(kind, intercept, rng) -> None:
    X, Y, _ = make_problem(kind, rng)
    n = len(X)
    folds = (slice(0, n // 4), slice(n // 4, n // 2 + 5), slice(n // 2 + 5, n))
    labels = np.repeat([0, 1, 2], [fold.stop - fold.start for fold in folds])
    centred, targets = (X - X.mean(0), Y - Y.mean(0)) if intercept else (X, Y)
    kernel = factorise(torch.from_numpy(centred @ centred.T), torch.float64, intercept)
    reference = refitted(X, Y, ALPHAS, labels, intercept)
    counted = 0
    for k, f, found in predictions(kernel, torch.from_numpy(targets), folds, ALPHAS.tolist()):
        expected = reference[k, folds[f]] - (Y.mean(0) if intercept else 0)
        np.testing.assert_allclose(found, expected, atol=1e-7 * np.abs(Y).max())
        counted += 1
    assert counted == 15


@pytest.mark.parametrize("n_targets", [1, 200])
def test_few_and_many_targets_take_different_ways_to_the_same(n_targets, rng) -> None:
    """Through the targets where these are fewer than half of the rows per fold, else through the rows."""
    X, y = rng.standard_normal((80, 30)), rng.standard_normal((80, 1))
    X, y = X - X.mean(0), y - y.mean()
    folds = (slice(0, 20), slice(20, 50), slice(50, 80))
    kernel = factorise(torch.from_numpy(X @ X.T), torch.float64, True)
    found = {(k, f): p for k, f, p in predictions(kernel, torch.from_numpy(np.tile(y, n_targets)), folds, [0.5, 50.0])}
    reference = refitted(X, y, np.array([0.5, 50.0]), np.repeat([0, 1, 2], [20, 30, 30]), True)
    for (k, f), prediction in found.items():
        np.testing.assert_allclose(prediction, np.tile(reference[k, folds[f]], n_targets), atol=1e-9)


def test_scores_with_a_given_gram_matrix_are_those_without(rng) -> None:
    X, Y, groups = make_problem("wide", rng)
    folds = assign_folds(len(X), groups, 4)
    known = centred_gram(X, torch.float64, 100, True)
    calls = []

    def grams(dtype: torch.dtype):
        calls.append(dtype)
        return known[0].clone(), known[1]  # the solver overwrites it

    settings = SETTINGS | {"folds": folds, "solver": "dual"}
    shared = [prepare_problem(X, [part], ALPHAS, grams=grams, **settings) for part in (Y[:, :2], Y[:, 2:])]
    found = np.concatenate([problem.solver.scores("r2") for problem in shared], 1)
    np.testing.assert_allclose(found, prepare_problem(X, [Y], ALPHAS, **settings).solver.scores("r2"), rtol=1e-9)
    np.testing.assert_allclose(found, scores_of("r2", Y, refitted(X, Y, ALPHAS, folds, True), folds), rtol=1e-7)
    assert calls == [torch.float64, torch.float64]


def test_weights_with_a_given_gram_matrix_are_those_without(rng) -> None:
    X, Y, _ = make_problem("wide", rng)
    alphas = np.array([1.0, 100.0, 10.0, 1.0, 3.0])
    fit = solve(X, Y, alphas, grams=lambda dtype: centred_gram(X, dtype, 50, True), **SETTINGS)
    expected = ridge(X, Y, alphas, dtype="float64")
    np.testing.assert_allclose(fit.coef, expected.coef, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fit.predict(X), Ridge(alpha=alphas, solver="svd").fit(X, Y).predict(X), rtol=1e-7)


def test_a_second_solve_refines_weights_in_single_precision(rng) -> None:
    """1,100 rows are factorised in single precision; dual weights solve the system in double."""
    X = rng.standard_normal((1100, 1200)).astype(np.float32)
    Y = rng.standard_normal((1100, 3)).astype(np.float32)
    problem = prepare_problem(
        X, [Y], ALPHAS[2:], folds=np.arange(1100) % 2, solver="dual", **(SETTINGS | {"dtype": "float32"})
    )
    assert problem.solver.kernel.tridiagonal.rotation.dtype == torch.float32
    alphas = torch.tensor([ALPHAS[2], ALPHAS[3], ALPHAS[4]])
    found = problem.solver.weights(alphas).double().numpy()
    K, centred = centred_gram(X, torch.float32, 4096, True)[0].numpy(), Y - Y.mean(0, dtype=np.float64)
    for t, alpha in enumerate(alphas.tolist()):
        expected = np.linalg.solve(K + alpha * np.eye(1100), centred[:, t])
        np.testing.assert_allclose(found[:, t], expected, atol=3e-6 * np.abs(expected).max())
