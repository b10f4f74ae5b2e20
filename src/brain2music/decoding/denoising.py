"""Hopfield denoising: predictions drawn towards the training embeddings that they are nearest to."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from .problem import HeldOut

TEMPERATURES = (0.05, 0.08, 0.12, 0.2)
"""Of the softmax over cosines; the greater, the more clips are averaged."""

Rows = Float[np.ndarray, "rows dims"]


@dataclass(frozen=True)
class HopfieldDenoising:
    """Predictions drawn towards the training embeddings that they resemble: p ↦ length · unit(unit(p) + unit(m)).

    m = Σ wᵢ eᵢ, with w = softmax(cos(p, eᵢ) / temperature) over the training clips eᵢ. Most of what is decoded is
    noise, at points where there is no music; a generator, which was trained on embeddings of music only, would render
    the noise. m is the expected embedding if the clip is one of the training set, given p: one step of a modern
    Hopfield network (Ramsauer et al. 2021, arXiv 2008.02217). It is nearer to the truth and among music, but
    distinguishes less between clips of a kind. So both count for half, and the result is as far from the mean as music
    is.

    Attributes
    ----------
    clips : ndarray of shape (clips, dims)
        Directions of training clips from their mean.
    length : float
        Their mean distance from it.
    temperature : float
        Temperature of the softmax; the greater, the more clips are averaged.
    """

    clips: Float32[np.ndarray, "clips dims"]
    length: float
    temperature: float

    @classmethod
    def of(cls, held_out: HeldOut, temperature: float) -> "HopfieldDenoising":
        """Make the denoising from the clips of a training set."""
        true = held_out.by_clip().true
        return cls(_unit(true), float(np.linalg.norm(true, axis=1).mean()), temperature)

    def transform(self, predicted: Float32[np.ndarray, "rows dims"]) -> Float32[np.ndarray, "rows dims"]:
        """Map predictions from which the training mean was subtracted."""
        own = _unit(predicted)
        alike = own @ self.clips.T / self.temperature
        weights = np.exp(alike - alike.max(axis=1, keepdims=True))
        return (self.length * _unit(own + _unit(weights @ self.clips))).astype(np.float32)


def denoised(held_out: HeldOut, seed: int) -> tuple[HopfieldDenoising, HeldOut]:
    """Fit the denoising, with the temperature that brings held-out predictions nearest to the truth.

    Held-out predictions are mapped with clips of the other folds. Nothing is random, so ``seed`` is not used.
    """
    tried = [_cross_validated(held_out, temperature) for temperature in TEMPERATURES]
    best = int(np.argmax([_nearness(each) for each in tried]))
    return HopfieldDenoising.of(held_out, TEMPERATURES[best]), tried[best]


def _cross_validated(held_out: HeldOut, temperature: float) -> HeldOut:
    """Map held-out predictions with clips of the other folds."""
    cross_validated = np.empty_like(held_out.predicted)
    for fold in range(held_out.n_folds):
        held = held_out.fold == fold
        cross_validated[held] = HopfieldDenoising.of(held_out.rows(~held), temperature).transform(
            held_out.predicted[held]
        )
    return HeldOut(cross_validated, held_out.true, held_out.fold, held_out.clip)


def _nearness(held_out: HeldOut) -> float:
    """Mean cosine between predicted and true embeddings of clips, after centring."""
    clips = held_out.by_clip()
    return float((_unit(clips.predicted) * _unit(clips.true)).sum(axis=1).mean())


def _unit(rows: Rows) -> Rows:
    """Rows of length 1; rows of zeros stay."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
