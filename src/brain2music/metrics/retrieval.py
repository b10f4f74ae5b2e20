"""Scores of retrieved music: is it like the clip that was presented? (Brain2Music §4, Fig. 4a and 4c.)

Sounds are compared in an evaluation embedding (column ``judge``). Where it is the embedding that was decoded and
searched, the score is favoured: report an independent one beside it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from .builder import ScoreBuilder
from .ranking import identification_accuracy, identification_by_clip, similarity
from .score import Score
from .sets import score_sets
from .uncertainty import bootstrap_interval


def score_retrieval(
    retrieved: Float[np.ndarray, "clips dims"],
    true: Float[np.ndarray, "clips dims"],
    genres: Sequence[str],
    builder: ScoreBuilder,
    *,
    matched: Float[np.ndarray, "clips dims"] | None = None,
    oracle: Float[np.ndarray, "clips dims"] | None = None,
    caption: Float[np.ndarray, "clips dims"] | None = None,
    random: Float[np.ndarray, "repeats clips dims"] | None = None,
    retrieved_genres: Sequence[str] | None = None,
    oracle_genres: Sequence[str] | None = None,
    gallery_genres: Sequence[str] | None = None,
) -> list[Score]:
    """Score retrieved music against the clips that were presented.

    Parameters
    ----------
    retrieved, true : (clips, dims) arrays
        Evaluation embeddings of the retrieved music, and of the clips.
    genres : sequence of str
        Genre of each clip.
    builder : ScoreBuilder
        Columns that all scores share, ``judge`` among them.
    matched, oracle, caption : (clips, dims) arrays, optional
        Evaluation embeddings of the music retrieved by the prediction after distribution matching, by the true
        embedding (the ceiling), and by the clip's caption.
    random : (repeats, clips, dims) array, optional
        Evaluation embeddings of random tracks of the gallery: the paper's chance.
    retrieved_genres, oracle_genres, gallery_genres : sequences of str, optional
        Genres of the retrieved tracks, of those that the oracle retrieved, and of the whole gallery; "" where unknown.
        With the first, agreement of genres is scored: it concerns no judge, so give them for one judge only.

    Returns
    -------
    list of Score
        As :meth:`.builder.ScoreBuilder.identification_family`, then ``identification`` of the conditions "matched",
        "true", "caption" and "random", ``kernel_distance``, and ``genre_agreement``.
    """
    ceiling = {} if oracle is None else {"identification": identification_accuracy(similarity(oracle, true))}
    if oracle_genres is not None:
        ceiling["genre_agreement"] = _agreement(oracle_genres, genres)
    builder = replace(builder, ceiling=ceiling)
    scores = builder.identification_family(similarity(retrieved, true), genres)
    others = (
        (builder.of("matched"), matched),
        (builder.without_brain("true"), oracle),
        (builder.without_brain("caption"), caption),
    )
    scores += [of.identification(similarity(found, true)) for of, found in others if found is not None]
    if random is not None:
        scores.append(_random_track(builder.without_brain("random"), random, true))
    scores += score_sets(retrieved, true, builder, oracle)
    if retrieved_genres is not None and any(retrieved_genres):
        apart = replace(builder, judge=None)
        scores.append(_genre_agreement(apart, retrieved_genres, genres, gallery_genres))
    return scores


def _random_track(
    builder: ScoreBuilder, random: Float[np.ndarray, "repeats n dims"], true: Float[np.ndarray, "n dims"]
) -> Score:
    """Identification of random tracks of the gallery, averaged over repeats."""
    values = np.mean([identification_by_clip(similarity(found, true)) for found in random], axis=0)
    interval = bootstrap_interval(values, builder.rng, builder.n_permutations)
    counts: dict[str, Any] = {"n": len(values), "candidates": len(values)}
    detail = "one random track per clip" if len(random) == 1 else f"mean of {len(random)} random tracks per clip"
    return builder.row("identification", values.mean(), 0.5, interval=interval, detail=detail, **counts)


def _genre_agreement(
    builder: ScoreBuilder, retrieved: Sequence[str], presented: Sequence[str], gallery: Sequence[str] | None
) -> Score:
    """Share of clips whose retrieved track is of their genre, among retrieved tracks whose genre is known.

    Chance is a random track of the gallery where its genres are given, else a random one of those retrieved.
    """
    payoff = np.array([[float(found == genre) for genre in presented] for found in retrieved])
    known = np.array([found != "" for found in retrieved])
    chance = float(payoff[known].mean())
    if gallery is not None:
        counts = Counter(genre for genre in gallery if genre)
        chance = float(np.mean([counts[genre] for genre in presented]) / max(counts.total(), 1))
    detail = f"{int((~known).sum())} retrieved tracks have no genre" if not known.all() else ""
    return builder.payoff("genre_agreement", payoff, chance, len(set(presented)), rows=known, detail=detail)


def _agreement(found: Sequence[str], presented: Sequence[str]) -> float:
    """Share of agreeing genres among known ones; NaN where none is known."""
    pairs = [(one, other) for one, other in zip(found, presented, strict=True) if one]
    return float(np.mean([one == other for one, other in pairs])) if pairs else float("nan")
