"""Building a gallery from a corpus of music: incremental, resumable, and never half-written.

Tracks are embedded in shards, each one file written at once, so that a kill loses at most one a process. When
all are done, a new index is written beside the old one, and replacing ``gallery.json`` is the single step that
makes it the gallery; only then are the shards and the old index removed. Whenever a build is killed,
``gallery.json`` names a complete index or none, and the next build embeds only what is new or has changed.

Vectors go from shards to the index a shard at a time: memory holds the table of tracks and little else.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .. import __version__
from ..artifacts import digest_file
from ..embed.embedder import Embedder
from ..errors import InputError
from .ann import AnnIndex
from .gallery import (
    ANN,
    DESCRIPTION,
    EXACT_ROWS,
    FORMAT,
    TRACKS,
    VECTORS,
    WINDOWS,
    Gallery,
    create_arrays,
    directions_about,
    map_arrays,
    read_description,
    read_tracks,
)
from .shards import FOLDER, KEY, PLACES, list_shards, read_shard
from .storage import Store
from .tracks import list_tracks
from .work import Job, Refused, embed_all

Progress = Callable[[int, int], None]

REJECTED = "rejected.tsv"


def build_gallery(
    music: str | Path,
    out: str | Path,
    embedder: Embedder,
    *,
    metadata: str | Path | None = None,
    seconds: float = 15.0,
    exclude: Iterable[str] = (),
    keep_windows: bool = False,
    half: bool = False,
    progress: Progress | None = None,
    n_jobs: int | None = 1,
    scheduler: str | None = None,
    shard_size: int = 64,
) -> Gallery:
    """Embed the first seconds of every track of a corpus; run again, only what is new or has changed.

    Parameters
    ----------
    music : a folder, searched with its sub-folders, or a table of files; never written to.
    out : the gallery's folder, made where absent, or a URL that fsspec knows ("s3://bucket/gallery").
    embedder : what embeds; its space is recorded with the digest of its weights.
    metadata, exclude : see :func:`brain2music.gallery.tracks.list_tracks`.
    seconds : length of the part embedded, from the start (the paper takes 15 s; Brain2Music §4).
    keep_windows : keep the vectors of windows too, not only their mean.
    half : store vectors in 16 bits.
    progress : called with (tracks done, tracks to do) of this build.
    n_jobs : processes; None takes every core. More than one needs an embedder of the registry.
    scheduler : address of a Dask scheduler whose workers see ``music`` and ``out``; instead of processes.
    shard_size : tracks that a kill can lose, of each process.

    Returns
    -------
    The gallery, opened. Files that cannot be embedded are listed in ``rejected.tsv`` with the reason. Past
    three million tracks it holds an approximate index too.

    Raises
    ------
    InputError
        No sound files, none that can be embedded, a metadata table at fault, or a gallery that was built with
        other settings at ``out``.
    """
    root, listing = list_tracks(Path(music), None if metadata is None else Path(metadata), exclude)
    store = Store(out if "://" in str(out) else Path(out).resolve())
    settings = {"space": asdict(embedder.space), "seconds": seconds, "keep_windows": keep_windows, "half": half}
    description = _begin(store, root, settings)
    known = _known(store, description)
    todo = listing[KEY].merge(known[KEY], how="left", indicator=True).query("_merge == 'left_only'")[KEY]
    tracks = [(path, int(size), int(modified)) for path, size, modified in todo.itertuples(index=False)]
    shards = [tracks[first : first + shard_size] for first in range(0, len(tracks), shard_size)]
    job = Job(str(root.resolve()), store.root, embedder.space, seconds, keep_windows, half)
    done, rejected = 0, list[Refused]()
    for count, refused in embed_all(job, shards, embedder, n_jobs, scheduler):
        done, rejected = done + count, rejected + refused
        if progress is not None:
            progress(done, len(tracks))
    store.write(
        REJECTED, pd.DataFrame(sorted(rejected), columns=["path", "why"]).to_csv(sep="\t", index=False).encode()
    )
    _commit(store, listing, _known(store, description) if shards else known, description)
    return Gallery.open(store.local or store.root)


def _begin(store: Store, root: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The gallery's description: that of the gallery in store where it was built alike, else a new one."""
    fresh = {
        "format": FORMAT,
        "generated_by": f"brain2music {__version__}",
        "music": str(root.resolve()),
        "settings": settings,
        "index": None,
        "files": {},
    }
    if store.exists(DESCRIPTION):
        found = read_description(store)
        for name in settings:
            if found["settings"].get(name) != settings[name]:
                was, now = found["settings"].get(name), settings[name]
                raise InputError(
                    f"this gallery was built with {name} {was}, not {now}", store.root, "choose another folder"
                )
        store.sweep()
        fresh |= {"index": found["index"], "files": found["files"]}
    _describe(store, fresh)
    return fresh


def _describe(store: Store, description: dict[str, Any]) -> None:
    store.write(DESCRIPTION, (json.dumps(description, indent=2, sort_keys=True) + "\n").encode())


def _known(store: Store, description: dict[str, Any]) -> pd.DataFrame:
    """Where the vectors of embedded tracks lie: in the index in use, or in shards of builds that did not finish."""
    tables = [list_shards(store)]
    if description["index"] is not None:
        tracks = read_tracks(_index_file(store, description, TRACKS))
        stored = tracks["windows"] if description["settings"]["keep_windows"] else pd.Series(1, tracks.index)
        tables.insert(0, tracks.assign(source="index", first=stored.cumsum() - stored, stored=stored)[PLACES])
    known = pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
    return known.drop_duplicates(KEY, keep="last")


def _index_file(store: Store, description: dict[str, Any], name: str) -> Path:
    return store.fetch(f"{description['index']}/{name}", description["files"][name]["sha256"])


def _commit(store: Store, listing: pd.DataFrame, known: pd.DataFrame, description: dict[str, Any]) -> None:
    """Make the embedded tracks of the listing the gallery's index, unless they already are."""
    places = listing.merge(known, on=KEY, how="inner", sort=False)
    if places.empty:
        raise InputError(
            "none of the sound files could be embedded", f"{store.root}/{REJECTED}", "see the reasons there"
        )
    table = places.assign(start_s=0.0).drop(columns=["source", "first", "stored"])
    current = description["index"]
    if current is None or not read_tracks(_index_file(store, description, TRACKS)).equals(table):
        current = f"index-{1 if current is None else 1 + int(current.removeprefix('index-')):04d}"
        files = _write_index(store, current, table, places, description)
        _describe(store, {**description, "index": current, "files": files})
    for name in store.names():
        if name == FOLDER or (name.startswith("index-") and name != current):
            store.remove(name)


def _write_index(
    store: Store, index: str, table: pd.DataFrame, places: pd.DataFrame, description: dict[str, Any]
) -> dict[str, Any]:
    """Write every file of an index; returns the size and digest of each."""
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
        arrays["mean"][:] = _mean(arrays["vectors"])
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
    """Bring what is stored of every track into the order of the table, and the means of each where they are more."""
    ends = places["stored"].cumsum().to_numpy()
    counts, firsts = places["stored"].to_numpy(), places["first"].to_numpy()
    for source, rows in places.groupby("source", sort=False).indices.items():
        if source == "index":
            name = WINDOWS if description["settings"]["keep_windows"] else VECTORS
            vectors = map_arrays(_index_file(store, description, name))[name.partition(".")[0]]
        else:
            vectors = read_shard(store, str(source))
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


def _mean(vectors: np.ndarray) -> np.ndarray:
    total = np.zeros(vectors.shape[1])
    for first in range(0, len(vectors), 65_536):
        total += vectors[first : first + 65_536].sum(axis=0, dtype=np.float64)
    return (total / len(vectors)).astype(np.float32)


def _state(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": digest_file(path)}
