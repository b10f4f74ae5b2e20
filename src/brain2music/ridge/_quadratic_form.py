"""Quadratic forms yᵀ M y of many columns y, and the least of several forms for each column.

Processors that multiply bfloat16 natively do so three to six times as fast as single precision. A form evaluated in
bfloat16 has a relative error of about 1e-4, because its millions of roundings cancel, far less than the difference
between most penalties of a grid. So the least form is found with rounded numbers and then evaluated exactly, and so is
every form that might still be less. How wrong the rounded ones are is known from the one form per column that was
evaluated both ways.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float

from ._linalg import Square, product

STRIPS = 8
"""Strips of rows that a triangle is cut into: 9/16 of the square is multiplied."""

DEVIATIONS = 8.0
"""Standard deviations of the rounding errors within which a form counts as possibly the least."""

WIDTHS = (64, 256)
"""Columns are selected in multiples of the first up to the second, and in multiples of the second beyond."""

Columns = Float[torch.Tensor, "rows columns"]


@dataclass(frozen=True)
class QuadraticForm:
    """A symmetric M as strips of its rows, each from the diagonal on; what is right of the diagonal block is doubled.

    ``values`` holds the strips one after the other: one piece of memory is also freed as one.
    """

    values: Float[torch.Tensor, " values"]
    shapes: tuple[tuple[int, int], ...]

    @classmethod
    def from_matrix(cls, M: Square) -> "QuadraticForm":
        """Copy the upper triangle of M."""
        step = max(-(-len(M) // STRIPS), 32)
        strips = [M[start : start + step, start:] for start in range(0, len(M), step)]
        form = cls(torch.cat([strip.flatten() for strip in strips]), tuple((*strip.shape,) for strip in strips))
        for strip in form.strips:
            strip[:, len(strip) :] *= 2
        return form

    @property
    def strips(self) -> list[Float[torch.Tensor, "_strip _right"]]:
        """The strips from top to bottom, as views."""
        parts = self.values.split([rows * right for rows, right in self.shapes])
        return [part.view(shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def __call__(self, Y: Columns, rounded: Columns | None = None) -> Float[torch.Tensor, " columns"]:
        """yᵀ M y of every column; ``rounded``, in the precision of ``values``, replaces the y right of M."""
        right, out, first = Y if rounded is None else rounded, torch.zeros_like(Y[0]), 0
        for strip in self.strips:
            out += (Y[first : first + len(strip)] * product(strip, right[first:])).sum(0)
            first += len(strip)
        return out


@dataclass(frozen=True)
class Batch:
    """Columns in single precision, rounded to bfloat16, and squared."""

    Y: Columns
    rounded: Columns
    squares: Columns

    @classmethod
    def from_columns(cls, Y: Columns) -> "Batch":
        """Round and square columns in single precision."""
        return cls(Y, Y.bfloat16(), Y.square())


@dataclass(frozen=True)
class ScreenedForm:
    """A form with its diagonal, and the rest of it in bfloat16 (rounding errors of the diagonal would not cancel)."""

    exact: QuadraticForm
    diagonal: Float[torch.Tensor, " rows"]
    rounded: QuadraticForm

    @classmethod
    def from_form(cls, form: QuadraticForm) -> "ScreenedForm":
        """Round a form in single precision."""
        rounded = QuadraticForm(form.values.bfloat16(), form.shapes)
        for strip in rounded.strips:
            strip.diagonal().zero_()
        return cls(form, torch.cat([strip.diagonal() for strip in form.strips]), rounded)

    def __call__(self, batch: Batch) -> Float[torch.Tensor, " columns"]:
        """yᵀ M y of every column, with rounded numbers."""
        return self.diagonal @ batch.squares + self.rounded(batch.Y, batch.rounded)

    def select(self, batch: Batch, mask: Bool[torch.Tensor, " columns"]) -> Float[torch.Tensor, " selected"]:
        """yᵀ M y of some columns, with rounded numbers; where they are most, all are evaluated."""
        count = int(mask.sum())
        if 2 * count > len(mask):
            return self(batch)[mask]
        return self(Batch.from_columns(_select(batch.Y, mask)))[:count]


def make_minima_exact(
    screens: Mapping[int, ScreenedForm],
    Y: Columns,
    possible: Bool[torch.Tensor, "forms columns"],
    out: Float[torch.Tensor, "forms columns"],
) -> None:
    """Make ``out``, which holds yᵀ M y, exact wherever it is or might be the least of its column, in place.

    Where ``possible``, ``out`` holds rounded values for forms that have a screen and exact ones for the others. Where
    not, it is raised to the least of its column if it is below that.
    """
    rough, place = out.where(possible, torch.inf).min(0)
    exact = torch.zeros_like(possible).scatter_(0, place[None], True)
    _evaluate(screens, Y, exact, out)
    found = out.gather(0, place[None])[0]
    error = (found - rough).abs()
    usual = (error / found.clamp_min(1e-30)).square().mean().sqrt()
    near = out < found + DEVIATIONS * torch.maximum(error, usual * found)
    _evaluate(screens, Y, near & possible & ~exact, out)
    least = out.where(possible, torch.inf).min(0).values
    torch.where(possible, out, torch.maximum(out, least), out=out)


def _evaluate(
    screens: Mapping[int, ScreenedForm],
    Y: Columns,
    mask: Bool[torch.Tensor, "forms columns"],
    out: Float[torch.Tensor, "forms columns"],
) -> None:
    """Write exact forms into ``out`` where ``mask``."""
    for row, screen in screens.items():
        selected = mask[row]
        if selected.any():
            out[row, selected] = screen.exact(_select(Y, selected))[: int(selected.sum())]


def _select(Y: Columns, mask: Bool[torch.Tensor, " columns"]) -> Float[torch.Tensor, "rows _padded"]:
    """Some of the columns, padded with copies of the first of them to one of a few widths.

    Selecting by index is four times as fast as by mask. oneDNN keeps what it prepared for every width it has met:
    0.2 GB if there were as many widths as columns.
    """
    indices = mask.nonzero().flatten()
    width = WIDTHS[0] if len(indices) <= WIDTHS[1] else WIDTHS[1]
    return Y.index_select(1, torch.cat([indices, indices[:1].expand(-len(indices) % width)]))
