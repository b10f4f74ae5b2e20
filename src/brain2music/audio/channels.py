"""Several channels to one: their mean, but for channels that are each other's negative, whose mean is silence."""

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64

from .._utils.errors import Brain2MusicWarning

CANCELLED = 0.01
"""Channels cancel where their mean keeps less than this share of their own mean energy (-20 dB; unrelated stereo keeps
a half, that is -3 dB)."""


def mix(
    samples: Float32[np.ndarray, "channels samples"],
    signs: Float32[np.ndarray, " channels"] | None = None,
    source: Path | None = None,
) -> Float32[np.ndarray, " samples"]:
    """One channel: the mean of all.

    Where that would cancel (a channel was wired the wrong way round, L = -R), the channels that oppose the loudest are
    turned over first, which loses nothing of them, and a warning says so. All other sound is the plain mean, bit for
    bit.

    Parameters
    ----------
    signs : from :func:`polarities`, of the whole where ``samples`` is a part of it; by default found here.
    source : the file, for the warning.
    """
    if len(samples) == 1:
        return samples.mean(axis=0)
    if signs is None:
        signs = polarities(products(samples), source)
    if (signs > 0).all():
        return samples.mean(axis=0)
    return (samples * signs[:, None]).mean(axis=0)


def polarities(
    sums: Float64[np.ndarray, "channels channels"], source: Path | None = None
) -> Float32[np.ndarray, " channels"]:
    """What to multiply each channel by before the mean: all 1, or 1 and -1 where the plain mean would cancel.

    ``sums`` : the sum of :func:`products` over all parts of a sound.
    """
    energies, count = np.diag(sums), len(sums)
    signs = np.ones(count, np.float32)
    if count == 1 or sums.sum() / count**2 >= CANCELLED * energies.mean():
        return signs
    signs[sums[np.argmax(energies)] < 0] = -1
    if (signs < 0).any():
        where = f"{source}: " if source is not None else ""
        warnings.warn(
            f"{where}the channels cancel each other; those that oppose the loudest are turned over before mixing",
            Brain2MusicWarning,
            3,
        )
    return signs


def products(samples: Float32[np.ndarray, "channels samples"]) -> Float64[np.ndarray, "channels channels"]:
    """Sums of the products of every two channels; those of parts add up to those of the whole."""
    return np.einsum("is,js->ij", samples, samples, dtype=np.float64)
