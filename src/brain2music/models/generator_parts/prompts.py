"""Checks of what a user asks for: duration, number of samples, seed, guidance; texts, recordings, embeddings."""

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from ..._utils.errors import InputError
from ..._utils.files import digest_array, digest_file
from ...audio.io import read_audio
from ...audio.waveforms import as_channels
from ...embeddings.clips import is_silent
from ...embeddings.embeddings import Embeddings
from ...embeddings.protocols import Embedder, TextEmbedder
from ...embeddings.store import load_embeddings, read_vectors
from ...embeddings.texts import as_texts
from ..embedders import get_embedder
from ..embedding_input import EmbeddingInput
from .inputs import MAX_DURATION_S, MIN_DURATION_S, Rows, Waveform

MAX_WORDS = 200
MAX_SAMPLES = 64
MAX_GUIDANCE = 100.0
MAX_SEED = 2**32 - 1
MAX_STEPS = 1000


@dataclass(frozen=True)
class Prompts:
    """Prompts of pieces: ``vectors`` (items, dims), and the origin of each item, as JSON types."""

    vectors: Float[Tensor, "items dims"]
    origins: list[dict[str, Any]]


def check_duration(seconds: Any, n_samples: Any = 1) -> None:
    """Raise :class:`InputError` for a duration or a number of samples that cannot be generated."""
    if not MIN_DURATION_S <= _as_number(seconds, "seconds") <= MAX_DURATION_S:  # also refuses NaN
        raise InputError(
            f"{seconds:g} s of music cannot be made", hint=f"ask for {MIN_DURATION_S:g} to {MAX_DURATION_S:g} seconds"
        )
    check_draws(n_samples)


def check_draws(n_samples: Any) -> None:
    """Raise :class:`InputError` for a number of samples that cannot be generated."""
    if not 1 <= _as_whole_number(n_samples, "n_samples") <= MAX_SAMPLES:
        raise InputError(f"{n_samples} samples cannot be generated", hint=f"ask for 1 to {MAX_SAMPLES}")


def check_guidance(guidance: Any) -> None:
    """Raise :class:`InputError` for a guidance out of range."""
    if guidance is not None and not 0 <= _as_number(guidance, "guidance") <= MAX_GUIDANCE:
        raise InputError(f"the guidance is {guidance:g}", hint=f"choose 0 to {MAX_GUIDANCE:g}")


def check_steps(steps: Any) -> None:
    """Raise :class:`InputError` for a number of sampling steps out of range."""
    if steps is not None and not 1 <= _as_whole_number(steps, "steps") <= MAX_STEPS:
        raise InputError(f"{steps} sampling steps cannot be taken", hint=f"choose 1 to {MAX_STEPS}")


def check_seed(seed: Any) -> None:
    """Raise :class:`InputError` where the seed is no whole number from 0 to 2³² - 1."""
    if not 0 <= _as_whole_number(seed, "seed") <= MAX_SEED:
        raise InputError(f"the seed is {seed}", hint=f"choose 0 to {MAX_SEED}")


def check_texts(texts: Any) -> list[str]:
    """One text or several as a list; :class:`InputError` where one is empty or too long, or there is none."""
    listed = as_texts(texts)
    for text in listed:
        words = len(text.split())
        if words > MAX_WORDS:
            raise InputError(f"the text has {words} words", hint=f"describe the music in at most {MAX_WORDS}")
    if not listed:
        raise InputError("there is no text", hint="describe the music in a few words")
    return listed


def prompts_from_texts(texts: Any, conditioner: EmbeddingInput) -> Prompts:
    """Prompts from texts; a single string is one text."""
    texts = as_texts(texts)
    return Prompts(embed_texts(texts, conditioner), [{"text": text} for text in texts])


def prompts_from_audio(sounds: Any, conditioner: EmbeddingInput) -> Prompts:
    """Prompts from recordings; a single one may be passed by itself. :class:`InputError` where one is silent."""
    read = read_recordings(sounds, "like")
    for (waveform, _), origin in read:
        if is_silent(waveform):
            raise InputError(f"{origin['like']} is silent: no music is like it", hint="give a recording with sound")
    return Prompts(embed_sounds([sound for sound, _ in read], conditioner), [origin for _, origin in read])


def prompts_from_embeddings(embedding: Any, conditioner: EmbeddingInput, rows: Any = None) -> Prompts:
    """Prompts from embeddings: with their space, in an array, or in a file of either.

    Raises
    ------
    InputError : an array of two dimensions whose rows may be items as well as windows of one; another space or shape.
    """
    origin: dict[str, Any] = {"embedding": conditioner.space.name}
    if isinstance(embedding, Path):
        origin |= {"file": embedding.name, "file_sha256": digest_file(embedding) if embedding.is_file() else ""}
        try:
            vectors, names = _check_embeddings(read_embedding(embedding), conditioner, rows)
        except InputError as error:
            raise InputError(error.what, error.file or embedding, error.hint) from None
    else:
        vectors, names = _check_embeddings(embedding, conditioner, rows)
    digests = [{"embedding_sha256": digest_array(row)} for row in vectors.numpy()]
    named = [{"name": name} if name else {} for name in names]
    return Prompts(vectors, [{**origin, **each, **name} for each, name in zip(digests, named, strict=True)])


def vector_of_edit(embedding: Any, conditioner: EmbeddingInput) -> Float[Tensor, "1 dims"]:
    """Vector of the one item that an edit is given as an embedding; :class:`InputError` where there are more."""
    vectors = prompts_from_embeddings(embedding, conditioner).vectors
    if len(vectors) != 1:
        raise InputError(f"{len(vectors)} embeddings for one recording", hint="give one")
    return vectors


def _check_embeddings(
    embedding: Any, conditioner: EmbeddingInput, rows: Any
) -> tuple[Float[Tensor, "items dims"], list[str]]:
    """A vector of each item, and the names of those that have one."""
    if isinstance(embedding, Embeddings):
        return conditioner.check(embedding.mean, embedding.space), list(embedding.names)
    vectors = conditioner.check(_one_per_item(embedding, rows))
    return vectors, [""] * len(vectors)


def embed_texts(texts: Sequence[str], conditioner: EmbeddingInput) -> Float[Tensor, "texts dims"]:
    """Embed texts; :class:`InputError` where one is empty or too long, or the space embeds no text.

    Each text is embedded by itself: beside longer ones, its last bits would differ.
    """
    check_texts(texts)
    embedder = _embedder_of(conditioner)
    if not isinstance(embedder, TextEmbedder):
        raise InputError(f"{embedder.space.name} embeds no text", hint="give a recording or an embedding instead")
    return conditioner.check(np.concatenate([embedder.embed_text([text]) for text in texts]), embedder.space)


def embed_sounds(sounds: Sequence[Waveform], conditioner: EmbeddingInput) -> Float[Tensor, "sounds dims"]:
    """Embed recordings, each as the mean over its windows."""
    if not sounds:
        raise InputError("there is no recording to be like", hint="give at least one")
    embedder = _embedder_of(conditioner)
    rows = [embedder.embed(waveform, sample_rate).mean(axis=0) for waveform, sample_rate in sounds]
    return conditioner.check(np.stack(rows), embedder.space)


def read_recordings(sounds: Any, use: str) -> list[tuple[Waveform, dict[str, Any]]]:
    """Recordings, or a single one by itself, as :func:`read_recording` reads them."""
    return [read_recording(each, use) for each in _as_recordings(sounds)]


def read_recording(recording: Any, use: str, mono: bool = True) -> tuple[Waveform, dict[str, Any]]:
    """A recording as (waveform, sample_rate), and its origin: name and digest of a file, digest of an array."""
    if isinstance(recording, Path | str):
        sound = read_audio(recording, mono=mono)
        return sound, {use: Path(recording).name, f"{use}_sha256": digest_file(Path(recording))}
    if not isinstance(recording, tuple | list) or len(recording) != 2:
        raise InputError(
            "a recording is a waveform with its sample rate, or a file", hint="give (waveform, sample_rate)"
        )
    waveform, sample_rate = recording
    digest = digest_array(as_channels(waveform, sample_rate)[0])
    return (waveform, sample_rate), {use: "a recording", f"{use}_sha256": digest, f"{use}_rate": int(sample_rate)}


def count_items(embedding: Path | None, rows: Rows | None = None) -> int:
    """Number of items in a file of embeddings; one where there is no file."""
    if embedding is None:
        return 1
    content = read_embedding(embedding)
    return len(content.names) if isinstance(content, Embeddings) else len(np.atleast_2d(_one_per_item(content, rows)))


def read_embedding(file: Path) -> Embeddings | Float32[np.ndarray, "*items dims"]:
    """Read a numpy array, or embeddings with their space (Parquet); :class:`InputError` where it is neither."""
    if file.suffix != ".npy":
        return load_embeddings(file)
    return read_vectors(file)


def seeded_generator(seed: int, item: int, device: torch.device, sample: int = 0) -> torch.Generator:
    """Random generator of one sample of one item, independent of the others; :class:`InputError` for a wrong seed."""
    check_seed(seed)
    state = np.random.SeedSequence([seed, item, sample]).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(state >> 1))


def _one_per_item(embedding: Any, rows: Any) -> Float32[np.ndarray, "*items dims"]:
    """(items, dims), or (dims,), of an array of numbers of one to three dimensions."""
    if isinstance(embedding, str):
        raise InputError(
            f"{embedding[:40]!r} is a text, not an embedding", hint="give it as text, or the file as a Path"
        )
    if rows not in (None, "items", "windows"):
        raise InputError(f"rows cannot be {rows!r}", hint='choose "items" or "windows"')
    try:
        vectors = np.asarray(embedding, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"this is not an embedding ({error})", hint="give an array of numbers") from None
    if vectors.ndim == 3 and vectors.size:
        return vectors.mean(axis=1)
    if vectors.ndim == 2 and len(vectors) > 1 and rows is None:
        raise InputError(
            f"the {len(vectors)} rows of an embedding of shape {vectors.shape} may be items, or windows of one",
            hint='say rows="items" for a piece of each, or rows="windows" for one piece of their mean',
        )
    return vectors.mean(axis=0) if vectors.ndim == 2 and rows == "windows" and len(vectors) else vectors


def _as_recordings(sounds: Any) -> list[Any]:
    if isinstance(sounds, str | Path):
        return [sounds]
    is_one = isinstance(sounds, tuple) and len(sounds) == 2 and isinstance(sounds[1], int | float | np.number)
    return [sounds] if is_one or not isinstance(sounds, Iterable) else list(sounds)


def _as_number(value: Any, name: str) -> float:
    if not isinstance(value, int | float | np.number):
        raise InputError(f"{name}: {value!r} is no number", hint="give a number")
    return float(value)


def _as_whole_number(value: Any, name: str) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise InputError(f"{name}: {value!r} is no whole number", hint="give a whole number") from None


def _embedder_of(conditioner: EmbeddingInput) -> Embedder:
    space = conditioner.space
    return get_embedder(space.name, space.window_s, space.step_s)
