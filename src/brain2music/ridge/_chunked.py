"""Arrays read in chunks of columns: how a matrix larger than memory is centred, multiplied and applied."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped

from ._linalg import Square, add_gram, mirror

Array = np.ndarray | torch.Tensor
"""What callers pass and receive: numpy arrays (memory maps too) or torch tensors, on the CPU or a GPU."""


def column_chunks(X: Array, dtype: torch.dtype, width: int) -> Iterator[tuple[slice, torch.Tensor]]:
    """Yield ``(columns, X[:, columns])``, each chunk a fresh tensor of ``dtype`` on the device of X."""
    for start in range(0, X.shape[1], width):
        columns = slice(start, min(start + width, X.shape[1]))
        yield columns, to_tensor(X[:, columns], dtype, copy=True)


def to_tensor(array: Array, dtype: torch.dtype, copy: bool = False) -> torch.Tensor:
    """Convert to a contiguous tensor of ``dtype``, which shares memory if possible unless ``copy``."""
    if isinstance(array, torch.Tensor):
        return array.detach().to(dtype, copy=copy).contiguous()
    numpy_dtype = np.dtype(str(dtype).removeprefix("torch."))
    plain = np.array(array, numpy_dtype, order="C", copy=True if copy or not array.flags.writeable else None)
    return torch.from_numpy(plain)


def like(tensor: torch.Tensor, example: Array) -> Array:
    """The tensor, converted to the kind of array that ``example`` is."""
    return tensor if isinstance(example, torch.Tensor) else tensor.cpu().numpy()


@dataclass(frozen=True)
class Moments:
    """Moments of columns.

    Attributes
    ----------
    mean : (columns,) in double precision.
    constant : (columns,) whether all rows are equal.
    """

    mean: Float[torch.Tensor, " columns"]
    constant: Bool[torch.Tensor, " columns"]

    @classmethod
    def join(cls, parts: Sequence["Moments"]) -> "Moments":
        """Concatenate the moments of chunks."""
        return cls(torch.cat([part.mean for part in parts]), torch.cat([part.constant for part in parts]))


def centred_gram(X: Array, dtype: torch.dtype, width: int, centre: bool) -> tuple[Square, Moments]:
    """``(X - mean)(X - mean)ᵀ`` in double precision, and the moments (zeros and False unless ``centre``).

    Products are of chunks of ``width`` columns in ``dtype``, summed in double precision.

    Raises
    ------
    ValueError
        Naming the columns that contain NaN or infinities.
    """
    device = X.device if isinstance(X, torch.Tensor) else torch.device("cpu")
    total = torch.zeros(X.shape[0], X.shape[0], dtype=torch.float64, device=device)
    parts = []
    for columns, chunk in column_chunks(X, dtype, width):
        parts.append(centre_(chunk, "X", columns.start, centre))
        add_gram(total, chunk)
    mirror(total)
    return total, Moments.join(parts)


def centre_(chunk: torch.Tensor, name: str, first_column: int = 0, centre: bool = True) -> Moments:
    """Subtract the mean of every column, in place and in two steps, so that no column loses digits.

    Unless ``centre``, values are only checked.

    Raises
    ------
    ValueError
        Naming the columns that contain NaN or infinities.
    """
    mean = chunk.mean(0)
    if not bool(mean.isfinite().all()):
        wrong = (~chunk.isfinite().all(0)).nonzero().ravel() + first_column
        raise ValueError(
            f"{name} contains NaN or infinity in column(s) {list_columns(wrong)}: "
            "drop these columns or fill the values in"
        )
    if not centre:
        return Moments(torch.zeros_like(mean, dtype=torch.float64), torch.zeros_like(mean, dtype=torch.bool))
    constant = (chunk == chunk[0]).all(0)
    chunk -= mean
    rest = chunk.mean(0)
    chunk -= rest
    return Moments(mean.double() + rest, constant)


def list_columns(columns: Shaped[torch.Tensor, " _columns"]) -> str:
    """The first ten of these column numbers, and how many more there are."""
    more = f" and {len(columns) - 10} more" if len(columns) > 10 else ""
    return ", ".join(str(column) for column in columns[:10].tolist()) + more


def apply_weights(
    X: Array,
    mean: Float[torch.Tensor, " features"],
    coef: Float[torch.Tensor, "features targets"],
    width: int,
) -> Float[torch.Tensor, "rows targets"]:
    """``(X - mean) @ coef`` in chunks of features."""
    out = torch.zeros(X.shape[0], coef.shape[1], dtype=coef.dtype, device=coef.device)
    for columns, chunk in column_chunks(X, coef.dtype, width):
        chunk -= mean[columns].to(chunk.dtype)
        out.addmm_(chunk, coef[columns])
    return out


@dataclass(frozen=True)
class Targets:
    """Several target sets, read as one in batches of columns, centred and with their rows sorted by fold.

    Attributes
    ----------
    sets : (rows, targets of the set) each, as passed by the caller.
    order : (rows,) the caller's row that comes first, second, ….
    mean : (targets,) what is subtracted from every column.
    constant : (targets,) whether all rows are equal.
    """

    sets: tuple[Array, ...]
    order: torch.Tensor
    mean: Float[torch.Tensor, " targets"]
    constant: Bool[torch.Tensor, " targets"]

    @classmethod
    def from_sets(cls, sets: Sequence[Array], order: torch.Tensor, centre: bool) -> "Targets":
        """Compute the means; ValueError names columns that contain NaN or infinities."""
        moments = Moments.join(
            [
                centre_(chunk, "Y", columns.start, centre)
                for y in sets
                for columns, chunk in column_chunks(y, _precision(y), 1024)
            ]
        )
        return cls(tuple(sets), order, moments.mean.to(order.device), moments.constant)

    @property
    def set_of_target(self) -> np.ndarray:
        """(targets,) the number of the set every target belongs to."""
        return np.repeat(np.arange(len(self.sets)), [y.shape[1] for y in self.sets])

    @property
    def is_sorted(self) -> bool:
        """Whether the caller's rows were sorted by fold."""
        return bool((self.order.diff() == 1).all())

    def batches(self, width: int, dtype: torch.dtype) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield ``(columns, their targets)``, at most ``width`` at a time."""
        for start in range(0, len(self.mean), width):
            columns = slice(start, min(start + width, len(self.mean)))
            yield columns, self._centred(self._read(columns, dtype), self.mean[columns])

    def select(self, indices: Shaped[torch.Tensor, " some"], dtype: torch.dtype) -> torch.Tensor:
        """Targets by ascending indices."""
        parts, first = [], 0
        for y in self.sets:
            in_set = indices[(indices >= first) & (indices < first + y.shape[1])] - first
            if len(in_set):
                parts.append(to_tensor(_take(y, in_set), dtype))
            first += y.shape[1]
        return self._centred(parts[0] if len(parts) == 1 else torch.cat(parts, 1), self.mean[indices])

    def _centred(self, block: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        block = block.to(self.order.device)
        block -= mean.to(block.dtype)
        return block if self.is_sorted else block[self.order]

    def _read(self, columns: slice, dtype: torch.dtype) -> torch.Tensor:
        parts, first = [], 0
        for y in self.sets:
            low, high = max(columns.start - first, 0), min(columns.stop - first, y.shape[1])
            if low < high:
                parts.append(to_tensor(y[:, low:high], dtype, copy=True))
            first += y.shape[1]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def _take(array: Array, columns: Shaped[torch.Tensor, " some"]) -> Array:
    """A copy of some columns."""
    if isinstance(array, torch.Tensor):
        return array.index_select(1, columns.to(array.device))
    return np.take(array, columns.cpu().numpy(), axis=1)


def _precision(array: Array) -> torch.dtype:
    return torch.float32 if str(array.dtype) in ("float32", "torch.float32") else torch.float64
