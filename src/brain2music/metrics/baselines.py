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
    train : (clips, dims) array
        Training embeddings.
    genres : sequence
        Genre of each clip.

    Returns
    -------
    dict
        Genre to its (dims,) mean.
    """
    return {genre: train[rows].mean(axis=0, dtype=np.float64) for genre, rows in members(genres).items()}


def genre_oracle(
    centroids: Mapping[Hashable, Float[np.ndarray, " dims"]], genres: Sequence[Hashable]
) -> Float[np.ndarray, "n dims"]:
    """Predict every clip by the training centroid of its true genre: what knowing only the genre gives.

    Parameters
    ----------
    centroids : mapping
        Of :func:`genre_centroids`.
    genres : sequence
        True genre of each clip.

    Returns
    -------
    (clips, dims) array
        One centroid per clip.

    Raises
    ------
    ValueError
        A genre has no training clips.
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
