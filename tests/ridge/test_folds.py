"""Folds are those of scikit-learn."""

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold

from brain2music.ridge import assign_folds


@pytest.mark.parametrize("n_folds", [2, 5, 7])
@pytest.mark.parametrize("n", [20, 23])
def test_contiguous_folds_are_those_of_kfold(n, n_folds) -> None:
    folds = assign_folds(n, None, n_folds)
    for fold, (_, held) in enumerate(KFold(n_folds).split(np.zeros(n))):
        np.testing.assert_array_equal(np.flatnonzero(folds == fold), held)


def test_folds_of_groups_are_those_of_group_kfold() -> None:
    groups = np.repeat(np.arange(6), [2, 9, 4, 7, 3, 12])
    folds = assign_folds(len(groups), groups, 3)
    for fold, (_, held) in enumerate(GroupKFold(3).split(groups, groups=groups)):
        np.testing.assert_array_equal(np.flatnonzero(folds == fold), held)


@pytest.mark.parametrize("n_folds", [2, 3, 8])
def test_groups_are_never_divided_and_folds_are_balanced(n_folds, rng) -> None:
    groups = rng.permutation(np.repeat([f"clip {i}" for i in range(30)], rng.integers(1, 12, 30)))
    folds = assign_folds(len(groups), groups, n_folds)
    assert set(folds) == set(range(n_folds))
    assert all(len(set(folds[groups == group])) == 1 for group in set(groups))
    sizes = np.bincount(folds)
    assert sizes.max() - sizes.min() <= 11
    np.testing.assert_array_equal(folds, assign_folds(len(groups), list(groups), n_folds))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((10, None, 1), "n_folds=1: cross-validation needs at least 2 folds"),
        ((3, None, 5), "n_samples = 3 rows cannot fill 5 folds"),
        ((4, [0, 0, 1, 1], 3), "2 groups cannot fill 3 folds: give n_folds=2 or more groups"),
        ((4, [0, 1], 2), r"groups has shape \(2,\): give one label for each of the 4 rows"),
    ],
)
def test_errors(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        assign_folds(*arguments)
