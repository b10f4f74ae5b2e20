"""Features a block at a time: how a matrix larger than memory is centred, multiplied and applied."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from .linalg import Square, add_gram, mirror

Array = np.ndarray | torch.Tensor
"""What callers hand in and get back: numpy (memory maps too) or torch, on the CPU or a GPU."""


def column_blocks(X: Array, dtype: torch.dtype, width: int) -> Iterator[tuple[slice, torch.Tensor]]:
    """Yield ``(columns, X[:, columns])``, each block a fresh tensor of ``dtype`` on X's device."""
    for start in range(0, X.shape[1], width):
        columns = slice(start, min(start + width, X.shape[1]))
        yield columns, to_tensor(X[:, columns], dtype, copy=True)


def to_tensor(array: Array, dtype: torch.dtype, copy: bool = False) -> torch.Tensor:
    """The array as a contiguous tensor of ``dtype``; shares memory when it can, unless ``copy``."""
    if isinstance(array, torch.Tensor):
        return array.detach().to(dtype, copy=copy).contiguous()
    wanted = np.dtype(str(dtype).removeprefix("torch."))
    plain = np.array(array, wanted, order="C", copy=True if copy or not array.flags.writeable else None)
    return torch.from_numpy(plain)


def centred_gram(
    X: Array, dtype: torch.dtype, width: int, centre: bool
) -> tuple[Square, Float[torch.Tensor, " features"]]:
    """``(X - mean)(X - mean)ᵀ`` in double precision, and the mean (zeros unless ``centre``).

    Products are of blocks of columns in ``dtype``, added up in double. Raises ValueError naming the columns that hold NaN or infinities.
    """
    device = X.device if isinstance(X, torch.Tensor) else torch.device("cpu")
    total = torch.zeros(X.shape[0], X.shape[0], dtype=torch.float64, device=device)
    mean = torch.zeros(X.shape[1], dtype=torch.float64, device=device)
    for columns, block in column_blocks(X, dtype, width):
        if centre:
            mean[columns] = centre_(block, columns.start)
        else:
            finite_mean(block, "X", columns.start)
        add_gram(total, block)
    mirror(total)
    return total, mean


def apply(
    X: Array,
    mean: Float[torch.Tensor, " features"],
    coef: Float[torch.Tensor, "features targets"],
    width: int,
) -> Float[torch.Tensor, "rows targets"]:
    """``(X - mean) @ coef`` by blocks of features."""
    out = torch.zeros(X.shape[0], coef.shape[1], dtype=coef.dtype, device=coef.device)
    for columns, block in column_blocks(X, coef.dtype, width):
        block -= mean[columns].to(block.dtype)
        out.addmm_(block, coef[columns])
    return out


def finite_mean(block: torch.Tensor, name: str, first_column: int = 0) -> Float[torch.Tensor, " columns"]:
    """Column means in double precision, of double or of centred values; ValueError names columns that are not finite."""
    mean = block.mean(0).double()
    if not bool(mean.isfinite().all()):
        wrong = (~block.isfinite().all(0)).nonzero().ravel().tolist()
        columns = ", ".join(str(first_column + column) for column in wrong[:10])
        more = f" and {len(wrong) - 10} more" if len(wrong) > 10 else ""
        raise ValueError(
            f"{name} contains NaN or infinity in column(s) {columns}{more}: drop these columns or fill the values in"
        )
    return mean


def centre_(block: torch.Tensor, first_column: int = 0) -> Float[torch.Tensor, " columns"]:
    """Take the mean from every column of X, in place, and return it: in two steps, so that no column loses digits."""
    shift = block.mean(0)
    block -= shift
    rest = finite_mean(block, "X", first_column)
    block -= rest.to(block.dtype)
    return shift.double() + rest


@dataclass(frozen=True)
class Targets:
    """Several target sets side by side, centred and with their rows in the order of the folds, read in batches.

    Attributes
    ----------
    sets : (rows, targets of the set) each, as they were given.
    order : (rows,) the row that comes first, second, …
    mean : (targets,) what is taken from every column.
    """

    sets: tuple[Array, ...]
    order: torch.Tensor
    mean: Float[torch.Tensor, " targets"]

    @classmethod
    def of(cls, sets: Sequence[Array], order: torch.Tensor, centre: bool) -> "Targets":
        """Find the means; ValueError names columns with NaN or infinities."""
        means = [
            finite_mean(block, "Y", columns.start)
            for y in sets
            for columns, block in column_blocks(y, torch.float64, 1024)
        ]
        return cls(tuple(sets), order, torch.cat(means).to(order.device) * float(centre))

    @property
    def set_of_target(self) -> np.ndarray:
        """(targets,) the set every target belongs to."""
        return np.repeat(np.arange(len(self.sets)), [y.shape[1] for y in self.sets])

    def batches(self, width: int, dtype: torch.dtype) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield ``(columns, their targets)``, at most ``width`` at a time."""
        for start in range(0, len(self.mean), width):
            columns = slice(start, min(start + width, len(self.mean)))
            block = self._columns(columns, dtype).to(self.order.device)
            yield columns, (block - self.mean[columns].to(dtype))[self.order]

    def _columns(self, wanted: slice, dtype: torch.dtype) -> torch.Tensor:
        parts, first = [], 0
        for y in self.sets:
            low, high = max(wanted.start - first, 0), min(wanted.stop - first, y.shape[1])
            if low < high:
                parts.append(to_tensor(y[:, low:high], dtype, copy=True))
            first += y.shape[1]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def like(tensor: torch.Tensor, example: Array) -> Array:
    """The tensor as the kind of array that ``example`` is."""
    return tensor if isinstance(example, torch.Tensor) else tensor.cpu().numpy()
