"""Predicted embeddings beside the true ones, and the penalties by which they were predicted."""

import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from .._utils.errors import Brain2MusicWarning
from ..brain.responses import Responses
from ..embeddings.embeddings import EmbeddingSpace
from ..study.folds import group_clips
from ..study.study import Clip

Labels = Sequence[Hashable] | Int[np.ndarray, " clips"]
"""A label per clip; clips of one label are not divided between training and test."""


@dataclass(frozen=True)
class Decoded:
    """Predicted embeddings beside the true ones, as a run scores them.

    Attributes
    ----------
    predicted, true : ndarray of shape (clips, windows, dims)
        Embeddings in their own units.
    train_mean : ndarray of shape (clips, dims)
        Mean of the training targets in the fit that predicted the clip. Between folds it moves away from the clips held
        out, so that identification across folds is below chance without signal (0.40 instead of 0.50) unless it is
        subtracted from both sides.
    clips : tuple of Clip
        The clip of each row.
    space : EmbeddingSpace
        The space of the embedding.
    alphas : ndarray of shape (alphas,)
        The penalties tried, ascending.
    best_alphas, cv_scores : ndarray of shape (fits, dims)
        The penalty chosen and its cross-validated score inside the training set: one row, or one per fold.
    """

    predicted: Float32[np.ndarray, "clips windows dims"]
    true: Float32[np.ndarray, "clips windows dims"]
    train_mean: Float32[np.ndarray, "clips dims"]
    clips: tuple[Clip, ...]
    space: EmbeddingSpace
    alphas: Float[np.ndarray, " alphas"]
    best_alphas: Float[np.ndarray, "fits dims"]
    cv_scores: Float[np.ndarray, "fits dims"]

    @property
    def on_edge(self) -> Bool[np.ndarray, " dims"]:
        """Dimensions that can be predicted (score above 0) with the smallest or largest penalty tried, in any fit."""
        return self._best_at(0) | self._best_at(-1)

    def warn_on_edge(self) -> None:
        """Warn if the best penalty is on the edge of the grid, because the true optimum may be beyond it."""
        low, high = int(self._best_at(0).sum()), int(self._best_at(-1).sum())
        if low or high:
            text = (
                f"{self.space.name}: of {self.space.dims} dimensions, {low} are best predicted by the smallest and "
                f"{high} by the largest penalty tried; widen the grid"
            )
            warnings.warn(text, Brain2MusicWarning, stacklevel=2)

    def _best_at(self, place: int) -> Bool[np.ndarray, " dims"]:
        return (np.isclose(self.best_alphas, self.alphas[place]) & (self.cv_scores > 0)).any(axis=0)


def undivided(responses: Responses, groups: Labels | None = None) -> Int[np.ndarray, " clips"]:
    """Number the groups of clips that no fold may divide: recordings, and clips of one label."""
    return group_clips(responses.clips, *([] if groups is None else [groups]))
