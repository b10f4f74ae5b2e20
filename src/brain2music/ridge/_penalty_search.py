"""The penalty with the least squared error for every target, without a quadratic form for most penalties.

In a grid that is wide enough most penalties are best for no target. So the penalty that a sketch estimates as best for
most targets is evaluated first; then every penalty that could be better by its lower bound (``_sketch.py``), for those
targets alone, with rounded numbers; then exactly those that may be the least (``_quadratic_form.py``).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float

from ._chunked import Targets
from ._memory import malloc_trim
from ._quadratic_errors import QuadraticErrors
from ._quadratic_form import Batch, ScreenedForm, make_minima_exact

ROUNDING = 1e-2
"""Upper bound of the relative error of a rounded form."""

FEW = 0.1
"""Targets per row up to which no form is made: one takes longer than the errors of so few directly."""


def least_errors(
    errors: QuadraticErrors, targets: Targets, alphas: Sequence[float], batch: int
) -> Float[torch.Tensor, "alphas targets"]:
    """:meth:`QuadraticErrors.errors`, exact only where they are, or might be, the least of a target.

    The others are right to three digits where a form was worth making, else estimated by a sketch; none is below the
    least. Columns are in single precision.
    """
    sketch, shape = errors.sketch(alphas), (len(alphas), len(targets.mean))
    out, bound = torch.empty(2, *shape, dtype=errors.dtype)
    for columns, Y in targets.batches(batch, errors.dtype):
        out[:, columns], bound[:, columns] = sketch(Y, errors.null_errors(Y))
    first = int(out.argmin(0).mode().values)
    screens = {first: ScreenedForm.from_form(errors.form(alphas[first]))}
    for columns, Y in targets.batches(batch, errors.dtype):
        out[first, columns] = screens[first](Batch.from_columns(Y))
    possible = bound < out[first] * (1 + ROUNDING)
    possible[first] = True
    for row in possible.any(1).nonzero().flatten().tolist():
        selected = possible[row].nonzero().flatten()
        if len(selected) <= FEW * len(targets.order):
            out[row, selected] = errors.errors_at(alphas[row], targets.select(selected, errors.dtype))
        elif row != first:
            screens[row] = ScreenedForm.from_form(errors.form(alphas[row]))
    for columns, Y in targets.batches(batch, errors.dtype):
        part, possible_here, rounded = out[:, columns], possible[:, columns], Batch.from_columns(Y)
        for row, screen in screens.items():
            if row != first and possible_here[row].any():
                part[row, possible_here[row]] = screen.select(rounded, possible_here[row])
        make_minima_exact(screens, Y, possible_here, part)
        malloc_trim()
    return out
