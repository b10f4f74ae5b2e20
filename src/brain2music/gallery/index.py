"""Writing of the index of a gallery: the table of its tracks, and their vectors in the same order.

Vectors are copied from shards and the previous index file by file, so that only the table of tracks is in memory.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .._utils.files import digest_file
from .ann import AnnIndex
from .description import ANN, TRACKS, VECTORS, WINDOWS
from .directions import directions_about
from .existing import index_file
from .gallery import EXACT_ROWS
from .mapped_arrays import create_arrays, map_arrays
from .shards import read_shard
from .storage import Store


def next_index(current: str | None) -> str:
    """Name the index that follows the one in use."""
    return f"index-{1 if current is None else 1 + int(current.removeprefix('index-')):04d}"


def write_index(
    store: Store, index: str, table: pd.DataFrame, places: pd.DataFrame, description: dict[str, Any]
) -> dict[str, Any]:
    """Write all files of an index; returns the size and digest of each.

    Parameters
    ----------
    store : Store
    index : str
        Its name.
    table : pandas.DataFrame
        The tracks.
    places : pandas.DataFrame
        The location of the vectors of each track: ``file`` ("index" for that of the description, or a shard), and in
        it the ``first`` row and the number of rows ``stored``.
    description : dict
        Of the existing gallery.
    """
    settings, files = description["settings"], {}
    dims, dtype = settings["space"]["dims"], np.float16 if settings["half"] else np.float32
    with store.writing(f"{index}/{TRACKS}") as path:
        table.to_parquet(path, index=False)
        files[TRACKS] = _state(path)
    with store.writing(f"{index}/{VECTORS}") as path:
        arrays = create_arrays(path, {"vectors": ((len(table), dims), dtype), "mean": ((dims,), np.float32)})
        if settings["keep_windows"]:
            with store.writing(f"{index}/{WINDOWS}") as whole:
                windows = create_arrays(whole, {"windows": ((int(places["stored"].sum()), dims), dtype)})["windows"]
                _gather(store, places, description, windows, arrays["vectors"])
                windows.flush()
                files[WINDOWS] = _state(whole)
        else:
            _gather(store, places, description, arrays["vectors"], None)
        arrays["mean"][:] = _mean_vector(arrays["vectors"])
        for array in arrays.values():
            array.flush()
        files[VECTORS] = _state(path)
        if len(table) > EXACT_ROWS:
            files |= _write_ann(store, index, arrays["vectors"], arrays["mean"])
    return files


def _gather(
    store: Store,
    places: pd.DataFrame,
    description: dict[str, Any],
    stored: np.ndarray,
    means: np.ndarray | None,
) -> None:
    """Copy the stored vectors of every track in the order of the table, and compute means over windows."""
    ends = places["stored"].cumsum().to_numpy()
    counts, firsts = places["stored"].to_numpy(), places["first"].to_numpy()
    for file, rows in places.groupby("file", sort=False).indices.items():
        if file == "index":
            name = WINDOWS if description["settings"]["keep_windows"] else VECTORS
            vectors = map_arrays(index_file(store, description, name))[name.partition(".")[0]]
        else:
            vectors = read_shard(store, str(file))
        for row in rows:
            part = vectors[firsts[row] : firsts[row] + counts[row]]
            stored[ends[row] - counts[row] : ends[row]] = part
            if means is not None:
                means[row] = part.mean(axis=0, dtype=np.float32)


def _write_ann(store: Store, index: str, vectors: np.ndarray, mean: np.ndarray) -> dict[str, Any]:
    ann = AnnIndex.build(vectors, prepare=directions_about(mean))
    with store.writing(f"{index}/{ANN}") as path:
        ann.save(path)
        return {ANN: {**_state(path), "measured": asdict(ann.measured)}}


def _mean_vector(vectors: np.ndarray) -> np.ndarray:
    total = np.zeros(vectors.shape[1])
    for first in range(0, len(vectors), 65_536):
        total += vectors[first : first + 65_536].sum(axis=0, dtype=np.float64)
    return (total / len(vectors)).astype(np.float32)


def _state(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": digest_file(path)}
