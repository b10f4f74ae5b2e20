"""Galleries of existing music: tracks with vectors of their first seconds, and exact cosine search.

``Gallery.open(folder)`` opens a folder that :func:`brain2music.gallery.build.build_gallery` made::

    gallery.json           space, settings and origin; names the index in use, with the digests of its files
    index-0001/            tracks.parquet, vectors.safetensors, and windows.safetensors if they are kept;
                           beyond three million tracks ann.faiss too, whose measured recall is in gallery.json
    rejected.tsv           sound files that were left out or could not be embedded, with the reason
    duplicates.tsv         recordings that are contained twice, if these were searched for

The folder may be on object storage; files are then copied once when they are read.
"""

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
from ..embeddings.embeddings import DecodedEmbeddings, Embeddings, EmbeddingSpace
from .ann import AnnIndex, Measured
from .description import ANN, TRACKS, VECTORS, WINDOWS, locations, read_description, read_tracks, require_whole
from .directions import directions, directions_about
from .duplicate_marks import read_marks
from .mapped_arrays import map_arrays
from .patterns import matching, matching_tracks
from .search import ExactIndex
from .storage import Store

EXACT_ROWS = 3_000_000
"""The most rows that are searched exactly, which takes about 0.3 s for 60 queries."""

Statistic = float | Float[np.ndarray, " dims"] | None


@dataclass(frozen=True)
class Hits:
    """Result of a search: the rows of tracks for each query, best first, and their cosines.

    Attributes
    ----------
    indices : ndarray of int, of shape (queries, k)
        Rows of :attr:`Gallery.tracks`, best first.
    cosines : ndarray of float32, of shape (queries, k)
        Cosine similarity of each track and query, -1 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.gallery import Hits
    >>> hits = Hits(np.array([[3, 0]]), np.array([[0.9, 0.2]], dtype=np.float32))
    >>> hits.indices[0, 0]
    np.int64(3)
    """

    indices: Int[np.ndarray, "queries k"]
    cosines: Float32[np.ndarray, "queries k"]


@dataclass(frozen=True)
class Gallery:
    """Corpus of existing music: its tracks, and a vector for each.

    Galleries are made by :func:`build_gallery`, opened by :meth:`open`, and searched by :meth:`search`.

    Attributes
    ----------
    folder : Path
        Folder of the gallery.
    root : str
        Folder or URL as it was opened ("s3://bucket/gallery").
    space : EmbeddingSpace
        Embedding space of the vectors.
    tracks : pandas.DataFrame
        One row per track: ``track`` (its id), ``path``, ``title``, ``artist``, ``genre``, ``licence``, ``sha256`` (of
        the embedded file), ``start_s`` and ``duration_s`` (the embedded part of the recording), ``recording_s`` (its
        whole duration), ``windows``, and ``duplicate_of`` (the track that it repeats, or ""). Times are in seconds.
    seconds : float
        Duration in seconds that was embedded of each recording, from its start; shorter ones as a whole.
    vectors : ndarray of float32 or float16, of shape (tracks, dims)
        Means over the windows of that part; a memory map.
    mean : ndarray of float32, of shape (dims,)
        Mean of the vectors.
    files : dict of str to Path
        Files of the index on this machine.
    measured : Measured or None
        Measured recall of the approximate index; None if search is always exact.

    Notes
    -----
    Brain2Music (Denk et al. 2023, arXiv 2307.11078, section 4) retrieves the track whose embedding has the highest
    cosine similarity with the decoded one, from the first 15 s of each track.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.audio import write_audio
    >>> seconds = np.arange(32000) / 16000
    >>> for name, hz in (("low", 100), ("middle", 700), ("high", 5000)):
    ...     write_audio(f"music/{name}.wav", 0.3 * np.sin(2 * np.pi * hz * seconds), 16000)
    >>> embedder = b2m.get_embedder("logmel", 1.0, 1.0)
    >>> gallery = b2m.build_gallery("music", "gallery", embedder)
    >>> hits = gallery.nearest(gallery.vectors[:1], k=2, space=gallery.space)
    >>> gallery.ranked(hits)[["rank", "track"]]
       rank track
    0     1  high
    1     2   low
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
        """Open a gallery by its folder or URL.

        Parameters
        ----------
        folder : str or Path
            Folder that :func:`build_gallery` made, or a URL that fsspec supports.
        check : bool, default False
            Whether to compare the contents of every file with its digest, not only its size.

        Returns
        -------
        Gallery
            The gallery, whose vectors stay on disk.

        Raises
        ------
        InputError
            The gallery is missing, unfinished or damaged.
        """
        store = Store(folder)
        while True:
            description = read_description(store)
            try:
                return cls._open(store, description, check)
            except InputError:
                if read_description(store)["index"] == description["index"]:
                    raise  # else a build has replaced the index meanwhile

    @classmethod
    def _open(cls, store: Store, description: dict[str, Any], check: bool) -> "Gallery":
        index = description["index"]
        if index is None:
            raise InputError("this gallery is unfinished", store.root, "run the same build again: it resumes")
        files = {name: store.fetch(f"{index}/{name}", state["sha256"]) for name, state in description["files"].items()}
        for name, path in files.items():
            require_whole(path, description["files"][name], check)
        arrays, tracks = map_arrays(files[VECTORS]), read_tracks(files[TRACKS])
        settings = description["settings"]
        tracks = tracks.assign(path=locations(tracks, description), duplicate_of=read_marks(store, tracks))
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

    def __repr__(self) -> str:
        return f"<Gallery {self.root}: {len(self)} tracks, {self.space.name} of the first {self.seconds:g} s>"

    def search(
        self,
        embeddings: Embeddings,
        k: int = 5,
        *,
        centre: Statistic = None,
        where: Bool[np.ndarray, " tracks"] | None = None,
    ) -> pd.DataFrame:
        """Search the tracks nearest to the mean embedding of each clip by cosine, best first.

        Parameters
        ----------
        embeddings : Embeddings
            In the space of the gallery. For decoded embeddings the recordings of the clips themselves are excluded,
            and cosines are centred on the mean of the training clips, towards which predictions are shrunk.
        k : int, default 5
            Tracks per clip; fewer if fewer may be found.
        centre : ndarray of shape (dims,) or float, optional
            The vector on which cosines are centred; default the training mean of decoded embeddings, else the mean of
            the gallery.
        where : ndarray of bool of shape (tracks,), optional
            Tracks that may be found, as :meth:`select` returns; default all but the recordings of the clips.

        Returns
        -------
        DataFrame
            One row per clip and rank: ``clip``, ``rank`` (from 1), the columns of :attr:`tracks`, ``cosine``.

        Raises
        ------
        InputError
            If the space differs, no track may be found, or embeddings are not finite.
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
        """Search the tracks with the highest cosine similarity to each query.

        Queries and tracks are first centred on the same vector, by default the mean of the gallery. Features such as
        those of musicnn share a large mean; without centring every cosine is near 1. ``centre=0`` is the plain cosine
        of Brain2Music (section 4), appropriate for embeddings trained for it. The search is exact, except in galleries
        of more than three million tracks centred on their own mean, where it is approximate (see :attr:`measured`).
        Equal cosines are in the order of the table.

        Parameters
        ----------
        queries : ndarray of float32, of shape (queries, dims)
            Means over windows, in ``space``.
        k : int, default 10
            Tracks per query; fewer are returned if fewer may be found.
        space : EmbeddingSpace
            Space of the queries; it must be that of the gallery except for the step.
        centre : ndarray of shape (dims,) or float, optional
            Vector on which cosines are centred; default the mean of the gallery.
        where : ndarray of bool, of shape (tracks,), optional
            Tracks that may be found, as :meth:`select` returns; default all.

        Returns
        -------
        Hits
            Rows of tracks and cosines, best first.

        Raises
        ------
        InputError
            The space differs, no track may be found, or queries are not finite.
        """
        self.space.require_same_means(space)
        if not np.isfinite(queries).all():
            raise InputError("some queries are not finite", hint="look for NaN where they were predicted")
        found = len(self) if where is None else int(where.sum())
        if found == 0:
            raise InputError("no track passes the filters", self.folder, "loosen the filters or add music")
        centre = np.broadcast_to(self.mean if centre is None else centre, self.mean.shape)
        index = self._index(centre)
        indices, cosines = index.search(directions(queries, centre), min(k, found), where)
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
        """Select the tracks that meet all conditions.

        Each condition is a list of patterns ("CC-BY*", "rock", "blues.*"). Licences, genres and artists are not
        case-sensitive. Tracks are matched by id, path or name.

        Parameters
        ----------
        licences : iterable of str, optional
            Licences that may be found; default all.
        genres : iterable of str, optional
            Genres that may be found; default all.
        artists : iterable of str, optional
            Artists that may be found; default all.
        tracks : iterable of str, optional
            Tracks that may be found; default all.
        exclude : iterable of str
            Tracks that are left out, for example the stimuli of a study.
        exclude_artists : iterable of str
            Artists that are left out.
        duplicates : bool, default True
            Whether repeated recordings may be found; otherwise only the first of each (:func:`mark_duplicates`).
        warn : bool, default True
            Whether to warn of patterns without any match.

        Returns
        -------
        ndarray of bool, of shape (tracks,)
            Whether each track may be found.
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
        """Convert hits to a table.

        Parameters
        ----------
        hits : Hits
            Result of :meth:`nearest`.

        Returns
        -------
        pandas.DataFrame
            One row per query and rank: ``query``, ``rank`` (from 1), the columns of :attr:`tracks`, ``cosine``.
        """
        queries, k = hits.indices.shape
        table = self.tracks.iloc[hits.indices.ravel()].reset_index(drop=True)
        table.insert(0, "query", np.repeat(np.arange(queries), k))
        table.insert(1, "rank", np.tile(np.arange(1, k + 1), queries))
        return table.assign(cosine=hits.cosines.ravel())

    def windows(self, track: int) -> Float32[np.ndarray, "windows dims"]:
        """Read the vectors of all windows of one track.

        Parameters
        ----------
        track : int
            Row of :attr:`tracks`.

        Returns
        -------
        ndarray of float32, of shape (windows, dims)
            Vectors in the order of the recording.

        Raises
        ------
        InputError
            The gallery was built without ``keep_windows``.
        """
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
        """The index for one centre; only the last one used is kept, as it is large."""
        if self._ann is not None and np.array_equal(centre, self.mean):
            return self._ann
        key = centre.tobytes()
        if key not in self._indices:
            self._indices.clear()
            self._indices[key] = ExactIndex(self.vectors, prepare=directions_about(centre))
        return self._indices[key]
