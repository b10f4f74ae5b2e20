"""Queries of a gallery by a recording, a text, or a vector in a file."""

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32

from .._utils.errors import InputError
from ..audio.io import read_audio
from ..embeddings.protocols import Embedder, TextEmbedder
from ..embeddings.store import read_vectors
from ..models.embedders import get_embedder, get_text_embedder
from .gallery import Gallery

SHOWN = ["query", "rank", "cosine", "track", "title", "artist", "genre", "licence", "path"]


def search_like(
    gallery: Gallery,
    recording: Path,
    k: int = 10,
    embedder: Embedder | None = None,
    where: Bool[np.ndarray, " tracks"] | None = None,
) -> pd.DataFrame:
    """Search tracks similar to a recording, of which the same part is embedded as of the tracks.

    Parameters
    ----------
    gallery : Gallery
    recording : Path
    k : int
    embedder : Embedder, optional
        By default that of the space of the gallery.
    where : (tracks,) bool, optional
        Tracks that may be found, as :meth:`Gallery.select` returns.

    Returns
    -------
    pandas.DataFrame
        One row per track, best first: ``query``, ``rank``, ``cosine``, and the columns of the track.

    Raises
    ------
    InputError
        If the recording cannot be read, or the embedder is not that of the gallery.
    """
    space = gallery.space
    embedder = embedder or get_embedder(space.name, space.window_s, space.step_s)
    waveform, rate = read_audio(recording, space.sample_rate, duration=gallery.seconds)
    query = embedder.embed(waveform, rate).mean(axis=0, keepdims=True, dtype=np.float32)
    return gallery.ranked(gallery.nearest(query, k, space=embedder.space, where=where))[SHOWN]


def search_text(
    gallery: Gallery,
    text: str,
    k: int = 10,
    embedder: TextEmbedder | None = None,
    where: Bool[np.ndarray, " tracks"] | None = None,
) -> pd.DataFrame:
    """Search tracks that a text describes; the embedding of the gallery must be joint with text.

    Text and sound have different means in a joint space, so they are compared by plain cosines, not centred on the
    mean of the gallery.

    Parameters
    ----------
    gallery : Gallery
    text : str
    k : int
    embedder : TextEmbedder, optional
        By default that of the space of the gallery.
    where : (tracks,) bool, optional
        Tracks that may be found.

    Returns
    -------
    pandas.DataFrame
        As :func:`search_like`.

    Raises
    ------
    InputError
        If there is no text embedder for the space of the gallery, or the text is empty.
    """
    space = gallery.space
    embedder = embedder or get_text_embedder(space.name, space.window_s, space.step_s)
    query = embedder.embed_text([text])
    return gallery.ranked(gallery.nearest(query, k, space=embedder.space, centre=0.0, where=where))[SHOWN]


def search_vector(
    gallery: Gallery, file: Path, k: int = 10, where: Bool[np.ndarray, " tracks"] | None = None
) -> pd.DataFrame:
    """Search tracks nearest to each vector of a ``.npy`` file: (dims,) or (queries, dims), in the gallery's space.

    Returns
    -------
    pandas.DataFrame
        As :func:`search_like`; ``query`` is the number of the vector, from 0.

    Raises
    ------
    InputError
        If the file is not such an array. The space of its numbers cannot be verified.
    """
    queries = _read_vectors(file, gallery.space.dims)
    return gallery.ranked(gallery.nearest(queries, k, space=gallery.space, where=where))[SHOWN]


def _read_vectors(file: Path, dims: int) -> Float32[np.ndarray, "queries dims"]:
    vectors = read_vectors(file)
    if vectors.ndim not in (1, 2) or vectors.shape[-1] != dims or not vectors.size:
        hint = f"give ({dims},) or (queries, {dims})"
        raise InputError(f"the array has shape {vectors.shape}, the gallery {dims} dims", file, hint)
    if not np.isfinite(vectors).all():
        raise InputError("some of the numbers are not finite", file, "look for NaN where they were made")
    return np.atleast_2d(vectors)
