"""Exact search: the ``k`` largest inner products of every query, screened coarsely without losing one.

All products are first computed coarsely: in bfloat16 where the processor multiplies it natively, else in
float32. A coarse product errs by at most a proven margin (:func:`_margin`), so that whatever lies further
below the ``k``-th best cannot belong to the answer. What is left is computed again in float64. The answer
therefore does not depend on the screening; only the time does.

Ten million rows of 128 numbers take 2.6 GB screened in bfloat16: the rows themselves may stay on disk.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int

from .._utils.cpu import multiplies_bfloat16

Screening = Literal["auto", "bfloat16", "float32"]
Prepare = Callable[[Float[np.ndarray, "n dims"]], Float32[np.ndarray, "n dims"]]
"""What turns rows as they are stored into rows to search, each by itself: centred and of length 1, say."""

_BLOCK = 64  # rows whose best coarse product is looked at together
_QUERIES = 64  # queries at a time: bounds the memory of the coarse products
_ROWS = 2048 * _BLOCK  # rows at a time: bounds the memory of the coarse products
_PAIRS = 65_536  # pairs at a time in the exact step
_DECIMALS = 12  # equal rows must tie in whatever order their products are added up


class ExactIndex:
    """Rows to search, prepared once.

    Parameters
    ----------
    vectors : (rows, dims) float32 or float16; kept as they are, also a memory map.
    screening : "auto" takes bfloat16 where the processor has it; the answers are the same.
    prepare : applied to rows whenever they are read; float32 of the rows themselves by default.

    Raises
    ------
    ValueError : there are no rows, or they are not finite.
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
        """Rows with the largest inner products, best first, and the products in float64.

        Products that agree to 12 decimals count as equal; of equals, the lower row comes first.

        Parameters
        ----------
        queries : (q, dims).
        k : how many rows; at most as many as there are.
        where : rows that may be found; all by default.

        Raises
        ------
        ValueError : queries are not finite, or fewer than ``k`` rows may be found.
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
        """Pairs (query, row) that may belong to the answer: all that do, and few others.

        What is below the cut of the rows seen so far is below that of all rows, which is no lower.
        """
        coarse, error = _coarse(queries, self._dtype)
        top = torch.full((len(queries), k), -torch.inf, dtype=self._dtype)
        found = []
        for first in range(0, len(self._coarse), _ROWS):
            products = _products(coarse, self._coarse[first : first + _ROWS])
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
        """The coarse product below which no row can be among the ``k`` best.

        Each of the ``k`` best blocks holds a row whose coarse product is ``best`` or more, and whose exact
        product is ``low`` or more. A row of coarse product below the cut has an exact one below ``low``.
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
    """How many rows may be found; ``ValueError`` where these are fewer than ``k``, or queries are not finite."""
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
    """The ``k`` best of the pairs of each query, by exact product and then by row; each has ``k`` pairs or more."""
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
    """The rows themselves, as float32; torch widens float16 several times faster than numpy."""
    return torch.from_numpy(np.array(rows)).float().numpy() if rows.dtype == np.float16 else rows


def _margin(
    lengths: Float[torch.Tensor, " q"],
    query_error: float,
    row_length: float,
    row_error: float,
    dims: int,
    dtype: torch.dtype,
) -> tuple[Float[torch.Tensor, " q"], float]:
    """How far a coarse product can be from the exact one: at most ``margin + rounding * |coarse|``.

    With ``x'`` and ``v'`` the coarse vectors, Cauchy-Schwarz gives
    ``|x.v - x'.v'| <= |x| |v - v'| + |x - x'| |v'|``, where both distances are measured. Summing over
    dimensions in float32, in any order, errs by less than ``g / (1 - g) |x'| |v'|`` with
    ``g = (dims + 1) 2**-24`` (Higham 2002, §3.1; products of two bfloat16 are exact in float32). Storing the
    sum in bfloat16 rounds it by half a unit in the last place.
    """
    accumulated = (dims + 1) * 2.0**-24
    summing = accumulated / (1 - accumulated) * (lengths + query_error) * row_length
    margin = lengths * row_error + query_error * row_length + summing
    tiny = dims * 2.0**-120 + 10.0**-_DECIMALS
    return margin * (1 + 1e-6) + tiny, 2.0**-8 * (1 + 2.0**-7) if dtype == torch.bfloat16 else 0.0


def _coarse(rows: Float32[np.ndarray, "n dims"], dtype: torch.dtype) -> tuple[torch.Tensor, float]:
    """Rows in low precision, and the largest Euclidean distance by which one of them moved."""
    exact = torch.from_numpy(np.ascontiguousarray(rows))
    coarse = exact.to(dtype)
    if dtype == exact.dtype:
        return coarse, 0.0
    pieces = zip(exact.split(8192), coarse.split(8192), strict=True)
    moved = [(before - after.float()).double().norm(dim=1).max() for before, after in pieces]
    return coarse, float(torch.stack(moved).max())


def _products(left: Float[torch.Tensor, "q dims"], right: Float[torch.Tensor, "n dims"]) -> Float[torch.Tensor, "q n"]:
    """All inner products in the rows' precision; float32 by numpy, which no setting of torch makes coarser."""
    if left.dtype == torch.float32:
        return torch.from_numpy(left.numpy() @ right.numpy().T)
    return left @ right.T


def _padded(rows: np.ndarray) -> np.ndarray:
    """Rows up to a whole number of blocks, by repeating the last one: no block's best product changes."""
    return np.concatenate([rows, np.repeat(rows[-1:], -len(rows) % _BLOCK, axis=0)])


def _coarse_dtype(screening: Screening) -> torch.dtype:
    if screening == "auto":
        screening = "bfloat16" if multiplies_bfloat16() else "float32"
    return torch.bfloat16 if screening == "bfloat16" else torch.float32
