"""One Gram matrix for many fits: of all rows at first, then of whichever rows a fit is made from."""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Int

from ._chunked import Array, Moments, centre_, centred_gram, column_chunks
from ._linalg import Square
from ._problem import GramOf

WIDTH = 4096
"""Features read at a time."""


@dataclass(frozen=True)
class Gram:
    """Products of the rows of X with one another, computed once and shared by fits to any of the rows.

    Folds, left-out groups and permuted targets are fits to the same rows or to some of them: the Gram matrix of each is
    a block of the whole one, centred again.

    Parameters
    ----------
    X : array of shape (rows, features)
        Features from which fits are made; the array must not change.
    rows : ndarray of int of shape (chosen,), optional
        Numbers of the rows whose Gram matrix this is; default all.

    See Also
    --------
    ridge_cv : Takes it as ``gram``.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.ridge import Gram, ridge_cv
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 80))
    >>> Y = X @ rng.normal(size=(80, 3)) + 3 * rng.normal(size=(60, 3))
    >>> gram, keep = Gram(X), np.arange(60) < 50
    >>> fit = ridge_cv(X[keep], Y[keep], gram=gram[keep])
    >>> bool(np.allclose(fit.coef, ridge_cv(X[keep], Y[keep]).coef, atol=1e-4))
    True
    """

    X: Array
    rows: Int[np.ndarray, " chosen"] | None = None
    _known: dict[torch.dtype, Square] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        """Rows."""
        return len(self.X) if self.rows is None else len(self.rows)

    def __getitem__(self, rows: Int[np.ndarray, " chosen"] | Bool[np.ndarray, " rows"]) -> "Gram":
        """The Gram matrix of some of the rows, which is taken from this one."""
        numbers = np.arange(len(self.X)) if self.rows is None else self.rows
        return Gram(self.X, numbers[rows], self._known)

    def of(self, X: Array) -> GramOf:
        """Return a function of the precision that gives the centred Gram matrix of X and the moments of its features.

        Parameters
        ----------
        X : array of shape (rows, features)
            The rows of this Gram matrix.

        Returns
        -------
        callable
            The function.

        Raises
        ------
        ValueError
            X has another number of rows or features.
        """
        if X.shape != (len(self), self.X.shape[1]):
            raise ValueError(f"gram is of {len(self)} rows and {self.X.shape[1]} features, X of {tuple(X.shape)}")
        return lambda dtype: (self._centred(dtype), _column_moments(X, dtype))

    def _centred(self, dtype: torch.dtype) -> Square:
        """The Gram matrix of the centred rows in double precision, of products in ``dtype``."""
        if dtype not in self._known:
            self._known[dtype] = centred_gram(self.X, dtype, WIDTH, centre=True)[0]
        K = self._known[dtype]
        if self.rows is None:
            return K.clone()
        chosen = torch.as_tensor(self.rows, device=K.device)
        K = K[chosen][:, chosen]
        mean = K.mean(0)
        K -= mean
        K -= (mean - mean.mean())[:, None]
        return K


def _column_moments(X: Array, dtype: torch.dtype) -> Moments:
    return Moments.join([centre_(chunk, "X", columns.start) for columns, chunk in column_chunks(X, dtype, WIDTH)])
