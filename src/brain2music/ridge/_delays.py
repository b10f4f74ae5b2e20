"""Delayed copies of features, with which a linear map can learn the shape of the haemodynamic response."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Shaped

from ._folds import Groups


def delayed(
    X: Shaped[np.ndarray, "rows features"], delays: Sequence[int], groups: Groups | None = None
) -> Shaped[np.ndarray, "rows delayed"]:
    """Concatenate copies of the features, each shifted by a number of rows within its group.

    A row of a copy holds the features of ``delay`` rows earlier in the same group; zeros where that is before the
    group's first row or, for a negative delay, after its last. Rows of a group need not be adjacent; their order is the
    order in time. With such features, a linear map can learn the shape of the haemodynamic response.

    Parameters
    ----------
    X : ndarray of shape (rows, features)
        Features, one row per scan.
    delays : sequence of int
        Delays in rows; negative ones look ahead.
    groups : array-like of shape (rows,), optional
        Group label (run) per row; default one group.

    Returns
    -------
    ndarray of shape (rows, features * delays)
        Columns of the first delay, then those of the second, and so on.

    Raises
    ------
    ValueError
        No delay is given, or there is not one group label per row.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.ridge import delayed
    >>> delayed(np.array([[1], [2], [3]]), [0, 1])
    array([[1, 0],
           [2, 1],
           [3, 2]])
    """
    if len(delays) == 0:
        raise ValueError("delays is empty: give at least one, such as [2, 3, 4, 5]")
    labels = np.zeros(len(X), dtype=np.int64) if groups is None else np.asarray(groups)
    if labels.shape != (len(X),):
        raise ValueError(f"groups has shape {labels.shape}: give one label for each of the {len(X)} rows")
    out = np.zeros((len(X), len(delays), X.shape[1]), dtype=X.dtype)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        for i, delay in enumerate(delays):
            n_shifted = max(len(rows) - abs(delay), 0)
            later, earlier = rows[len(rows) - n_shifted :], rows[:n_shifted]
            out[later if delay > 0 else earlier, i] = X[earlier if delay > 0 else later]
    return out.reshape(len(X), -1)
