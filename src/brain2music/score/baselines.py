"""What a decoder must beat: predictions that know nothing of the brain, or only the genre.

Identification of the mean vector is chance by construction: every clip gets the same prediction, so that over
all clips each candidate wins as often as it loses. Its use is the raw correlation: how high it is without
information.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from .identification import identification, members, similarity


def mean_vector(train_mean: Float[np.ndarray, " dims"], n: int) -> Float[np.ndarray, "n dims"]:
    """The mean training embedding as the prediction of every clip."""
    return np.tile(train_mean, (n, 1))


def random_vectors(
    train_mean: Float[np.ndarray, " dims"],
    train_sd: Float[np.ndarray, " dims"],
    n: int,
    rng: np.random.Generator,
) -> Float[np.ndarray, "n dims"]:
    """Independent Gaussian vectors of the training embeddings' mean and standard deviation per dimension."""
    return rng.normal(train_mean, train_sd, (n, len(train_mean)))


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


def shuffled_identification(
    decode: Callable[[Int[np.ndarray, " clips"]], Float[np.ndarray, "n dims"]],
    true: Float[np.ndarray, "n dims"],
    clips: int,
    rng: np.random.Generator,
    repeats: int = 10,
) -> Float[np.ndarray, " repeats"]:
    """Identification accuracy when the decoder is fitted to responses in a random order: must be near 0.5.

    Unlike the permutation test this fits again, and so also finds information that leaks through fitting.

    Parameters
    ----------
    decode : fits with training responses in the given order, their targets left in place, and predicts.
    true : (n, dims) embeddings of the clips that are predicted.
    clips : how many training clips there are to put in a random order.
    """
    orders = [rng.permutation(clips) for _ in range(repeats)]
    return np.array([identification(similarity(decode(order), true)).mean() for order in orders])
