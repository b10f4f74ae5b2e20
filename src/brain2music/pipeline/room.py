"""Checks that a run can write its outputs, and that the disk has room for them."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from .._utils.disk import free_bytes, readable_bytes
from ..brain.source import Source
from ..config import RunConfig
from ..embeddings.protocols import Embedder
from ..embeddings.windows import n_windows
from ..models.generator_protocols import Generator
from ..study.finding import Finding, error, warning
from .outputs import Outputs

MP3_BYTES_S = 40_000
"""At most, of the page's sound, a second."""
VOXEL_BYTES = 14 * 8
"""Of a voxel in the tables and maps of one embedding, uncompressed."""
PAGE_BYTES = 20 << 20
"""Of pages and figures, a subject."""
SPARE = 1.5
"""Room is short below so many times the estimate."""


def check_room(
    source: Source, config: RunConfig, outputs: Outputs, embedders: Sequence[Embedder], generator: Generator | None
) -> Iterator[Finding]:
    """Find what is wrong with the output folder."""
    root = outputs.root
    there = next(folder for folder in (root, *root.absolute().parents) if folder.exists())
    if root.exists() and not root.is_dir():
        yield error("output-unusable", root, "the output is a file, not a folder", "name a folder for the outputs")
        return
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        what = f"nothing can be written in {there}"
        yield error("output-unusable", root, what, "name a folder that you may write to")
        return
    need = max(0, bytes_needed(source, config, embedders, generator) - _size(root))
    free = free_bytes(there)
    if free < need:
        what = f"about {readable_bytes(need)} will be written, and {readable_bytes(free)} are free there"
        yield error("disk-full", root, what, "free some room, or name a folder on another disk")
    elif free < SPARE * need:
        what = f"about {readable_bytes(need)} will be written, and only {readable_bytes(free)} are free there"
        yield warning("disk-nearly-full", root, what, "free some room")


def bytes_needed(source: Source, config: RunConfig, embedders: Sequence[Embedder], generator: Generator | None) -> int:
    """Estimate the bytes that a run of all subjects writes, rather too many than too few."""
    clips = (*source.train_clips, *source.test_clips)
    scored = source.test_clips or source.train_clips
    total = MP3_BYTES_S * int(sum(clip.duration for clip in scored))
    for embedder in embedders:
        space = embedder.space
        windows = sum(n_windows(clip.duration, space.window_s, space.step_s) for clip in clips)
        vectors = 4 * space.dims * windows
        table = 2 * 4 * space.dims * windows + 8 * len(scored) ** 2
        total += vectors + len(source.subjects) * table
    total += sum(source.kept_bytes(subject) for subject in source.subjects)
    voxels = sum(source.voxels_of(subject) for subject in source.subjects)
    total += voxels * VOXEL_BYTES * (len(config.embeddings) if config.encoding.enabled else 1)
    if generator is not None:
        clips_of_one = min(len(scored), config.generation.n_clips or len(scored))
        pieces = 3 * config.generation.n_samples * clips_of_one * len(source.subjects)
        total += int(pieces * config.generation.duration_s * generator.sample_rate * 2)
    return total + PAGE_BYTES * len(source.subjects)


def _size(root: Path) -> int:
    """Bytes of all files, of which other processes may remove some meanwhile."""
    total = 0
    for path in root.rglob("*") if root.is_dir() else ():
        with suppress(OSError):
            total += path.lstat().st_size
    return total
