"""scikit-learn estimators over the functions of this package."""

from collections.abc import Sequence
from typing import Any, no_type_check

import numpy as np
from sklearn.utils.validation import validate_data

from ._banded import banded_ridge_cv
from ._folds import Groups
from ._linear_map import CV, LinearMap, folds_of_cv
from ._ridge_cv import Alphas, check_alphas, ridge_cv


class RidgeCV(LinearMap):
    """Ridge regression with one penalty per target, chosen by grouped cross-validation.

    Parameters
    ----------
    alphas : sequence of float, optional
        Penalties to try; default 20 from 0.1 to 1e8.
    cv : int, splitter or iterable of (train, test) indices, default 5
        Number of folds (of groups if ``fit`` receives them, else contiguous), or scikit-learn's other ways to say which
        rows are held out; every row must be held out exactly once.
    scoring : {"r2", "correlation", "neg_mean_squared_error"}
        Score averaged over folds; greater is better.
    fit_intercept : bool, default True
        Whether to fit an unpenalised intercept.
    alpha_per_target : bool, default True
        Whether to choose one penalty per target, or one for all.
    solver : {"auto", "dual", "primal_per_fold"}
        Solver, as in :func:`ridge_cv`.
    memory_gb : float, default 4
        Working memory allowed beyond the data and the result, in GiB.

    Attributes
    ----------
    coef_ : ndarray of shape (targets, features)
        Weights; of shape (features,) if ``y`` had one axis.
    intercept_ : ndarray of shape (targets,)
        Predictions where all features are 0; a number if ``y`` had one axis.
    best_alphas_ : ndarray of shape (targets,)
        The penalty chosen for every target.
    cv_scores_ : ndarray of shape (alphas, targets)
        Scores averaged over folds.
    alphas_ : ndarray of shape (alphas,)
        The penalties tried, ascending.
    n_features_in_ : int
        Number of features.

    See Also
    --------
    ridge_cv : The function on arrays, which also takes memory maps and tensors.
    BandedRidgeCV : Ridge regression with one penalty per feature space.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import LeaveOneGroupOut
    >>> from brain2music.ridge import RidgeCV
    >>> rng = np.random.default_rng(0)
    >>> X, runs = rng.normal(size=(100, 30)), np.arange(100) // 20
    >>> Y = X @ rng.normal(size=(30, 3)) + 5 * rng.normal(size=(100, 3))
    >>> model = RidgeCV(alphas=[1.0, 10.0, 100.0], cv=LeaveOneGroupOut()).fit(X, Y, groups=runs)
    >>> model.best_alphas_.tolist(), bool(model.score(X, Y) > 0.5)
    ([10.0, 10.0, 10.0], True)
    """

    alphas: Alphas | None
    cv: CV
    scoring: str
    fit_intercept: bool
    alpha_per_target: bool
    solver: str
    memory_gb: float | int

    @no_type_check  # scikit-learn's rule: anything may be set, and ``fit`` checks it
    def __init__(
        self,
        *,
        alphas: Alphas | None = None,
        cv: CV = 5,
        scoring: str = "r2",
        fit_intercept: bool = True,
        alpha_per_target: bool = True,
        solver: str = "auto",
        memory_gb: float | int = 4,
    ) -> None:
        self.alphas = alphas
        self.cv = cv
        self.scoring = scoring
        self.fit_intercept = fit_intercept
        self.alpha_per_target = alpha_per_target
        self.solver = solver
        self.memory_gb = memory_gb

    def fit(self, X: Any, y: Any, groups: Groups | None = None) -> "RidgeCV":
        """Fit the map from X to y.

        Parameters
        ----------
        X : array-like of shape (rows, features)
            Features.
        y : array-like of shape (rows, targets) or (rows,)
            Targets.
        groups : array-like of shape (rows,), optional
            Label per row; rows with the same label (clip, run) stay in the same fold.

        Returns
        -------
        RidgeCV
            The estimator itself.

        Raises
        ------
        ValueError
            As for :func:`ridge_cv`, and if ``cv`` does not hold out every row exactly once.
        """
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=[np.float32, np.float64])
        fit = ridge_cv(
            X,
            y.reshape(len(y), -1),
            alphas=self.alphas,
            folds=folds_of_cv(self.cv, X, y, groups),
            scoring=self.scoring,
            fit_intercept=self.fit_intercept,
            per_target=self.alpha_per_target,
            solver=self.solver,
            dtype=str(X.dtype),
            memory_gb=self.memory_gb,
        )
        self._set_weights(np.asarray(fit.coef), np.asarray(fit.intercept), y.ndim)
        self.best_alphas_, self.cv_scores_, self.alphas_ = fit.best_alphas, fit.cv_scores, fit.alphas
        return self


class BandedRidgeCV(LinearMap):
    """Ridge regression on several feature spaces (bands), each with one penalty per target.

    Parameters
    ----------
    bands : sequence of int, optional
        Number of features of each feature space, in the order of the columns of X; default one space.
    alphas : sequence of float, optional
        Penalties to try; default 20 from 0.1 to 1e8.
    cv : int, splitter or iterable of (train, test) indices, default 5
        Rows held out, as in :class:`RidgeCV`.
    n_candidates : int, default 50
        Number of candidates of the band weights.
    method : {"random", "gradient"}
        How band weights are found, as in :func:`banded_ridge_cv`.
    n_steps : int, default 50
        Steps of gradient descent.
    fit_intercept : bool, default True
        Whether to fit an unpenalised intercept.
    solver : {"auto", "dual", "primal_per_fold"}
        Solver, as in :func:`ridge_cv`.
    memory_gb : float, default 4
        Working memory allowed beyond the data and the result, in GiB.
    random_state : int, Generator, RandomState or None, default 0
        Seed of the candidates.

    Attributes
    ----------
    coef_, intercept_, best_alphas_, alphas_, n_features_in_ : ndarray
        Results as of :class:`RidgeCV`.
    cv_scores_ : ndarray of shape (targets,)
        Held-out r² of the chosen penalties, averaged over folds.
    band_weights_ : ndarray of shape (bands, targets)
        γ; band b is penalised by ``best_alphas_`` / γ_b.

    See Also
    --------
    banded_ridge_cv : The function on arrays.

    References
    ----------
    Dupré la Tour, Eickenberg, Nunez-Elizalde & Gallant, "Feature-space selection with banded ridge regression",
    NeuroImage 264:119728, 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.ridge import BandedRidgeCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 28))
    >>> Y = X[:, :8] @ rng.normal(size=(8, 2)) + rng.normal(size=(100, 2))
    >>> model = BandedRidgeCV(bands=[8, 20], n_candidates=10).fit(X, Y)
    >>> bool((model.band_weights_[0] > 0.5).all())
    True
    """

    bands: Sequence[int] | None
    alphas: Alphas | None
    cv: CV
    n_candidates: int
    method: str
    n_steps: int
    fit_intercept: bool
    solver: str
    memory_gb: float | int
    random_state: int | np.random.Generator | np.random.RandomState | None
    _saved = (*LinearMap._saved, "band_weights_")

    @no_type_check
    def __init__(
        self,
        *,
        bands: Sequence[int] | None = None,
        alphas: Alphas | None = None,
        cv: CV = 5,
        n_candidates: int = 50,
        method: str = "random",
        n_steps: int = 50,
        fit_intercept: bool = True,
        solver: str = "auto",
        memory_gb: float | int = 4,
        random_state: int | np.random.Generator | np.random.RandomState | None = 0,
    ) -> None:
        self.bands = bands
        self.alphas = alphas
        self.cv = cv
        self.n_candidates = n_candidates
        self.method = method
        self.n_steps = n_steps
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.memory_gb = memory_gb
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Groups | None = None) -> "BandedRidgeCV":
        """Fit the map from X to y.

        Parameters
        ----------
        X : array-like of shape (rows, features)
            The bands side by side.
        y : array-like of shape (rows, targets) or (rows,)
            Targets.
        groups : array-like of shape (rows,), optional
            Label per row; rows with the same label (clip, run) stay in the same fold.

        Returns
        -------
        BandedRidgeCV
            The estimator itself.

        Raises
        ------
        ValueError
            As for :func:`banded_ridge_cv`, and if the sizes of bands do not sum to the features of X, or ``cv`` does
            not hold out every row exactly once.
        """
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=[np.float32, np.float64])
        sizes = [X.shape[1]] if self.bands is None else list(self.bands)
        if sum(sizes) != X.shape[1] or min(sizes) < 1:
            raise ValueError(f"bands={self.bands}: give sizes that sum to the {X.shape[1]} features of X")
        seed = self.random_state
        fit = banded_ridge_cv(
            np.split(X, np.cumsum(sizes)[:-1], axis=1),
            y.reshape(len(y), -1),
            alphas=self.alphas,
            folds=folds_of_cv(self.cv, X, y, groups),
            n_candidates=self.n_candidates if len(sizes) > 1 else 1,
            method=self.method,
            n_steps=self.n_steps,
            fit_intercept=self.fit_intercept,
            solver=self.solver,
            dtype=str(X.dtype),
            memory_gb=self.memory_gb,
            random_state=seed.randint(2**31) if isinstance(seed, np.random.RandomState) else seed,
        )
        self._set_weights(np.concatenate(fit.coefs), fit.intercept, y.ndim)
        self.best_alphas_, self.cv_scores_, self.alphas_ = fit.best_alphas, fit.cv_scores, check_alphas(self.alphas)
        self.band_weights_ = fit.band_weights
        return self
