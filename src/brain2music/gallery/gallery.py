"""A gallery: music that exists, each track with the vector of its first seconds, and exact cosine search.

``Gallery.open(folder)`` gives the table of tracks and their vectors. The folder is made by
:func:`brain2music.gallery.build.build_gallery`::

    gallery.json           space, settings and origin; names the index in use, with the digests of its files
    index-0001/            tracks.parquet, vectors.safetensors, and windows.safetensors where they were kept;
                           past three million tracks ann.faiss too, whose measured recall is in gallery.json
    rejected.tsv           what was passed over, sound files that could not be embedded, and why
    duplicates.tsv         recordings that are there twice, where they were looked for

The folder may lie on object storage; what is read is then copied once.
"""

import io
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float32, Int

from .._utils.errors import Brain2MusicWarning, InputError
from .._utils.files import digest_file
from ..embeddings.embeddings import DecodedEmbeddings, Embeddings, EmbeddingSpace
from .ann import AnnIndex, Measured
from .arrays import map_arrays
from .description import ANN, TRACKS, VECTORS, WINDOWS, locations, read_description, read_tracks
from .patterns import matching, matching_tracks
from .search import ExactIndex, Prepare, as_float32
from .storage import Store

DUPLICATES = "duplicates.tsv"

EXACT_ROWS = 3_000_000
"""Up to here search is exact: about 0.3 s for 60 queries."""

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
    folder, root : where the gallery lies, as a path and as it was given ("s3://bucket/gallery").
    space : what its vectors are.
    tracks : one row a track: ``track`` (its id), ``path``, ``title``, ``artist``, ``genre``, ``licence``,
        ``sha256`` (of the file that was embedded), ``start_s`` and ``duration_s`` (the part of the recording that
        was embedded), ``recording_s`` (all of it), ``windows``, and ``duplicate_of`` (the track that it repeats, or
        ""). Paths are text (:mod:`brain2music.audio.paths`).
    seconds : how much of each recording was embedded, from its start; shorter ones as a whole.
    vectors : (tracks, dims) float32, or float16 where built so, mean over the windows of that part; a memory map.
    mean : (dims,) float32, of the vectors.
    files : the files of the index, on this machine.
    measured : what the approximate index was measured to find; None where search is always exact.
    """

    folder: Path
    root: str
    space: EmbeddingSpace
    tracks: pd.DataFrame
    seconds: float
    vectors: Float[np.ndarray, "tracks dims"]
    mean: Float32[np.ndarray, " dims"]
    files: Mapping[str, Path]
    measured: Measured | None = None

    @classmethod
    def open(cls, folder: str | Path, check: bool = False) -> "Gallery":
        """Open a gallery, also by URL; :class:`InputError` when it is missing, unfinished or damaged.

        ``check`` compares the contents of every file with its digest, not only the size.
        """
        store = Store(folder)
        while True:
            description = read_description(store)
            try:
                return cls._open(store, description, check)
            except InputError:
                if read_description(store)["index"] == description["index"]:
                    raise  # else a build has put another index in its place meanwhile

    @classmethod
    def _open(cls, store: Store, description: dict[str, Any], check: bool) -> "Gallery":
        index = description["index"]
        if index is None:
            raise InputError("this gallery is unfinished", store.root, "run the same build again: it resumes")
        files = {name: store.fetch(f"{index}/{name}", state["sha256"]) for name, state in description["files"].items()}
        for name, path in files.items():
            _require_whole(path, description["files"][name], check)
        arrays, tracks = map_arrays(files[VECTORS]), read_tracks(files[TRACKS])
        settings = description["settings"]
        tracks = tracks.assign(path=locations(tracks, description), duplicate_of=_duplicates(store, tracks))
        tracks = tracks.drop(columns=["source", "bytes", "modified_ns"], errors="ignore")
        measured = description["files"].get(ANN, {}).get("measured")
        return cls(
            store.local or Path(store.root),
            store.root,
            EmbeddingSpace(**settings["space"]),
            tracks,
            settings["seconds"],
            files=files,
            measured=Measured(**measured) if measured else None,
            **arrays,
        )

    def __len__(self) -> int:
        return len(self.tracks)

    def search(
        self,
        embeddings: Embeddings,
        k: int = 5,
        *,
        centre: Statistic = None,
        where: Bool[np.ndarray, " tracks"] | None = None,
    ) -> pd.DataFrame:
        """The tracks nearest to each clip's mean embedding, by cosine, best first.

        Parameters
        ----------
        embeddings : Embeddings
            Of the gallery's space. Of decoded embeddings the clips' own recordings are not found, and cosines are
            about the mean of the training clips, towards which predictions are shrunk.
        k : int, default 5
            Tracks per clip; fewer where fewer may be found.
        centre : ndarray of shape (dims,) or float, optional
            What cosines are about; default the training mean of decoded embeddings, else the gallery's mean.
        where : ndarray of bool of shape (tracks,), optional
            Tracks that may be found, as :meth:`select` gives; default all but the clips' own recordings.

        Returns
        -------
        DataFrame
            One row per clip and rank: ``clip``, ``rank`` (from 1), the columns of :attr:`tracks`, ``cosine``.

        Raises
        ------
        InputError
            Another space, no track that may be found, or embeddings that are not finite.
        """
        if isinstance(embeddings, DecodedEmbeddings):
            own = [clip.track for clip in embeddings.clips]
            where = self.select(exclude=own, warn=False) if where is None else where
            centre = embeddings.train_mean.mean(axis=0) if centre is None else centre
        table = self.ranked(self.nearest(embeddings.mean, k, space=embeddings.space, centre=centre, where=where))
        table.insert(0, "clip", [embeddings.names[row] for row in table.pop("query")])
        return table

    def nearest(
        self,
        queries: Float32[np.ndarray, "queries dims"],
        k: int = 10,
        *,
        space: EmbeddingSpace,
        centre: Statistic = None,
        where: Bool[np.ndarray, " tracks"] | None = None,
    ) -> Hits:
        """The tracks of highest cosine similarity to each query, equal cosines in order of the table.

        The search is exact; only in galleries of more than three million tracks, and about their own mean, it is
        approximate (:attr:`measured` says how many of the best it finds).

        Queries and tracks are first centred by the same vector, by default the gallery's own mean. Features such
        as musicnn's share a large mean, without which every cosine is near 1. ``centre=0`` is the plain cosine
        of the paper (Brain2Music, §4), right for embeddings trained for it.

        Parameters
        ----------
        queries : (queries, dims), in units of ``space``.
        k : tracks a query; fewer are given where fewer may be found.
        space : what the queries are: must be the gallery's, but for the step between windows, whose mean a query is.
        centre : (dims,) or one number; None takes the gallery's mean.
        where : (tracks,) which tracks may be found, as :meth:`select` gives.

        Raises
        ------
        InputError : another space, no track that may be found, or queries that are not finite.
        """
        self.space.require_same_means(space)
        if not np.isfinite(queries).all():
            raise InputError("some queries are not finite", hint="look for NaN where they were predicted")
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
        tracks: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        exclude_artists: Iterable[str] = (),
        duplicates: bool = True,
        warn: bool = True,
    ) -> Bool[np.ndarray, " tracks"]:
        """Which tracks meet all conditions, each a list of patterns ("CC-BY*", "rock", "blues.*").

        ``tracks`` and ``exclude`` (a study's own stimuli, say) are ids, paths or names of tracks, or patterns of
        these (:func:`brain2music.gallery.patterns.matching_tracks`); ``exclude_artists`` is matched against artists.
        In licences, genres and artists upper and lower case do not differ. Without ``duplicates``, of recordings that
        are there twice only the first may be found (:func:`brain2music.gallery.duplicates.mark_duplicates`).
        Patterns that nothing matches are warned of, unless ``warn`` is False.
        """
        passing, unmatched = np.ones(len(self), bool), list[str]()
        ids, paths = list(self.tracks["track"]), list(self.tracks["path"])

        def of(kind: str, found: tuple[Bool[np.ndarray, " tracks"], list[str]]) -> Bool[np.ndarray, " tracks"]:
            unmatched.extend(f"{kind} {pattern!r}" for pattern in found[1])
            return found[0]

        for column, patterns in (("licence", licences), ("genre", genres), ("artist", artists)):
            if patterns is not None:
                passing &= of(column, matching(list(self.tracks[column]), patterns))
        if tracks is not None:
            passing &= of("track", matching_tracks(ids, paths, tracks))
        if not duplicates:
            passing &= (self.tracks["duplicate_of"] == "").to_numpy()
        passing &= ~of("exclude", matching_tracks(ids, paths, exclude))
        passing &= ~of("exclude artist", matching(list(self.tracks["artist"]), exclude_artists))
        if unmatched and warn:
            warnings.warn(f"{self.root}: no track matches {', '.join(unmatched)}", Brain2MusicWarning, stacklevel=2)
        return passing

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
    def _ann(self) -> AnnIndex | None:
        if self.measured is None:
            return None
        return AnnIndex.open(self.files[ANN], self.measured, self.vectors, directions_about(self.mean))

    @cached_property
    def _windows(self) -> Float[np.ndarray, "all dims"] | None:
        return map_arrays(self.files[WINDOWS])["windows"] if WINDOWS in self.files else None

    @cached_property
    def _indices(self) -> dict[bytes, ExactIndex]:
        return {}

    def _index(self, centre: Float[np.ndarray, " dims"]) -> ExactIndex | AnnIndex:
        """The prepared search for one centre; only the last one used is kept, for it is large."""
        if self._ann is not None and np.array_equal(centre, self.mean):
            return self._ann
        key = centre.tobytes()
        if key not in self._indices:
            self._indices.clear()
            self._indices[key] = ExactIndex(self.vectors, prepare=directions_about(centre))
        return self._indices[key]


def directions_about(centre: Float[np.ndarray, " dims"]) -> Prepare:
    """What brings rows to their directions from a centre; one at the centre has no direction and stays 0."""
    return lambda rows: _directions(rows, centre)


def _directions(rows: Float[np.ndarray, "n dims"], centre: Float[np.ndarray, " dims"]) -> Float32[np.ndarray, "n dims"]:
    rows = (as_float32(rows) - centre).astype(np.float32, copy=False)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, np.float32(1))


def _require_whole(path: Path, state: dict[str, Any], check: bool) -> None:
    if not path.is_file() or path.stat().st_size != state["bytes"]:
        found = path.stat().st_size if path.is_file() else 0
        raise InputError(f"this file cannot be read: {found} of {state['bytes']} bytes", path, "build it again")
    if check and digest_file(path) != state["sha256"]:
        raise InputError("this file cannot be read: its contents have changed", path, "build the gallery again")


def _duplicates(store: Store, tracks: pd.DataFrame) -> pd.Series:
    """Of every track the one that it repeats, or ""; marks count while both tracks hold what they held."""
    if not store.exists(DUPLICATES):
        return pd.Series("", tracks.index)
    try:
        found = pd.read_csv(io.BytesIO(store.read(DUPLICATES)), sep="\t", dtype=str, keep_default_na=False)
        if "sha256" not in found:  # of an earlier format
            found = found.assign(sha256="", of_sha256="")
        marks = list(zip(found["track"], found["duplicate_of"], found["sha256"], found["of_sha256"], strict=True))
    except (ValueError, KeyError) as error:
        what = f"{DUPLICATES} cannot be read ({error})"
        raise InputError(what, store.root, "run `brain2music gallery duplicates` again, or remove the file") from None
    holds = dict(zip(tracks["track"], tracks["sha256"], strict=True))
    valid = {track: of for track, of, own, other in marks if holds.get(track) == own and holds.get(of) == other}
    return tracks["track"].map(valid).fillna("")
