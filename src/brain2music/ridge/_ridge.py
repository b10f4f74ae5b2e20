"""Ridge regression with given penalties on plain arrays."""

import numpy as np
import torch
from jaxtyping import Shaped

from ._chunked import Array
from ._problem import GramOf, prepare_problem
from ._result import RidgeFit
from ._ridge_cv import check_alphas, count_problem
from ._threads import threads_for


def ridge(
    X: Array,
    Y: Array,
    alphas: Shaped[np.ndarray, " targets"],
    *,
    fit_intercept: bool = True,
    solver: str = "auto",
    dtype: str = "float32",
    memory_gb: float | int = 4,
) -> RidgeFit:
    """Fit ridge regression with given penalties, without cross-validation.

    Parameters
    ----------
    X : array of shape (rows, features)
        Features.
    Y : array of shape (rows, targets)
        Targets.
    alphas : ndarray of shape (targets,)
        One penalty per target.
    fit_intercept : bool, default True
        Whether to fit an unpenalised intercept.
    solver : {"auto", "dual", "primal_per_fold"}
        Solver to use, as in :func:`ridge_cv`.
    dtype : {"float32", "float64"}
        Precision.
    memory_gb : float, default 4
        Working memory allowed beyond X, Y and the result, in GiB.

    Returns
    -------
    RidgeFit
        Weights and prediction, with NaN for ``cv_scores``.

    Raises
    ------
    ValueError
        As for :func:`ridge_cv`, and if there is not one penalty per target.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.ridge import ridge
    >>> X = np.eye(4)
    >>> ridge(X, X[:, :2], np.array([1.0, 3.0]), fit_intercept=False, dtype="float64").coef[:2]
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    return solve(X, Y, alphas, fit_intercept=fit_intercept, solver=solver, dtype=dtype, memory_gb=memory_gb)


def solve(
    X: Array,
    Y: Array,
    alphas: Shaped[np.ndarray, " targets"],
    *,
    fit_intercept: bool,
    dtype: str,
    memory_gb: float | int,
    solver: str = "auto",
    grams: GramOf | None = None,
) -> RidgeFit:
    """:func:`ridge`, with the Gram matrix of X where it is already known."""
    grid, best = np.unique(check_alphas(alphas, ordered=False), return_inverse=True)
    with threads_for(count_problem(X, [Y], 1)):
        problem = prepare_problem(
            X, [Y], grid, fit_intercept=fit_intercept, dtype=dtype, memory_gb=memory_gb, solver=solver, grams=grams
        )
        if len(best) != Y.shape[1]:
            raise ValueError(f"{len(best)} alphas for {Y.shape[1]} targets: give one for each")
        device = problem.targets.order.device
        scores = torch.full((len(grid), len(best)), torch.nan, device=device)
        return problem.refit(grid, torch.as_tensor(best, device=device), scores)[0]
