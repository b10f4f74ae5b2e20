"""Embedding of many tracks shard by shard: in this process, in several, or on a Dask cluster."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from .._utils.cpu import use_one_thread
from .._utils.errors import InputError
from .._utils.files import digest_file
from .._utils.jobs import Parallel, each_done
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
    yield from each_done(
        partial(embed_shard, job),
        shards,
        Parallel(n_jobs, scheduler),
        alone=partial(embed_shard, job, embedder=embedder),
        works="embeds",
        again="run the same build again with fewer --n-jobs: it resumes",
    )


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


@lru_cache(maxsize=1)
def _worker_embedder(space: EmbeddingSpace) -> Embedder:
    """The embedder of a space in this process, on one thread, as there is a process for every core."""
    embedder = get_embedder(space.name, space.window_s, space.step_s)
    use_one_thread()  # after the libraries of the embedder are loaded
    embedder.space.require_same(space)
    return embedder
