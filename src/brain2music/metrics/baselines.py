"""What a decoder must beat: predictions that know nothing of the brain, or only the genre.

Identification of the mean vector is chance by construction: every clip gets the same prediction, so that over
all clips each candidate wins as often as it loses. Its use is the raw correlation: how high it is without
information.
"""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from .ranking import members


def genre_centroids(
    train: Float[np.ndarray, "clips dims"], genres: Sequence[Hashable]
) -> dict[Hashable, Float[np.ndarray, " dims"]]:
    """Mean training embedding of every genre."""
    return {genre: train[rows].mean(axis=0, dtype=np.float64) for genre, rows in members(genres).items()}


def genre_oracle(
    centroids: Mapping[Hashable, Float[np.ndarray, " dims"]], genres: Sequence[Hashable]
) -> Float[np.ndarray, "n dims"]:
    """The training centroid of each clip's true genre: what knowing the genre, and nothing else, gives.

    Raises
    ------
    ValueError : a genre that was not trained on.
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
    """:func:`genre_oracle` in folds: of the clips outside each clip's fold, all of them where none is of its genre."""
    labels, found = np.unique([str(genre) for genre in genres], return_inverse=True)[1], np.empty(vectors.shape)
    for fold in folds:
        trained = np.delete(np.arange(len(vectors)), fold)
        for clip in fold:
            alike = trained[labels[trained] == labels[clip]]
            found[clip] = vectors[alike if len(alike) else trained].mean(axis=0, dtype=np.float64)
    return found
