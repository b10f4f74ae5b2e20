"""Ridge at every penalty of a grid at once: predictions of new rows, from which a penalty may be chosen later."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float

from ._chunked import Array, centre_, centred_gram, to_tensor
from ._dual import factorise
from ._linalg import eigh, product
from ._precision import MAX_CONDITION, alpha_too_small, dtypes_to_try, is_ill_conditioned
from ._ridge_cv import Alphas, check_alphas
from ._threads import count_operations, threads_for

BLOCK = 4096
"""Features read at a time."""
PRIMAL = 0.5
"""Features are decomposed in place of rows where they are fewer than this share of them."""

Rows = Float[torch.Tensor, "rows targets"]
Path = Float[np.ndarray, "alphas new targets"]


def ridge_path(
    X: Array,
    Y: Array,
    X_new: Array,
    *,
    alphas: Alphas | None = None,
) -> Path:
    """Predict new rows by ridge regression at each of several penalties.

    One factorisation of the rows, or of the features if they are fewer, serves every penalty; an unpenalised intercept
    is fitted.

    Parameters
    ----------
    X : array of shape (rows, features)
        Rows to fit.
    Y : array of shape (rows, targets)
        Their targets.
    X_new : array of shape (new, features)
        Rows to predict.
    alphas : sequence of float, optional
        Penalties; default 20 from 0.1 to 1e8.

    Returns
    -------
    ndarray of shape (alphas, new, targets)
        Predictions in single precision, penalties ascending.

    Raises
    ------
    ValueError
        Shapes disagree, values are NaN or infinite, or a penalty is too small for double precision.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.ridge import ridge_path
    >>> X = np.arange(6.0)[:, None]
    >>> ridge_path(X[:5], 2 * X[:5], X[5:], alphas=[1e-6, 1e6]).round(1).ravel().tolist()
    [10.0, 4.0]
    """
    grid = check_alphas(alphas)
    if X.ndim != 2 or X_new.ndim != 2 or X.shape[1] != X_new.shape[1] or Y.ndim != 2 or len(Y) != len(X):
        raise ValueError(f"X {tuple(X.shape)}, Y {tuple(Y.shape)} and X_new {tuple(X_new.shape)} do not fit together")
    with threads_for(count_operations(len(X), X.shape[1], Y.shape[1], 1)):
        targets = to_tensor(Y, torch.float32, copy=True)
        mean = centre_(targets, "Y").mean
        solve = (_by_features if X.shape[1] < PRIMAL * len(X) else _by_rows)(X, X_new, targets, float(grid[0]))
        path = torch.empty(len(grid), len(X_new), targets.shape[1])
        for k, alpha in enumerate(grid.tolist()):
            path[k] = (solve(alpha) + mean).float()
    return path.numpy()


def _by_features(X: Array, X_new: Array, targets: Rows, least: float) -> Callable[[float], Rows]:
    """By the principal axes of the features, in double precision."""
    rows = to_tensor(X, torch.float64, copy=True)
    new = to_tensor(X_new, torch.float64) - centre_(rows, "X").mean
    values, axes = eigh(rows.T @ rows)
    along, seen = new @ axes, axes.T @ (rows.T @ targets.double())
    return lambda alpha: (along / (values.clamp_min(0) + alpha)) @ seen


def _by_rows(X: Array, X_new: Array, targets: Rows, least: float) -> Callable[[float], Rows]:
    """By the Gram matrix of the rows, in single precision where that is safe."""
    n = len(X)
    for work in dtypes_to_try(n, torch.float32):
        K, moments = centred_gram(X, work, BLOCK, centre=True)
        if work == torch.float32 and is_ill_conditioned(_without_null(K.float()), least):
            continue  # known for a tenth of the time of the factorisation
        kernel = factorise(K, work, intercept=True)
        condition = kernel.tridiagonal.condition(least)
        if condition < MAX_CONDITION[work]:
            break
    else:
        raise alpha_too_small(least, condition)
    products = torch.zeros(len(X_new), n, dtype=work)
    for start in range(0, X.shape[1], BLOCK):
        columns = slice(start, start + BLOCK)
        centre = moments.mean[columns].to(work)
        fitted, new = (to_tensor(each[:, columns], work) - centre for each in (X, X_new))
        products += product(new, fitted.T)
    products, seen = (
        product(products, kernel.tridiagonal.rotation),
        product(kernel.tridiagonal.rotation.T, targets.to(work)),
    )
    return lambda alpha: product(products, kernel.tridiagonal.factor(alpha).solve(seen))


def _without_null(K: Rows) -> Rows:
    """The centred Gram matrix, its mean eigenvalue in the direction of the intercept."""
    return K.add_(K.diagonal().mean() / len(K))
