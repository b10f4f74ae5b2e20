"""Which row is held out when: groups of rows (clips, runs) dealt into folds, always the same way."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, Shaped


def assign_folds(
    n_rows: int, groups: Sequence[object] | Shaped[np.ndarray, " rows"] | None = None, n_folds: int = 5
) -> Int[np.ndarray, " rows"]:
    """The fold of every row, 0 … n_folds - 1; rows of one group share a fold.

    Without groups the folds are contiguous, as scikit-learn's unshuffled ``KFold`` makes them. With groups, the
    largest group goes to the lightest fold, then the next, as in ``GroupKFold``; ties are broken by the order of
    the group labels.

    Raises
    ------
    ValueError
        When there are fewer rows, or fewer groups, than folds, or one group label per row is not given.
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


def check_folds(folds: Shaped[np.ndarray, " rows"], n_rows: int) -> Int[np.ndarray, " rows"]:
    """Explicit folds, renumbered 0 … n - 1; ValueError unless there is one label per row and two labels or more."""
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
