"""Sound files decoded once, in parallel, into one file of 16-bit samples that training maps into memory."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int16

from .._utils.errors import InputError
from .._utils.files import atomic_path, read_json, write_json
from .._utils.progress import progress
from .._utils.workers import Workers
from ..audio.io import duration_of
from .manifest import AudioSource

BLOCK_S = 20.0
"""Seconds that are decoded at a time, so that memory does not grow with a file's length."""


def decode_all(
    sources: Sequence[AudioSource], sample_rate: int, channels: int, folder: Path, n_jobs: int | None = None
) -> tuple[Path, list[dict[str, int]], list[str]]:
    """Decode sources into a file in ``folder``, unless that was done before from the same files and settings.

    Returns
    -------
    samples : the file of int16 samples, frame by frame (left, right, left, …).
    rows : for every source its ``source`` number, ``first`` frame and number of ``frames``.
    failures : messages about sources that could not be read and are left out.
    """
    key = _cache_key(sources, sample_rate, channels)
    samples, index = folder / f"{key}.i16", folder / f"{key}.json"
    with _folder_lock(folder):
        if not (samples.exists() and index.exists()):
            allocated, failures = _allocate(sources, sample_rate)
            with atomic_path(samples) as temporary:
                total = sum(frames for _, frames in allocated.values())
                os.truncate(temporary, 2 * channels * total)
                rows, more_failures = _decode_in_parallel(sources, allocated, sample_rate, channels, temporary, n_jobs)
            write_json(index, {"rows": rows, "failures": failures + more_failures})
    content = read_json(index)
    return samples, content["rows"], content["failures"]


def n_frames(source: AudioSource, sample_rate: int) -> int:
    """Number of frames of a source at a sample rate, from its file's header.

    Raises
    ------
    InputError : the file cannot be read, or ends before the part.
    """
    seconds = duration_of(source.file) - source.start
    if source.seconds is not None:
        seconds = min(seconds, source.seconds)
    if round(seconds * sample_rate) <= 0:
        raise InputError("the sound file ends before the part asked for", source.file, "check the manifest")
    return round(seconds * sample_rate)


def decoded_blocks(
    source: AudioSource, sample_rate: int, channels: int
) -> Iterator[Float32[np.ndarray, "frames channels"]]:
    """Decode a source block by block, resampled and in the given number of channels.

    Mono is the mean of all channels; stereo takes the first two, or one twice.

    Raises
    ------
    InputError : the file is unreadable, holds no samples in the part asked for, or NaN or infinite ones.
    """
    import soundfile
    import soxr

    try:
        with soundfile.SoundFile(source.file) as file:
            file_rate = file.samplerate
            file.seek(min(round(source.start * file_rate), file.frames))
            missing = file.frames if source.seconds is None else round(source.seconds * file_rate)
            stream = None
            if file_rate != sample_rate:
                stream = soxr.ResampleStream(file_rate, sample_rate, channels, dtype="float32")
            while missing > 0:
                count = min(missing, round(BLOCK_S * file_rate))
                block = _in_channels(file.read(count, dtype="float32", always_2d=True), channels)
                missing = missing - count if len(block) == count else 0
                if not np.isfinite(block).all():
                    raise InputError("the sound file holds NaN or infinite samples", source.file, "export it again")
                yield block if stream is None else stream.resample_chunk(block, last=missing == 0)
    except soundfile.LibsndfileError as error:
        raise InputError(f"this is not a readable sound file ({error})", source.file, "convert it to wav") from None


def as_int16(wave: Float32[np.ndarray, "*shape"]) -> Int16[np.ndarray, "*shape"]:
    """Samples in [-1, 1] as 16-bit integers; values beyond are clipped."""
    return np.round(np.clip(wave, -1, 1) * 32767).astype(np.int16)


@contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """The context of a lock on a folder: the other processes of a training wait, and find everything decoded."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _in_channels(
    block: Float32[np.ndarray, "frames file_channels"], channels: int
) -> Float32[np.ndarray, "frames channels"]:
    if channels == 1:
        return block.mean(axis=1, keepdims=True)
    return np.ascontiguousarray(block[:, [0, min(1, block.shape[1] - 1)]])


def _cache_key(sources: Sequence[AudioSource], sample_rate: int, channels: int) -> str:
    described = [sample_rate, channels, 1]  # the last one: version of the layout of the file
    for source in sources:
        state = source.file.stat() if source.file.is_file() else None
        version = (state.st_size, state.st_mtime_ns) if state else None
        described.append([str(source.file.resolve()), version, source.start, source.seconds])  # type: ignore[arg-type]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]


def _allocate(sources: Sequence[AudioSource], sample_rate: int) -> tuple[dict[int, tuple[int, int]], list[str]]:
    """First frame and number of frames by source number, and messages about sources that cannot be read."""
    allocated, failures, first = {}, [], 0
    for number, source in enumerate(sources):
        try:
            frames = n_frames(source, sample_rate)
        except InputError as error:
            failures.append(str(error))
            continue
        allocated[number] = (first, frames)
        first += frames
    return allocated, failures


def _decode_in_parallel(
    sources: Sequence[AudioSource],
    allocated: dict[int, tuple[int, int]],
    sample_rate: int,
    channels: int,
    path: Path,
    n_jobs: int | None,
) -> tuple[list[dict[str, int]], list[str]]:
    rows, failures = [], []
    jobs = [(path, sources[number], *place, sample_rate, channels) for number, place in allocated.items()]
    workers = min(n_jobs or len(os.sched_getaffinity(0)), len(jobs) or 1)
    with ExitStack() as stack:
        results: Iterable[int | str] = map(_decode_one, jobs)
        if workers > 1:
            results = stack.enter_context(Workers(workers, mp_context=get_context("spawn"))).map(_decode_one, jobs)
        advance = stack.enter_context(progress("decode"))
        for done, (number, result) in enumerate(zip(allocated, results, strict=True), start=1):
            if isinstance(result, str):
                failures.append(result)
            elif result:
                rows.append({"source": number, "first": allocated[number][0], "frames": result})
            advance(done, len(jobs))
    return rows, failures


def _decode_one(job: tuple[Path, AudioSource, int, int, int, int]) -> int | str:
    """Write one source to its place in the file; return its number of frames, or a message where it fails."""
    path, source, first, max_frames, sample_rate, channels = job
    written = 0
    try:
        with path.open("rb+") as file:
            file.seek(2 * channels * first)
            for block in decoded_blocks(source, sample_rate, channels):
                samples = as_int16(block[: max_frames - written])
                file.write(samples.tobytes())
                written += len(samples)
    except InputError as error:
        return str(error)
    return written
