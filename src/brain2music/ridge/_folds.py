"""Assignment of rows, or of groups of rows (clips, runs), to folds; the same on every call."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, Shaped

Groups = Sequence[object] | Shaped[np.ndarray, " rows"]


def assign_folds(n_rows: int, groups: Groups | None = None, n_folds: int = 5) -> Int[np.ndarray, " rows"]:
    """Assign every row to a fold, with the rows of a group in one fold.

    Without groups the folds are contiguous, as in scikit-learn's unshuffled ``KFold``. With groups, the largest group
    goes to the fold with the fewest rows, then the next largest, as in ``GroupKFold``; ties are broken by the order of
    the group labels. The result is the same on every call.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    groups : array-like of shape (rows,), optional
        Group label per row.
    n_folds : int, default 5
        Number of folds.

    Returns
    -------
    ndarray of int of shape (rows,)
        Fold numbers from 0 to ``n_folds - 1``.

    Raises
    ------
    ValueError
        There are fewer rows, or fewer groups, than folds, or not one group label per row.

    Examples
    --------
    >>> from brain2music.ridge import assign_folds
    >>> assign_folds(7, n_folds=3)
    array([0, 0, 0, 1, 1, 2, 2])
    >>> assign_folds(6, groups=["a", "a", "b", "b", "b", "c"], n_folds=2)
    array([1, 1, 0, 0, 0, 1])
    """
    if n_folds < 2:
        raise ValueError(f"n_folds={n_folds}: cross-validation needs at least 2 folds")
    if groups is None:
        if n_rows < n_folds:
            raise ValueError(f"n_samples = {n_rows} rows cannot fill {n_folds} folds: give more rows or fewer folds")
        return _contiguous(n_rows, n_folds)
    labels = np.asarray(groups)
    if labels.shape != (n_rows,):
        raise ValueError(f"groups has shape {labels.shape}: give one label for each of the {n_rows} rows")
    _, group_of_row, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if len(sizes) < n_folds:
        raise ValueError(f"{len(sizes)} groups cannot fill {n_folds} folds: give n_folds={len(sizes)} or more groups")
    load = np.zeros(n_folds, dtype=np.int64)
    fold_of_group = np.empty(len(sizes), dtype=np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        fold_of_group[group] = np.argmin(load)
        load[fold_of_group[group]] += sizes[group]
    return fold_of_group[group_of_row]


def renumber_folds(folds: Shaped[np.ndarray, " rows"], n_rows: int) -> Int[np.ndarray, " rows"]:
    """Renumber explicit folds from 0; ValueError unless there is one label per row and at least two labels."""
    labels = np.asarray(folds)
    if labels.shape != (n_rows,):
        raise ValueError(f"folds has shape {labels.shape}: give one fold number for each of the {n_rows} rows")
    names, fold_of_row = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        raise ValueError("folds names one fold only: cross-validation needs at least 2")
    return fold_of_row


def _contiguous(n_rows: int, n_folds: int) -> Int[np.ndarray, " rows"]:
    sizes = np.full(n_folds, n_rows // n_folds)
    sizes[: n_rows % n_folds] += 1
    return np.repeat(np.arange(n_folds), sizes)
