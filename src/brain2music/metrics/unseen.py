"""Identification of genres that the decoder never trained on, beside the model that had them (Brain2Music Fig. 7a)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from ..decoding.decoder import Decoded
from .card import ScoreCard
from .ranking import identification_payoff, similarity
from .score import Score


def score_unseen(card: ScoreCard, full: Decoded, unseen: Mapping[str, Decoded]) -> list[Score]:
    """Two scores a genre: its clips among all candidates, and among those of the genre where there are several.

    The full model's scores of the same clips stand in the notes; genre alone gives a high score among all clips, and
    none within the genre.

    Parameters
    ----------
    full : decoded with all genres. unseen : for each genre, all clips decoded without it
        (:func:`brain2music.decoding.unseen.decode_unseen`).
    """
    genres = np.array([clip.genre for clip in full.clips])
    seen = clip_similarity(full)
    scores = []
    for genre, decoded in unseen.items():
        rows = genres == genre
        c = clip_similarity(decoded)
        trained = f"{np.diagonal(identification_payoff(seen))[rows].mean():.3f} when trained on"
        scores.append(card.identification(f"identification/unseen-genre={genre}", c, rows, note=trained))
        if rows.sum() > 1:
            inside = np.ix_(rows, rows)
            trained = f"{np.diagonal(identification_payoff(seen[inside])).mean():.3f} when trained on"
            metric = f"identification/unseen-genre={genre}/within-genre"
            apart = replace(card, in_folds=False, together=_within(card, rows))  # one fit left all of these clips out
            scores.append(apart.identification(metric, c[inside], note=trained))
    return scores


def _within(card: ScoreCard, rows: Bool[np.ndarray, " clips"]) -> Int[np.ndarray, " members"] | None:
    return None if card.together is None else card.together[rows]


def clip_similarity(decoded: Decoded) -> Float[np.ndarray, "clips clips"]:
    """Correlations of clips, windows averaged, about the mean of the training set of each."""
    sides = (side.mean(axis=1, dtype=np.float32) - decoded.train_mean for side in (decoded.predicted, decoded.true))
    return similarity(*sides)
