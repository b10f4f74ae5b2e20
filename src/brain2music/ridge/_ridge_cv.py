"""Ridge regression with cross-validated penalties on plain arrays."""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Shaped

from ._chunked import Array, list_columns
from ._folds import Groups
from ._gram import Gram
from ._problem import RidgeProblem, prepare_problem
from ._result import RidgeFit
from ._scores import check_scoring
from ._threads import count_operations, threads_for

Alphas = Sequence[float | int] | Shaped[np.ndarray, " alphas"]

DEFAULT_ALPHAS = np.logspace(-1, 8, 20)
"""Penalties that are tried by default: 20 from 0.1 to 1e8.

Examples
--------
>>> from brain2music.ridge import DEFAULT_ALPHAS
>>> DEFAULT_ALPHAS[:3].round(2)
array([0.1 , 0.3 , 0.89])
"""


class RidgeWarning(UserWarning):
    """Category of warnings about fits that are complete, but should be inspected before they are believed.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from brain2music.ridge import RidgeWarning, ridge_cv
    >>> X = np.random.default_rng(0).normal(size=(20, 2))
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     fit = ridge_cv(X, X, alphas=[1e3, 1e6])  # the best penalty is on the edge of the grid
    >>> caught[0].category is RidgeWarning
    True
    """


def ridge_cv(
    X: Array,
    Y: Array,
    *,
    alphas: Alphas | None = None,
    groups: Groups | None = None,
    n_folds: int = 5,
    folds: Shaped[np.ndarray, " rows"] | None = None,
    scoring: str = "r2",
    fit_intercept: bool = True,
    per_target: bool = True,
    keep_held_out: bool = False,
    gram: Gram | None = None,
    solver: str = "auto",
    dtype: str = "float32",
    memory_gb: float | int = 4,
) -> RidgeFit:
    """Fit ridge regression with penalties that are chosen by cross-validation.

    The fit minimises ``‖Y - XB - b‖² + α‖B‖²``, with b unpenalised. Scores and predictions equal those of refitting in
    every fold (with the mean of the training rows) [1]_, but nothing is refitted for every penalty.

    Parameters
    ----------
    X : array of shape (rows, features)
        Features: a numpy array, a memory map (read in chunks of features) or a torch tensor on any device.
    Y : array of shape (rows, targets)
        Targets, in an array of any of these kinds.
    alphas : sequence of float, optional
        Penalties to try; default 20 from 0.1 to 1e8.
    groups : array-like of shape (rows,), optional
        Label per row; rows with the same label stay in the same fold. By default folds are contiguous.
    n_folds : int, default 5
        Number of folds.
    folds : ndarray of shape (rows,), optional
        The fold of every row, instead of ``groups`` and ``n_folds``.
    scoring : {"r2", "correlation", "neg_mean_squared_error"}
        Score averaged over folds; greater is better. The last is fastest for tens of thousands of targets: where the
        processor multiplies bfloat16, penalties that cannot be the best of a target are ruled out with rounded numbers,
        or by a sketch of the errors, and have ``cv_scores`` right to about three digits, or estimated to about a tenth.
    fit_intercept : bool, default True
        Whether to fit an unpenalised intercept.
    per_target : bool, default True
        Whether to choose one penalty per target, or one for all.
    keep_held_out : bool, default False
        Whether to keep the held-out predictions at the best penalty.
    gram : Gram, optional
        Gram matrix of these rows of X, if other fits share it; needs ``fit_intercept``.
    solver : {"auto", "dual", "primal_per_fold"}
        Solver to use; results agree to working precision. ``"auto"`` counts operations; :func:`plan` shows its choice.
    dtype : {"float32", "float64"}
        Precision; single precision is abandoned for double if the features are too ill-conditioned for it.
    memory_gb : float, default 4
        Working memory allowed beyond X, Y and the result, in GiB.

    Returns
    -------
    RidgeFit
        Weights, penalties, their scores, and prediction.

    Raises
    ------
    ValueError
        Shapes disagree, values are NaN or infinite, a name is unknown, penalties are not positive or too small for
        double precision, folds cannot be made, or the memory does not suffice.

    Warns
    -----
    RidgeWarning
        If the best penalty of a target is on the edge of the grid, or columns are constant.

    See Also
    --------
    RidgeCV : The same as a scikit-learn estimator.
    ridge_cv_many : Several sets of targets.

    References
    ----------
    .. [1] Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 2009, section 7.10 and equation 7.64.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.ridge import ridge_cv
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 60))
    >>> Y = X @ rng.normal(size=(60, 2)) + 8 * rng.normal(size=(200, 2))
    >>> fit = ridge_cv(X, Y, alphas=[1.0, 10.0, 100.0, 1000.0], groups=np.arange(200) // 10)
    >>> fit.coef.shape, fit.cv_scores.shape, fit.best_alphas.tolist()
    ((60, 2), (4, 2), [100.0, 100.0])
    """
    return ridge_cv_many(
        X,
        [Y],
        alphas=alphas,
        groups=groups,
        n_folds=n_folds,
        folds=folds,
        scoring=scoring,
        fit_intercept=fit_intercept,
        per_target=per_target,
        keep_held_out=keep_held_out,
        gram=gram,
        solver=solver,
        dtype=dtype,
        memory_gb=memory_gb,
    )[0]


def ridge_cv_many(
    X: Array,
    Ys: Sequence[Array],
    *,
    alphas: Alphas | None = None,
    groups: Groups | None = None,
    n_folds: int = 5,
    folds: Shaped[np.ndarray, " rows"] | None = None,
    scoring: str = "r2",
    fit_intercept: bool = True,
    per_target: bool = True,
    keep_held_out: bool = False,
    gram: Gram | None = None,
    solver: str = "auto",
    dtype: str = "float32",
    memory_gb: float | int = 4,
) -> list[RidgeFit]:
    """Fit several sets of targets on the same features, which are factorised once.

    Parameters
    ----------
    X : array of shape (rows, features)
        Features.
    Ys : sequence of arrays of shape (rows, targets)
        Sets of targets.
    alphas : sequence of float, optional
        Penalties to try; default 20 from 0.1 to 1e8.
    groups : array-like of shape (rows,), optional
        Label per row; rows with the same label stay in the same fold.
    n_folds : int, default 5
        Number of folds.
    folds : ndarray of shape (rows,), optional
        The fold of every row, instead of ``groups`` and ``n_folds``.
    scoring : {"r2", "correlation", "neg_mean_squared_error"}
        Score averaged over folds, as in :func:`ridge_cv`.
    fit_intercept : bool, default True
        Whether to fit an unpenalised intercept.
    per_target : bool, default True
        Whether to choose one penalty per target, or one per set of targets.
    keep_held_out : bool, default False
        Whether to keep the held-out predictions at the best penalty.
    gram : Gram, optional
        Gram matrix of these rows of X, if other fits share it; needs ``fit_intercept``.
    solver : {"auto", "dual", "primal_per_fold"}
        Solver to use, as in :func:`ridge_cv`.
    dtype : {"float32", "float64"}
        Precision.
    memory_gb : float, default 4
        Working memory allowed beyond X, Ys and the result, in GiB.

    Returns
    -------
    list of RidgeFit
        One fit per set of targets, each as :func:`ridge_cv` gives it.

    Raises
    ------
    ValueError
        As for :func:`ridge_cv`, and if there is no set of targets.

    See Also
    --------
    predict_many : Predicts with all fits at once.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.ridge import ridge_cv_many
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 200))
    >>> fits = ridge_cv_many(X, [X[:, :3], X[:, 3:5]], alphas=[10.0])
    >>> [fit.coef.shape for fit in fits]
    [(200, 3), (200, 2)]
    """
    grid = check_alphas(alphas)
    check_scoring(scoring)
    if gram is not None and not fit_intercept:
        raise ValueError("gram is of centred rows: it cannot be used with fit_intercept=False")
    with threads_for(count_problem(X, Ys, n_folds)):
        problem = prepare_problem(
            X,
            Ys,
            grid,
            groups=groups,
            n_folds=n_folds,
            folds=folds,
            fit_intercept=fit_intercept,
            dtype=dtype,
            memory_gb=memory_gb,
            solver=solver,
            grams=None if gram is None else gram.of(X),
            per_target=per_target,
        )
        if scoring != "neg_mean_squared_error" and min(fold.stop - fold.start for fold in problem.solver.folds) < 2:
            raise ValueError(
                f"scoring={scoring!r} needs 2 rows in every fold: give fewer folds or scoring='neg_mean_squared_error'"
            )
        scores = problem.solver.scores(scoring)
        best = _best(scores, problem.targets.set_of_target, per_target)
        _warn_edge(best.cpu().numpy(), grid)
        _warn_constant(problem)
        problem = problem.for_refit()  # frees memory for the weights
        return problem.refit(grid, best, scores, keep_held_out)


def check_alphas(alphas: Alphas | None, ordered: bool = True) -> Float[np.ndarray, " alphas"]:
    """The penalties as an array, ascending and without repeats if ``ordered``.

    Raises
    ------
    ValueError
        Unless there is at least one and all are positive and finite.
    """
    grid = np.asarray(DEFAULT_ALPHAS if alphas is None else alphas, dtype=np.float64).ravel()
    if grid.size == 0 or not np.all(np.isfinite(grid)) or grid.min() <= 0:
        raise ValueError(f"alphas={alphas!r}: give positive finite penalties, such as np.logspace(-1, 8, 20)")
    return np.unique(grid) if ordered else grid


def count_problem(X: Array, Ys: Sequence[Array], n_folds: int) -> float:
    """Operations of the problem; 0 for arrays that are refused later."""
    if X.ndim != 2 or any(Y.ndim != 2 for Y in Ys):
        return 0.0
    return count_operations(X.shape[0], X.shape[1], sum(Y.shape[1] for Y in Ys), n_folds)


def _best(
    scores: Float[torch.Tensor, "alphas targets"], set_of_target: np.ndarray, per_target: bool
) -> Shaped[torch.Tensor, " targets"]:
    if per_target:
        return scores.argmax(0)
    best = torch.zeros(scores.shape[1], dtype=torch.long, device=scores.device)
    for i in np.unique(set_of_target):
        in_set = torch.as_tensor(set_of_target == i, device=scores.device)
        best[in_set] = scores[:, in_set].mean(1).argmax()
    return best


def _warn_edge(best: Shaped[np.ndarray, " targets"], grid: Float[np.ndarray, " alphas"]) -> None:
    low, high = int((best == 0).sum()), int((best == len(grid) - 1).sum())
    if len(grid) > 1 and low + high:
        warnings.warn(
            f"the best alpha is the grid's smallest ({grid[0]:g}) for {low} and its largest ({grid[-1]:g}) for "
            f"{high} of {len(best)} targets: widen alphas, or expect nothing to be predictable there",
            RidgeWarning,
            stacklevel=4,
        )


def _warn_constant(problem: RidgeProblem) -> None:
    for name, constant, result in [
        ("X", problem.features.constant, "gets no weight"),
        ("Y", problem.targets.constant, "is predicted as its mean"),
    ]:
        if bool(constant.any()):
            columns = list_columns(constant.nonzero().ravel())
            warnings.warn(
                f"{name} is constant in column(s) {columns}, which {result}: drop columns without information",
                RidgeWarning,
                stacklevel=4,
            )
