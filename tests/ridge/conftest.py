"""Problems of the kinds that have broken ridge solvers, and the plain answer by refitting."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from brain2music.ridge import _problem as problem_module
from brain2music.ridge._problem import plan


def make_problem(kind: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X, Y and groups of unequal size, not in order."""
    shapes = {
        "random": (130, 160),
        "many rows": (150, 20),
        "duplicates": (130, 100),
        "ill": (150, 120),
        "wide": (60, 900),
    }
    n, p = shapes[kind]
    X = rng.standard_normal((n, p)) + 3
    if kind == "duplicates":
        X[::2] = X[1::2]
        X[:, 5] = 1.0  # a constant feature
    if kind == "ill":
        X *= np.logspace(0, -5, p)
    Y = X[:, :3] @ rng.standard_normal((3, 5)) + rng.standard_normal((n, 5)) + 5
    return X, Y, rng.permutation(np.repeat(np.arange(9), rng.multinomial(n - 18, np.full(9, 1 / 9)) + 2))


KINDS = ("random", "many rows", "duplicates", "ill", "wide")


def refitted(X: np.ndarray, Y: np.ndarray, alphas: np.ndarray, folds: np.ndarray, intercept: bool) -> np.ndarray:
    """Held-out predictions (alphas, rows, targets) by scikit-learn, refitted in every fold."""
    out = np.empty((len(alphas), *Y.shape))
    for fold in np.unique(folds):
        held = folds == fold
        for k, alpha in enumerate(alphas):
            model = Ridge(alpha=alpha, fit_intercept=intercept, solver="svd").fit(X[~held], Y[~held])
            out[k, held] = model.predict(X[held])
    return out


@pytest.fixture
def force(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have the dual (or the foldwise) solver taken whatever the shape, in batches of 2 targets."""

    def choose(dual: bool, forms: bool = False, rounded: bool = False, batch: int = 2) -> None:
        chosen = {"dual": dual, "forms": forms, "rounded": rounded, "batch": batch, "block": 37}
        monkeypatch.setattr(problem_module, "plan", lambda *a: dataclasses.replace(plan(*a), **chosen))

    return choose
