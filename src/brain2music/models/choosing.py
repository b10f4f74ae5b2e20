"""Choice among pieces by how likely a measured response is, given each: an encoding model tells, never the stimulus."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from .._utils.errors import InputError
from ..audio.sound import Reconstruction
from ..embeddings.protocols import Embedder

Likelihood = Callable[[Reconstruction], float]
"""Log-likelihood of an item's measured response, given a sound."""


def choose(pieces: Sequence[Reconstruction], likelihood: Likelihood) -> tuple[Reconstruction, list[float]]:
    """Choose the piece under which a measured response is likeliest (Ciferri et al. 2025).

    Parameters
    ----------
    pieces : sequence of Reconstruction
        Samples of one item.
    likelihood : callable
        Log-likelihood of the item's response given a piece (:func:`encoding_likelihood`), never by the stimulus.

    Returns
    -------
    Reconstruction
        The likeliest; its origin says among how many it was chosen.
    list of float
        The log-likelihood of each.

    Examples
    --------
    >>> pieces = [Reconstruction(np.full((1, 4), level, np.float32), 8000) for level in (0.1, 0.3, 0.2)]
    >>> chosen, _ = choose(pieces, lambda piece: float(piece.waveform.mean()))
    >>> chosen.source["chosen_among"], round(float(chosen.waveform[0, 0]), 1)
    (3, 0.3)
    """
    if not pieces:
        raise InputError("there are no pieces to choose from", hint="generate some")
    values = [float(likelihood(piece)) for piece in pieces]
    best = int(np.argmax(values))
    source: dict[str, Any] = {**pieces[best].source, "chosen_among": len(pieces), "log_likelihood": values[best]}
    return replace(pieces[best], source=source), values


def encoding_likelihood(
    predict: Callable[[Float32[np.ndarray, "1 features"]], Float[np.ndarray, "1 voxels"]],
    embedder: Embedder,
    response: Float[np.ndarray, " voxels"],
    noise: Float[np.ndarray, " voxels"],
) -> Likelihood:
    """Log-likelihood of a response, but for a constant, under an encoding model with Gaussian noise.

    Parameters
    ----------
    predict : callable
        The encoding model, fitted to training clips: embedding (1, features) to response (1, voxels).
    embedder : Embedder
        Of the features.
    response : (voxels,)
        Measured response to a clip.
    noise : (voxels,)
        Standard deviation of the residuals of each voxel in training.

    Returns
    -------
    callable
        From a piece to its log-likelihood.

    Examples
    --------
    >>> from brain2music.models.embedders import get_embedder
    >>> silence = Reconstruction(np.zeros((1, 32000), np.float32), 16000)
    >>> embedder, ones = get_embedder("logmel"), np.ones(2)
    >>> likelihood = encoding_likelihood(lambda features: np.full((1, 2), 3.0), embedder, ones, ones)
    >>> likelihood(silence)
    -4.0
    """

    def likelihood(piece: Reconstruction) -> float:
        features = embedder.embed(piece.waveform.mean(axis=0), piece.sample_rate).mean(axis=0, keepdims=True)
        errors = (response - predict(features.astype(np.float32))[0]) / np.maximum(noise, 1e-9)
        return float(-0.5 * np.square(errors).sum())

    return likelihood
