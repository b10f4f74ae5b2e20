"""Which of the two solvers a problem's shape asks for, and the memory it will take."""

import math
from dataclasses import dataclass

from ._block_tridiagonal import WIDTH
from ._quadratic_errors import AT_ONCE

EIGEN = 12.0
"""An m x m eigendecomposition takes as long as so many times m³ operations of matrix products (measured)."""

SPAN = 0.65
"""Share of the grid's α that ``_primal_per_fold.span`` leaves to be worked out, roughly."""

MOST_SPAN = 0.9
"""The same where features are about as many as rows: their eigenvalues reach from the greatest to none."""

ROUNDED = 0.3
"""Share of the work on forms that is left where most are ruled out in bfloat16 (measured)."""

TILE = 64
"""Targets at a time are a multiple of this, where they are more: bfloat16 products are a third slower beside it."""


@dataclass(frozen=True)
class Plan:
    """How a problem is going to be solved.

    Attributes
    ----------
    dual : over rows with one factorisation (``_dual.py``), else over features fold by fold (``_primal_per_fold.py``).
    forms : squared errors, where these are the score, as quadratic forms (``_quadratic_errors.py``). rounded : most of
        them in bfloat16 first (``_quadratic_form.py``).
    batch : targets treated at a time.
    block : features read at a time.
    gigabytes : working memory beyond X, Y and the result, estimated.
    """

    dual: bool
    forms: bool
    rounded: bool
    batch: int
    block: int
    gigabytes: float
    shape: tuple[int, int, int]

    def __str__(self) -> str:
        rows, features, targets = self.shape
        return (
            f"ridge {rows} rows x {features} features -> {targets} targets: {'dual' if self.dual else 'fold by fold'}, "
            f"{self.batch} targets and {self.block} features at a time, {self.gigabytes:.2f} GB beyond X, Y and result"
        )


def plan(
    n_rows: int,
    n_features: int,
    n_targets: int,
    n_alphas: int = 20,
    n_folds: int = 5,
    memory_gb: float | int = 4,
    itemsize: int = 4,
    rounded: bool = False,
) -> Plan:
    """Choose by counting operations, and fit the batches into ``memory_gb``; nothing is allocated.

    ``rounded`` says whether penalties that cannot be best may be ruled out in bfloat16, which takes more memory.

    Raises ValueError when the least that is needed exceeds ``memory_gb``.
    """
    budget = memory_gb * 2**30 / itemsize
    problem = (n_rows, n_features, n_targets, n_alphas, n_folds)
    dual = _dual_operations(*problem) <= _foldwise_operations(*problem)
    if not dual and _foldwise_fixed(n_rows, n_features, n_alphas, n_folds) > 0.9 * budget:
        dual = True
    if dual:
        fixed, per_target = 6.0 * n_rows**2, (n_folds + 4.0) * n_rows
    else:
        fixed = _foldwise_fixed(n_rows, n_features, n_alphas, n_folds)
        kept = min(n_rows / n_folds, n_features)
        per_target = 3.0 * n_rows + 3.0 * n_alphas * kept + 3.0 * min(n_rows, n_features)
    least = fixed + 16 * per_target + 16.0 * n_rows
    if least > budget:
        needed = math.ceil(100 * least * itemsize / 2**30) / 100
        raise ValueError(f"this needs {needed:g} GB: give memory_gb (here {memory_gb:g}) at least that")
    rounded = rounded and _forms_fixed(n_rows, n_features, n_alphas, True) < 0.9 * budget
    fixed_by_forms = _forms_fixed(n_rows, n_features, n_alphas, rounded)
    forms = not dual and _forms_pay(*problem, rounded) and fixed_by_forms < 0.9 * budget
    fixed = max(fixed, fixed_by_forms) if forms else fixed
    batch = int(min(n_targets, 2048 if dual or forms else 512, (budget - fixed) / 2 / per_target))
    batch = batch if batch == n_targets else batch // TILE * TILE or batch
    block = int(min(n_features, 4096, (budget - fixed) / 2 / n_rows)) if dual else min(n_features, 4096)
    used = fixed + batch * per_target if not dual else fixed + max(batch * per_target, block * n_rows)
    return Plan(dual, forms, forms and rounded, batch, block, used * itemsize / 2**30, (n_rows, n_features, n_targets))


def _dual_operations(n: int, p: int, t: int, alphas: int, folds: int) -> float:
    factorise = n * n * p + 4 * n**3
    each_alpha = 4 * n * n * WIDTH + n**3 / folds + 2 * n * n * t * (1 + 1 / folds)
    return factorise + alphas * each_alpha


def _foldwise_operations(n: int, p: int, t: int, alphas: int, folds: int) -> float:
    train, held = n * (1 - 1 / folds), n / folds
    m, functions = min(train, p), SPAN * alphas
    primal = p <= train
    factorise = folds * (n * m * p + EIGEN * m**3 + (0 if primal else functions * held * m * m))
    products = 2 * n * p + folds * 2 * p * m if primal else 0
    each_target = products + folds * 2 * functions * min(held, m) * m + 4 * n * p
    return factorise + t * each_target


def _foldwise_fixed(n: int, p: int, alphas: int, folds: int) -> float:
    train = n * (1 - 1 / folds)
    m = min(train, p)
    operator = (alphas + 1) * min(n / folds, m) * m + p * m
    return 6.0 * n * p + 6.0 * m * m + operator * (folds if p <= train else 2)


def _forms_pay(n: int, p: int, t: int, alphas: int, folds: int, rounded: bool) -> bool:
    """Whether forms take less work than predictions: many targets, and features about as many as rows, or more."""
    held, train = n / folds, n * (1 - 1 / folds)
    m = min(train, p)
    predicting = 2 * MOST_SPAN * alphas * folds * min(held, m) * m * t
    making = alphas * n * n * (min(n, p) + 2 * held + n)
    return making + (ROUNDED if rounded else 1) * alphas * n * n * t < predicting


def _forms_fixed(n: int, p: int, alphas: int, rounded: bool) -> float:
    kept = 0.85 * alphas if rounded else 0.6 * AT_ONCE
    return 4.0 * n * p + 4.0 * min(n, p) ** 2 + (5.0 + kept) * n * n + 4.0 * n * min(n, p)
