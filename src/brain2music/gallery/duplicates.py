"""Detection of recordings that a gallery contains twice, with nearly the same embedding and duration.

Every track is searched among the others; pairs that are close enough in both respects are joined into groups, in which
all tracks but the first of the table are marked as its duplicates. ``Gallery.select(duplicates=False)`` leaves them out
of a search.
"""

import numpy as np
import pandas as pd
from jaxtyping import Int

from .._utils.errors import InputError
from .duplicate_marks import write_marks
from .gallery import Gallery
from .lock import lock_gallery
from .storage import Store

_NEIGHBOURS = 10  # nearest tracks that are compared with each; groups may be larger, as they are joined
_QUERIES = 1024


def find_duplicates(gallery: Gallery, cosine: float = 0.98, seconds: float = 1.0) -> pd.DataFrame:
    """Find tracks that repeat an earlier track of the gallery.

    Tracks are duplicates if their vectors and durations are close enough. Duplicates of duplicates are in one group.

    Parameters
    ----------
    gallery : Gallery
        Gallery to search.
    cosine : float, default 0.98
        Smallest cosine of duplicates, centred on the mean of the gallery. With musicnn, recordings re-encoded as mp3
        have 0.997 or more and those delayed by half a second 0.992; the nearest other one has 0.95 in 19 of 20 cases.
    seconds : float, default 1.0
        Largest difference between the durations of the recordings, in seconds.

    Returns
    -------
    pandas.DataFrame
        One row per duplicate: ``track``, ``duplicate_of`` (the first of its group), their ``cosine``, and the
        difference of their durations in ``seconds``.

    Raises
    ------
    InputError
        The cosine is not above 0 and at most 1, or the seconds are negative.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.audio import write_audio
    >>> from brain2music.gallery import find_duplicates
    >>> seconds = np.arange(32000) / 16000
    >>> for name, hz, level in (("low", 100, 0.3), ("middle", 700, 0.3), ("high", 5000, 0.3), ("copy", 5000, 0.31)):
    ...     write_audio(f"music/{name}.wav", level * np.sin(2 * np.pi * hz * seconds), 16000)
    >>> embedder = b2m.get_embedder("logmel", 1.0, 1.0)
    >>> gallery = b2m.build_gallery("music", "gallery", embedder)
    >>> find_duplicates(gallery)[["track", "duplicate_of"]].to_dict("records")
    [{'track': 'high', 'duplicate_of': 'copy'}]
    """
    if not 0 < cosine <= 1 or seconds < 0:
        raise InputError(f"a cosine of {cosine:g} within {seconds:g} s cannot be", hint="give 0 < cosine <= 1, s >= 0")
    lengths = gallery.tracks["recording_s"].to_numpy()
    first = _first_of_group(len(gallery), *_close_pairs(gallery, lengths, cosine, seconds))
    rows = np.flatnonzero(first != np.arange(len(gallery)))
    names = gallery.tracks["track"].to_numpy()
    centred = (np.asarray(gallery.vectors[part], np.float64) - gallery.mean for part in (rows, first[rows]))
    one, other = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in centred)
    return pd.DataFrame(
        {
            "track": names[rows],
            "duplicate_of": names[first[rows]],
            "cosine": (one * other).sum(axis=1).round(6),
            "seconds": (lengths[rows] - lengths[first[rows]]).round(3),
        }
    )


def mark_duplicates(gallery: Gallery, cosine: float = 0.98, seconds: float = 1.0) -> pd.DataFrame:
    """Find duplicates and mark them in the gallery.

    Marks are written to ``duplicates.tsv``, which is read when the gallery is next opened; ``Gallery.select`` with
    ``duplicates=False`` leaves marked tracks out. A mark is no longer valid once the file changes or the original is
    removed.

    Parameters
    ----------
    gallery : Gallery
        Gallery to search and mark.
    cosine : float, default 0.98
        Smallest cosine of duplicates, as for :func:`find_duplicates`.
    seconds : float, default 1.0
        Largest difference between the durations of the recordings, in seconds.

    Returns
    -------
    pandas.DataFrame
        One row per duplicate, as for :func:`find_duplicates`.

    Raises
    ------
    InputError
        The cosine is not above 0 and at most 1, the seconds are negative, or the gallery cannot be written to.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.audio import write_audio
    >>> from brain2music.gallery import mark_duplicates
    >>> seconds = np.arange(32000) / 16000
    >>> for name, hz, level in (("low", 100, 0.3), ("middle", 700, 0.3), ("high", 5000, 0.3), ("copy", 5000, 0.31)):
    ...     write_audio(f"music/{name}.wav", level * np.sin(2 * np.pi * hz * seconds), 16000)
    >>> embedder = b2m.get_embedder("logmel", 1.0, 1.0)
    >>> gallery = b2m.build_gallery("music", "gallery", embedder)
    >>> marked = mark_duplicates(gallery)
    >>> gallery = b2m.Gallery.open("gallery")
    >>> gallery.select(duplicates=False).tolist()
    [True, False, True, True]
    """
    found = find_duplicates(gallery, cosine, seconds)
    store = Store(gallery.root)
    with lock_gallery(store, "marking duplicates"):
        write_marks(store, found, gallery.tracks)
    return found


def _close_pairs(
    gallery: Gallery, lengths: np.ndarray, cosine: float, seconds: float
) -> tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " pairs"]]:
    """Pairs of rows that are close enough."""
    left, right = [], []
    for begin in range(0, len(gallery), _QUERIES):
        vectors = np.asarray(gallery.vectors[begin : begin + _QUERIES], np.float32)
        hits = gallery.nearest(vectors, _NEIGHBOURS, space=gallery.space)
        query, place = np.nonzero(hits.cosines >= cosine)
        row, other = begin + query, hits.indices[query, place]
        near = (row != other) & (np.abs(lengths[row] - lengths[other]) <= seconds)
        left.append(row[near])
        right.append(other[near])
    return np.concatenate(left), np.concatenate(right)


def _first_of_group(n: int, left: Int[np.ndarray, " pairs"], right: Int[np.ndarray, " pairs"]) -> Int[np.ndarray, " n"]:
    """The lowest row in the group of every row."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    label = connected_components(coo_array((np.ones(len(left)), (left, right)), shape=(n, n)), directed=False)[1]
    return np.unique(label, return_index=True)[1][label]
