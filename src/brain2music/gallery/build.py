"""Building of a gallery from a corpus of music: incremental, resumable, atomic, and by one process at a time.

Files are identified by their contents. New ones are embedded in shards, each a file that is written at once, so that
an interruption loses at most one shard per process. At the end, a new index is written beside the old one, and the
replacement of ``gallery.json`` puts it into use in a single step; only then are the shards and the old index removed.
Whenever a build is interrupted, ``gallery.json`` names a complete index or none, and the next build embeds only files
that are new, have changed, or are damaged.
"""

import io
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from .._utils.errors import Brain2MusicWarning, InputError
from ..audio.find import describe_passed_over
from ..audio.paths import as_text
from ..embeddings.protocols import Embedder
from .description import COLUMNS, EMBEDDED, write_description
from .embedding import Job, Refused, Track, embed_all
from .existing import ExistingGallery, examine_gallery, locate_vectors
from .gallery import Gallery
from .index import next_index, write_index
from .lock import lock_gallery
from .shards import FOLDER
from .sources import SourceListing, list_sources
from .storage import Store

Progress = Callable[[int, int], None]

REJECTED = "rejected.tsv"

_SHOWN = 3  # files that a warning names


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
    prune: bool = False,
    wait: bool = True,
    progress: Progress | None = None,
    n_jobs: int | None = 1,
    scheduler: str | None = None,
    shard_size: int = 64,
) -> Gallery:
    """Build or update a gallery from a corpus of music.

    The first seconds of every track that is new or has changed are embedded. Building from a second corpus adds it.
    Building again from a corpus updates it: tracks whose files are gone are removed, and titles and licences are taken
    from its current table. A build that was interrupted resumes, and the gallery in use is replaced in one step.

    Parameters
    ----------
    music : str or Path
        Folder, searched with its subfolders, or a table of files; never written to.
    out : str or Path
        Folder of the gallery, created if necessary, or a URL that fsspec supports ("s3://bucket/gallery").
    embedder : Embedder
        Embedder of sound (:func:`brain2music.get_embedder`); its space and the digest of its weights are recorded.
    metadata : str or Path, optional
        Table of titles, artists, genres and licences of the tracks; default the table that was used last for this
        corpus.
    seconds : float, default 15.0
        Duration of the part that is embedded, from the start of each track, in seconds.
    exclude : iterable of str
        Patterns of tracks that are left out, for example the stimuli of a study.
    keep_windows : bool, default False
        Whether to store the vectors of windows too, not only their mean.
    half : bool, default False
        Whether to store vectors in 16 bits.
    prune : bool, default False
        Whether to remove tracks whose files are gone from other corpora too.
    wait : bool, default True
        Whether to wait for another process that changes the gallery; otherwise that is an error.
    progress : callable, optional
        Called with (recordings done, recordings to do) of this build.
    n_jobs : int or None, default 1
        Number of processes; None for one per core. More than one requires an embedder of the registry.
    scheduler : str, optional
        Address of a Dask scheduler, used instead of processes, whose workers can access ``music`` and ``out``.
    shard_size : int, default 64
        Recordings per shard, which each process may lose when interrupted.

    Returns
    -------
    Gallery
        The gallery, with an approximate index where it has more than three million tracks.

    Raises
    ------
    InputError
        There are no sound files, none can be embedded, the table of metadata is not valid, the gallery at ``out`` was
        built with other settings, or another process changes it.

    Warns
    -----
    Brain2MusicWarning
        Files are left out or cannot be embedded; they are listed in ``rejected.tsv`` with the reason.

    References
    ----------
    Denk et al., "Brain2Music: reconstructing music from human brain activity" (2023, arXiv 2307.11078), section 4: the
    first 15 s of each track are embedded.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.audio import write_audio
    >>> noise = np.random.default_rng(0).uniform(-0.1, 0.1, 32000)
    >>> for name in ("a", "b"):
    ...     write_audio(f"music/{name}.wav", noise, 16000)
    ...     noise = np.cumsum(noise) / 100
    >>> embedder = b2m.get_embedder("logmel", 1.0, 1.0)
    >>> gallery = b2m.build_gallery("music", "gallery", embedder, seconds=2.0)
    >>> gallery.vectors.shape
    (2, 96)
    """
    music = Path(music)
    if not music.exists():
        raise InputError("there is no such folder or table", music, "check the path")
    if metadata is not None and not Path(metadata).is_file():
        raise InputError("there is no such table of tracks", metadata, "check the path")
    store = Store(out if "://" in str(out) else Path(out).resolve())
    settings = {"space": asdict(embedder.space), "seconds": seconds, "keep_windows": keep_windows, "half": half}
    job = Job(store.root, embedder.space, seconds, keep_windows, half)
    with _removed_if_refused(store), lock_gallery(store, "building a gallery", wait):
        existing = examine_gallery(store, settings, as_text(music.resolve()))
        leave_out = [store.local] if store.local else []
        table = None if metadata is None else Path(metadata)
        listing = list_sources(existing, music.resolve(), table, exclude, leave_out, prune)
        if existing.is_new:
            write_description(store, existing.description)
        todo = listing.tracks[~listing.tracks["sha256"].isin(set(existing.places["sha256"]))].drop_duplicates("sha256")
        tracks: list[Track] = list(zip(todo["where"], todo["sha256"], strict=True))
        shards = [tracks[first : first + shard_size] for first in range(0, len(tracks), shard_size)]
        done, refused = 0, list[Refused]()
        for count, some in embed_all(job, shards, embedder, n_jobs, scheduler):
            done, refused = done + count, refused + some
            if progress is not None:
                progress(done, len(tracks))
        _report_rejected(store, listing, refused)
        _commit(store, listing, existing)
    return Gallery.open(store.local or store.root)


@contextmanager
def _removed_if_refused(store: Store) -> Iterator[None]:
    """Remove the empty folder of a build that is refused."""
    made = store.local if store.local and not store.local.exists() else None
    try:
        yield
    except InputError:
        if made:
            with suppress(OSError):
                made.rmdir()
        raise


def _report_rejected(store: Store, listing: SourceListing, refused: list[Refused]) -> None:
    """Warn of files that are not in the gallery, and list them in ``rejected.tsv``."""
    contents = listing.tracks.set_index("where")["sha256"].to_dict()
    reasons = {contents[path]: reason for path, reason in refused}
    names = [source["music"] for source in listing.sources]
    columns = listing.tracks[["source", "path", "sha256"]].itertuples(index=False)
    rows = [(names[number], path, reasons[sha256]) for number, path, sha256 in columns if sha256 in reasons]
    if listing.passed_over:
        text = describe_passed_over([(path, reason) for _, path, reason in listing.passed_over])
        warnings.warn(f"passed over: {text}", Brain2MusicWarning, stacklevel=3)
    if rows:
        first = "; ".join(f"{path}: {reason}" for _, path, reason in rows[:_SHOWN])
        text = f"{len(rows)} sound files could not be embedded ({first}{'; …' if len(rows) > _SHOWN else ''})"
        warnings.warn(f"{text}; all are listed in {store.root}/{REJECTED}", Brain2MusicWarning, stacklevel=3)
    listed = [(path, reason, source) for source, path, reason in [*rows, *listing.passed_over]]
    earlier = _rejected_of(store, set(names) - set(listing.listed))
    table = pd.DataFrame(sorted(listed + earlier), columns=["path", "why", "source"])
    store.write(REJECTED, table.to_csv(sep="\t", index=False).encode())


def _rejected_of(store: Store, sources: set[str]) -> list[tuple[str, str, str]]:
    """Files of other sources, not listed now, that were rejected before."""
    if not sources or not store.exists(REJECTED):
        return []
    try:
        table = pd.read_csv(io.BytesIO(store.read(REJECTED)), sep="\t", dtype=str, keep_default_na=False)
        rows = table[table["source"].isin(sources)][["path", "why", "source"]]
    except (ValueError, KeyError):
        return []
    return [(path, why, source) for path, why, source in rows.itertuples(index=False)]


def _commit(store: Store, listing: SourceListing, existing: ExistingGallery) -> None:
    """Write the embedded tracks of the listing as the index of the gallery, unless they are in it already."""
    description = existing.description
    places = locate_vectors(store, description, existing.tracks, existing.damaged).rename(columns={"source": "file"})
    places = listing.tracks.merge(places, on="sha256", how="inner", sort=False).assign(start_s=0.0)
    if places.empty:
        raise InputError(
            "none of the sound files could be embedded", f"{store.root}/{REJECTED}", "see the reasons there"
        )
    table = places[[*COLUMNS, *EMBEDDED]]
    updated = {**description, "sources": listing.sources}
    if description["index"] is None or existing.damaged or not existing.tracks.equals(table):
        updated["index"] = next_index(existing.in_use)
        updated["files"] = write_index(store, updated["index"], table, places, description)
    if updated != description:
        write_description(store, updated)
    for name in store.names():
        if name == FOLDER or (name.startswith("index-") and name != updated["index"]):
            store.remove(name)
