"""Scores of what was retrieved or generated: is it like what was heard? (Brain2Music §4, Fig. 4a and 4c.)

The judge is an embedding of sound. Where it is the one that was decoded and searched, the score is favoured:
name an independent judge beside it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from .card import ScoreCard
from .ranking import identification, similarity
from .score import Score, ScoredStage
from .uncertainty import bootstrap_interval


def score_retrieval(
    retrieved: Float[np.ndarray, "clips dims"],
    true: Float[np.ndarray, "clips dims"],
    genres: Sequence[str],
    *,
    subject: str,
    embedding: str,
    judge: str,
    rng: np.random.Generator,
    simulated: bool,
    stage: ScoredStage = "retrieve",
    calibrated: Float[np.ndarray, "clips dims"] | None = None,
    oracle: Float[np.ndarray, "clips dims"] | None = None,
    caption: Float[np.ndarray, "clips dims"] | None = None,
    random: Float[np.ndarray, "repeats clips dims"] | None = None,
    retrieved_genres: Sequence[str] | None = None,
    oracle_genres: Sequence[str] | None = None,
    gallery_genres: Sequence[str] | None = None,
    note: str = "",
    draws: int = 10_000,
    in_folds: bool = False,
    together: Int[np.ndarray, " clips"] | None = None,
) -> list[Score]:
    """Every score of retrieved music against the clips that were heard.

    Parameters
    ----------
    retrieved, true : (clips, dims) the judge's embeddings of the retrieved music, and of the clips heard.
    genres : the genre of each clip.
    embedding : what was decoded and searched. judge : what ``retrieved`` and ``true`` are.
    calibrated : (clips, dims) the judge's embeddings of what the prediction with its shrinkage undone retrieves.
    oracle : (clips, dims) the judge's embeddings of what the true embedding retrieves: the ceiling.
    caption : (clips, dims) the judge's embeddings of what the clip's caption retrieves.
    random : (repeats, clips, dims) the judge's embeddings of gallery tracks drawn at random: the paper's
        chance.
    retrieved_genres, oracle_genres, gallery_genres : genres of the retrieved tracks, of those that the oracle
        retrieved, and of the whole gallery; "" where unknown. With the first, agreement of genres is scored:
        it concerns no judge, so give them for one judge only.
    in_folds : predictions are of folds, so that what they retrieve has no p.
    together : the recording of each clip, as for :class:`.card.ScoreCard`.

    Returns
    -------
    Rows as :meth:`.card.ScoreCard.identification_family` gives, then ``identification/calibrated``,
    ``identification/caption``, ``…/baseline=random-track``, ``…/oracle`` and ``genre-agreement``; ``/judge=NAME`` is
    appended where the judge is not the embedding.
    """
    ceiling = {} if oracle is None else {"identification": _accuracy(oracle, true)}
    if oracle_genres is not None:
        ceiling["genre-agreement"] = _agreement(oracle_genres, genres)
    card = ScoreCard(subject, embedding, stage, rng, simulated, note, ceiling, draws, in_folds, together)
    apart = replace(card, in_folds=False)  # for what was not predicted
    scores = card.identification_family(similarity(retrieved, true), genres)
    if calibrated is not None:
        found = "retrieved by the calibrated prediction"
        scores.append(card.identification("identification/calibrated", similarity(calibrated, true), note=found))
    if oracle is not None:
        found = "retrieved by the true embedding"
        scores.append(apart.identification("identification/oracle", similarity(oracle, true), note=found))
    if caption is not None:
        found = "retrieved by the clip's caption, no brain"
        scores.append(apart.identification("identification/caption", similarity(caption, true), note=found))
    if random is not None:
        scores.append(_random_track(card, random, true))
    if judge != embedding:
        scores = [replace(score, metric=f"{score.metric}/judge={judge}") for score in scores]
    if retrieved_genres is not None and any(retrieved_genres):
        scores.append(_genre_agreement(card, retrieved_genres, genres, gallery_genres))
    return scores


def _accuracy(found: Float[np.ndarray, "n dims"], true: Float[np.ndarray, "n dims"]) -> float:
    return float(identification(similarity(found, true)).mean())


def _random_track(
    card: ScoreCard, random: Float[np.ndarray, "repeats n dims"], true: Float[np.ndarray, "n dims"]
) -> Score:
    """Identification of gallery tracks drawn at random, averaged over draws."""
    values = np.mean([identification(similarity(found, true)) for found in random], axis=0)
    return card.row(
        "identification/baseline=random-track",
        values.mean(),
        0.5,
        n=len(values),
        candidates=len(values),
        interval=bootstrap_interval(values, card.rng, card.draws),
        note=f"mean of {len(random)} random draws from the gallery",
    )


def _genre_agreement(
    card: ScoreCard, retrieved: Sequence[str], heard: Sequence[str], gallery: Sequence[str] | None
) -> Score:
    """Share of clips whose retrieved track is of their genre, among retrieved tracks whose genre is known.

    Chance is a random track of the gallery where its genres are given, else a random one of those retrieved.
    """
    payoff = np.array([[float(found == genre) for genre in heard] for found in retrieved])
    known = np.array([found != "" for found in retrieved])
    chance = float(payoff[known].mean())
    if gallery is not None:
        counts = Counter(genre for genre in gallery if genre)
        chance = float(np.mean([counts[genre] for genre in heard]) / max(counts.total(), 1))
    note = f"{int((~known).sum())} retrieved tracks have no genre" if not known.all() else ""
    return card.payoff("genre-agreement", payoff, chance, len(set(heard)), rows=known, note=note)


def _agreement(found: Sequence[str], heard: Sequence[str]) -> float:
    """Share of agreeing genres among known ones; NaN where none is known."""
    pairs = [(one, other) for one, other in zip(found, heard, strict=True) if one]
    return float(np.mean([one == other for one, other in pairs])) if pairs else float("nan")
