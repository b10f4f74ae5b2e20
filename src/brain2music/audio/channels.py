"""Mixing of channels to mono by their mean, with a repair for channels of opposite polarity."""

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64

from .._utils.errors import Brain2MusicWarning

CANCELLED = 0.01
"""Channels cancel where their mean has less than this share of their mean energy (-20 dB; unrelated stereo has a half,
which is -3 dB)."""


def mix(
    samples: Float32[np.ndarray, "channels samples"],
    signs: Float32[np.ndarray, " channels"] | None = None,
    source: Path | None = None,
) -> Float32[np.ndarray, " samples"]:
    """Mix channels to mono by their mean.

    Where that would cancel (one channel is wired with opposite polarity, L = -R), the channels that oppose the loudest
    are inverted first, with a warning. For all other sound the result is exactly the mean.

    Parameters
    ----------
    signs : polarities of the whole sound (:func:`polarities`) where ``samples`` is a part of it; by default those of
        ``samples``.
    source : path of the file, for the warning.
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
    """Sign of each channel before mixing: all 1, or -1 for channels that would cancel the loudest.

    ``sums`` is the sum of :func:`products` over all parts of a sound.
    """
    energies, count = np.diag(sums), len(sums)
    signs = np.ones(count, np.float32)
    if count == 1 or sums.sum() / count**2 >= CANCELLED * energies.mean():
        return signs
    signs[sums[np.argmax(energies)] < 0] = -1
    if (signs < 0).any():
        where = f"{source}: " if source is not None else ""
        warnings.warn(
            f"{where}the channels cancel each other; those that oppose the loudest are inverted before mixing",
            Brain2MusicWarning,
            3,
        )
    return signs


def products(samples: Float32[np.ndarray, "channels samples"]) -> Float64[np.ndarray, "channels channels"]:
    """Sums over samples of the products of all pairs of channels; they add up over the parts of a sound."""
    return np.einsum("is,js->ij", samples, samples, dtype=np.float64)
