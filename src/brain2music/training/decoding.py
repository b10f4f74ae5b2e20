"""Sound files decoded once, side by side, into one file of 16-bit samples that training maps into memory."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int16

from .._utils.errors import InputError
from .._utils.files import atomic_path, read_json, write_json
from .._utils.progress import progress
from .._utils.workers import Workers
from ..audio.io import duration_of
from .manifest import Source

BLOCK = 20.0
"""Seconds that are decoded at a time, so that memory does not grow with a file's length."""


def decode_all(
    sources: Sequence[Source], rate: int, channels: int, folder: Path, n_jobs: int | None = None
) -> tuple[Path, list[dict[str, int]], list[str]]:
    """Decode every source into ``folder``, unless that was done before from the same files and settings.

    Returns
    -------
    The file of int16 samples, frame by frame (left, right, left, …); for every source its ``source`` number,
    ``first`` frame and ``frames``; and one line for each source that could not be read and is left out.
    """
    key = _key(sources, rate, channels)
    samples, index = folder / f"{key}.i16", folder / f"{key}.json"
    with _locked(folder):
        if not (samples.exists() and index.exists()):
            allotted, failures = _allot(sources, rate)
            with atomic_path(samples) as temporary:
                total = sum(frames for _, frames in allotted.values())
                os.truncate(temporary, 2 * channels * total)
                rows, more = _decode_in_parallel(sources, allotted, rate, channels, temporary, n_jobs)
            write_json(index, {"rows": rows, "failures": failures + more})
    found = read_json(index)
    return samples, found["rows"], found["failures"]


def frames_of(source: Source, rate: int) -> int:
    """Frames of a source at ``rate`` Hz, from its file's header; :class:`InputError` where it cannot be read."""
    seconds = duration_of(source.file) - source.start
    if source.seconds is not None:
        seconds = min(seconds, source.seconds)
    if round(seconds * rate) <= 0:
        raise InputError("the sound file ends before the part asked for", source.file, "check the manifest")
    return round(seconds * rate)


def decoded_blocks(source: Source, rate: int, channels: int) -> Iterator[Float32[np.ndarray, "frames channels"]]:
    """A source, block by block, at ``rate`` Hz in so many channels.

    Mono is the mean of all channels; stereo takes the first two, or one twice.

    Raises
    ------
    InputError : the file is unreadable, holds no samples in the part asked for, or NaN or infinite ones.
    """
    import soundfile
    import soxr

    try:
        with soundfile.SoundFile(source.file) as file:
            own = file.samplerate
            file.seek(min(round(source.start * own), file.frames))
            left = file.frames if source.seconds is None else round(source.seconds * own)
            stream = soxr.ResampleStream(own, rate, channels, dtype="float32") if own != rate else None
            while left > 0:
                wanted = min(left, round(BLOCK * own))
                block = _in_channels(file.read(wanted, dtype="float32", always_2d=True), channels)
                left = left - wanted if len(block) == wanted else 0
                if not np.isfinite(block).all():
                    raise InputError("the sound file holds NaN or infinite samples", source.file, "export it again")
                yield block if stream is None else stream.resample_chunk(block, last=left == 0)
    except soundfile.LibsndfileError as error:
        raise InputError(f"this is not a readable sound file ({error})", source.file, "convert it to wav") from None


def as_int16(wave: Float32[np.ndarray, "*shape"]) -> Int16[np.ndarray, "*shape"]:
    """Samples in [-1, 1] (what is beyond is clipped) as 16-bit integers."""
    return np.round(np.clip(wave, -1, 1) * 32767).astype(np.int16)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time: the others of a training on many GPUs wait, and find everything decoded."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _in_channels(block: Float32[np.ndarray, "frames own"], channels: int) -> Float32[np.ndarray, "frames channels"]:
    if channels == 1:
        return block.mean(axis=1, keepdims=True)
    return np.ascontiguousarray(block[:, [0, min(1, block.shape[1] - 1)]])


def _key(sources: Sequence[Source], rate: int, channels: int) -> str:
    described = [rate, channels, 1]  # the last one: this file's layout
    for source in sources:
        state = source.file.stat() if source.file.is_file() else None
        seen = (state.st_size, state.st_mtime_ns) if state else None
        described.append([str(source.file.resolve()), seen, source.start, source.seconds])  # type: ignore[arg-type]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]


def _allot(sources: Sequence[Source], rate: int) -> tuple[dict[int, tuple[int, int]], list[str]]:
    """By source number, its first frame and number of frames; and what cannot be read."""
    allotted, failures, first = {}, [], 0
    for number, source in enumerate(sources):
        try:
            frames = frames_of(source, rate)
        except InputError as error:
            failures.append(str(error))
            continue
        allotted[number] = (first, frames)
        first += frames
    return allotted, failures


def _decode_in_parallel(
    sources: Sequence[Source],
    allotted: dict[int, tuple[int, int]],
    rate: int,
    channels: int,
    path: Path,
    n_jobs: int | None,
) -> tuple[list[dict[str, int]], list[str]]:
    rows, failures = [], []
    jobs = [(path, sources[number], *place, rate, channels) for number, place in allotted.items()]
    workers = min(n_jobs or len(os.sched_getaffinity(0)), len(jobs) or 1)
    with Workers(workers, mp_context=get_context("spawn")) as pool, progress("decode") as advance:
        for done, (number, result) in enumerate(zip(allotted, pool.map(_decode_one, jobs), strict=True), start=1):
            if isinstance(result, str):
                failures.append(result)
            elif result:
                rows.append({"source": number, "first": allotted[number][0], "frames": result})
            advance(done, len(jobs))
    return rows, failures


def _decode_one(job: tuple[Path, Source, int, int, int, int]) -> int | str:
    """Write one source to its place in the file; its frames, or what is wrong with it."""
    path, source, first, most, rate, channels = job
    written = 0
    try:
        with path.open("rb+") as file:
            file.seek(2 * channels * first)
            for block in decoded_blocks(source, rate, channels):
                kept = as_int16(block[: most - written])
                file.write(kept.tobytes())
                written += len(kept)
    except InputError as error:
        return str(error)
    return written
