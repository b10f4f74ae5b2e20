"""Reliability of voxels: the agreement of their responses between repeats of the same clips."""

from itertools import combinations

import numpy as np
from jaxtyping import Float, Float32

from .._utils.errors import InputError
from .responses import Responses


def repeat_reliability(responses: Responses) -> Float[np.ndarray, " voxels"]:
    """Compute the mean correlation between all pairs of repeats, over clips and scans, per voxel.

    Raises
    ------
    InputError
        If the clips were not repeated equally often.
    """
    return pairwise_reliability(_series(responses))


def split_half_reliability(responses: Responses) -> Float[np.ndarray, " voxels"]:
    """Compute the reliability of the average over all repeats, per voxel, by split halves.

    Even repeats are correlated with odd ones, with the Spearman-Brown correction 2r/(1+r) where r is positive (a
    negative r is not explained by the length of a test).

    Raises
    ------
    InputError
        If the clips were not repeated equally often.
    """
    series = _series(responses)
    halves = np.stack([series[::2].mean(axis=0), series[1::2].mean(axis=0)])
    r = pairwise_reliability(halves)
    return np.where(r > 0, 2 * r / (1 + np.maximum(r, 0)), r)


def pairwise_reliability(
    series: Float32[np.ndarray, "repeats samples voxels"],
) -> Float[np.ndarray, " voxels"]:
    """Compute the mean Pearson correlation between all pairs of repeats, per voxel; 0 where a repeat is constant."""
    centred = series - series.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.einsum("rsv,rsv->rv", centred, centred))
    pairs = list(combinations(range(len(series)), 2))
    total = np.zeros(series.shape[2])
    for a, b in pairs:
        product = np.einsum("sv,sv->v", centred[a], centred[b])
        total += np.divide(product, norms[a] * norms[b], out=np.zeros(len(product)), where=norms[a] * norms[b] > 0)
    return total / len(pairs)


def _series(responses: Responses) -> Float32[np.ndarray, "repeats samples voxels"]:
    if responses.repeats is None:
        raise InputError(
            f"reliability of sub-{responses.subject} needs clips that were all repeated equally often",
            hint="use the runs in which clips were repeated",
        )
    return responses.repeats.reshape(len(responses.repeats), -1, responses.n_voxels)
