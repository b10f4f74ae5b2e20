"""The result of a fit: weights, the penalties chosen and their scores, and prediction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float

from ._chunked import Array, apply_weights, column_chunks, like, to_tensor

_ARRAYS = ("alphas", "best_alphas", "cv_scores", "on_edge")
_TENSORS = ("weights", "x_mean", "y_mean")


@dataclass(frozen=True)
class RidgeFit:
    """A fitted linear map ``Y ≈ X @ coef + intercept`` with one penalty per target.

    Arrays are of the kind of the targets (numpy arrays or torch tensors).

    Attributes
    ----------
    alphas : ndarray of shape (alphas,)
        The penalties tried, ascending.
    best_alphas : array of shape (targets,)
        The penalty chosen for every target.
    cv_scores : array of shape (alphas, targets)
        Scores averaged over folds; greater is better. Those that are not the best of a target may be rounded
        (``scoring`` of :func:`ridge_cv`).
    on_edge : array of bool of shape (targets,)
        Whether the best penalty is the first or last of the grid.
    held_out : array of shape (rows, targets) or None
        Predictions of every row by a fit without its fold, at the best penalty; None unless asked for.

    See Also
    --------
    ridge_cv : Fits it.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.ridge import ridge
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> fit = ridge(X, 2 * X + 1, alphas=np.array([5.0]), dtype="float64")
    >>> fit.coef, fit.intercept
    (array([[1.]]), array([2.5]))
    >>> fit.predict(np.array([[10.0]]))
    array([[12.5]])
    """

    alphas: Float[np.ndarray, " alphas"]
    best_alphas: Array
    cv_scores: Array
    on_edge: Array
    held_out: Array | None
    _weights: torch.Tensor = field(repr=False)
    _x_mean: torch.Tensor = field(repr=False)
    _y_mean: torch.Tensor = field(repr=False)
    _rows: Array | None = field(repr=False)
    _chunk: int = field(repr=False)

    @property
    def coef(self) -> Array:
        """Weights of shape (features, targets); a dual fit computes them when they are first asked for."""
        return like(self._coef, self.best_alphas)

    @cached_property
    def intercept(self) -> Array:
        """Predictions where all features are 0, of shape (targets,)."""
        return like(self._y_mean - self._x_mean.to(self._coef.dtype) @ self._coef, self.best_alphas)

    def predict(self, X: Array) -> Array:
        """Predict the targets of further rows.

        Parameters
        ----------
        X : array of shape (rows, features)
            Features of the rows; a memory map is read in chunks of features.

        Returns
        -------
        array of shape (rows, targets)
            Predictions.

        Raises
        ------
        ValueError
            X does not have the features of the fit.
        """
        if X.ndim != 2 or X.shape[1] != len(self._x_mean):
            raise ValueError(f"X has shape {tuple(X.shape)}: this fit needs (rows, {len(self._x_mean)})")
        centred = self._predict_by_rows(X) if self._few(len(X)) else self._predict_by_features(X)
        return like(centred.add_(self._y_mean), self.best_alphas)

    def without_rows(self) -> "RidgeFit":
        """Convert to weights of features alone, without the fitted rows and held-out predictions.

        Returns
        -------
        RidgeFit
            The same map, which takes no more memory than its weights.
        """
        weights = self._coef.contiguous()
        return replace(self, held_out=None, _weights=weights, _rows=None)

    def arrays(self) -> dict[str, np.ndarray]:
        """List the arrays that the map consists of, for a file.

        Returns
        -------
        dict of str to ndarray
            Arrays by name, from which :meth:`from_arrays` makes the map again.
        """
        fit = self.without_rows()
        own = {name: np.asarray(getattr(fit, name)) for name in _ARRAYS}
        tensors = {name: getattr(fit, f"_{name}").cpu().numpy() for name in _TENSORS}
        return {**own, **tensors, "chunk": np.array(fit._chunk)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "RidgeFit":
        """Make a map from the arrays of :meth:`arrays`.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            Arrays by name.

        Returns
        -------
        RidgeFit
            The map, whose predictions are those of :meth:`without_rows`, to the last bit.

        Raises
        ------
        ValueError
            Arrays are missing, or their shapes do not fit together.
        """
        if missing := {*_ARRAYS, *_TENSORS, "chunk"} - set(arrays):
            raise ValueError(f"a ridge regression without {', '.join(sorted(missing))}")
        weights, x_mean, y_mean = (np.ascontiguousarray(arrays[name]) for name in _TENSORS)
        if weights.ndim != 2 or x_mean.shape != weights.shape[:1] or y_mean.shape != weights.shape[1:]:
            raise ValueError(f"weights of shape {weights.shape} for means of {x_mean.shape} and {y_mean.shape}")
        return cls(
            **{name: arrays[name] for name in _ARRAYS},
            held_out=None,
            _weights=to_tensor(weights, _dtype(weights)),
            _x_mean=to_tensor(x_mean, _dtype(x_mean)),
            _y_mean=to_tensor(y_mean, _dtype(y_mean)),
            _rows=None,
            _chunk=int(arrays["chunk"]),
        )

    @cached_property
    def _coef(self) -> Float[torch.Tensor, "features targets"]:
        if self._rows is None:
            return self._weights
        dtype = self._y_mean.dtype
        coef = torch.empty(len(self._x_mean), self._weights.shape[1], dtype=dtype, device=self._weights.device)
        for columns, chunk in column_chunks(self._rows, self._weights.dtype, self._chunk):
            chunk -= self._x_mean[columns].to(chunk.dtype)
            coef[columns] = (chunk.T @ self._weights).to(dtype)
        return coef

    def _predict_by_features(self, X: Array) -> Float[torch.Tensor, "rows targets"]:
        return apply_weights(X, self._x_mean, self._coef, self._chunk)

    def _predict_by_rows(self, X: Array) -> Float[torch.Tensor, "rows targets"]:
        """Products of the rows of X with the fitted rows, without weights of features."""
        assert self._rows is not None
        dtype = self._weights.dtype
        inner = torch.zeros(len(X), len(self._rows), dtype=torch.float64, device=self._weights.device)
        chunks = (column_chunks(each, dtype, self._chunk) for each in (X, self._rows))
        for (columns, new), (_, fitted) in zip(*chunks, strict=True):
            mean = self._x_mean[columns].to(dtype)
            inner += (new - mean) @ (fitted - mean).T
        return (inner @ self._weights.double()).to(self._y_mean.dtype)

    def _few(self, rows: int) -> bool:
        """Whether products with the fitted rows take less work than computing weights of features."""
        features, (fitted, targets) = len(self._x_mean), self._weights.shape
        return self._rows is not None and rows * fitted * (features + targets) < features * targets * (fitted + rows)


def _dtype(array: np.ndarray) -> torch.dtype:
    return torch.float32 if array.dtype == np.float32 else torch.float64


def predict_many(fits: Sequence[RidgeFit], X: Array) -> list[Array]:
    """Predict with several fits on the same features, doing the work that they share once.

    Parameters
    ----------
    fits : sequence of RidgeFit
        Fits of :func:`ridge_cv_many`.
    X : array of shape (rows, features)
        Further rows.

    Returns
    -------
    list of arrays of shape (rows, targets)
        Predictions of each fit.

    Raises
    ------
    ValueError
        X does not have the features of the fits.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.ridge import predict_many, ridge_cv_many
    >>> rng = np.random.default_rng(0)
    >>> X, Y, Z = rng.normal(size=(20, 50)), rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    >>> fits = ridge_cv_many(X, [Y, Z], alphas=[100.0])
    >>> [predicted.shape for predicted in predict_many(fits, X[:4])]
    [(4, 3), (4, 2)]
    """
    first = fits[0]
    if any(fit._rows is not first._rows for fit in fits) or first._rows is None:
        return [fit.predict(X) for fit in fits]
    sizes = [fit._weights.shape[1] for fit in fits]
    alphas = torch.cat([torch.as_tensor(fit.best_alphas) for fit in fits])
    weights, y_mean = torch.cat([fit._weights for fit in fits], 1), torch.cat([fit._y_mean for fit in fits])
    joined = replace(first, best_alphas=alphas, _weights=weights, _y_mean=y_mean)
    parts = torch.as_tensor(joined.predict(X)).split(sizes, 1)
    return [like(part, fit.best_alphas) for part, fit in zip(parts, fits, strict=True)]
