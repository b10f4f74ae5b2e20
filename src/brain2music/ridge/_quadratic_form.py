"""Quadratic forms yᵀ M y of many columns y, and which of several forms is least for each.

Where the processor multiplies bfloat16 natively it does so three to six times as fast as single precision. A form
evaluated so is wrong by about 1e-4 of itself, for its millions of roundings cancel, and that is far less than lies
between most penalties of a grid. So the least form is looked for with rounded numbers, evaluated exactly, and so are
all that might still be less: by how much the rounded ones go wrong is known from the one of each column that was
evaluated both ways.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float

from ._linalg import Square, product

STRIPS = 8
"""Strips of rows that a triangle is cut into: 9/16 of the square is multiplied."""

SURE = 8.0
"""Standard deviations of what rounding does within which a form counts as one that might be less."""

WIDTHS = (64, 256)
"""Columns are taken in multiples of the former up to the latter, and of the latter beyond."""

Columns = Float[torch.Tensor, "rows columns"]


@dataclass(frozen=True)
class Form:
    """A symmetric M by strips of its rows, each from its own square on; what lies right of the square counts twice.

    ``numbers`` holds the strips one after the other, for what is one piece of memory is given back as one.
    """

    numbers: Float[torch.Tensor, " numbers"]
    shapes: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, M: Square) -> "Form":
        """Its upper triangle."""
        step = max(-(-len(M) // STRIPS), 32)
        strips = [M[start : start + step, start:] for start in range(0, len(M), step)]
        form = cls(torch.cat([strip.flatten() for strip in strips]), tuple((*strip.shape,) for strip in strips))
        for strip in form.strips:
            strip[:, len(strip) :] *= 2
        return form

    @property
    def strips(self) -> list[Float[torch.Tensor, "_strip _right"]]:
        """From the uppermost to the lowest."""
        parts = self.numbers.split([rows * right for rows, right in self.shapes])
        return [part.view(shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def __call__(self, Y: Columns, rounded: Columns | None = None) -> Float[torch.Tensor, " columns"]:
        """yᵀ M y of every column; ``rounded``, in the precision of the numbers, stands for the y right of M."""
        right, out, first = Y if rounded is None else rounded, torch.zeros_like(Y[0]), 0
        for strip in self.strips:
            out += (Y[first : first + len(strip)] * product(strip, right[first:])).sum(0)
            first += len(strip)
        return out


@dataclass(frozen=True)
class Batch:
    """Columns, and what every screen takes of them."""

    Y: Columns
    low: Columns
    squares: Columns

    @classmethod
    def of(cls, Y: Columns) -> "Batch":
        """Of columns in single precision."""
        return cls(Y, Y.bfloat16(), Y.square())


@dataclass(frozen=True)
class Screen:
    """A form, its diagonal, and what else there is of it in bfloat16: the diagonal's roundings would not cancel."""

    exact: Form
    diagonal: Float[torch.Tensor, " rows"]
    rounded: Form

    @classmethod
    def of(cls, form: Form) -> "Screen":
        """Of a form in single precision."""
        rounded = Form(form.numbers.bfloat16(), form.shapes)
        for strip in rounded.strips:
            strip.diagonal().zero_()
        return cls(form, torch.cat([strip.diagonal() for strip in form.strips]), rounded)

    def __call__(self, batch: Batch) -> Float[torch.Tensor, " columns"]:
        """By rounded numbers."""
        return self.diagonal @ batch.squares + self.rounded(batch.Y, batch.low)

    def of_some(self, batch: Batch, wanted: Bool[torch.Tensor, " columns"]) -> Float[torch.Tensor, " some"]:
        """The same of some of the columns: of all, and then taken, where they are most."""
        count = int(wanted.sum())
        if 2 * count > len(wanted):
            return self(batch)[wanted]
        return self(Batch.of(_taken(batch.Y, wanted)))[:count]


def settle(
    screens: Mapping[int, Screen],
    Y: Columns,
    possible: Bool[torch.Tensor, "forms columns"],
    out: Float[torch.Tensor, "forms columns"],
) -> None:
    """Make ``out``, where it holds yᵀ M y by rounded numbers, exact wherever that is or might be its column's least.

    What is ``possible`` is by rounded numbers where it has a screen, and exact where it has none; what is not is raised
    to the least where it is less.
    """
    rough, place = out.where(possible, torch.inf).min(0)
    exact = torch.zeros_like(possible).scatter_(0, place[None], True)
    _evaluate(screens, Y, exact, out)
    found = out.gather(0, place[None])[0]
    wrong = (found - rough).abs()
    usual = (wrong / found.clamp_min(1e-30)).square().mean().sqrt()
    near = out < found + SURE * torch.maximum(wrong, usual * found)
    _evaluate(screens, Y, near & possible & ~exact, out)
    least = out.where(possible, torch.inf).min(0).values
    torch.where(possible, out, torch.maximum(out, least), out=out)


def _evaluate(
    screens: Mapping[int, Screen],
    Y: Columns,
    wanted: Bool[torch.Tensor, "forms columns"],
    out: Float[torch.Tensor, "forms columns"],
) -> None:
    """Exactly what is wanted, into its place."""
    for row, screen in screens.items():
        mine = wanted[row]
        if mine.any():
            out[row, mine] = screen.exact(_taken(Y, mine))[: int(mine.sum())]


def _taken(Y: Columns, wanted: Bool[torch.Tensor, " columns"]) -> Float[torch.Tensor, "rows _more"]:
    """Some of the columns, the first of them again and again up to one of a few widths.

    By their numbers they are taken four times as fast as by a mask. For every width there has been oneDNN keeps what it
    prepared: 0.2 GB for as many as there are columns.
    """
    numbers = wanted.nonzero().flatten()
    tile = WIDTHS[0] if len(numbers) <= WIDTHS[1] else WIDTHS[1]
    return Y.index_select(1, torch.cat([numbers, numbers[:1].expand(-len(numbers) % tile)]))
