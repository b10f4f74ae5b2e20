"""Scores of generated music: several pieces were made for every clip, and none was chosen. (Brain2Music §4, Fig. 4.)"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from .card import ScoreCard
from .ranking import identification_payoff, n_way_payoff, similarity, within_group_payoff
from .score import Score

Made = Float[np.ndarray, "takes clips dims"]


def score_generated(
    made: dict[str, Made],
    true: Float[np.ndarray, "clips dims"],
    genres: Sequence[str],
    card: ScoreCard,
    judge: str,
) -> list[Score]:
    """Identification of generated music among the clips that were heard, as the mean over the takes of each.

    Parameters
    ----------
    made : what it was generated from -> the judge's embeddings of every take of every clip: "brain", and any of
        "uncalibrated" and "oracle" (the true embedding: the ceiling).
    true : (clips, dims) the judge's embeddings of the clips. card : of the embedding that was decoded. judge : what
        judges.

    Returns
    -------
    ``identification``, ``10-way``, ``identification/within-genre``, then ``identification/uncalibrated`` and
    ``identification/oracle``; ``/judge=NAME`` is appended where the judge is not the embedding.
    """
    alike = {name: [similarity(take, true) for take in takes] for name, takes in made.items()}
    payoffs = {name: np.mean([identification_payoff(c) for c in found], axis=0) for name, found in alike.items()}
    ceiling = {"identification": float(np.diagonal(payoffs["oracle"]).mean())} if "oracle" in payoffs else {}
    card = replace(card, ceiling=ceiling)
    n, told = len(true), f"mean of {len(made['brain'])} takes a clip"
    scores = [card.payoff("identification", payoffs["brain"], 0.5, n, note=told)]
    if n >= 10:
        ten = np.mean([n_way_payoff(c, 10) for c in alike["brain"]], axis=0)
        scores.append(card.payoff("10-way", ten, 0.1, 10, note=told))
    within = np.mean([within_group_payoff(c, genres) for c in alike["brain"]], axis=0)
    rows = ~np.isnan(np.diagonal(within))
    if rows.any():
        candidates = round(float(np.mean([list(genres).count(genre) for genre in genres])))
        name = "identification/within-genre"
        scores.append(card.payoff(name, within, 0.5, candidates, rows, told, blocks=genres))
    for name in ("uncalibrated", "oracle"):
        if name in payoffs:
            told = f"mean of {len(made[name])} takes a clip"
            scores.append(card.payoff(f"identification/{name}", payoffs[name], 0.5, n, note=told))
    if judge != card.embedding:
        scores = [replace(score, metric=f"{score.metric}/judge={judge}") for score in scores]
    return scores
