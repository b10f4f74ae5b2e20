"""Directions of vectors about a centre: rows of length 1, whose inner products are cosines."""

import numpy as np
from jaxtyping import Float, Float32

from .search import Prepare, as_float32


def directions(rows: Float[np.ndarray, "n dims"], centre: Float[np.ndarray, " dims"]) -> Float32[np.ndarray, "n dims"]:
    """Centre rows and scale them to length 1; rows at the centre become 0."""
    rows = (as_float32(rows) - centre).astype(np.float32, copy=False)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, np.float32(1))


def directions_about(centre: Float[np.ndarray, " dims"]) -> Prepare:
    """Make the function that takes rows to their :func:`directions` about one centre."""
    return lambda rows: directions(rows, centre)
