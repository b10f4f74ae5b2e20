"""Pieces of music in shards: prepared by worker processes, encoded by this one, written once each, and read together.

A shard is one safetensors file, whose arrays have a row per piece; what each piece is, and what made the numbers, is in
its metadata. A shard is written atomically and kept when it is there, so that building goes on where it stopped.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from torch import Tensor

from .._utils.errors import InputError
from .._utils.files import read_arrays, write_arrays
from .._utils.progress import Advance
from .._utils.workers import Workers

_AHEAD = 3  # pieces under way for each worker


class _WithRow(Protocol):
    """A piece as a worker prepared it."""

    @property
    def row(self) -> dict[str, Any]:
        """What the piece is."""
        ...


Source = TypeVar("Source")
Prepared = TypeVar("Prepared", bound=_WithRow)


def prepare_in_workers(
    prepare: Callable[[Source, float], Prepared | None],
    sources: Iterable[Source],
    seconds: float,
    workers: int,
    initializer: Callable[..., None],
    initargs: tuple[Any, ...],
) -> Iterator[Prepared | None]:
    """Prepare sources in worker processes, in order; None for those that are too short.

    Parameters
    ----------
    prepare : function of the package that is called with each source and ``seconds``.
    workers : processes, each with ``initializer(*initargs)`` called once.
    """
    with Workers(workers, get_context("spawn"), initializer=initializer, initargs=initargs) as pool:
        waiting: list[Future[Prepared | None]] = []
        try:
            for source in sources:
                waiting.append(pool.submit(prepare, source, seconds))
                if len(waiting) > _AHEAD * workers:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            pool.shutdown(cancel_futures=True)


def write_piece_shards(
    sources: Sequence[Source],
    out: Path,
    name: str,
    prepare: Callable[[Sequence[Source]], Iterator[Prepared | None]],
    encode: Callable[[Prepared], Mapping[str, np.ndarray]],
    metadata: Mapping[str, Any],
    per_shard: int,
    progress: Advance | None = None,
    until: float | None = None,
) -> list[Path]:
    """Write shards ``OUT/<name>-<number>.safetensors``; existing shards are kept, and all that are there returned.

    Parameters
    ----------
    prepare : gives the sources that are missing, prepared and in order.
    encode : arrays of a prepared piece. metadata : what made them.
    until : begin no shard after this time (``time.monotonic()``).
    """
    parts = [sources[first : first + per_shard] for first in range(0, len(sources), per_shard)]
    files = [out / f"{name}-{number:04d}.safetensors" for number in range(len(parts))]
    missing = [(file, part) for file, part in zip(files, parts, strict=True) if not file.is_file()]
    done = len(sources) - sum(len(part) for _, part in missing)
    prepared = prepare([source for _, part in missing for source in part])
    for file, part in missing:
        if until is not None and time.monotonic() > until:
            break
        pieces: list[tuple[dict[str, Any], Mapping[str, np.ndarray]]] = []
        for each in (next(prepared) for _ in part):
            done += 1
            if each is not None:
                pieces.append((each.row, encode(each)))
            if progress is not None:
                progress(done, len(sources))
        if pieces:
            rows, arrays = zip(*pieces, strict=True)
            stacked = {key: np.stack([array[key] for array in arrays]) for key in arrays[0]}
            write_arrays(file, stacked, {"pieces": list(rows), **metadata})
    return [file for file in files if file.is_file()]


@dataclass(frozen=True)
class PieceShards:
    """The shards of a folder, memory-mapped.

    Attributes
    ----------
    arrays : one dict of tensors per shard.
    rows : what each piece is.
    about : what made the numbers, the same for all shards.
    """

    arrays: list[dict[str, Tensor]]
    rows: list[dict[str, Any]]
    about: dict[str, Any]

    @classmethod
    def read(cls, folder: Path, what: str, recipe: str) -> "PieceShards":
        """Read a folder; ``what`` the shards hold and the ``recipe`` that makes them are named in errors.

        Raises
        ------
        InputError : there are no shards, or they were made in different ways.
        """
        from safetensors.torch import load_file

        files = sorted(folder.glob("*-[0-9]*.safetensors"))
        if not files:
            raise InputError(f"the folder holds no {what}", folder, f"run {recipe} first")
        rows: list[dict[str, Any]] = []
        common: dict[str, Any] = {}
        for file in files:
            about = read_arrays(file)[1]
            rows += about.pop("pieces")
            if common and about != common:
                raise InputError(f"these {what} were made otherwise than those before them", file, "make them again")
            common = about
        return cls([load_file(file) for file in files], rows, common)

    def places(self, key: str) -> list[tuple[int, int]]:
        """The shard and the row in it of every piece; ``key`` names an array that all shards have."""
        return [(number, row) for number, shard in enumerate(self.arrays) for row in range(len(shard[key]))]
