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

    Channels that would cancel (one is wired with opposite polarity, L = -R) are inverted before mixing, with a warning:
    those that oppose the loudest. For all other sound the result is exactly the mean.

    Parameters
    ----------
    samples : ndarray of float32, of shape (channels, samples)
        Waveform with its channels.
    signs : ndarray of float32, of shape (channels,), optional
        Polarities of the whole sound where ``samples`` is a part of it; default those of ``samples``.
    source : Path, optional
        Path of the file, for the warning.

    Returns
    -------
    ndarray of float32, of shape (samples,)
        Mono waveform.

    Warns
    -----
    Brain2MusicWarning
        Channels cancel each other.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.audio import mix
    >>> mix(np.array([[0.5, 1.0], [0.25, 0.0]], dtype=np.float32))
    array([0.375, 0.5  ], dtype=float32)
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
