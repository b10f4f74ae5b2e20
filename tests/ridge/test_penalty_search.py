"""The least errors found with sketches and rounded numbers are those of all quadratic forms."""

import numpy as np
import pytest
import torch

from brain2music.ridge._chunked import Targets
from brain2music.ridge._penalty_search import least_errors
from brain2music.ridge._principal_axes import principal_axes
from brain2music.ridge._quadratic_errors import QuadraticErrors

FOLDS = (slice(0, 70), slice(70, 160), slice(160, 240))
ALPHAS = np.logspace(0, 6, 9).tolist()


def _errors(X: np.ndarray, intercept: bool = True) -> QuadraticErrors:
    rows = torch.from_numpy(X - X.mean(0) if intercept else X)
    return QuadraticErrors.from_axes(rows, principal_axes(rows, ALPHAS[0], intercept), FOLDS, intercept)


def _targets(Y: np.ndarray, intercept: bool = True) -> Targets:
    return Targets.from_sets([Y], torch.arange(len(Y)), intercept)


@pytest.mark.parametrize("batch", [64, 1000])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("features", [60, 300])
def test_the_least_errors_are_exact_and_none_is_below(features, intercept, batch, rng) -> None:
    X = rng.standard_normal((240, features)).astype(np.float32)
    Y = rng.standard_normal((240, 400)).astype(np.float32)
    Y += np.repeat([0.0, 0.3, 3.0, 0.05], 100) * (X[:, :5] @ rng.standard_normal((5, 400))).astype(np.float32)
    errors, targets = _errors(X, intercept), _targets(Y.astype(np.float32), intercept)
    exact, found = errors.errors(targets, ALPHAS, 400), least_errors(errors, targets, ALPHAS, batch)
    torch.testing.assert_close(found.min(0).values, exact.min(0).values, rtol=1e-5, atol=0)
    chosen = exact.gather(0, found.argmin(0)[None])[0]
    torch.testing.assert_close(chosen, exact.min(0).values, rtol=1e-5, atol=0)
    assert len(found.argmin(0).unique()) > 2
    torch.testing.assert_close(found, exact, rtol=0.6, atol=0)  # six deviations of a sketch


def test_a_penalty_that_is_best_for_a_few_targets_only_is_found(rng) -> None:
    """Errors of few targets are computed directly, without a form."""
    X = rng.standard_normal((240, 60)).astype(np.float32)
    Y = rng.standard_normal((240, 300)).astype(np.float32)
    Y[:, 7] = X[:, 3] * 20
    errors, targets = _errors(X), _targets(Y)
    exact, found = errors.errors(targets, ALPHAS, 300), least_errors(errors, targets, ALPHAS, 300)
    assert int(found[:, 7].argmin()) == int(exact[:, 7].argmin()) == 0
    torch.testing.assert_close(found[0, 7], exact[0, 7], rtol=1e-4, atol=1e-9)


def test_one_penalty_is_evaluated_exactly(rng) -> None:
    X = rng.standard_normal((240, 30)).astype(np.float32)
    errors, targets = _errors(X), _targets(rng.standard_normal((240, 10)).astype(np.float32))
    found, exact = least_errors(errors, targets, [10.0], 10), errors.errors(targets, [10.0], 10)
    torch.testing.assert_close(found, exact, rtol=1e-6, atol=0)
