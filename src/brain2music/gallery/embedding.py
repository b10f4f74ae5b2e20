"""Embedding of many tracks shard by shard: in this process, in several, or on a Dask cluster."""

import os
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from .._utils.cpu import use_one_thread
from .._utils.errors import Brain2MusicWarning, InputError, short_warnings
from .._utils.files import digest_file
from .._utils.workers import Workers
from ..audio.io import duration_of, read_audio
from ..audio.paths import as_path
from ..embeddings.embeddings import EmbeddingSpace
from ..embeddings.protocols import Embedder
from ..models.embedders import get_embedder
from .shards import Embedded, write_shard
from .storage import Store

Track = tuple[str, str]  # path, sha256 of the contents
Refused = tuple[str, str]  # path, reason

_READERS = 2  # threads that decode ahead of the network, in each process


@dataclass(frozen=True)
class Job:
    """The settings for embedding tracks, which are sent to other processes and machines."""

    out: str
    space: EmbeddingSpace
    seconds: float
    keep_windows: bool
    half: bool


def embed_all(
    job: Job, shards: Sequence[Sequence[Track]], embedder: Embedder, n_jobs: int | None, scheduler: str | None
) -> Iterator[tuple[int, list[Refused]]]:
    """Embed and write all shards; yields the number of tracks and the refused ones of each, in order of completion.

    Other processes and machines create their own embedder from the registry.

    Raises
    ------
    InputError
        If no scheduler answers, or an embedder elsewhere differs from this one.
    """
    n_jobs = min(n_jobs or os.cpu_count() or 1, len(shards))
    if scheduler is not None:
        yield from _on_cluster(job, shards, scheduler)
    elif n_jobs > 1:
        yield from _in_processes(job, shards, embedder, n_jobs)
    else:
        yield from (embed_shard(job, shard, embedder) for shard in shards)


def embed_shard(job: Job, tracks: Sequence[Track], embedder: Embedder | None = None) -> tuple[int, list[Refused]]:
    """Embed tracks and write them as one shard; tracks that cannot be embedded are returned with the reason."""
    embedder = embedder or _worker_embedder(job.space)
    done, refused = [], []
    with ThreadPoolExecutor(_READERS) as readers:
        reads = [readers.submit(_read_part, as_path(path), sha256, job) for path, sha256 in tracks]
        for (path, sha256), read in zip(tracks, reads, strict=True):
            try:
                waveform, recording_s = read.result()
                windows = _require_vectors(embedder.embed(waveform, job.space.sample_rate))
            except InputError as error:
                refused.append((path, error.what))
                continue
            except OSError as error:
                refused.append((path, f"the sound file cannot be read ({error.strerror})"))
                continue
            duration = len(waveform) / job.space.sample_rate
            done.append(Embedded(sha256, duration, recording_s, len(windows), _vectors_to_store(windows, job)))
    write_shard(Store(job.out), done)
    return len(tracks), refused


def _read_part(path: Path, sha256: str, job: Job) -> tuple[Float32[np.ndarray, " samples"], float]:
    """Read the part of a file that is embedded, and its duration in seconds, if its contents have not changed."""
    waveform, _ = read_audio(path, job.space.sample_rate, duration=job.seconds)
    recording_s = duration_of(path)
    if digest_file(path) != sha256:
        raise InputError("the sound file changed during the build", path, "build again")
    return waveform, recording_s


def _require_vectors(windows: Float32[np.ndarray, "windows dims"]) -> Float32[np.ndarray, "windows dims"]:
    if not len(windows) or not np.isfinite(windows).all():
        raise InputError("the embedding is empty or not finite")
    return windows


def _vectors_to_store(windows: Float32[np.ndarray, "windows dims"], job: Job) -> Float[np.ndarray, "stored dims"]:
    kept = windows if job.keep_windows else windows.mean(axis=0, keepdims=True, dtype=np.float32)
    return kept.astype(np.float16 if job.half else np.float32, copy=False)


def _in_processes(
    job: Job, shards: Iterable[Sequence[Track]], embedder: Embedder, n_jobs: int
) -> Iterator[tuple[int, list[Refused]]]:
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    try:
        pool = Workers(n_jobs, mp_context=context, initializer=_start_embedding)
    except (OSError, ImportError, NotImplementedError) as error:
        what = f"processes cannot share memory here ({error}): one process embeds; --n-jobs 1 asks for that"
        warnings.warn(what, Brain2MusicWarning, stacklevel=3)
        yield from (embed_shard(job, shard, embedder) for shard in shards)
        return
    waiting = iter(shards)
    try:
        pending: set[Future[tuple[int, list[Refused]]]] = set()
        while True:
            pending |= {pool.submit(embed_shard, job, shard) for shard in islice(waiting, 2 * n_jobs - len(pending))}
            if not pending:
                return
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    except BrokenProcessPool:
        what = "a process that embeds was ended, as happens where memory is short"
        raise InputError(what, hint="run the same build again with fewer --n-jobs: it resumes") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _on_cluster(job: Job, shards: Iterable[Sequence[Track]], scheduler: str) -> Iterator[tuple[int, list[Refused]]]:
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise InputError("a Dask cluster needs dask", hint="install brain2music[cluster]") from None
    try:
        client = Client(scheduler, timeout="20s")
    except (OSError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers at {scheduler} ({error})", hint="check the address") from None
    work: Callable[[Sequence[Track]], tuple[int, list[Refused]]] = partial(embed_shard, job)
    with client:
        for future in as_completed(client.map(work, list(shards), pure=False)):
            yield future.result()


@lru_cache(maxsize=1)
def _worker_embedder(space: EmbeddingSpace) -> Embedder:
    """The embedder of a space in this process, on one thread, as there is a process for every core."""
    embedder = get_embedder(space.name, space.window_s, space.step_s)
    use_one_thread()  # after the libraries of the embedder are loaded
    embedder.space.require_same(space)
    return embedder


def _start_embedding() -> None:
    """Initialise a worker process: it ends when its parent is killed, and formats warnings in the same way."""
    import multiprocessing

    short_warnings()

    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
