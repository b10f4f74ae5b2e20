"""Queries of a gallery by a recording, a text, or a vector in a file."""

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32

from .._utils.errors import InputError
from ..audio.io import read_audio
from ..embeddings.clips import is_silent
from ..embeddings.protocols import Embedder, TextEmbedder
from ..embeddings.store import load_embeddings, read_vectors
from ..models.embedders import get_embedder, get_text_embedder
from .gallery import Gallery

SHOWN = ["query", "rank", "cosine", "track", "title", "artist", "genre", "licence", "path"]


def search_like(
    gallery: Gallery,
    recording: str | Path,
    k: int = 10,
    embedder: Embedder | None = None,
    where: Bool[np.ndarray, " tracks"] | None = None,
) -> pd.DataFrame:
    """Search tracks similar to a recording.

    The same part of the recording is embedded as of the tracks: its first :attr:`Gallery.seconds`.

    Parameters
    ----------
    gallery : Gallery
        Gallery to search.
    recording : str or Path
        Sound file.
    k : int, default 10
        Number of tracks.
    embedder : Embedder, optional
        Embedder of the recording; default that of the space of the gallery.
    where : ndarray of bool, of shape (tracks,), optional
        Tracks that may be found, as :meth:`Gallery.select` returns; default all.

    Returns
    -------
    pandas.DataFrame
        One row per track, best first: ``query``, ``rank``, ``cosine``, and the columns of the track.

    Raises
    ------
    InputError
        The recording cannot be read or is silent, or the embedder is not that of the gallery.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.audio import write_audio
    >>> from brain2music.gallery import search_like
    >>> seconds = np.arange(32000) / 16000
    >>> for name, hz in (("low", 100), ("middle", 700), ("high", 5000)):
    ...     write_audio(f"music/{name}.wav", 0.3 * np.sin(2 * np.pi * hz * seconds), 16000)
    >>> write_audio("query.wav", 0.2 * np.sin(2 * np.pi * 4900 * seconds), 16000)
    >>> embedder = b2m.get_embedder("logmel", 1.0, 1.0)
    >>> gallery = b2m.build_gallery("music", "gallery", embedder)
    >>> found = search_like(gallery, "query.wav", k=1)
    >>> found["track"].item()
    'high'
    """
    space = gallery.space
    embedder = embedder or get_embedder(space.name, space.window_s, space.step_s)
    waveform, rate = read_audio(recording, space.sample_rate, duration=gallery.seconds)
    if is_silent(waveform):
        raise InputError("what is read of it is silent: no music is like it", recording, "give one with sound")
    query = embedder.embed(waveform, rate).mean(axis=0, keepdims=True, dtype=np.float32)
    return gallery.ranked(gallery.nearest(query, k, space=embedder.space, where=where))[SHOWN]


def search_text(
    gallery: Gallery,
    text: str,
    k: int = 10,
    embedder: TextEmbedder | None = None,
    where: Bool[np.ndarray, " tracks"] | None = None,
) -> pd.DataFrame:
    """Search tracks that a text describes.

    The embedding of the gallery must be joint with text. Text and sound have different means in a joint space, so they
    are compared by plain cosines, not centred on the mean of the gallery.

    Parameters
    ----------
    gallery : Gallery
        Gallery to search.
    text : str
        Description of the music, in English.
    k : int, default 10
        Number of tracks.
    embedder : TextEmbedder, optional
        Embedder of the text; default that of the space of the gallery.
    where : ndarray of bool, of shape (tracks,), optional
        Tracks that may be found, as :meth:`Gallery.select` returns; default all.

    Returns
    -------
    pandas.DataFrame
        One row per track, best first, as for :func:`search_like`.

    Raises
    ------
    InputError
        There is no text embedder for the space of the gallery, or the text is empty.

    Examples
    --------
    A gallery of ``logmel`` cannot be searched by text, which the error says:

    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.audio import write_audio
    >>> from brain2music.gallery import search_text
    >>> noise = np.random.default_rng(0).uniform(-0.1, 0.1, 32000)
    >>> write_audio("music/noise.wav", noise, 16000)
    >>> embedder = b2m.get_embedder("logmel", 1.0, 1.0)
    >>> gallery = b2m.build_gallery("music", "gallery", embedder)
    >>> search_text(gallery, "calm piano")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    brain2music.InputError: logmel embeds sound only
    """
    space = gallery.space
    embedder = embedder or get_text_embedder(space.name, space.window_s, space.step_s)
    query = embedder.embed_text([text])
    return gallery.ranked(gallery.nearest(query, k, space=embedder.space, centre=0.0, where=where))[SHOWN]


def search_vector(
    gallery: Gallery, file: str | Path, k: int = 10, where: Bool[np.ndarray, " tracks"] | None = None
) -> pd.DataFrame:
    """Search tracks nearest to each vector in a ``.npy`` file, or to each sound in a file of embeddings.

    The embedding space of a ``.npy`` file cannot be verified: it must be that of the gallery.

    Parameters
    ----------
    gallery : Gallery
        Gallery to search.
    file : str or Path
        Numpy file with an array of shape (dims,) or (queries, dims), or embeddings (``.parquet``).
    k : int, default 10
        Number of tracks per vector.
    where : ndarray of bool, of shape (tracks,), optional
        Tracks that may be found, as :meth:`Gallery.select` returns; default all.

    Returns
    -------
    pandas.DataFrame
        One row per vector and track, best first, as for :func:`search_like`; ``query`` is the number of the vector,
        from 0.

    Raises
    ------
    InputError
        The file is not such an array, holds numbers that are not finite, or embeddings in another space.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.audio import write_audio
    >>> from brain2music.gallery import search_vector
    >>> seconds = np.arange(32000) / 16000
    >>> for name, hz in (("low", 100), ("high", 5000)):
    ...     write_audio(f"music/{name}.wav", 0.3 * np.sin(2 * np.pi * hz * seconds), 16000)
    >>> embedder = b2m.get_embedder("logmel", 1.0, 1.0)
    >>> gallery = b2m.build_gallery("music", "gallery", embedder)
    >>> np.save("query.npy", gallery.vectors[1])
    >>> found = search_vector(gallery, "query.npy", k=1)
    >>> found["track"].item()
    'low'
    """
    space = gallery.space
    if Path(file).suffix.lower() == ".parquet":
        embedded = load_embeddings(file)
        queries, space = embedded.mean, embedded.space
    else:
        queries = _read_vectors(Path(file), space.dims)
    return gallery.ranked(gallery.nearest(queries, k, space=space, where=where))[SHOWN]


def _read_vectors(file: Path, dims: int) -> Float32[np.ndarray, "queries dims"]:
    vectors = read_vectors(file)
    if vectors.ndim not in (1, 2) or vectors.shape[-1] != dims or not vectors.size:
        hint = f"give ({dims},) or (queries, {dims})"
        raise InputError(f"the array has shape {vectors.shape}, the gallery {dims} dims", file, hint)
    if not np.isfinite(vectors).all():
        raise InputError("some of the numbers are not finite", file, "look for NaN where they were made")
    return np.atleast_2d(vectors)
