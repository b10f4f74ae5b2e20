"""scikit-learn estimators over the functions of this folder, saved as safetensors."""

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, no_type_check

import numpy as np
from jaxtyping import Shaped
from safetensors import safe_open
from safetensors.numpy import save
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ._banded import banded_ridge_cv
from ._ridge_cv import DEFAULT_ALPHAS, ridge_cv

Groups = Sequence[object] | Shaped[np.ndarray, " rows"]


class _LinearMap(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """What the estimators share: prediction, and a file format."""

    coef_: np.ndarray
    intercept_: np.ndarray | np.floating
    _saved: tuple[str, ...] = ("coef_", "intercept_", "best_alphas_", "cv_scores_", "alphas_")

    def predict(self, X: Any) -> np.ndarray:
        """(rows, features) -> (rows, targets), or (rows,) when y had one axis."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float32, np.float64])
        return X @ self.coef_.T + self.intercept_

    def _keep(self, coef: np.ndarray, intercept: np.ndarray, y_ndim: int) -> None:
        self.coef_ = coef.T if y_ndim == 2 else coef[:, 0]
        self.intercept_ = intercept if y_ndim == 2 else intercept[0]

    def save(self, path: str | Path) -> None:
        """Write settings and fitted arrays to one safetensors file, atomically."""
        check_is_fitted(self)
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in self._saved if hasattr(self, name)}
        settings = {
            "class": type(self).__name__,
            "params": _plain(self.get_params()),
            "n_features": self.n_features_in_,
        }
        _write_atomically(Path(path), save(arrays, {"json": json.dumps(settings, sort_keys=True)}))

    @classmethod
    def load(cls, path: str | Path) -> "_LinearMap":
        """Read what :meth:`save` wrote; ValueError when another class wrote it."""
        with safe_open(path, framework="numpy") as file:
            settings = json.loads((file.metadata() or {}).get("json", "{}"))
            if settings.get("class") != cls.__name__:
                raise ValueError(f"{path} holds a {settings.get('class', 'foreign file')}: load it with that class")
            fitted = cls(**settings["params"])
            for name in file.keys():  # noqa: SIM118 (not a dict)
                setattr(fitted, name, file.get_tensor(name))
            fitted.coef_ = np.asfortranarray(fitted.coef_)  # as fitted: BLAS rounds by the order in memory
        fitted.n_features_in_ = settings["n_features"]
        return fitted


class RidgeCV(_LinearMap):
    """Responses -> embedding: ridge with a penalty for every target, by grouped cross-validation.

    Parameters are those of :func:`brain2music.ridge.ridge_cv`; ``scoring`` is its ``score``.

    Attributes
    ----------
    coef_ : (targets, features)
    intercept_ : (targets,)
    best_alphas_ : (targets,)
    cv_scores_ : (alphas, targets)
    alphas_ : (alphas,) the grid.

    With a ``y`` of one axis the targets axis of ``coef_`` is dropped and ``intercept_`` is a number.
    """

    alphas: Sequence[float | int] | None
    n_folds: int
    scoring: str
    fit_intercept: bool
    per_target: bool
    memory_gb: float | int

    @no_type_check  # scikit-learn's rule: anything may be set, and is judged by ``fit``
    def __init__(
        self,
        *,
        alphas: Sequence[float | int] | None = None,
        n_folds: int = 5,
        scoring: str = "r2",
        fit_intercept: bool = True,
        per_target: bool = True,
        memory_gb: float | int = 4,
    ) -> None:
        self.alphas = alphas
        self.n_folds = n_folds
        self.scoring = scoring
        self.fit_intercept = fit_intercept
        self.per_target = per_target
        self.memory_gb = memory_gb

    def fit(self, X: Any, y: Any, groups: Groups | None = None) -> "RidgeCV":
        """Fit (rows, features) -> (rows, targets); rows of one group (clip, run) stay in one fold."""
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=[np.float32, np.float64])
        fit = ridge_cv(
            X,
            y.reshape(len(y), -1),
            alphas=self.alphas,
            groups=groups,
            n_folds=self.n_folds,
            score=self.scoring,
            fit_intercept=self.fit_intercept,
            per_target=self.per_target,
            dtype=str(X.dtype),
            memory_gb=self.memory_gb,
        )
        self._keep(np.asarray(fit.coef), np.asarray(fit.intercept), y.ndim)
        self.best_alphas_, self.cv_scores_, self.alphas_ = fit.best_alphas, fit.cv_scores, fit.alphas
        return self


class BandedRidgeCV(_LinearMap):
    """Several feature spaces side by side in X, each with a penalty of its own for every target.

    ``bands`` gives the number of features of each space, in the order of X's columns (None: one space); the other
    parameters are those of :func:`brain2music.ridge.banded_ridge_cv`.

    Attributes
    ----------
    coef_, intercept_, best_alphas_ : as in :class:`RidgeCV`.
    cv_scores_ : (targets,) held-out r² of the penalties chosen.
    band_weights_ : (bands, targets) γ; band b is penalised by best_alphas_ / γ_b.
    alphas_ : (alphas,) the grid.
    """

    bands: Sequence[int] | None
    alphas: Sequence[float | int] | None
    n_folds: int
    n_draws: int
    method: str
    fit_intercept: bool
    memory_gb: float | int
    random_state: int
    _saved = (*_LinearMap._saved, "band_weights_")

    @no_type_check
    def __init__(
        self,
        *,
        bands: Sequence[int] | None = None,
        alphas: Sequence[float | int] | None = None,
        n_folds: int = 5,
        n_draws: int = 50,
        method: str = "random",
        fit_intercept: bool = True,
        memory_gb: float | int = 4,
        random_state: int = 0,
    ) -> None:
        self.bands = bands
        self.alphas = alphas
        self.n_folds = n_folds
        self.n_draws = n_draws
        self.method = method
        self.fit_intercept = fit_intercept
        self.memory_gb = memory_gb
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Groups | None = None) -> "BandedRidgeCV":
        """Fit (rows, features) -> (rows, targets); rows of one group (clip, run) stay in one fold."""
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=[np.float32, np.float64])
        sizes = [X.shape[1]] if self.bands is None else list(self.bands)
        if sum(sizes) != X.shape[1]:
            raise ValueError(f"bands={self.bands} sum to {sum(sizes)}, but X has {X.shape[1]} features")
        grid = DEFAULT_ALPHAS if self.alphas is None else np.asarray(self.alphas, dtype=np.float64)
        fit = banded_ridge_cv(
            np.split(X, np.cumsum(sizes)[:-1], axis=1),
            y.reshape(len(y), -1),
            alphas=grid,
            groups=groups,
            n_folds=self.n_folds,
            n_draws=self.n_draws if len(sizes) > 1 else 1,
            method=self.method,
            fit_intercept=self.fit_intercept,
            dtype=str(X.dtype),
            memory_gb=self.memory_gb,
            seed=self.random_state,
        )
        self._keep(np.concatenate(fit.coefs), fit.intercept, y.ndim)
        self.best_alphas_, self.cv_scores_, self.alphas_ = fit.best_alphas, fit.cv_scores, np.sort(grid)
        self.band_weights_ = fit.band_weights
        return self


def _plain(params: dict[str, Any]) -> dict[str, Any]:
    return {name: np.asarray(v).tolist() if isinstance(v, np.ndarray) else v for name, v in params.items()}


def _write_atomically(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(prefix=".part-", suffix=path.name, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
