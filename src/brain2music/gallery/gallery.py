"""A gallery: music that exists, each track with the vector of its first seconds, and exact cosine search.

``Gallery.open(folder)`` gives the table of tracks and their vectors. The folder is made by
:func:`brain2music.gallery.build.build_gallery`::

    gallery.json           space, settings and origin; names the index in use
    index-0001/            tracks.parquet, vectors.safetensors, and windows.safetensors where they were kept
    rejected.tsv           sound files that could not be embedded, and why
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float32, Int

from ..artifacts import read_json
from ..embed.embeddings import Space
from ..errors import InputError
from .search import ExactIndex
from .tracks import matches

FORMAT = 1
DESCRIPTION = "gallery.json"
TRACKS, VECTORS, WINDOWS = "tracks.parquet", "vectors.safetensors", "windows.safetensors"

Statistic = float | Float[np.ndarray, " dims"] | None


@dataclass(frozen=True)
class Hits:
    """What a search found: per query the tracks' rows, best first, and their cosines."""

    indices: Int[np.ndarray, "queries k"]
    cosines: Float32[np.ndarray, "queries k"]


@dataclass(frozen=True)
class Gallery:
    """Tracks and their vectors.

    Attributes
    ----------
    folder : where the gallery lies.
    space : what its vectors are.
    tracks : one row a track: ``track`` (its id), ``path``, ``title``, ``artist``, ``genre``, ``licence``,
        ``start_s`` and ``duration_s`` (the part of the recording that was embedded), ``windows``.
    seconds : how much of each recording was embedded, from its start; shorter ones as a whole.
    vectors : (tracks, dims) float32, mean over the windows of that part; a memory map.
    mean : (dims,) float32, of the vectors.
    """

    folder: Path
    space: Space
    tracks: pd.DataFrame
    seconds: float
    vectors: Float32[np.ndarray, "tracks dims"]
    mean: Float32[np.ndarray, " dims"]

    @classmethod
    def open(cls, folder: str | Path) -> "Gallery":
        """Open a gallery; :class:`InputError` when it is missing, unfinished or damaged."""
        folder = Path(folder)
        description = read_description(folder)
        if description["index"] is None:
            raise InputError("this gallery is unfinished", folder, "run the same build again: it resumes")
        index = folder / description["index"]
        arrays = map_arrays(index / VECTORS)
        tracks = read_tracks(index / TRACKS)
        if len(tracks) != len(arrays["vectors"]):
            raise InputError(f"{len(tracks)} tracks but {len(arrays['vectors'])} vectors", index, "build it again")
        music = Path(description["music"])
        tracks = tracks.assign(path=[str(music / path) for path in tracks["path"]])
        public = tracks.drop(columns=["bytes", "modified_ns"])
        settings = description["settings"]
        return cls(folder, Space(**settings["space"]), public, settings["seconds"], **arrays)

    def __len__(self) -> int:
        return len(self.tracks)

    def search(
        self,
        queries: Float32[np.ndarray, "queries dims"],
        k: int = 10,
        *,
        space: Space,
        centre: Statistic = None,
        where: Bool[np.ndarray, " tracks"] | None = None,
    ) -> Hits:
        """The tracks of highest cosine similarity to each query; exact, equal cosines in order of the table.

        Queries and tracks are first centred by the same vector, by default the gallery's own mean. Features such
        as musicnn's share a large mean, without which every cosine is near 1. ``centre=0`` is the plain cosine
        of the paper (Brain2Music, §4), right for embeddings trained for it.

        Parameters
        ----------
        queries : (queries, dims), in units of ``space``.
        k : tracks a query; fewer are given where fewer may be found.
        space : what the queries are: must be the gallery's.
        centre : (dims,) or one number; None takes the gallery's mean.
        where : (tracks,) which tracks may be found, as :meth:`select` gives.

        Raises
        ------
        InputError : another space, no track that may be found, or queries that are not finite.
        """
        self.space.require_same(space)
        if not np.isfinite(queries).all():
            raise InputError("some queries are not finite", mend="look for NaN where they were predicted")
        found = len(self) if where is None else int(where.sum())
        if found == 0:
            raise InputError("no track passes the filters", self.folder, "loosen the filters or add music")
        centre = np.broadcast_to(self.mean if centre is None else centre, self.mean.shape)
        index = self._index(centre)
        indices, cosines = index.search(_directions(queries, centre), min(k, found), where)
        return Hits(indices, np.clip(cosines, -1, 1).astype(np.float32))

    def select(
        self,
        *,
        licences: Iterable[str] | None = None,
        genres: Iterable[str] | None = None,
        artists: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        exclude_artists: Iterable[str] = (),
    ) -> Bool[np.ndarray, " tracks"]:
        """Which tracks meet all conditions, each a list of patterns ("CC-BY*", "rock", "blues.*").

        ``exclude`` is matched against track ids (a study's own stimuli, say), ``exclude_artists`` against
        artists. Upper and lower case differ only in track ids.
        """
        passing = np.ones(len(self), bool)
        for column, patterns in (("licence", licences), ("genre", genres), ("artist", artists)):
            if patterns is not None:
                passing &= matches(self.tracks[column].str.lower(), [pattern.lower() for pattern in patterns])
        passing &= ~matches(self.tracks["track"], list(exclude))
        return passing & ~matches(self.tracks["artist"].str.lower(), [name.lower() for name in exclude_artists])

    def ranked(self, hits: Hits) -> pd.DataFrame:
        """Hits as a table, one row a query and rank (from 1), with what is known of the track."""
        queries, k = hits.indices.shape
        table = self.tracks.iloc[hits.indices.ravel()].reset_index(drop=True)
        table.insert(0, "query", np.repeat(np.arange(queries), k))
        table.insert(1, "rank", np.tile(np.arange(1, k + 1), queries))
        return table.assign(cosine=hits.cosines.ravel())

    def windows(self, track: int) -> Float32[np.ndarray, "windows dims"]:
        """The vectors of every window of one track; :class:`InputError` where the build did not keep them."""
        if self._windows is None:
            raise InputError("this gallery was built without windows", self.folder, "build it with keep_windows")
        ends = np.cumsum(self.tracks["windows"].to_numpy())
        return self._windows[ends[track] - self.tracks["windows"].iloc[track] : ends[track]]

    @cached_property
    def _windows(self) -> Float32[np.ndarray, "all dims"] | None:
        file = self.folder / read_description(self.folder)["index"] / WINDOWS
        return map_arrays(file)["windows"] if file.is_file() else None

    @cached_property
    def _indices(self) -> dict[bytes, ExactIndex]:
        return {}

    def _index(self, centre: Float[np.ndarray, " dims"]) -> ExactIndex:
        """The prepared search for one centre; only the last one used is kept, for it is large."""
        key = centre.tobytes()
        if key not in self._indices:
            self._indices.clear()
            self._indices[key] = ExactIndex(_directions(self.vectors, centre))
        return self._indices[key]


def read_description(folder: Path) -> dict[str, Any]:
    """gallery.json; :class:`InputError` when this is not a gallery that can be read."""
    file = folder / DESCRIPTION
    if not file.is_file():
        raise InputError("this is not a gallery (it has no gallery.json)", folder, "build it with gallery build")
    description = read_json(file)
    if description.get("format") != FORMAT:
        raise InputError(f"gallery format {description.get('format')!r} is not {FORMAT}", file, "build it again")
    return description


def read_tracks(file: Path) -> pd.DataFrame:
    """The table of tracks; :class:`InputError` when it is missing or damaged."""
    try:
        return pd.read_parquet(file)
    except (OSError, ValueError) as error:
        raise InputError(f"the table of tracks cannot be read ({error})", file, "build the gallery again") from None


def map_arrays(file: Path) -> dict[str, np.ndarray]:
    """The float32 arrays of a safetensors file as read-only memory maps.

    The layout is eight bytes for the length of the header, the header as JSON, then the arrays as raw bytes.
    """
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header: dict[str, Any] = json.loads(stream.read(length))
        header.pop("__metadata__", None)
        return {
            name: np.memmap(file, np.float32, "r", 8 + length + entry["data_offsets"][0], tuple(entry["shape"]))
            for name, entry in header.items()
        }
    except (OSError, ValueError, OverflowError, MemoryError) as error:
        raise InputError(f"the vectors cannot be read ({error})", file, "build the gallery again") from None


def _directions(
    rows: Float32[np.ndarray, "n dims"], centre: Float[np.ndarray, " dims"]
) -> Float32[np.ndarray, "n dims"]:
    """Rows centred and brought to length 1; a row at the centre has no direction and stays 0."""
    rows = (rows - centre).astype(np.float32, copy=False)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, np.float32(1))
