"""The choice of a solver by the shape of a problem, and the memory it takes."""

import math
from dataclasses import dataclass

from ._block_tridiagonal import BLOCK
from ._precision import check_dtype
from ._quadratic_errors import FORMS_AT_ONCE

SOLVERS = ("dual", "primal_per_fold")
"""Names that ``solver=`` takes besides ``"auto"``."""

EIGENDECOMPOSITION = 12.0
"""Time of an m × m eigendecomposition, in matrix products of m³ operations (measured)."""

SPAN = 0.65
"""Fraction of the α of a grid that are computed after ``_primal_per_fold.span``, roughly."""

MAX_SPAN = 0.9
"""The same where features are about as many as rows: their eigenvalues range from the greatest to zero."""

SCREENED = 0.3
"""Fraction of the work on quadratic forms that is left where most are ruled out in bfloat16 (measured)."""

BATCH_STEP = 64
"""Batches of more targets than this are a multiple of it: bfloat16 products are a third slower otherwise."""


@dataclass(frozen=True)
class Plan:
    """How a ridge regression is going to be solved, and the memory that it takes.

    Attributes
    ----------
    solver : str
        ``"dual"``, over rows with one factorisation for all folds, or ``"primal_per_fold"``, over features (over
        training rows if these are fewer) with one factorisation per fold.
    quadratic_errors : bool
        Whether held-out squared errors, if these are the score, are computed as quadratic forms.
    screened : bool
        Whether most of those are ruled out in bfloat16 first.
    batch : int
        Targets processed at a time.
    chunk : int
        Features read at a time.
    gigabytes : float
        Estimated working memory beyond X, Y and the result, in GiB.
    shape : (int, int, int)
        Rows, features and targets.

    See Also
    --------
    plan : Makes it.

    Examples
    --------
    >>> from brain2music.ridge import plan
    >>> found = plan(n_rows=480, n_features=60_000, n_targets=128)
    >>> found.solver, found.shape
    ('dual', (480, 60000, 128))
    """

    solver: str
    quadratic_errors: bool
    screened: bool
    batch: int
    chunk: int
    gigabytes: float
    shape: tuple[int, int, int]

    def __str__(self) -> str:
        rows, features, targets = self.shape
        return (
            f"ridge {rows} rows x {features} features -> {targets} targets: solver {self.solver}, "
            f"{self.batch} targets and {self.chunk} features at a time, {self.gigabytes:.2f} GB beyond X, Y and result"
        )


def plan(
    n_rows: int,
    n_features: int,
    n_targets: int,
    n_alphas: int = 20,
    n_folds: int = 5,
    memory_gb: float | int = 4,
    *,
    solver: str = "auto",
    dtype: str = "float32",
    screened: bool = False,
) -> Plan:
    """Choose a solver by counting operations, and batches that fit into the memory; nothing is allocated.

    Parameters
    ----------
    n_rows, n_features, n_targets : int
        Shape of the problem.
    n_alphas : int, default 20
        Number of penalties.
    n_folds : int, default 5
        Number of folds.
    memory_gb : float, default 4
        Working memory allowed beyond X, Y and the result, in GiB.
    solver : {"auto", "dual", "primal_per_fold"}
        Solver to use; ``"auto"`` takes the one with fewer operations that fits into the memory.
    dtype : {"float32", "float64"}
        Precision of the problem.
    screened : bool, default False
        Whether penalties that cannot be the best may be ruled out in bfloat16, which takes more memory.

    Returns
    -------
    Plan
        The solver, batches and memory.

    Raises
    ------
    ValueError
        The solver or the precision is unknown, or the least memory needed exceeds ``memory_gb``.

    Examples
    --------
    >>> from brain2music.ridge import plan
    >>> print(plan(4800, 60_000, 128))
    ridge 4800 rows x 60000 features -> 128 targets: solver dual, 128 targets and 4096 features at a time,
    0.59 GB beyond X, Y and result
    >>> plan(4800, 512, 60_000).solver
    'primal_per_fold'
    """
    check_solver(solver)
    itemsize = check_dtype(dtype).itemsize
    budget = float(memory_gb) * 2**30 / itemsize
    problem = (n_rows, n_features, n_targets, n_alphas, n_folds)
    dual = solver == "dual" or (solver == "auto" and _prefers_dual(problem, budget))
    if dual:
        fixed, per_target = 6.0 * n_rows**2, (n_folds + 4.0) * n_rows
    else:
        fixed = _primal_fixed(n_rows, n_features, n_alphas, n_folds)
        width = min(n_rows / n_folds, n_features)
        per_target = 3.0 * n_rows + 3.0 * n_alphas * width + 3.0 * min(n_rows, n_features)
    least = fixed + 16 * per_target + 16.0 * n_rows
    if least > budget:
        needed = math.ceil(100 * least * itemsize / 2**30) / 100
        raise ValueError(f"this needs {needed:g} GB: give memory_gb (here {memory_gb:g}) at least that")
    screened = screened and _quadratic_fixed(n_rows, n_features, n_alphas, True) < 0.9 * budget
    quadratic_fixed = _quadratic_fixed(n_rows, n_features, n_alphas, screened)
    quadratic = not dual and _quadratic_pays(*problem, screened) and quadratic_fixed < 0.9 * budget
    fixed = max(fixed, quadratic_fixed) if quadratic else fixed
    batch = int(min(n_targets, 2048 if dual or quadratic else 512, (budget - fixed) / 2 / per_target))
    batch = batch if batch == n_targets else batch // BATCH_STEP * BATCH_STEP or batch
    chunk = int(min(n_features, 4096, (budget - fixed) / 2 / n_rows)) if dual else min(n_features, 4096)
    used = fixed + batch * per_target if not dual else fixed + max(batch * per_target, chunk * n_rows)
    name = "dual" if dual else "primal_per_fold"
    return Plan(name, quadratic, quadratic and screened, batch, chunk, used * itemsize / 2**30, problem[:3])


def check_solver(solver: str) -> None:
    """Raise ValueError unless ``solver`` is ``"auto"`` or one of ``SOLVERS``."""
    if solver not in ("auto", *SOLVERS):
        raise ValueError(f"solver={solver!r} is unknown: give one of auto, {', '.join(SOLVERS)}")


def _prefers_dual(problem: tuple[int, int, int, int, int], budget: float) -> bool:
    """Whether the dual solver takes fewer operations, or is the only one that fits into the memory."""
    if _dual_operations(*problem) <= _primal_operations(*problem):
        return True
    n_rows, n_features, _, n_alphas, n_folds = problem
    return _primal_fixed(n_rows, n_features, n_alphas, n_folds) > 0.9 * budget


def _dual_operations(n: int, p: int, t: int, alphas: int, folds: int) -> float:
    factorise = n * n * p + 4 * n**3
    each_alpha = 4 * n * n * BLOCK + n**3 / folds + 2 * n * n * t * (1 + 1 / folds)
    return factorise + alphas * each_alpha


def _primal_operations(n: int, p: int, t: int, alphas: int, folds: int) -> float:
    train, held = n * (1 - 1 / folds), n / folds
    m, functions = min(train, p), SPAN * alphas
    primal = p <= train
    factorise = folds * (n * m * p + EIGENDECOMPOSITION * m**3 + (0 if primal else functions * held * m * m))
    products = 2 * n * p + folds * 2 * p * m if primal else 0
    each_target = products + folds * 2 * functions * min(held, m) * m + 4 * n * p
    return factorise + t * each_target


def _primal_fixed(n: int, p: int, alphas: int, folds: int) -> float:
    train = n * (1 - 1 / folds)
    m = min(train, p)
    operator = (alphas + 1) * min(n / folds, m) * m + p * m
    return 6.0 * n * p + 6.0 * m * m + operator * (folds if p <= train else 2)


def _quadratic_pays(n: int, p: int, t: int, alphas: int, folds: int, screened: bool) -> bool:
    """Whether forms take less work than predictions: with many targets, and features about as many as rows, or more."""
    held, train = n / folds, n * (1 - 1 / folds)
    m = min(train, p)
    predicting = 2 * MAX_SPAN * alphas * folds * min(held, m) * m * t
    making = alphas * n * n * (min(n, p) + 2 * held + n)
    return making + (SCREENED if screened else 1) * alphas * n * n * t < predicting


def _quadratic_fixed(n: int, p: int, alphas: int, screened: bool) -> float:
    n_forms = 0.85 * alphas if screened else 0.6 * FORMS_AT_ONCE
    return 4.0 * n * p + 4.0 * min(n, p) ** 2 + (5.0 + n_forms) * n * n + 4.0 * n * min(n, p)
