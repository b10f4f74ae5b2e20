"""Asking a gallery by example: a recording, a text, or a vector in a file."""

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32

from .._utils.errors import InputError
from ..audio.io import read_audio
from ..embeddings.embedder import Embedder, TextEmbedder
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
    """Tracks like a recording, of which as much is embedded as was of the gallery's tracks.

    Parameters
    ----------
    embedder : what embeds the recording; by default the registry's of the gallery's space.
    where : (tracks,) which tracks may be found, as :meth:`Gallery.select` gives.

    Returns
    -------
    One row a track, best first: ``query``, ``rank``, ``cosine``, and what is known of the track.

    Raises
    ------
    InputError : the recording cannot be read, or the embedding here differs from that of the gallery.
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
    """Tracks that a text describes; the gallery's embedding must have a text side.

    Text and sound lie apart in a joint space, so both are compared as they are, by plain cosines, not about the
    gallery's mean.

    Parameters
    ----------
    embedder : what embeds the text; by default the registry's of the gallery's space.
    where : (tracks,) which tracks may be found.

    Returns
    -------
    As :func:`search_like`.

    Raises
    ------
    InputError : the embedding has no text side, differs from that of the gallery, or the text is empty.
    """
    space = gallery.space
    embedder = embedder or get_text_embedder(space.name, space.window_s, space.step_s)
    query = embedder.embed_text([text])
    return gallery.ranked(gallery.nearest(query, k, space=embedder.space, centre=0.0, where=where))[SHOWN]


def search_vector(
    gallery: Gallery, file: Path, k: int = 10, where: Bool[np.ndarray, " tracks"] | None = None
) -> pd.DataFrame:
    """Tracks nearest to each vector of a ``.npy`` file: (dims,) or (queries, dims), in the gallery's space.

    Returns
    -------
    As :func:`search_like`; ``query`` counts the vectors from 0.

    Raises
    ------
    InputError : the file is not such an array. Which space its numbers are in cannot be seen from it.
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
