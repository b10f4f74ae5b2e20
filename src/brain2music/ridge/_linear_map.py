"""Prediction, the file format and the folds of the estimators."""

from collections.abc import Iterable
from numbers import Integral
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.model_selection import BaseCrossValidator, check_cv
from sklearn.utils.validation import check_is_fitted, validate_data

from .._utils.errors import InputError
from .._utils.files import read_arrays, write_arrays
from ._folds import Groups, assign_folds

CV: TypeAlias = int | BaseCrossValidator | Iterable[tuple[Any, Any]]
Map = TypeVar("Map", bound="LinearMap")
_SAVED_TYPES = (int, float, str, list, tuple, np.ndarray, np.generic, type(None))


class LinearMap(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Prediction and the file format, which the estimators share."""

    coef_: np.ndarray
    intercept_: np.ndarray | np.floating
    _saved: tuple[str, ...] = ("coef_", "intercept_", "best_alphas_", "cv_scores_", "alphas_")

    def predict(self, X: Any) -> np.ndarray:
        """Predict the targets of further rows.

        Parameters
        ----------
        X : array-like of shape (rows, features)
            Features of the rows.

        Returns
        -------
        ndarray of shape (rows, targets)
            Predictions; of shape (rows,) if ``y`` had one axis.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float32, np.float64])
        return X @ self.coef_.T + self.intercept_

    def save(self, path: str | Path) -> None:
        """Write parameters and fitted arrays to one safetensors file, atomically.

        Parameters
        ----------
        path : str or Path
            Name of the file.

        Raises
        ------
        InputError
            A parameter cannot be written (a splitter, a random number generator), or the file cannot.
        """
        check_is_fitted(self)
        params = self.get_params()
        for name, value in params.items():
            if not isinstance(value, _SAVED_TYPES):
                what = f"{name}={value!r} cannot be saved"
                raise InputError(what, path, f"set_params({name}=…) to a number before saving")
        arrays = {name: np.asarray(getattr(self, name)) for name in self._saved if hasattr(self, name)}
        metadata = {"class": type(self).__name__, "params": params, "n_features": self.n_features_in_}
        write_arrays(Path(path), arrays, metadata)

    @classmethod
    def load(cls: type["Map"], path: str | Path) -> "Map":
        """Read a fitted estimator from a file of :meth:`save`.

        Parameters
        ----------
        path : str or Path
            Name of the file.

        Returns
        -------
        LinearMap
            The fitted estimator, whose predictions are those of the one saved, to the last bit.

        Raises
        ------
        InputError
            The file is missing or unreadable, or holds another class.
        """
        arrays, metadata = read_arrays(Path(path))
        if metadata.get("class") != cls.__name__:
            what = f"this holds a {metadata.get('class', 'foreign file')}, not a {cls.__name__}"
            raise InputError(what, path, "load it with the class that saved it")
        fitted = cls(**metadata["params"])
        for name, array in arrays.items():
            setattr(fitted, name, array)
        if fitted.coef_.ndim == 1:
            fitted.intercept_ = arrays["intercept_"][0]
        fitted.coef_ = np.asfortranarray(fitted.coef_)  # as fitted: BLAS rounds by the order in memory
        fitted.n_features_in_ = metadata["n_features"]
        return fitted

    def _set_weights(self, coef: np.ndarray, intercept: np.ndarray, y_ndim: int) -> None:
        self.coef_ = coef.T if y_ndim == 2 else coef[:, 0]
        self.intercept_ = intercept if y_ndim == 2 else intercept[0]


def folds_of_cv(
    cv: Any, X: Float[np.ndarray, "rows _features"], y: np.ndarray, groups: Groups | None
) -> Int[np.ndarray, " rows"]:
    """The fold that holds out every row; ValueError unless ``cv`` divides the rows into folds."""
    if isinstance(cv, Integral):
        return assign_folds(len(X), groups, int(cv))
    fold_of_row, n_splits = np.full(len(X), -1), 0
    for n_splits, (train, test) in enumerate(check_cv(cv).split(X, y, groups), start=1):
        rows = np.concatenate([np.arange(len(X))[train], np.arange(len(X))[test]])
        if (fold_of_row[test] >= 0).any() or not np.array_equal(np.sort(rows), np.arange(len(X))):
            raise ValueError(f"cv={cv!r} must hold out every row once and train on all others, as KFold does")
        fold_of_row[test] = n_splits
    if n_splits == 0 or (fold_of_row < 0).any():
        raise ValueError(f"cv={cv!r} must hold out every row once: {(fold_of_row < 0).sum()} are in no test set")
    return fold_of_row
