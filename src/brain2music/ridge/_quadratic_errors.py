"""Held-out squared errors as quadratic forms: half of the work of predictions when targets far outnumber rows.

Let R = I - H be what a fit on all rows leaves of y (H the hat matrix, mean included). A refit without the rows F leaves
exactly r_F = (R_FF)⁻¹ R_F y of those rows. Hence for each α the mean over folds of the mean squared error is one
quadratic form in y,

    mse(α) = yᵀ M y,    M = Σ_F E_Fᵀ E_F / (folds · rows of F),    E_F = (R_FF)⁻¹ R_F.

M is symmetric, so only one triangle is multiplied, for all folds at once; nothing is refitted in a fold. Errors are
exact to single precision relative to the variance of y. Where only the best α of every target is wanted, most need no
form (``_penalty_search.py``).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float

from ._chunked import Targets
from ._linalg import Square, gram, product, solve_spd
from ._principal_axes import PrincipalAxes
from ._quadratic_form import QuadraticForm
from ._sketch import Sketch, gaussian_sketch

MAX_RATIO = {torch.float32: 1e4, torch.float64: 1e9}
"""Greatest λ over α up to which a precision has digits left in R, which is a difference of I and H."""

FORMS_AT_ONCE = 4
"""Forms in memory at once: targets are read, centred and ordered once for so many."""


@dataclass(frozen=True)
class QuadraticErrors:
    """Everything needed to make M at any α.

    Rows are ordered so that every fold is a slice.

    Attributes
    ----------
    vectors : (n, m) unit left singular vectors of all rows; H shrinks each by λ / (λ + α).
    values : (m,) eigenvalues λ, in the precision of the factorisation as ``vectors`` are.
    folds : rows of every fold.
    intercept : whether H includes the mean.
    dtype : precision of the rows and of forms.
    """

    vectors: Float[torch.Tensor, "n m"]
    values: Float[torch.Tensor, " m"]
    folds: Sequence[slice]
    intercept: bool
    dtype: torch.dtype

    @classmethod
    def from_axes(
        cls, X: Float[torch.Tensor, "n features"], axes: PrincipalAxes, folds: Sequence[slice], intercept: bool
    ) -> "QuadraticErrors":
        """Take the singular vectors of X from its principal axes."""
        if axes.project is not None:
            return cls(axes.project.T, axes.values, folds, intercept, X.dtype)
        vectors = product(X.to(axes.to_weights) - axes.mean, axes.to_weights)
        lengths = vectors.norm(dim=0)  # the roots of λ, without the rounding errors of λ
        return cls(vectors / lengths.clamp_min(1e-30), lengths.square(), folds, intercept, X.dtype)

    def resolves(self, alpha: float) -> bool:
        """Whether errors at this and greater α have digits in the precision of the factorisation."""
        return self._resolves(self.vectors.dtype, alpha)

    def errors(self, targets: Targets, alphas: Sequence[float], batch: int) -> Float[torch.Tensor, "alphas targets"]:
        """Mean squared error of held-out predictions for every α and target, averaged over folds."""
        out = torch.empty(len(alphas), len(targets.mean), dtype=self.dtype, device=self.vectors.device)
        for first in range(0, len(alphas), FORMS_AT_ONCE):
            forms = [self.form(alpha) for alpha in alphas[first : first + FORMS_AT_ONCE]]
            for columns, Y in targets.batches(batch, self.dtype):
                for row, form in enumerate(forms, start=first):
                    out[row, columns] = form(Y)
        return out

    def form(self, alpha: float) -> QuadraticForm:
        """M at one α."""
        R = self.residual_maker(alpha).matrix()
        errors = torch.empty(R.shape, dtype=self.dtype, device=R.device)
        for fold in self.folds:
            errors[fold] = self._weight(fold) * solve_spd(R[fold, fold], R[fold])
        del R  # in double precision as large as all that follows
        return QuadraticForm.from_matrix(gram(errors.T))

    def sketch(self, alphas: Sequence[float]) -> Sketch:
        """S E = T R at every α and at infinity, where the rows of T are S_F (R_FF)⁻¹; R itself is not made."""
        S = gaussian_sketch(len(self.vectors)).to(self.vectors)
        parts = torch.empty(len(alphas) + 1, *S.shape, dtype=torch.bfloat16, device=S.device)
        for part, alpha in zip(parts, [*alphas, math.inf], strict=True):
            residuals = self.residual_maker(alpha)
            part[:] = residuals(self._solved(residuals, S.T.to(residuals.shrunk))).T
        return Sketch(parts)

    def errors_at(self, alpha: float, Y: Float[torch.Tensor, "n targets"]) -> Float[torch.Tensor, " targets"]:
        """Errors of a few targets at one α, for which a form is not worth making."""
        residuals = self.residual_maker(alpha)
        return self._solved(residuals, residuals(Y.to(residuals.shrunk))).square().sum(0).to(Y)

    def null_errors(self, Y: Float[torch.Tensor, "n targets"]) -> Float[torch.Tensor, " targets"]:
        """Errors at an infinite α, which predicts the mean of the other folds, or zero without an intercept."""
        errors = torch.zeros_like(Y[0])
        for fold in self.folds:
            offset = Y[fold].sum(0) / (len(Y) - (fold.stop - fold.start)) if self.intercept else 0
            errors += (self._weight(fold) * (Y[fold] + offset)).square().sum(0)
        return errors

    def residual_maker(self, alpha: float) -> "ResidualMaker":
        """R, in the precision of the factorisation where that of the rows does not resolve it."""
        vectors = self._rounded_vectors if self._resolves(self.dtype, alpha) else self.vectors
        shrunk = vectors * (self.values / (self.values + alpha)).sqrt().to(vectors)
        n = len(shrunk)
        return ResidualMaker(shrunk, float(n - shrunk.sum(0).square().sum()) / n**2 if self.intercept else 0.0)

    @cached_property
    def _rounded_vectors(self) -> Float[torch.Tensor, "n m"]:
        return self.vectors.to(self.dtype)

    def _solved(self, residuals: "ResidualMaker", Y: Float[torch.Tensor, "n k"]) -> Float[torch.Tensor, "n k"]:
        """The weighted (R_FF)⁻¹ y_F of all folds."""
        out = torch.empty_like(Y)
        for fold in self.folds:
            out[fold] = self._weight(fold) * solve_spd(residuals.matrix(fold), Y[fold])
        return out

    def _weight(self, fold: slice) -> float:
        """Weight of the errors of a fold, with which their squares sum to the mean over folds of the mean squares."""
        return (len(self.folds) * (fold.stop - fold.start)) ** -0.5

    def _resolves(self, dtype: torch.dtype, alpha: float) -> bool:
        return float(self.values.max()) < alpha * MAX_RATIO[dtype]


@dataclass(frozen=True)
class ResidualMaker:
    """R at one α: I less the Gram matrix of the ``shrunk`` rows and less a ``constant``, so that R maps 1 to 0."""

    shrunk: Float[torch.Tensor, "n m"]
    constant: float

    def matrix(self, rows: slice = slice(None)) -> Square:
        """R, or its block of these rows and columns."""
        R = gram(self.shrunk[rows]).neg_()
        R.diagonal().add_(1)
        return R.sub_(self.constant)

    def __call__(self, Y: Float[torch.Tensor, "n k"]) -> Float[torch.Tensor, "n k"]:
        """R y without making R."""
        return Y - product(self.shrunk, product(self.shrunk.T, Y)) - self.constant * Y.sum(0)
