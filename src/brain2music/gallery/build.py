"""Building a gallery from a folder of music: resumable, and never half-written.

Tracks are embedded in shards, each one file written at once, so that a kill loses at most one. When all are
done, a new index is written beside the old one, and replacing ``gallery.json`` is the single step that makes
it the gallery; only then are the shards and the old index removed. Whenever a build is killed,
``gallery.json`` names a complete index or none, and the next build embeds only what is new or has changed.
"""

import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32

from .. import __version__
from ..artifacts import read_arrays, write_arrays, write_json, write_table
from ..audio.io import read_audio
from ..embed.registry import Embedder
from ..errors import InputError
from .gallery import (
    DESCRIPTION,
    FORMAT,
    TRACKS,
    VECTORS,
    WINDOWS,
    Gallery,
    map_arrays,
    read_description,
    read_tracks,
)
from .tracks import list_tracks

Key = tuple[str, int, int]  # path, size and time of change: a file that has not changed


@dataclass(frozen=True)
class Embedded:
    """What a gallery keeps of one track."""

    duration_s: float
    windows: Float32[np.ndarray, "windows dims"]
    """Vectors of every window, or only their mean where windows are not kept."""
    n_windows: int


def build_gallery(
    folder: str | Path,
    out: str | Path,
    embedder: Embedder,
    *,
    metadata: str | Path | None = None,
    seconds: float = 15.0,
    exclude: Iterable[str] = (),
    keep_windows: bool = False,
    progress: Callable[[int, int], None] | None = None,
    n_jobs: int | None = 1,
    shard_size: int = 64,
) -> Gallery:
    """Embed the first seconds of every sound file of a folder; run again, only what is new or has changed.

    Parameters
    ----------
    folder : music, searched with its sub-folders; never written to.
    out : the gallery's folder; made where absent.
    embedder : what embeds; its space is recorded with the digest of its weights.
    metadata, exclude : see :func:`brain2music.gallery.tracks.list_tracks`.
    seconds : length of the part embedded, from the start (the paper takes 15 s; Brain2Music §4).
    keep_windows : keep the vectors of windows too, not only their mean.
    progress : called with (tracks done, tracks to do) of this build.
    n_jobs : threads that read and decode sound ahead; embedding itself is called from one thread.
    shard_size : tracks that a kill can lose.

    Returns
    -------
    The gallery, opened. Files that cannot be embedded are listed in ``rejected.tsv`` with the reason.

    Raises
    ------
    InputError
        No sound files, none that can be embedded, a metadata table at fault, or a gallery that was built with
        other settings at ``out``.
    """
    folder, out = Path(folder), Path(out)
    listing = list_tracks(folder, None if metadata is None else Path(metadata), exclude)
    settings = {"space": asdict(embedder.space), "seconds": seconds, "keep_windows": keep_windows}
    description = _begin(out, folder, settings)
    known = _known(out, description)
    todo = [row for row, key in enumerate(_keys(listing)) if key not in known]
    rejected = []
    for first in range(0, len(todo), shard_size):
        rows = todo[first : first + shard_size]
        shard, refused = _embed(folder, listing.iloc[rows], embedder, settings, n_jobs)
        rejected += refused
        _write_shard(out, shard)
        known |= shard
        if progress is not None:
            progress(first + len(rows), len(todo))
    write_table(out / "rejected.tsv", pd.DataFrame(rejected, columns=["path", "why"]))
    _commit(out, listing, known, description)
    return Gallery.open(out)


def _begin(out: Path, folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The gallery's description: that of the gallery at ``out`` where it was built alike, else a new one."""
    fresh = {
        "format": FORMAT,
        "generated_by": f"brain2music {__version__}",
        "music": str(folder.resolve()),
        "settings": settings,
        "index": None,
    }
    if (out / DESCRIPTION).is_file():
        found = read_description(out)
        for name in settings:
            if found["settings"].get(name) != settings[name]:
                was, now = found["settings"].get(name), settings[name]
                raise InputError(f"this gallery was built with {name} {was}, not {now}", out, "choose another folder")
        for leftover in out.rglob(".part-*"):
            leftover.unlink()
        fresh["index"] = found["index"]
    write_json(out / DESCRIPTION, fresh)
    return fresh


def _known(out: Path, description: dict[str, Any]) -> dict[Key, Embedded]:
    """What earlier builds embedded: the index in use, then shards of builds that did not finish."""
    known: dict[Key, Embedded] = {}
    if description["index"] is not None:
        known |= _read_index(out / description["index"])
    for shard in sorted((out / "shards").glob("*.safetensors")):
        arrays, rows = read_arrays(shard)
        parts = np.split(arrays["windows"], np.cumsum(rows["stored"])[:-1])
        for key, duration, n, part in zip(rows["keys"], rows["durations"], rows["windows"], parts, strict=True):
            known[tuple(key)] = Embedded(duration, part, n)
    return known


def _read_index(index: Path) -> dict[Key, Embedded]:
    tracks = read_tracks(index / TRACKS)
    if (index / WINDOWS).is_file():
        windows = map_arrays(index / WINDOWS)["windows"]
        parts = np.split(windows, np.cumsum(tracks["windows"])[:-1])
    else:
        parts = np.split(map_arrays(index / VECTORS)["vectors"], len(tracks))
    rows = zip(_keys(tracks), tracks["duration_s"], parts, tracks["windows"], strict=True)
    return {key: Embedded(float(duration), part, int(n)) for key, duration, part, n in rows}


def _embed(
    folder: Path, listing: pd.DataFrame, embedder: Embedder, settings: dict[str, Any], n_jobs: int | None
) -> tuple[dict[Key, Embedded], list[tuple[str, str]]]:
    """Embed some tracks: what is kept of each, and (path, reason) of those that were refused."""
    rate, keep = embedder.space.sample_rate, settings["keep_windows"]
    done: dict[Key, Embedded] = {}
    refused = []
    with ThreadPoolExecutor(n_jobs) as readers:
        reads = [
            readers.submit(read_audio, folder / path, rate, duration=settings["seconds"]) for path in listing["path"]
        ]
        for key, read in zip(_keys(listing), reads, strict=True):
            try:
                waveform, _ = read.result()
                windows = _checked(embedder.embed(waveform, rate))
            except InputError as error:
                refused.append((key[0], error.what))
                continue
            stored = windows if keep else windows.mean(axis=0, keepdims=True, dtype=np.float32)
            done[key] = Embedded(len(waveform) / rate, stored, len(windows))
    return done, refused


def _checked(windows: Float32[np.ndarray, "windows dims"]) -> Float32[np.ndarray, "windows dims"]:
    if not len(windows) or not np.isfinite(windows).all():
        raise InputError("the embedding is empty or not finite")
    return windows


def _write_shard(out: Path, shard: dict[Key, Embedded]) -> None:
    if not shard:
        return
    tracks = list(shard.values())
    rows = {
        "keys": list(shard),
        "durations": [track.duration_s for track in tracks],
        "windows": [track.n_windows for track in tracks],
        "stored": [len(track.windows) for track in tracks],
    }
    number = 1 + max((int(path.stem) for path in (out / "shards").glob("*.safetensors")), default=0)
    windows = np.concatenate([track.windows for track in tracks])
    write_arrays(out / "shards" / f"{number:06d}.safetensors", {"windows": windows}, rows)


def _commit(out: Path, listing: pd.DataFrame, known: dict[Key, Embedded], description: dict[str, Any]) -> None:
    """Make the embedded tracks of the listing the gallery's index, unless they already are."""
    keys = _keys(listing)
    listing = listing[[key in known for key in keys]].reset_index(drop=True)
    tracks = [known[key] for key in keys if key in known]
    if not tracks:
        raise InputError("none of the sound files could be embedded", out / "rejected.tsv", "see the reasons there")
    table = listing.assign(
        start_s=0.0,
        duration_s=[track.duration_s for track in tracks],
        windows=[track.n_windows for track in tracks],
    )
    current = description["index"]
    if current is None or not read_tracks(out / current / TRACKS).equals(table):
        current = f"index-{1 if current is None else 1 + int(current.removeprefix('index-')):04d}"
        _write_index(out / current, table, tracks, description["settings"]["keep_windows"])
        write_json(out / DESCRIPTION, {**description, "index": current})
    for done_with in (*out.glob("index-*"), out / "shards"):
        if done_with.name != current:
            shutil.rmtree(done_with, ignore_errors=True)


def _write_index(index: Path, table: pd.DataFrame, tracks: list[Embedded], keep_windows: bool) -> None:
    vectors = np.stack([track.windows.mean(axis=0, dtype=np.float32) for track in tracks])
    mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    write_arrays(index / VECTORS, {"vectors": vectors, "mean": mean})
    if keep_windows:
        write_arrays(index / WINDOWS, {"windows": np.concatenate([track.windows for track in tracks])})
    write_table(index / TRACKS, table)


def _keys(listing: pd.DataFrame) -> list[Key]:
    rows = zip(listing["path"], listing["bytes"], listing["modified_ns"], strict=True)
    return [(path, int(size), int(modified)) for path, size, modified in rows]
