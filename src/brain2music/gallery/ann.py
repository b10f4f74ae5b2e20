"""Approximate search for galleries of millions of tracks, with measured recall.

Rows are sorted into lists around k-means centres and stored as product codes of four bits for every two numbers
(faiss ``IVF…,PQ…x4fs``; Jégou et al. 2011, André et al. 2015). A query probes the lists nearest to it, takes the best
candidates by their codes, and ranks them by exact products with the vectors on disk. The number of probes is the
smallest, in steps of the root of two, with which the recall on queries with known exact results exceeds the target by
two standard errors. The measurement is kept in ``gallery.json``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from .._utils.errors import InputError
from .search import ExactIndex, Prepare, as_float32, rank, require_answerable

Progress = Callable[[int, int], None]

_BLOCK = 131_072  # rows added at a time
_PER_LIST = 32  # rows per list on which centres are trained
_NARROW = 0.05  # filters that pass a smaller share of rows are searched exactly
_QUERIES = 512  # rows that are used as queries if there are none


@dataclass(frozen=True)
class Measured:
    """Search parameters of an index, and its measured recall: the mean share of the exact ``k`` best that it finds."""

    rows: int
    lists: int
    probes: int
    candidates: int
    k: int
    target: float
    recall: float
    queries: int
    given: bool
    """Whether recall was measured on queries of the user; else on rows of the index, each without itself."""


class AnnIndex:
    """An approximate index of vectors, which are not copied; made by :meth:`build` or :meth:`open`.

    ``search`` is that of :class:`~brain2music.gallery.search.ExactIndex`, except that it may miss rows.
    """

    def __init__(
        self, vectors: Float[np.ndarray, "rows dims"], index: Any, measured: Measured, prepare: Prepare | None = None
    ) -> None:
        self.vectors, self.measured = vectors, measured
        self._index, self._prepare = index, prepare or as_float32

    @classmethod
    def build(
        cls,
        vectors: Float[np.ndarray, "rows dims"],
        *,
        prepare: Prepare | None = None,
        queries: Float32[np.ndarray, "q dims"] | None = None,
        target: float = 0.95,
        k: int = 10,
        lists: int | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> "AnnIndex":
        """Train and fill an index, and measure its recall.

        Parameters
        ----------
        vectors : (rows, dims) float32 or float16
            At least 1,000 rows; may be a memory map.
        prepare : callable, optional
            Applied to rows whenever they are read (centring and scaling to length 1).
        queries : (q, dims) float32, optional
            On which recall is measured; by default rows of the index, each without itself in its result. If queries
            are distributed differently, as decoded ones may be, recall should be measured on them.
        target : float
            Recall@k to reach, below 1.
        k : int
        lists : int, optional
            Number of lists; by default a power of two, about 2.6 times the square root of the rows.
        seed : int
        progress : callable, optional
            Called with (rows added, rows).

        Raises
        ------
        InputError
            If faiss is missing, there are too few rows, or the target is not reached.
        """
        faiss = _faiss()
        if len(vectors) < 1000:
            raise InputError(f"{len(vectors)} rows are too few for an approximate index", hint="search them exactly")
        lists = lists or 2 ** max(4, round(math.log2(2.6 * math.sqrt(len(vectors)))))
        read, width = prepare or as_float32, vectors.shape[1] + vectors.shape[1] % 2
        index = faiss.index_factory(width, f"IVF{lists},PQ{width // 2}x4fs", faiss.METRIC_INNER_PRODUCT)
        index.cp.seed, index.cp.min_points_per_centroid = seed, 1
        chosen = np.random.default_rng(seed).choice(len(vectors), min(len(vectors), _PER_LIST * lists), replace=False)
        index.train(_even(read(vectors[np.sort(chosen)])))
        for first in range(0, len(vectors), _BLOCK):
            index.add(_even(read(vectors[first : first + _BLOCK])))
            if progress is not None:
                progress(min(first + _BLOCK, len(vectors)), len(vectors))
        return cls._tuned(vectors, index, read, queries, target, k, seed)

    @classmethod
    def _tuned(
        cls,
        vectors: Float[np.ndarray, "rows dims"],
        index: Any,
        prepare: Prepare,
        queries: Float32[np.ndarray, "q dims"] | None,
        target: float,
        k: int,
        seed: int,
    ) -> "AnnIndex":
        """Probe more lists, then consider more candidates, until the recall reaches the target."""
        own, given = np.full(0, -1), queries is not None
        if queries is None:
            own = np.random.default_rng([seed, 1]).choice(len(vectors), min(len(vectors), _QUERIES), replace=False)
            queries = prepare(vectors[own])
        depth = k if given else k + 1
        exact = ExactIndex(vectors, prepare=prepare).search(queries, depth)[0]
        best, steps = 0.0, {round(2 ** (half / 2)) for half in range(2 * index.nlist.bit_length())}
        for candidates in (40 * k, 200 * k, 1000 * k):
            for probes in sorted({min(step, index.nlist) for step in steps}):
                measured = Measured(len(vectors), index.nlist, probes, candidates, k, target, 0.0, len(queries), given)
                found = cls(vectors, index, measured, prepare)._candidates(queries, depth, None)[0]
                shares = _shares_found(found, exact, own, k)
                recall, error = float(shares.mean()), float(shares.std() / np.sqrt(len(shares)))
                best = max(best, recall)
                if recall - 2 * error >= target:
                    return cls(vectors, index, replace(measured, recall=recall), prepare)
        raise InputError(f"recall@{k} is {best:.3f} at best, the target {target:g}", hint="lower the target")

    def __len__(self) -> int:
        return len(self.vectors)

    def search(
        self, queries: Float32[np.ndarray, "q dims"], k: int, where: Bool[np.ndarray, " rows"] | None = None
    ) -> tuple[Int[np.ndarray, "q k"], Float[np.ndarray, "q k"]]:
        """Search the rows with the largest inner products, best first, and the products in float64.

        A filter acts inside the index, before candidates are taken, and the number of probes increases in proportion
        to the rows it excludes; if fewer than a twentieth of the rows pass, these are searched exactly, as are queries
        with fewer than ``k`` candidates. Equal products are in order of rows.

        Raises
        ------
        ValueError
            If queries are not finite, or fewer than ``k`` rows pass the filter.
        """
        allowed = require_answerable(queries, k, len(self), where)
        if allowed < _NARROW * len(self):
            return self._exactly(queries, k, where)
        indices, products = self._candidates(queries, k, where)
        short = np.flatnonzero(indices[:, -1] < 0)
        if len(short):
            indices[short], products[short] = self._exactly(queries[short], k, where)
        return indices, products

    def _candidates(
        self, queries: Float32[np.ndarray, "q dims"], k: int, where: Bool[np.ndarray, " rows"] | None
    ) -> tuple[Int[np.ndarray, "q k"], Float[np.ndarray, "q k"]]:
        """The ``k`` best candidates of each query; queries with fewer have -1 throughout."""
        faiss = _faiss()
        probes, selector = self.measured.probes, None
        if where is not None:
            probes = math.ceil(probes * len(self) / int(where.sum()))
            selector = faiss.IDSelectorBitmap(np.packbits(where, bitorder="little"))
        settings = faiss.SearchParametersIVF(nprobe=min(probes, self.measured.lists), sel=selector)
        rows = self._index.search(_even(queries), max(k, self.measured.candidates), params=settings)[1]
        query, column = np.nonzero(rows >= 0)
        enough = (rows >= 0).sum(axis=1) >= k
        kept = enough[query]
        indices, products = np.full((len(queries), k), -1), np.full((len(queries), k), -np.inf)
        number = np.cumsum(enough) - 1  # of a query among those with enough candidates
        indices[enough], products[enough] = rank(
            self.vectors, self._prepare, queries[enough], number[query[kept]], rows[query, column][kept], k
        )
        return indices, products

    def _exactly(
        self, queries: Float32[np.ndarray, "q dims"], k: int, where: Bool[np.ndarray, " rows"] | None
    ) -> tuple[Int[np.ndarray, "q k"], Float[np.ndarray, "q k"]]:
        rows = np.arange(len(self)) if where is None else np.flatnonzero(where)
        vectors = self.vectors if where is None else self.vectors[rows]
        indices, products = ExactIndex(vectors, prepare=self._prepare).search(queries, k)
        return rows[indices], products

    def save(self, file: Path) -> None:
        """Write the lists and codes; ``measured`` has to be kept separately."""
        _faiss().write_index(self._index, str(file))

    @classmethod
    def open(
        cls,
        file: Path,
        measured: Measured,
        vectors: Float[np.ndarray, "rows dims"],
        prepare: Prepare | None = None,
    ) -> "AnnIndex":
        """Open an index of vectors; :class:`InputError` if it is damaged or belongs to other vectors."""
        faiss = _faiss()
        try:
            index = faiss.read_index(str(file))
        except RuntimeError:
            raise InputError("this index cannot be read", file, "build the gallery again") from None
        if index.ntotal != len(vectors):
            raise InputError(f"an index of {index.ntotal} rows, but {len(vectors)} vectors", file, "build it again")
        return cls(vectors, index, measured, prepare)


def _shares_found(
    found: Int[np.ndarray, "q d"], exact: Int[np.ndarray, "q d"], own: Int[np.ndarray, " own"], k: int
) -> Float[np.ndarray, " q"]:
    """Share of the exact ``k`` best of each query that were found, without the query itself."""
    rows = own if len(own) else np.full(len(exact), -1)
    best = [exact_rows[exact_rows != row][:k] for exact_rows, row in zip(exact, rows, strict=True)]
    return np.array([np.isin(best_rows, rows).mean() for best_rows, rows in zip(best, found, strict=True)])


def _even(rows: Float32[np.ndarray, "n dims"]) -> Float32[np.ndarray, "n even"]:
    """Pad rows of odd length with a zero, which does not change products."""
    return np.pad(rows, ((0, 0), (0, 1))) if rows.shape[1] % 2 else np.ascontiguousarray(rows)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError:
        raise InputError("approximate search needs faiss", hint="install brain2music[ann]") from None
    return faiss
