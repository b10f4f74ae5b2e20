"""The score table of a decoder: every number that is reported, from predicted and true embeddings.

Vectors are compared after the mean of the training clips is taken from both sides: embeddings such as musicnn's share a
large mean, with which the mean vector alone correlates highly with every clip (see its row among the baselines), and
which moves between folds. The paper says nothing of it; rows that end in ``/raw`` are the plain Pearson correlations
of its equations.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from .baselines import genre_oracle
from .card import ScoreCard
from .identification import similarity
from .score import Score, ScoredStage
from .uncertainty import bootstrap


def score_decoding(
    predicted: Float[np.ndarray, "clips dims"],
    true: Float[np.ndarray, "clips dims"],
    genres: Sequence[Hashable],
    *,
    subject: str,
    embedding: str,
    train_mean: Float[np.ndarray, "*fits dims"],
    rng: np.random.Generator,
    simulated: bool,
    stage: ScoredStage = "decode",
    train_centroids: Mapping[Hashable, Float[np.ndarray, " dims"]] | None = None,
    note: str = "",
    ceiling: Mapping[str, float] | None = None,
    draws: int = 10_000,
) -> list[Score]:
    """Every score of predicted embeddings against the true ones of the same clips.

    Parameters
    ----------
    predicted, true : (clips, dims), one vector a clip, in the embedding's own units.
    genres : the genre of each clip.
    train_mean : (dims,) mean of the training clips' embeddings, or (clips, dims) in the fold that predicted each.
    train_centroids : genre → mean training embedding (:func:`.baselines.genre_centroids`), for the genre oracle;
        without it that row is left out.
    note : put on every row ("rank 6").
    ceiling : metric → oracle or noise-ceiling value.
    draws : permutations, and bootstrap draws.

    Returns
    -------
    Rows ``identification``, ``top1``, ``top3``, ``top5``, ``10-way``, ``identification/within-genre``,
    ``identification/genre=…``, ``identification/raw``, ``correlation/sample``, ``correlation/sample/raw``,
    ``correlation/dimension``, and ``…/baseline=random-vector``, ``mean-vector`` and ``genre-centroid``.

    Raises
    ------
    ValueError : shapes that do not fit, or a prediction that is constant or not finite.
    """
    if predicted.shape != true.shape or len(genres) != len(true):
        raise ValueError(f"predicted {predicted.shape}, true {true.shape} and {len(genres)} genres do not fit")
    card = ScoreCard(subject, embedding, stage, rng, simulated, note, dict(ceiling or {}), draws)
    c, raw = similarity(predicted - train_mean, true - train_mean), similarity(predicted, true)
    return [
        *card.identification_family(c, genres),
        card.identification("identification/raw", raw, note="not centred, as the paper's equations read"),
        _sample_correlation(card, "correlation/sample", c),
        _sample_correlation(card, "correlation/sample/raw", raw),
        _dimension_correlation(card, predicted, true),
        *_baselines(card, true, genres, train_mean, train_centroids),
    ]


def _sample_correlation(card: ScoreCard, metric: str, c: Float[np.ndarray, "n n"], note: str = "") -> Score:
    """Mean correlation of a prediction with its own clip's embedding; chance is that with any clip's."""
    return card.payoff(metric, c, c.mean(), len(c), note=note)


def _dimension_correlation(
    card: ScoreCard, predicted: Float[np.ndarray, "n dims"], true: Float[np.ndarray, "n dims"]
) -> Score:
    """Mean over dimensions of the correlation over clips. Centring does not change it."""
    defined = (np.ptp(predicted, axis=0) > 0) & (np.ptp(true, axis=0) > 0)
    a, b = _z_scored(predicted, defined), _z_scored(true, defined)
    dims = int(defined.sum())
    left_out = f"{len(defined) - dims} of {len(defined)} dimensions are constant and left out"
    note = left_out if dims < len(defined) else ""
    scored = card.payoff("correlation/dimension", a @ b.T / max(dims, 1), 0.0, len(a), note=note)
    low, high = bootstrap(lambda weights: _weighted_correlation(weights, a, b), len(a), card.rng, card.draws)
    return replace(scored, low=low, high=high) if np.isfinite([low, high]).all() else scored


def _z_scored(rows: Float[np.ndarray, "n dims"], defined: Bool[np.ndarray, " dims"]) -> Float[np.ndarray, "n kept"]:
    kept = rows[:, defined].astype(np.float64)
    return (kept - kept.mean(axis=0)) / kept.std(axis=0)


def _weighted_correlation(
    weights: Float[np.ndarray, "draws n"], a: Float[np.ndarray, "n dims"], b: Float[np.ndarray, "n dims"]
) -> Float[np.ndarray, " draws"]:
    """Mean over dimensions of the correlation over weighted clips, without dimensions constant in a draw."""
    weights = weights / weights.sum(axis=1, keepdims=True)
    mean_a, mean_b = weights @ a, weights @ b
    covariance = weights @ (a * b) - mean_a * mean_b
    spread = np.sqrt(np.maximum(weights @ a**2 - mean_a**2, 0) * np.maximum(weights @ b**2 - mean_b**2, 0))
    defined = spread > 1e-9
    r = np.divide(covariance, spread, out=np.zeros_like(spread), where=defined)
    return r.sum(axis=1) / defined.sum(axis=1)


def _baselines(
    card: ScoreCard,
    true: Float[np.ndarray, "n dims"],
    genres: Sequence[Hashable],
    train_mean: Float[np.ndarray, "*fits dims"],
    train_centroids: Mapping[Hashable, Float[np.ndarray, " dims"]] | None,
) -> list[Score]:
    """Identification and correlation of predictions that know nothing of the brain."""
    centred = true - train_mean
    drawn = card.rng.normal(0, centred.std(axis=0), true.shape)
    mean = np.broadcast_to(train_mean.mean(axis=0) if train_mean.ndim > 1 else train_mean, true.shape)
    known = {
        "random-vector": (similarity(drawn, centred), "one draw"),
        "mean-vector": (similarity(mean, true), "not centred; identification is chance by construction"),
    }
    if train_centroids is not None:
        oracle = similarity(genre_oracle(train_centroids, genres) - train_mean, centred)
        known["genre-centroid"] = (oracle, "knows the clip's true genre and nothing else")
    scores = []
    for name, (c, note) in known.items():
        scores.append(card.identification(f"identification/baseline={name}", c, note=note))
        scores.append(_sample_correlation(card, f"correlation/sample/baseline={name}", c, note))
    return scores
