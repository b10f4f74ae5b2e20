"""Problems of the kinds that have broken ridge solvers, and reference solutions by refitting."""

import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from brain2music.ridge import Plan, plan
from brain2music.ridge._problem import RidgeProblem, prepare_problem

KINDS = ("random", "many rows", "duplicates", "ill", "wide")
SHAPES = {
    "random": (130, 160),
    "many rows": (150, 20),
    "duplicates": (130, 100),
    "ill": (150, 120),
    "wide": (60, 900),
}


def make_problem(kind: str, rng: np.random.Generator, n_targets: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X, Y and group labels of unequal size, not sorted."""
    n, p = SHAPES[kind]
    X = rng.standard_normal((n, p)) + 3
    if kind == "duplicates":
        X[::2] = X[1::2]
        X[:, 5] = 1.0  # a constant feature
    if kind == "ill":
        X *= np.logspace(0, -5, p)
    Y = X[:, :3] @ rng.standard_normal((3, n_targets)) + rng.standard_normal((n, n_targets)) + 5
    return X, Y, rng.permutation(np.repeat(np.arange(9), rng.multinomial(n - 18, np.full(9, 1 / 9)) + 2))


def refitted(X: np.ndarray, Y: np.ndarray, alphas: np.ndarray, folds: np.ndarray, intercept: bool) -> np.ndarray:
    """Held-out predictions (alphas, rows, targets) of scikit-learn, refitted in every fold."""
    out = np.empty((len(alphas), *Y.shape))
    for fold in np.unique(folds):
        held = folds == fold
        for k, alpha in enumerate(alphas):
            model = Ridge(alpha=alpha, fit_intercept=intercept, solver="svd").fit(X[~held], Y[~held])
            out[k, held] = model.predict(X[held]).reshape(-1, Y.shape[1])
    return out


def score_of(scoring: str, truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Score per target of one fold."""
    if scoring == "r2":
        return r2_score(truth, prediction, multioutput="raw_values")
    if scoring == "neg_mean_squared_error":
        return -((truth - prediction) ** 2).mean(0)
    return np.array([np.corrcoef(t, p)[0, 1] for t, p in zip(truth.T, prediction.T, strict=True)])


def scores_of(scoring: str, Y: np.ndarray, predictions: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Scores (alphas, targets) of held-out predictions (alphas, rows, targets), averaged over folds."""
    names = np.unique(folds)
    return np.array([np.mean([score_of(scoring, Y[folds == f], p[folds == f]) for f in names], 0) for p in predictions])


def least_plan(*shape: int, **settings: object) -> tuple[float, Plan]:
    """The least memory (GiB, to a twentieth) in which a problem can be solved, and the plan that follows."""
    for memory in np.geomspace(1e-5, 10, 285):
        try:
            return memory, plan(*shape, memory_gb=memory, **settings)
        except ValueError:
            pass
    raise AssertionError(f"no plan for {shape}")


def quadratic_problem(
    X: np.ndarray,
    Y: np.ndarray,
    alphas: np.ndarray,
    folds: np.ndarray | None = None,
    *,
    fit_intercept: bool = True,
    dtype: str = "float32",
    screened: bool = False,
    batch: int = 2,
) -> RidgeProblem:
    """A problem whose squared errors are computed as quadratic forms, whatever its shape."""
    planned = plan(*X.shape, Y.shape[1], len(alphas), solver="primal_per_fold", dtype=dtype)
    planned = dataclasses.replace(planned, quadratic_errors=True, screened=screened, batch=batch)
    settings = {"fit_intercept": fit_intercept, "dtype": dtype, "memory_gb": 4, "n_folds": 5}
    return prepare_problem(X, [Y], np.asarray(alphas, dtype=np.float64), folds=folds, planned=planned, **settings)


@pytest.fixture
def two_bands(rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
    """Noisy targets: 0-2 depend on the first band only, 3-5 on the second only."""
    Xs = [rng.standard_normal((200, 12)), rng.standard_normal((200, 40))]
    Y = np.concatenate([Xs[0] @ rng.standard_normal((12, 3)), 0.5 * Xs[1] @ rng.standard_normal((40, 3))], 1)
    return Xs, Y + 2 * rng.standard_normal(Y.shape) + 1
