"""Embedding lists: the clips of a study as they were presented, and sound files."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from .. import __version__
from .._utils.errors import Brain2MusicWarning, InputError
from .._utils.files import digest_array, read_arrays, write_arrays
from .._utils.names import safe_name
from .._utils.progress import Advance
from ..audio.io import read_audio
from ..audio.paths import shown
from ..study.study import Clip
from .embedder import Embedder
from .embeddings import Embeddings


@runtime_checkable
class Sounds(Protocol):
    """Where a clip's sound comes from: :class:`brain2music.study.stimuli.Stimuli`, or anything alike."""

    def waveform(self, clip: Clip) -> tuple[Float32[np.ndarray, " samples"], int]:
        """The clip as presented, mono, and its sample rate in Hz."""
        ...


@runtime_checkable
class Labelled(Protocol):
    """An embedding of what is known of a clip, its genre or its caption, not of its sound."""

    def label(self, clip: Clip) -> Float32[np.ndarray, "windows dims"]:
        """(windows, dims) of one clip."""
        ...


def embed_clips(
    clips: Sequence[Clip],
    stimuli: Sounds,
    embedder: Embedder,
    cache_dir: Path | None = None,
    progress: Advance | None = None,
) -> Embeddings:
    """Embeddings (clips, windows, dims) of clips as they were presented; each depends on its own clip alone.

    Parameters
    ----------
    clips : where they differ in their number of windows, of each the first ones that all have.
    stimuli : where their sound comes from; not asked by ``genre-onehot`` and ``mulan-text``.
    cache_dir : keep each clip's embedding there, and use it again while space and presented sound are the same.
    progress : called with (clips done, clips) after each.

    Raises
    ------
    InputError : a recording cannot be read, or two clips have one name.
    """
    _require_own_names(clips)
    rows: list[Float32[np.ndarray, "windows dims"]] = []
    for clip in clips:
        if isinstance(embedder, Labelled):
            rows.append(embedder.label(clip))
        else:
            rows.append(_embed_clip(clip, stimuli, embedder, cache_dir))
        if progress is not None:
            progress(len(rows), len(clips))
    return Embeddings(_stack(_in_common(rows, embedder), embedder), tuple(clip.name for clip in clips), embedder.space)


def embed_files(
    paths: Sequence[Path],
    embedder: Embedder,
    max_seconds: float | None = None,
    progress: Advance | None = None,
    refused: Callable[[Path, InputError], None] | None = None,
) -> Embeddings:
    """Embeddings of sound files, named by their paths as given.

    Parameters
    ----------
    paths : sound files of any length. Where they differ in their number of windows, each is given by one vector,
        the mean over its windows.
    max_seconds : read only the beginning of each file (15 in Brain2Music's retrieval).
    progress : called with (files done, files) after each.
    refused : called with a file that is missing, unreadable or empty, and why; the others are embedded without it.

    Raises
    ------
    InputError : a file is missing, unreadable or empty and ``refused`` is None; or none can be embedded.
    """
    rows: list[Float32[np.ndarray, "windows dims"]] = []
    names: list[str] = []
    for done, path in enumerate(paths, 1):
        try:
            rows.append(embedder.embed(*read_audio(path, duration=max_seconds)))
            names.append(shown(path))
        except InputError as error:
            if refused is None or len(paths) == 1:
                raise
            refused(path, error)
        if progress is not None:
            progress(done, len(paths))
    if paths and not rows:
        raise InputError(f"none of {len(paths)} sound files can be embedded", hint="see what is said of each")
    if len({len(row) for row in rows}) > 1:
        rows = [row.mean(axis=0, keepdims=True) for row in rows]
    return Embeddings(_stack(rows, embedder), tuple(names), embedder.space)


def _require_own_names(clips: Sequence[Clip]) -> None:
    named: dict[str, Clip] = {}
    for clip in clips:
        other = named.setdefault(clip.name, clip)
        if other != clip:
            what = f"clips of {other.track!r} and of {clip.track!r} are both named {clip.name}"
            raise InputError(what, hint="give them the labels of brain2music.study.study.name_clips")


def _embed_clip(
    clip: Clip, stimuli: Sounds, embedder: Embedder, cache_dir: Path | None
) -> Float32[np.ndarray, "windows dims"]:
    waveform, sample_rate = stimuli.waveform(clip)
    if cache_dir is None:
        return embedder.embed(waveform, sample_rate)
    space = embedder.space
    folder = cache_dir / f"{space.name}_{space.window_s:g}s_every_{space.step_s:g}s"
    file = folder / f"{safe_name(clip.name)}.safetensors"
    sound = {"clip": clip.name, "rate": sample_rate, "waveform": digest_array(waveform)}
    made_from = {"version": __version__, **sound, "space": asdict(space)}
    kept = _kept(file, made_from)
    if kept is not None:
        return kept
    embedding = embedder.embed(waveform, sample_rate)
    write_arrays(file, {"embedding": embedding}, {**made_from, "sha256": digest_array(embedding)})
    return embedding


def _kept(file: Path, made_from: dict[str, Any]) -> Float32[np.ndarray, "windows dims"] | None:
    """The embedding in a file, if it is whole and made from just this; processes may write it at any time."""
    if not file.is_file():
        return None
    try:
        arrays, metadata = read_arrays(file)
    except InputError:
        return None
    embedding = arrays.get("embedding")
    if embedding is None or metadata != {**made_from, "sha256": digest_array(embedding)}:
        return None
    return embedding


def _in_common(rows: list[Float32[np.ndarray, "_ dims"]], embedder: Embedder) -> list[Float32[np.ndarray, "_ dims"]]:
    """The first windows of every clip, as many as all have."""
    fewest, most = min(map(len, rows), default=0), max(map(len, rows), default=0)
    if fewest < most:
        text = f"clips have {fewest} to {most} windows of {embedder.space.name}; the first {fewest} of each are used"
        warnings.warn(text, Brain2MusicWarning, stacklevel=3)
    return [row[:fewest] for row in rows]


def _stack(
    rows: list[Float32[np.ndarray, "windows dims"]], embedder: Embedder
) -> Float32[np.ndarray, "clips windows dims"]:
    return np.stack(rows) if rows else np.zeros((0, 1, embedder.space.dims), np.float32)
