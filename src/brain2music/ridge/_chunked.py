"""Features a block at a time: how a matrix larger than memory is centred, multiplied and applied."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped

from ._linalg import Square, add_gram, mirror

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


@dataclass(frozen=True)
class Moments:
    """Of columns: ``mean`` (columns,) in double precision, ``constant`` (columns,) whether all rows hold the same."""

    mean: Float[torch.Tensor, " columns"]
    constant: Bool[torch.Tensor, " columns"]

    @classmethod
    def join(cls, parts: Sequence["Moments"]) -> "Moments":
        """Those of blocks side by side."""
        return cls(torch.cat([part.mean for part in parts]), torch.cat([part.constant for part in parts]))


def centred_gram(X: Array, dtype: torch.dtype, width: int, centre: bool) -> tuple[Square, Moments]:
    """``(X - mean)(X - mean)ᵀ`` in double precision, and the moments (zeros and False unless ``centre``).

    Products are of blocks of columns in ``dtype``, added up in double.

    Raises ValueError naming the columns that hold NaN or infinities.
    """
    device = X.device if isinstance(X, torch.Tensor) else torch.device("cpu")
    total = torch.zeros(X.shape[0], X.shape[0], dtype=torch.float64, device=device)
    parts = []
    for columns, block in column_blocks(X, dtype, width):
        parts.append(centre_(block, "X", columns.start, centre))
        add_gram(total, block)
    mirror(total)
    return total, Moments.join(parts)


def centre_(block: torch.Tensor, name: str, first_column: int = 0, centre: bool = True) -> Moments:
    """Take the mean from every column, in place and in two steps, so that no column loses digits.

    Raises ValueError naming the columns that hold NaN or infinities. Unless ``centre``, that is all it does.
    """
    mean = block.mean(0)
    if not bool(mean.isfinite().all()):
        wrong = (~block.isfinite().all(0)).nonzero().ravel() + first_column
        raise ValueError(
            f"{name} contains NaN or infinity in column(s) {named(wrong)}: drop these columns or fill the values in"
        )
    if not centre:
        return Moments(torch.zeros_like(mean, dtype=torch.float64), torch.zeros_like(mean, dtype=torch.bool))
    constant = (block == block[0]).all(0)
    block -= mean
    rest = block.mean(0)
    block -= rest
    return Moments(mean.double() + rest, constant)


def named(columns: Shaped[torch.Tensor, " _columns"]) -> str:
    """The first ten of these numbers, and how many more there are."""
    more = f" and {len(columns) - 10} more" if len(columns) > 10 else ""
    return ", ".join(str(column) for column in columns[:10].tolist()) + more


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


@dataclass(frozen=True)
class Targets:
    """Several target sets side by side, centred and with their rows in the order of the folds, read in batches.

    Attributes
    ----------
    sets : (rows, targets of the set) each, as they were given.
    order : (rows,) the row that comes first, second, …
    mean : (targets,) what is taken from every column.
    constant : (targets,) whether all rows are the same.
    """

    sets: tuple[Array, ...]
    order: torch.Tensor
    mean: Float[torch.Tensor, " targets"]
    constant: Bool[torch.Tensor, " targets"]

    @classmethod
    def of(cls, sets: Sequence[Array], order: torch.Tensor, centre: bool) -> "Targets":
        """Find the means; ValueError names columns with NaN or infinities."""
        moments = Moments.join(
            [
                centre_(block, "Y", columns.start, centre)
                for y in sets
                for columns, block in column_blocks(y, _precision(y), 1024)
            ]
        )
        return cls(tuple(sets), order, moments.mean.to(order.device), moments.constant)

    @property
    def set_of_target(self) -> np.ndarray:
        """(targets,) the set every target belongs to."""
        return np.repeat(np.arange(len(self.sets)), [y.shape[1] for y in self.sets])

    @property
    def in_order(self) -> bool:
        """Whether the rows were so already."""
        return bool((self.order.diff() == 1).all())

    def batches(self, width: int, dtype: torch.dtype) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield ``(columns, their targets)``, at most ``width`` at a time."""
        for start in range(0, len(self.mean), width):
            columns = slice(start, min(start + width, len(self.mean)))
            yield columns, self._centred(self._columns(columns, dtype), self.mean[columns])

    def these(self, wanted: Shaped[torch.Tensor, " some"], dtype: torch.dtype) -> torch.Tensor:
        """Targets by their numbers, which ascend."""
        parts, first = [], 0
        for y in self.sets:
            mine = wanted[(wanted >= first) & (wanted < first + y.shape[1])] - first
            if len(mine):
                parts.append(to_tensor(_taken(y, mine), dtype))
            first += y.shape[1]
        return self._centred(parts[0] if len(parts) == 1 else torch.cat(parts, 1), self.mean[wanted])

    def _centred(self, block: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        block = block.to(self.order.device)
        block -= mean.to(block.dtype)
        return block if self.in_order else block[self.order]

    def _columns(self, wanted: slice, dtype: torch.dtype) -> torch.Tensor:
        parts, first = [], 0
        for y in self.sets:
            low, high = max(wanted.start - first, 0), min(wanted.stop - first, y.shape[1])
            if low < high:
                parts.append(to_tensor(y[:, low:high], dtype, copy=True))
            first += y.shape[1]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def _taken(array: Array, columns: Shaped[torch.Tensor, " some"]) -> Array:
    """A copy of some columns."""
    if isinstance(array, torch.Tensor):
        return array.index_select(1, columns.to(array.device))
    return np.take(array, columns.cpu().numpy(), axis=1)


def like(tensor: torch.Tensor, example: Array) -> Array:
    """The tensor as the kind of array that ``example`` is."""
    return tensor if isinstance(example, torch.Tensor) else tensor.cpu().numpy()


def _precision(array: Array) -> torch.dtype:
    return torch.float32 if str(array.dtype) in ("float32", "torch.float32") else torch.float64
