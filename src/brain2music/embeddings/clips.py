"""Embedding of lists: the clips of a study as they were presented, and sound files."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32
from numpy.typing import ArrayLike

from .. import __version__
from .._utils.errors import Brain2MusicWarning, InputError
from .._utils.files import digest_array, read_arrays, write_arrays
from .._utils.names import safe_name
from .._utils.progress import Advance
from ..audio.io import read_audio
from ..audio.paths import as_text
from ..study.study import Clip
from .embeddings import Embeddings
from .protocols import Embedder
from .windows import TOLERANCE_S

SILENCE = 1e-5
"""Sample value, of full scale 1, which no sample of a silent file exceeds."""
SILENT = "are silent: their embeddings are those of silence, not of music"
SHORT = "are shorter than the {window_s:g} s that {name} listens to at a time: their embeddings are partly of silence"


def is_silent(waveform: ArrayLike) -> bool:
    """Whether no sample exceeds :data:`SILENCE`."""
    return not np.any(np.abs(waveform) > SILENCE)


@runtime_checkable
class WaveformProvider(Protocol):
    """Anything that gives the waveforms of clips, such as :class:`brain2music.study.stimuli.Stimuli`."""

    def waveform(self, clip: Clip) -> tuple[Float32[np.ndarray, " samples"], int]:
        """The clip as presented, mono, and its sample rate in Hz."""
        ...


@runtime_checkable
class LabelEmbedder(Protocol):
    """An embedder of a label of a clip, such as its genre or its caption, instead of its sound."""

    def label(self, clip: Clip) -> Float32[np.ndarray, "windows dims"]:
        """The embedding (windows, dims) of the label of a clip."""
        ...


def embed_clips(
    clips: Sequence[Clip],
    stimuli: WaveformProvider,
    embedder: Embedder,
    cache_dir: Path | None = None,
    progress: Advance | None = None,
) -> Embeddings:
    """Embed clips as they were presented, each independently of the others.

    Parameters
    ----------
    clips : sequence of Clip
        Clips. If they have different numbers of windows, the first windows that all have are kept.
    stimuli : WaveformProvider
        Anything with a method ``waveform(clip)`` that returns the sound of a clip and its sample rate, such as
        :class:`brain2music.study.Stimuli`. It is not used by embedders of labels (``genre-onehot`` and ``mulan-text``).
    embedder : Embedder
        The embedder.
    cache_dir : Path, optional
        Folder in which the embedding of each clip is kept and found again, as long as the space and the presented sound
        are the same.
    progress : callable, optional
        Called with (clips done, clips) after each.

    Returns
    -------
    Embeddings
        Embeddings of shape (clips, windows, dims).

    Raises
    ------
    InputError
        A recording cannot be read, or two clips have one name.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.embeddings import EmbeddingSpace, embed_clips
    >>> from brain2music.study import Clip
    >>> class Silence:
    ...     def waveform(self, clip):
    ...         return np.zeros(int(clip.duration * 8000), np.float32), 8000
    >>> class Loudness:
    ...     space = EmbeddingSpace("loudness", "1", "none", dims=1, window_s=1.0, step_s=1.0, sample_rate=8000)
    ...     def embed(self, waveform, sample_rate):
    ...         return np.sqrt(np.mean(waveform.reshape(-1, sample_rate) ** 2, axis=1, keepdims=True))
    >>> embed_clips([Clip("a", 0.0, 3.0), Clip("b", 1.0, 4.0)], Silence(), Loudness()).data.shape
    (2, 3, 1)
    """
    _require_own_names(clips)
    rows: list[Float32[np.ndarray, "windows dims"]] = []
    for clip in clips:
        if isinstance(embedder, LabelEmbedder):
            rows.append(embedder.label(clip))
        else:
            rows.append(_embed_clip(clip, stimuli, embedder, cache_dir))
        if progress is not None:
            progress(len(rows), len(clips))
    return Embeddings(
        _stack_windows(_in_common(rows, embedder), embedder), tuple(clip.name for clip in clips), embedder.space
    )


def embed_files(
    paths: Sequence[Path],
    embedder: Embedder,
    max_seconds: float | None = None,
    progress: Advance | None = None,
    on_error: Callable[[Path, InputError], None] | None = None,
) -> Embeddings:
    """Embed sound files, under the names of their paths.

    Parameters
    ----------
    paths : sequence of Path
        Sound files of any duration. If they have different numbers of windows, each is represented by the mean over its
        windows.
    embedder : Embedder
        The embedder.
    max_seconds : float, optional
        Seconds to read from the beginning of each file (15 in Brain2Music's retrieval); default the whole file.
    progress : callable, optional
        Called with (files done, files) after each.
    on_error : callable, optional
        Called with each file that is missing, unreadable or empty, and the error; the file is then left out.

    Returns
    -------
    Embeddings
        Embeddings of shape (files, windows, dims).

    Raises
    ------
    InputError
        A file is missing, unreadable or empty and ``on_error`` is None, or no file can be embedded.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import soundfile
    >>> from brain2music.embeddings import EmbeddingSpace, embed_files
    >>> class Loudness:
    ...     space = EmbeddingSpace("loudness", "1", "none", dims=1, window_s=1.0, step_s=1.0, sample_rate=8000)
    ...     def embed(self, waveform, sample_rate):
    ...         return np.sqrt(np.mean(np.square(waveform), dtype=np.float32)).reshape(1, 1)
    >>> soundfile.write("tone.wav", 0.5 * np.ones(8000), 8000)
    >>> found = embed_files([Path("tone.wav")], Loudness())
    >>> found.names, found.data.round(2).tolist()
    (('tone.wav',), [[[0.5]]])
    """
    rows: list[Float32[np.ndarray, "windows dims"]] = []
    names: list[str] = []
    doubtful: dict[str, list[str]] = {SILENT: [], SHORT: []}
    for done, path in enumerate(paths, 1):
        try:
            waveform, sample_rate = read_audio(path, duration=max_seconds)
            rows.append(embedder.embed(waveform, sample_rate))
            names.append(as_text(path))
            if is_silent(waveform):
                doubtful[SILENT].append(path.name)
            elif max(waveform.shape) / sample_rate < embedder.space.window_s - TOLERANCE_S:
                doubtful[SHORT].append(path.name)
        except InputError as error:
            if on_error is None or len(paths) == 1:
                raise
            on_error(path, error)
        if progress is not None:
            progress(done, len(paths))
    if paths and not rows:
        raise InputError(f"none of {len(paths)} sound files can be embedded", hint="see the warning about each")
    _say_doubtful(doubtful, len(names), embedder)
    if len({len(row) for row in rows}) > 1:
        rows = [row.mean(axis=0, keepdims=True) for row in rows]
    return Embeddings(_stack_windows(rows, embedder), tuple(names), embedder.space)


def _say_doubtful(doubtful: dict[str, list[str]], n_files: int, embedder: Embedder) -> None:
    """Warn of files whose embeddings say little of music, one line for each kind."""
    for why, files in doubtful.items():
        if files:
            first = ", ".join(files[:3]) + (", …" if len(files) > 3 else "")
            said = why.format(window_s=embedder.space.window_s, name=embedder.space.name)
            text = f"{len(files)} of {n_files} files {said} ({first})"
            warnings.warn(text, Brain2MusicWarning, stacklevel=3)


def _require_own_names(clips: Sequence[Clip]) -> None:
    named: dict[str, Clip] = {}
    for clip in clips:
        other = named.setdefault(clip.name, clip)
        if other != clip:
            what = f"clips of {other.track!r} and of {clip.track!r} are both named {clip.name}"
            raise InputError(what, hint="give them the labels of brain2music.study.study.name_clips")


def _embed_clip(
    clip: Clip, stimuli: WaveformProvider, embedder: Embedder, cache_dir: Path | None
) -> Float32[np.ndarray, "windows dims"]:
    waveform, sample_rate = stimuli.waveform(clip)
    if cache_dir is None:
        return embedder.embed(waveform, sample_rate)
    space = embedder.space
    folder = cache_dir / f"{space.name}_{space.window_s:g}s_every_{space.step_s:g}s"
    file = folder / f"{safe_name(clip.name)}.safetensors"
    sound = {"clip": clip.name, "rate": sample_rate, "waveform": digest_array(waveform)}
    made_from = {"version": __version__, **sound, "space": asdict(space)}
    cached = _read_cached(file, made_from)
    if cached is not None:
        return cached
    embedding = embedder.embed(waveform, sample_rate)
    write_arrays(file, {"embedding": embedding}, {**made_from, "sha256": digest_array(embedding)})
    return embedding


def _read_cached(file: Path, made_from: dict[str, Any]) -> Float32[np.ndarray, "windows dims"] | None:
    """Read an embedding from a file if it is intact and made from the same inputs; it may be written at any time."""
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
    """Keep the first windows of every clip, as many as all have."""
    fewest, most = min(map(len, rows), default=0), max(map(len, rows), default=0)
    if fewest < most:
        text = f"clips have {fewest} to {most} windows of {embedder.space.name}; the first {fewest} of each are used"
        warnings.warn(text, Brain2MusicWarning, stacklevel=3)
    return [row[:fewest] for row in rows]


def _stack_windows(
    rows: list[Float32[np.ndarray, "windows dims"]], embedder: Embedder
) -> Float32[np.ndarray, "clips windows dims"]:
    return np.stack(rows) if rows else np.zeros((0, 1, embedder.space.dims), np.float32)
