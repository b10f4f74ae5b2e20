"""Baselines that a decoder must beat: predictions without the brain, or from the true genre alone.

Identification by the mean vector is at chance by construction: every clip gets the same prediction, so that over all
clips each candidate wins as often as it loses. Its use is the correlation: how high it is without information.
"""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from .ranking import members


def genre_centroids(
    train: Float[np.ndarray, "clips dims"], genres: Sequence[Hashable]
) -> dict[Hashable, Float[np.ndarray, " dims"]]:
    """Average the training embeddings of every genre.

    Parameters
    ----------
    train : ndarray of shape (clips, dims)
        Training embeddings.
    genres : sequence of hashable
        Genre of each clip.

    Returns
    -------
    dict
        Mean of shape (dims,) by genre.

    See Also
    --------
    genre_oracle : Predicts clips by these means.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import genre_centroids
    >>> genre_centroids(np.array([[0.0, 1.0], [2.0, 1.0], [5.0, 5.0]]), ["jazz", "jazz", "rock"])["jazz"]
    array([1., 1.])
    """
    return {genre: train[rows].mean(axis=0, dtype=np.float64) for genre, rows in members(genres).items()}


def genre_oracle(
    centroids: Mapping[Hashable, Float[np.ndarray, " dims"]], genres: Sequence[Hashable]
) -> Float[np.ndarray, "n dims"]:
    """Predict every clip by the mean training embedding of its true genre: what genre alone would give.

    Parameters
    ----------
    centroids : mapping
        Mean training embedding by genre, as :func:`genre_centroids` returns it.
    genres : sequence of hashable
        True genre of each clip.

    Returns
    -------
    ndarray of shape (clips, dims)
        The centroid of each clip's genre.

    Raises
    ------
    ValueError
        A genre has no training clips.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import genre_centroids, genre_oracle
    >>> centroids = genre_centroids(np.array([[0.0, 1.0], [2.0, 1.0], [5.0, 5.0]]), ["jazz", "jazz", "rock"])
    >>> genre_oracle(centroids, ["rock", "jazz"])
    array([[5., 5.],
           [1., 1.]])
    """
    unknown = sorted({str(genre) for genre in genres if genre not in centroids})
    if unknown:
        raise ValueError(f"no training clips of genre {', '.join(unknown)}")
    return np.stack([centroids[genre] for genre in genres]).astype(np.float64)


def genre_oracle_in_folds(
    vectors: Float[np.ndarray, "clips dims"],
    genres: Sequence[Hashable],
    folds: Sequence[Int[np.ndarray, " _"]],
) -> Float[np.ndarray, "clips dims"]:
    """Predict every clip by the centroid of its genre among the clips outside its fold.

    Parameters
    ----------
    vectors : (clips, dims) array
        Embeddings of all clips.
    genres : sequence
        Genre of each clip.
    folds : sequence of int arrays
        The clips of each fold.

    Returns
    -------
    (clips, dims) array
        One centroid per clip; of all clips outside the fold where none is of the genre.
    """
    labels, found = np.unique([str(genre) for genre in genres], return_inverse=True)[1], np.empty(vectors.shape)
    for fold in folds:
        trained = np.delete(np.arange(len(vectors)), fold)
        for clip in fold:
            alike = trained[labels[trained] == labels[clip]]
            found[clip] = vectors[alike if len(alike) else trained].mean(axis=0, dtype=np.float64)
    return found
