"""Held-out squared errors as quadratic forms: for many more targets than rows, half of the work of predicting them.

With R = I - H what a fit on all rows leaves of y (H the hat matrix, mean included), a refit without the rows F leaves
exactly r_F = (R_FF)⁻¹ R_F y of theirs. Hence the mean over folds of the mean squared error is, for each α, one
quadratic form in y,

    mse(α) = yᵀ M y,    M = Σ_F E_Fᵀ E_F / (folds · rows of F),    E_F = (R_FF)⁻¹ R_F,

and of a symmetric M only one triangle has to be multiplied, for all folds at once; nothing is refitted in a fold.
Errors are as exact as single precision is beside the variance of y. Where only the best α of every target is asked
for, most of them are ruled out in bfloat16 first (``quadratic.py``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float

from .blocks import Targets
from .directions import Directions
from .linalg import Square, gram, product, solve_spd
from .quadratic import Form, Screen, least

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

    def least_errors(
        self, targets: Targets, alphas: Sequence[float], batch: int
    ) -> Float[torch.Tensor, "alphas targets"]:
        """The same, but only where they are, or might be, a target's least; elsewhere to three digits or so."""
        out, screens = self._empty(targets, alphas), [Screen.of(self.form(alpha)) for alpha in alphas]
        for columns, Y in targets.batches(batch, self.kept):
            out[:, columns] = least(screens, Y)
        return out

    def form(self, alpha: float) -> Form:
        """M."""
        R = self.residual_maker(alpha)
        errors = torch.empty(R.shape, dtype=self.kept, device=R.device)
        for fold in self.folds:
            weight = (len(self.folds) * (fold.stop - fold.start)) ** -0.5
            errors[fold] = weight * solve_spd(R[fold, fold], R[fold])
        del R  # in double precision as large as all that follows
        return Form.of(gram(errors.T))

    def residual_maker(self, alpha: float) -> Square:
        """R, in the precision of the factorisation where that of the rows does not resolve it."""
        work = self.kept if self._resolves(self.kept, alpha) else self.vectors.dtype
        share = (self.values / (self.values + alpha)).sqrt()
        R = gram((self.vectors * share).to(work)).neg_()
        R.diagonal().add_(1)
        return R.sub_(R.mean()) if self.intercept else R  # the constant direction leaves nothing

    def _empty(self, targets: Targets, alphas: Sequence[float]) -> Float[torch.Tensor, "alphas targets"]:
        return torch.empty(len(alphas), len(targets.mean), dtype=self.kept, device=self.vectors.device)

    def _resolves(self, precision: torch.dtype, alpha: float) -> bool:
        return float(self.values.max()) < alpha * RESOLVED[precision]
