"""Held-out squared errors as quadratic forms: for many more targets than rows, half of the work of predicting them.

The residuals of a fold F are linear in y: r_F = E y, with the identity in the columns of F and minus the fold's hat
matrix (refitted without F, mean included) in those of the other rows T. Hence the mean over folds of the mean squared
error is, for each α, one quadratic form in y,

    mse(α) = yᵀ M y,    M = Σ_F E_Fᵀ E_F / (folds · rows of F),

and of a symmetric M only one triangle has to be multiplied, for all folds at once. Errors are as exact as single
precision is beside the variance of y.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float

from .blocks import Targets
from .directions import decompose, projection, without
from .linalg import Square, add_gram, mirror, product

STRIPS = 16
"""Strips of rows that a triangle is cut into: 17/32 of the square is multiplied."""

AT_ONCE = 4
"""Forms held at once: targets are read, centred and brought into order once for so many."""


def errors_by_forms(
    X: Float[torch.Tensor, "rows features"],
    targets: Targets,
    folds: Sequence[slice],
    alphas: Sequence[float],
    intercept: bool,
    batch: int,
) -> Float[torch.Tensor, "alphas targets"]:
    """Mean squared error of the held-out predictions of every target at every α, averaged over folds.

    The rows of ``X`` are ordered so that every fold is a slice.
    """
    fits = [_Fold.fitted(X, fold, min(alphas), intercept) for fold in folds]
    out = torch.empty(len(alphas), len(targets.mean), dtype=X.dtype, device=X.device)
    for first in range(0, len(alphas), AT_ONCE):
        several = alphas[first : first + AT_ONCE]
        forms = [sum_of_squares([fit.residuals(alpha) for fit in fits]) for alpha in several]
        for columns, Y in targets.batches(batch, X.dtype):
            for row, form in enumerate(forms, start=first):
                out[row, columns] = evaluate(form, Y)
    return out


@dataclass(frozen=True)
class _Fold:
    """A fold's residuals as an operator on all rows of y; its hat is A diag(1 / (values + α)) project + mean."""

    rows: slice
    A: Float[torch.Tensor, "held m"]
    values: Float[torch.Tensor, " m"]
    project: Float[torch.Tensor, "m train"]
    mean: float

    @classmethod
    def fitted(cls, X: Float[torch.Tensor, "rows features"], rows: slice, least: float, intercept: bool) -> "_Fold":
        """Without these rows."""
        train = without(X, rows)
        fit = decompose(train, least, intercept)
        project = projection(fit, train - fit.mean)
        return cls(rows, (X[rows] - fit.mean) @ fit.back, fit.values, project, 1 / len(train) if intercept else 0.0)

    def residuals(self, alpha: float) -> Float[torch.Tensor, "held rows"]:
        """E: the identity here, minus the hat matrix elsewhere, for errors that are averaged over the fold."""
        held = self.rows.stop - self.rows.start
        hat = product(self.A / (self.values + alpha), self.project) + self.mean
        own = torch.eye(held, dtype=hat.dtype, device=hat.device)
        return torch.cat([-hat[:, : self.rows.start], own, -hat[:, self.rows.start :]], 1) * held**-0.5


def sum_of_squares(operators: Sequence[Float[torch.Tensor, "_held rows"]]) -> Square:
    """The mean of EᵀE over the operators, for :func:`evaluate`: what lies right of a strip counts twice, left none."""
    n = operators[0].shape[1]
    total = operators[0].new_zeros(n, n)
    for operator in operators:
        add_gram(total, operator.T.contiguous())
    mirror(total)
    total /= len(operators)
    for strip in _strips(n):
        total[strip, strip.stop :] *= 2
    return total


def evaluate(form: Square, Y: Float[torch.Tensor, "rows targets"]) -> Float[torch.Tensor, " targets"]:
    """yᵀ M y of every column."""
    out = torch.zeros_like(Y[0])
    for strip in _strips(len(form)):
        out += (Y[strip] * product(form[strip, strip.start :], Y[strip.start :])).sum(0)
    return out


def _strips(n: int) -> list[slice]:
    step = max(-(-n // STRIPS), 32)
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]
