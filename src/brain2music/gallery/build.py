"""Building a gallery from a corpus of music: incremental, resumable, never half-written, and by one process at a time.

Files are known by their contents. What is new is embedded in shards, each one file written at once, so that a kill
loses at most one a process. When all are done, a new index is written beside the old one, and replacing
``gallery.json`` is the single step that makes it the gallery; only then are the shards and the old index removed.
Whenever a build is killed, ``gallery.json`` names a complete index or none, and the next build embeds only what is
new, has changed, or is damaged.
"""

import io
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from .._utils.errors import Brain2MusicWarning, InputError
from ..audio.find import describe
from ..audio.paths import shown
from ..embeddings.embedder import Embedder
from .description import COLUMNS, EMBEDDED, write_description
from .gallery import Gallery
from .index import next_index, write_index
from .lock import locked
from .repair import Begun, begin, known
from .shards import FOLDER
from .sources import Listing, list_sources
from .storage import Store
from .work import Job, Refused, Track, embed_all

Progress = Callable[[int, int], None]

REJECTED = "rejected.tsv"

_SHOWN = 3  # refused files that a warning names


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
    """Embed the first seconds of every track of a corpus; run again, only what is new or has changed.

    Building from a second corpus adds it. Building from one again takes its files as they are now: tracks whose files
    are gone leave, and titles and licences are those that its table has now (:mod:`brain2music.gallery.kept`).

    Parameters
    ----------
    music : a folder, searched with its sub-folders, or a table of files; never written to.
    out : the gallery's folder, made where absent, or a URL that fsspec knows ("s3://bucket/gallery").
    embedder : what embeds; its space is recorded with the digest of its weights.
    metadata, exclude : see :func:`brain2music.gallery.tracks.list_tracks`; without one, the table that this corpus
        was built with last.
    seconds : length of the part embedded, from the start (the paper takes 15 s; Brain2Music §4).
    keep_windows : keep the vectors of windows too, not only their mean.
    half : store vectors in 16 bits.
    prune : remove tracks of other corpora too whose files are gone.
    wait : for another process that changes the gallery; else that is an error.
    progress : called with (recordings done, recordings to do) of this build.
    n_jobs : processes; None takes every core. More than one needs an embedder of the registry.
    scheduler : address of a Dask scheduler whose workers see ``music`` and ``out``; instead of processes.
    shard_size : recordings that a kill can lose, of each process.

    Returns
    -------
    The gallery, opened. Files that were passed over or cannot be embedded are warned of, and listed in
    ``rejected.tsv`` with the reason. Past three million tracks it holds an approximate index too.

    Raises
    ------
    InputError
        No sound files, none that can be embedded, a metadata table at fault, a gallery that was built with
        other settings at ``out``, or one that another process changes.
    """
    music = Path(music)
    if not music.exists():
        raise InputError("there is no such folder or table", music, "check the path")
    if metadata is not None and not Path(metadata).is_file():
        raise InputError("there is no such table of tracks", metadata, "check the path")
    store = Store(out if "://" in str(out) else Path(out).resolve())
    settings = {"space": asdict(embedder.space), "seconds": seconds, "keep_windows": keep_windows, "half": half}
    job = Job(store.root, embedder.space, seconds, keep_windows, half)
    with _without_trace(store), locked(store, "building a gallery", wait):
        begun = begin(store, settings, shown(music.resolve()))
        leave_out = [store.local] if store.local else []
        table = None if metadata is None else Path(metadata)
        listing = list_sources(begun, music.resolve(), table, exclude, leave_out, prune)
        if begun.is_new:
            write_description(store, begun.description)
        todo = listing.tracks[~listing.tracks["sha256"].isin(set(begun.known["sha256"]))].drop_duplicates("sha256")
        tracks: list[Track] = list(zip(todo["where"], todo["sha256"], strict=True))
        shards = [tracks[first : first + shard_size] for first in range(0, len(tracks), shard_size)]
        done, refused = 0, list[Refused]()
        for count, some in embed_all(job, shards, embedder, n_jobs, scheduler):
            done, refused = done + count, refused + some
            if progress is not None:
                progress(done, len(tracks))
        _tell(store, listing, refused)
        _commit(store, listing, begun)
    return Gallery.open(store.local or store.root)


@contextmanager
def _without_trace(store: Store) -> Iterator[None]:
    """Where a build is refused, remove the folder that it made and left empty."""
    made = store.local if store.local and not store.local.exists() else None
    try:
        yield
    except InputError:
        if made:
            with suppress(OSError):
                made.rmdir()
        raise


def _tell(store: Store, listing: Listing, refused: list[Refused]) -> None:
    """Warn of what is not in the gallery, and list it in ``rejected.tsv``."""
    contents = listing.tracks.set_index("where")["sha256"].to_dict()
    reasons = {contents[path]: reason for path, reason in refused}
    names = [source["music"] for source in listing.sources]
    columns = listing.tracks[["source", "path", "sha256"]].itertuples(index=False)
    rows = [(names[number], path, reasons[sha256]) for number, path, sha256 in columns if sha256 in reasons]
    if listing.passed_over:
        told = describe([(path, reason) for _, path, reason in listing.passed_over])
        warnings.warn(f"passed over: {told}", Brain2MusicWarning, stacklevel=3)
    if rows:
        first = "; ".join(f"{path}: {reason}" for _, path, reason in rows[:_SHOWN])
        told = f"{len(rows)} sound files could not be embedded ({first}{'; …' if len(rows) > _SHOWN else ''})"
        warnings.warn(f"{told}; all are listed in {store.root}/{REJECTED}", Brain2MusicWarning, stacklevel=3)
    listed = [(path, reason, source) for source, path, reason in [*rows, *listing.passed_over]]
    earlier = _rejected_of(store, set(names) - set(listing.listed))
    table = pd.DataFrame(sorted(listed + earlier), columns=["path", "why", "source"])
    store.write(REJECTED, table.to_csv(sep="\t", index=False).encode())


def _rejected_of(store: Store, sources: set[str]) -> list[tuple[str, str, str]]:
    """What was rejected of other sources, which were not listed now."""
    if not sources or not store.exists(REJECTED):
        return []
    try:
        table = pd.read_csv(io.BytesIO(store.read(REJECTED)), sep="\t", dtype=str, keep_default_na=False)
        rows = table[table["source"].isin(sources)][["path", "why", "source"]]
    except (ValueError, KeyError):
        return []
    return [(path, why, source) for path, why, source in rows.itertuples(index=False)]


def _commit(store: Store, listing: Listing, begun: Begun) -> None:
    """Make the embedded tracks of the listing the gallery's index, unless they already are."""
    description = begun.description
    places = known(store, description, begun.tracks, begun.damaged).rename(columns={"source": "file"})
    places = listing.tracks.merge(places, on="sha256", how="inner", sort=False).assign(start_s=0.0)
    if places.empty:
        raise InputError(
            "none of the sound files could be embedded", f"{store.root}/{REJECTED}", "see the reasons there"
        )
    table = places[[*COLUMNS, *EMBEDDED]]
    wanted = {**description, "sources": listing.sources}
    if description["index"] is None or begun.damaged or not begun.tracks.equals(table):
        wanted["index"] = next_index(begun.in_use)
        wanted["files"] = write_index(store, wanted["index"], table, places, description)
    if wanted != description:
        write_description(store, wanted)
    for name in store.names():
        if name == FOLDER or (name.startswith("index-") and name != wanted["index"]):
            store.remove(name)
