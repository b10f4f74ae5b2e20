"""Exact search of the ``k`` largest inner products of every query, with coarse screening.

All products are first computed coarsely: in bfloat16 if the CPU multiplies it natively, else in float32. The error of
a coarse product has a proven bound (:func:`_margin`), so that rows further below the ``k``-th best cannot belong to the
result. The remaining products are computed in float64. The result is therefore independent of the screening.

Ten million rows of 128 numbers take 2.6 GB for screening in bfloat16; the rows themselves may stay on disk.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int

from .._utils.cpu import multiplies_bfloat16

Screening = Literal["auto", "bfloat16", "float32"]
Prepare = Callable[[Float[np.ndarray, "n dims"]], Float32[np.ndarray, "n dims"]]
"""Transforms stored rows, each independently, to rows to search, for example centred and of length 1."""

_BLOCK = 64  # rows of which only the best coarse product is compared at first
_QUERIES = 64  # queries at a time: bounds the memory of the coarse products
_ROWS = 2048 * _BLOCK  # rows at a time: bounds the memory of the coarse products
_PAIRS = 65_536  # pairs at a time in the exact step
_DECIMALS = 12  # equal rows must tie in whatever order their products are added up


class ExactIndex:
    """An index for exact search.

    Parameters
    ----------
    vectors : (rows, dims) float32 or float16
        Not copied; may be a memory map.
    screening : {"auto", "bfloat16", "float32"}
        "auto" takes bfloat16 if the CPU has it; results are the same.
    prepare : callable, optional
        Applied to rows whenever they are read; by default conversion to float32.

    Raises
    ------
    ValueError
        If there are no rows, or they are not finite.
    """

    def __init__(
        self,
        vectors: Float[np.ndarray, "rows dims"],
        screening: Screening = "auto",
        prepare: Prepare | None = None,
    ) -> None:
        if not len(vectors):
            raise ValueError("vectors to search are empty or not finite")
        self.vectors, self._prepare = vectors, prepare or as_float32
        self._dtype = _coarse_dtype(screening)
        self._coarse = torch.empty((len(vectors) + -len(vectors) % _BLOCK, vectors.shape[1]), dtype=self._dtype)
        self._error = self._length = 0.0
        for first in range(0, len(vectors), _ROWS):
            rows = self._prepare(vectors[first : first + _ROWS])
            if not np.isfinite(rows).all():
                raise ValueError("vectors to search are empty or not finite")
            coarse, error = _coarse(_padded(rows), self._dtype)
            self._coarse[first : first + len(coarse)] = coarse
            self._error = max(self._error, error)
            self._length = max(self._length, float(np.linalg.norm(rows, axis=1).max()))
        self._length += self._error

    def __len__(self) -> int:
        return len(self.vectors)

    def search(
        self, queries: Float32[np.ndarray, "q dims"], k: int, where: Bool[np.ndarray, " rows"] | None = None
    ) -> tuple[Int[np.ndarray, "q k"], Float[np.ndarray, "q k"]]:
        """Search the rows with the largest inner products, best first, and the products in float64.

        Products that agree to 12 decimals count as equal, and are in order of rows.

        Parameters
        ----------
        queries : (q, dims) float32
        k : int
            Number of rows to find.
        where : (rows,) bool, optional
            Rows that may be found; by default all.

        Raises
        ------
        ValueError
            If queries are not finite, or fewer than ``k`` rows may be found.
        """
        require_answerable(queries, k, len(self), where)
        barred = None if where is None else torch.from_numpy(~_padded(where))
        indices, products = np.empty((len(queries), k), np.int64), np.empty((len(queries), k))
        for first in range(0, len(queries), _QUERIES):
            part = slice(first, first + _QUERIES)
            query, row = self._screen(queries[part], k, barred)
            indices[part], products[part] = rank(self.vectors, self._prepare, queries[part], query, row, k)
        return indices, products

    def _screen(
        self, queries: Float32[np.ndarray, "q dims"], k: int, barred: Bool[torch.Tensor, " padded"] | None
    ) -> tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " pairs"]]:
        """Find pairs (query, row) that may belong to the result: all that do, and few others.

        Products below the cut of the rows so far are also below that of all rows, which is not lower.
        """
        coarse, error = _coarse(queries, self._dtype)
        top = torch.full((len(queries), k), -torch.inf, dtype=self._dtype)
        found = []
        for first in range(0, len(self._coarse), _ROWS):
            products = _coarse_products(coarse, self._coarse[first : first + _ROWS])
            if barred is not None:
                products.masked_fill_(barred[first : first + _ROWS], -torch.inf)
            blocks = products.view(len(queries), -1, _BLOCK)
            best = blocks.amax(dim=2)
            top = torch.cat([top, best], dim=1).topk(k, dim=1).values
            cut = self._cut(queries, error, top[:, -1])
            query, block = torch.nonzero(best >= cut[:, None], as_tuple=True)
            inside = blocks[query, block]
            pair, column = torch.nonzero((inside >= cut[query][:, None]) & (inside > -torch.inf), as_tuple=True)
            found.append((query[pair], first + block[pair] * _BLOCK + column, inside[pair, column]))
        query, row, product = (torch.cat(parts) for parts in zip(*found, strict=True))
        kept = (product >= cut[query]) & (row < len(self))
        return query[kept].numpy(), row[kept].numpy()

    def _cut(
        self, queries: Float32[np.ndarray, "q dims"], error: float, best: Float[torch.Tensor, " q"]
    ) -> Float[torch.Tensor, " q"]:
        """Compute the coarse product below which no row can be among the ``k`` best.

        Each of the ``k`` best blocks contains a row whose coarse product is at least ``best``, and whose exact product
        is at least ``low``. A row whose coarse product is below the cut has an exact product below ``low``.
        """
        t = best.double()
        lengths = torch.from_numpy(np.linalg.norm(queries.astype(np.float64), axis=1))
        margin, rounding = _margin(lengths, error, self._length, self._error, queries.shape[1], self._dtype)
        low = t - rounding * t.abs() - margin
        cut = low - margin
        cut = torch.nextafter((cut / (1 + rounding * cut.sign())).float(), torch.tensor(-torch.inf))
        return torch.where(t > -torch.inf, cut, -torch.inf)


def require_answerable(
    queries: Float32[np.ndarray, "q dims"], k: int, n_rows: int, where: Bool[np.ndarray, " rows"] | None
) -> int:
    """Count the rows that may be found; ``ValueError`` if there are fewer than ``k``, or queries are not finite."""
    allowed = n_rows if where is None else int(where.sum())
    if not 1 <= k <= allowed:
        raise ValueError(f"{k} rows asked for, {allowed} may be found")
    if not np.isfinite(queries).all():
        raise ValueError("queries are not finite")
    return allowed


def rank(
    vectors: Float[np.ndarray, "rows dims"],
    prepare: Prepare,
    queries: Float32[np.ndarray, "q dims"],
    query: Int[np.ndarray, " pairs"],
    row: Int[np.ndarray, " pairs"],
    k: int,
) -> tuple[Int[np.ndarray, "q k"], Float[np.ndarray, "q k"]]:
    """Select the ``k`` best of the pairs of each query, by exact product and then by row; each has at least ``k``."""
    exact = np.empty(len(row))
    for first in range(0, len(row), _PAIRS):
        part = slice(first, first + _PAIRS)
        left, right = queries[query[part]], prepare(vectors[row[part]])
        exact[part] = np.einsum("pd,pd->p", left, right, dtype=np.float64)
    exact = np.round(exact, _DECIMALS)
    order = np.lexsort((row, -exact, query))
    starts = np.searchsorted(query[order], np.arange(len(queries)))
    chosen = order[starts[:, None] + np.arange(k)]
    return row[chosen], exact[chosen]


def as_float32(rows: Float[np.ndarray, "n dims"]) -> Float32[np.ndarray, "n dims"]:
    """Convert rows to float32, using torch for float16, which is several times faster than numpy."""
    return torch.from_numpy(np.array(rows)).float().numpy() if rows.dtype == np.float16 else rows


def _margin(
    lengths: Float[torch.Tensor, " q"],
    query_error: float,
    row_length: float,
    row_error: float,
    dims: int,
    dtype: torch.dtype,
) -> tuple[Float[torch.Tensor, " q"], float]:
    """Bound the difference between a coarse product and the exact one: at most ``margin + rounding * |coarse|``.

    With ``x'`` and ``v'`` the coarse vectors, Cauchy-Schwarz gives
    ``|x.v - x'.v'| <= |x| |v - v'| + |x - x'| |v'|``, where both distances are measured. The error of summing over
    dimensions in float32, in any order, is less than ``g / (1 - g) |x'| |v'|`` with ``g = (dims + 1) 2**-24``
    (Higham 2002, §3.1; products of two bfloat16 are exact in float32). Storing the sum in bfloat16 rounds it by half a
    unit in the last place.
    """
    accumulated = (dims + 1) * 2.0**-24
    summing = accumulated / (1 - accumulated) * (lengths + query_error) * row_length
    margin = lengths * row_error + query_error * row_length + summing
    tiny = dims * 2.0**-120 + 10.0**-_DECIMALS
    return margin * (1 + 1e-6) + tiny, 2.0**-8 * (1 + 2.0**-7) if dtype == torch.bfloat16 else 0.0


def _coarse(rows: Float32[np.ndarray, "n dims"], dtype: torch.dtype) -> tuple[torch.Tensor, float]:
    """Convert rows to low precision; also returns the largest Euclidean error of a row."""
    exact = torch.from_numpy(np.ascontiguousarray(rows))
    coarse = exact.to(dtype)
    if dtype == exact.dtype:
        return coarse, 0.0
    pieces = zip(exact.split(8192), coarse.split(8192), strict=True)
    errors = [(before - after.float()).double().norm(dim=1).max() for before, after in pieces]
    return coarse, float(torch.stack(errors).max())


def _coarse_products(
    left: Float[torch.Tensor, "q dims"], right: Float[torch.Tensor, "n dims"]
) -> Float[torch.Tensor, "q n"]:
    """Compute all inner products in the precision of the rows; float32 using numpy, which has no coarser mode."""
    if left.dtype == torch.float32:
        return torch.from_numpy(left.numpy() @ right.numpy().T)
    return left @ right.T


def _padded(rows: np.ndarray) -> np.ndarray:
    """Pad rows to a whole number of blocks by repeating the last one, which does not change the best of a block."""
    return np.concatenate([rows, np.repeat(rows[-1:], -len(rows) % _BLOCK, axis=0)])


def _coarse_dtype(screening: Screening) -> torch.dtype:
    if screening == "auto":
        screening = "bfloat16" if multiplies_bfloat16() else "float32"
    return torch.bfloat16 if screening == "bfloat16" else torch.float32
