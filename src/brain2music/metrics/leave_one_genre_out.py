"""Identification of genres that the decoder was not fitted to, beside the decoder that was (Brain2Music Fig. 7a)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..decoding.decoded import Decoded
from .builder import ScoreBuilder
from .decoding import clip_similarity
from .ranking import identification_payoff
from .score import Score, group_named


def score_leave_one_genre_out(builder: ScoreBuilder, full: Decoded, left_out: Mapping[str, Decoded]) -> list[Score]:
    """Score every genre's clips by the decoder that was fitted without the genre.

    Genre alone gives a high score among all clips, and none within the genre. The full model's score of the same clips
    is in ``detail``.

    Parameters
    ----------
    builder : ScoreBuilder
        Columns that all scores share.
    full : Decoded
        All clips by the decoder that was fitted to all genres.
    left_out : mapping of str to Decoded
        For each genre, all clips by the decoder that was fitted without it.

    Returns
    -------
    list of Score
        Per genre ``identification`` among all clips and, of several clips, ``identification_within_genre``.
    """
    genres = np.array([clip.genre for clip in full.clips])
    with_all = clip_similarity(full)
    scores = []
    for genre, decoded in left_out.items():
        rows = genres == genre
        columns: dict[str, Any] = {"group": group_named(genre), "held_out": "genre"}
        c = clip_similarity(decoded)
        detail = f"{np.diagonal(identification_payoff(with_all))[rows].mean():.3f} when trained on"
        scores.append(builder.identification(c, rows, detail=detail, **columns))
        if rows.sum() > 1:
            inside = np.ix_(rows, rows)
            detail = f"{np.diagonal(identification_payoff(with_all[inside])).mean():.3f} when trained on"
            recordings = None if builder.recordings is None else builder.recordings[rows]
            within = replace(builder, in_folds=False, recordings=recordings)  # one fit left out all of these clips
            metric = "identification_within_genre"
            scores.append(within.identification(c[inside], metric=metric, detail=detail, **columns))
    return scores
