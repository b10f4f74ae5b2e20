"""The penalty with the least squared error for every target, where most are not worth making a form of.

Of a grid that is wide enough most penalties are best for no target at all. So what a sketch estimates as best for most
targets is evaluated first, then what by its lower bound (``_sketch.py``) could be better, for these targets alone;
by rounded numbers, and exactly what may be the least (``_quadratic_form.py``).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float

from ._chunked import Targets
from ._memory import give_back
from ._quadratic_errors import Forms
from ._quadratic_form import Batch, Screen, settle

ROUNDING = 1e-2
"""Share of itself that a rounded form is not wrong by."""

FEW = 0.1
"""Targets for each row up to which no form is made: one takes longer than the errors of so many by themselves."""


def least_errors(
    forms: Forms, targets: Targets, alphas: Sequence[float], batch: int
) -> Float[torch.Tensor, "alphas targets"]:
    """:meth:`.Forms.errors`, but exact only where they are, or might be, a target's least.

    The others are right to three digits where a form was worth making, else estimated by a sketch; none is less than
    the least. Columns are in single precision.
    """
    sketch, shape = forms.sketch(alphas), (len(alphas), len(targets.mean))
    out, bound = torch.empty(2, *shape, dtype=forms.kept)
    for columns, Y in targets.batches(batch, forms.kept):
        out[:, columns], bound[:, columns] = sketch(Y, forms.null_errors(Y))
    first = int(out.argmin(0).mode().values)
    screens = {first: Screen.of(forms.form(alphas[first]))}
    for columns, Y in targets.batches(batch, forms.kept):
        out[first, columns] = screens[first](Batch.of(Y))
    possible = bound < out[first] * (1 + ROUNDING)
    possible[first] = True
    for row in possible.any(1).nonzero().flatten().tolist():
        mine = possible[row].nonzero().flatten()
        if len(mine) <= FEW * len(targets.order):
            out[row, mine] = forms.errors_at(alphas[row], targets.these(mine, forms.kept))
        elif row != first:
            screens[row] = Screen.of(forms.form(alphas[row]))
    for columns, Y in targets.batches(batch, forms.kept):
        errors, here, taken = out[:, columns], possible[:, columns], Batch.of(Y)
        for row, screen in screens.items():
            if row != first and here[row].any():
                errors[row, here[row]] = screen.of_some(taken, here[row])
        settle(screens, Y, here, errors)
        give_back()
    return out
