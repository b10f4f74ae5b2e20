"""Held-out squared errors as quadratic forms: for many more targets than rows, half of the work of predicting them.

With R = I - H what a fit on all rows leaves of y (H the hat matrix, mean included), a refit without the rows F leaves
exactly r_F = (R_FF)⁻¹ R_F y of theirs. Hence the mean over folds of the mean squared error is, for each α, one
quadratic form in y,

    mse(α) = yᵀ M y,    M = Σ_F E_Fᵀ E_F / (folds · rows of F),    E_F = (R_FF)⁻¹ R_F,

and of a symmetric M only one triangle has to be multiplied, for all folds at once; nothing is refitted in a fold.
Errors are as exact as single precision is beside the variance of y. Where only the best α of every target is asked
for, most need no form (``_penalty_search.py``).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float

from ._chunked import Targets
from ._linalg import Square, gram, product, solve_spd
from ._principal_axes import Directions
from ._quadratic_form import Form
from ._sketch import Sketch, normals

RESOLVED = {torch.float32: 1e4, torch.float64: 1e9}
"""Greatest λ over α up to which a precision has digits left in R, which is made by taking H away from I."""

AT_ONCE = 4
"""Forms held at once: targets are read, centred and brought into order once for so many."""


@dataclass(frozen=True)
class Forms:
    """What makes M at any α: the fit on all rows leaves of y all but its unit ``vectors``, each by λ / (λ + α).

    Rows are ordered so that every fold is a slice; ``vectors`` and ``values`` are as exact as the factorisation,
    forms are ``kept`` in the precision of the rows.
    """

    vectors: Float[torch.Tensor, "n m"]
    values: Float[torch.Tensor, " m"]
    folds: Sequence[slice]
    intercept: bool
    kept: torch.dtype

    @classmethod
    def of(
        cls, X: Float[torch.Tensor, "n features"], whole: Directions, folds: Sequence[slice], intercept: bool
    ) -> "Forms":
        """Of the rows that have these directions."""
        if whole.project is not None:
            return cls(whole.project.T, whole.values, folds, intercept, X.dtype)
        vectors = product(X.to(whole.back) - whole.mean, whole.back)
        lengths = vectors.norm(dim=0)  # the roots of λ, without what λ has of rounding
        return cls(vectors / lengths.clamp_min(1e-30), lengths.square(), folds, intercept, X.dtype)

    def resolve(self, alpha: float) -> bool:
        """Whether errors at this and greater α can be told in the precision of the factorisation."""
        return self._resolves(self.vectors.dtype, alpha)

    def errors(self, targets: Targets, alphas: Sequence[float], batch: int) -> Float[torch.Tensor, "alphas targets"]:
        """Mean squared error of the held-out predictions of every target at every α, averaged over folds."""
        out = self._empty(targets, alphas)
        for first in range(0, len(alphas), AT_ONCE):
            forms = [self.form(alpha) for alpha in alphas[first : first + AT_ONCE]]
            for columns, Y in targets.batches(batch, self.kept):
                for row, form in enumerate(forms, start=first):
                    out[row, columns] = form(Y)
        return out

    def form(self, alpha: float) -> Form:
        """M."""
        R = self.residuals(alpha).square()
        errors = torch.empty(R.shape, dtype=self.kept, device=R.device)
        for fold in self.folds:
            errors[fold] = self._weight(fold) * solve_spd(R[fold, fold], R[fold])
        del R  # in double precision as large as all that follows
        return Form.of(gram(errors.T))

    def sketch(self, alphas: Sequence[float]) -> Sketch:
        """S E = T R at every α and an infinite one, of the rows S_F (R_FF)⁻¹ of T; all of R is not made."""
        S = normals(len(self.vectors)).to(self.vectors)
        parts = torch.empty(len(alphas) + 1, *S.shape, dtype=torch.bfloat16, device=S.device)
        for part, alpha in zip(parts, [*alphas, math.inf], strict=True):
            residuals = self.residuals(alpha)
            part[:] = residuals(self._solved(residuals, S.T.to(residuals.shrunk))).T
        return Sketch(parts)

    def errors_at(self, alpha: float, Y: Float[torch.Tensor, "n targets"]) -> Float[torch.Tensor, " targets"]:
        """Errors of a few targets, for which a form is not worth making."""
        residuals = self.residuals(alpha)
        return self._solved(residuals, residuals(Y.to(residuals.shrunk))).square().sum(0).to(Y)

    def null_errors(self, Y: Float[torch.Tensor, "n targets"]) -> Float[torch.Tensor, " targets"]:
        """Errors at an infinite α, which predicts the mean of the other folds, or zero without an intercept."""
        errors = torch.zeros_like(Y[0])
        for fold in self.folds:
            missing = Y[fold].sum(0) / (len(Y) - (fold.stop - fold.start)) if self.intercept else 0
            errors += (self._weight(fold) * (Y[fold] + missing)).square().sum(0)
        return errors

    def residuals(self, alpha: float) -> "Residuals":
        """R, in the precision of the factorisation where that of the rows does not resolve it."""
        vectors = self._short if self._resolves(self.kept, alpha) else self.vectors
        shrunk = vectors * (self.values / (self.values + alpha)).sqrt().to(vectors)
        n = len(shrunk)
        return Residuals(shrunk, float(n - shrunk.sum(0).square().sum()) / n**2 if self.intercept else 0.0)

    @cached_property
    def _short(self) -> Float[torch.Tensor, "n m"]:
        return self.vectors.to(self.kept)

    def _solved(self, residuals: "Residuals", Y: Float[torch.Tensor, "n k"]) -> Float[torch.Tensor, "n k"]:
        """The weighted (R_FF)⁻¹ y_F of all folds."""
        out = torch.empty_like(Y)
        for fold in self.folds:
            out[fold] = self._weight(fold) * solve_spd(residuals.square(fold), Y[fold])
        return out

    def _weight(self, fold: slice) -> float:
        """Of a fold's errors, so that their squares add up to the mean over folds of the mean squared error."""
        return (len(self.folds) * (fold.stop - fold.start)) ** -0.5

    def _empty(self, targets: Targets, alphas: Sequence[float]) -> Float[torch.Tensor, "alphas targets"]:
        return torch.empty(len(alphas), len(targets.mean), dtype=self.kept, device=self.vectors.device)

    def _resolves(self, precision: torch.dtype, alpha: float) -> bool:
        return float(self.values.max()) < alpha * RESOLVED[precision]


@dataclass(frozen=True)
class Residuals:
    """R at one α: I less the Gram matrix of the ``shrunk`` rows, and less a ``constant``, of which R leaves nothing."""

    shrunk: Float[torch.Tensor, "n m"]
    constant: float

    def square(self, rows: slice = slice(None)) -> Square:
        """Of these rows and columns."""
        R = gram(self.shrunk[rows]).neg_()
        R.diagonal().add_(1)
        return R.sub_(self.constant)

    def __call__(self, Y: Float[torch.Tensor, "n k"]) -> Float[torch.Tensor, "n k"]:
        """R y, without making R."""
        return Y - product(self.shrunk, product(self.shrunk.T, Y)) - self.constant * Y.sum(0)
