"""Reliability of voxels: the agreement of their responses between repeats of the same clips."""

from itertools import combinations

import numpy as np
from jaxtyping import Float, Float32

from .._utils.errors import InputError
from .responses import Responses


def repeat_reliability(responses: Responses) -> Float[np.ndarray, " voxels"]:
    """Compute the mean correlation between all pairs of repeats of the same clips, per voxel.

    Parameters
    ----------
    responses : Responses
        Responses with repeats.

    Returns
    -------
    ndarray of shape (voxels,)
        Mean Pearson correlation over clips and scans; 0 where a repeat is constant.

    Raises
    ------
    InputError
        The clips were not repeated equally often.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.brain import repeat_reliability
    >>> rng = np.random.default_rng(0)
    >>> signal = rng.normal(size=(50, 10, 2)) * np.array([2.0, 0.0])
    >>> repeats = (signal + rng.normal(size=(4, 50, 10, 2))).astype(np.float32)
    >>> bold = replace(b2m.as_responses(repeats.mean(axis=0)), repeats=repeats)
    >>> repeat_reliability(bold).round(1) + 0.0
    array([0.8, 0. ])
    """
    return pairwise_reliability(_series(responses))


def split_half_reliability(responses: Responses) -> Float[np.ndarray, " voxels"]:
    """Compute the reliability of the average over all repeats, per voxel, from split halves.

    Even repeats are correlated with odd ones, with the Spearman-Brown correction 2r/(1+r) where r is positive (a
    negative r is not explained by the length of a test).

    Parameters
    ----------
    responses : Responses
        Responses with repeats.

    Returns
    -------
    ndarray of shape (voxels,)
        Reliability of the average.

    Raises
    ------
    InputError
        The clips were not repeated equally often.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.brain import split_half_reliability
    >>> rng = np.random.default_rng(0)
    >>> repeats = (rng.normal(size=(50, 10, 1)) + rng.normal(size=(4, 50, 10, 1))).astype(np.float32)
    >>> bold = replace(b2m.as_responses(repeats.mean(axis=0)), repeats=repeats)
    >>> split_half_reliability(bold).round(1)  # 4 S / (4 S + N), with variances S = N = 1
    array([0.8])
    """
    series = _series(responses)
    halves = np.stack([series[::2].mean(axis=0), series[1::2].mean(axis=0)])
    r = pairwise_reliability(halves)
    return np.where(r > 0, 2 * r / (1 + np.maximum(r, 0)), r)


def pairwise_reliability(
    series: Float32[np.ndarray, "repeats samples voxels"],
) -> Float[np.ndarray, " voxels"]:
    """Compute the mean Pearson correlation between all pairs of repeats of a time series, per voxel.

    Parameters
    ----------
    series : ndarray of shape (repeats, samples, voxels)
        Responses to every repeat, in single precision.

    Returns
    -------
    ndarray of shape (voxels,)
        Mean correlation; a pair with a constant repeat counts as 0.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.brain import pairwise_reliability
    >>> series = np.array([[[0], [1], [2]], [[0], [2], [4]], [[2], [1], [0]]], np.float32)
    >>> pairwise_reliability(series).round(2)  # the mean of 1, -1 and -1
    array([-0.33])
    """
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
