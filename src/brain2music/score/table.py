"""The score table of a decoder: every number that is reported, from predicted and true embeddings.

Correlations are given in both readings, over dimensions within a clip and over clips within a dimension; the
former also after the training mean is taken from both sides. Embeddings share a large mean, and without that
step the mean vector alone correlates highly with every clip (see its row among the baselines).
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from .baselines import genre_oracle, mean_vector, random_vectors
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
    train_mean: Float[np.ndarray, " dims"],
    rng: np.random.Generator,
    simulated: bool,
    stage: ScoredStage = "decode",
    train_sd: Float[np.ndarray, " dims"] | None = None,
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
    train_mean : (dims,) mean of the training clips' embeddings.
    train_sd : (dims,) their standard deviation, for the random-vector baseline; by default that of ``true``.
    train_centroids : genre → mean training embedding (:func:`.baselines.genre_centroids`), for the genre
        oracle; without it that row is left out.
    note : put on every row ("rank 6").
    ceiling : metric → oracle or noise-ceiling value.
    draws : permutations, and bootstrap draws.

    Returns
    ------- Rows ``identification``, ``top1``, ``top3``, ``top5``, ``10-way``,
    ``identification/within-genre``, ``identification/genre=…``, ``identification/centred``,
    ``correlation/sample``, ``correlation/sample/centred``, ``correlation/dimension``, and
    ``…/baseline=random-vector``, ``mean-vector`` and ``genre-centroid``.

    Raises
    ------
    ValueError : shapes that do not fit, or a prediction that is constant or not finite.
    """
    if predicted.shape != true.shape or len(genres) != len(true):
        raise ValueError(f"predicted {predicted.shape}, true {true.shape} and {len(genres)} genres do not fit")
    card = ScoreCard(subject, embedding, stage, rng, simulated, note, dict(ceiling or {}), draws)
    raw, centred = similarity(predicted, true), similarity(predicted - train_mean, true - train_mean)
    return [
        *card.identification_family(raw, genres),
        card.identification("identification/centred", centred),
        _sample_correlation(card, "correlation/sample", raw),
        _sample_correlation(card, "correlation/sample/centred", centred),
        _dimension_correlation(card, predicted, true),
        *_baselines(card, true, genres, train_mean, train_sd, train_centroids),
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
    train_mean: Float[np.ndarray, " dims"],
    train_sd: Float[np.ndarray, " dims"] | None,
    train_centroids: Mapping[Hashable, Float[np.ndarray, " dims"]] | None,
) -> list[Score]:
    """Identification and raw correlation of predictions that know nothing of the brain."""
    sd = true.std(axis=0, dtype=np.float64) if train_sd is None else train_sd
    predictions = {
        "random-vector": (random_vectors(train_mean, sd, len(true), card.rng), "one draw"),
        "mean-vector": (mean_vector(train_mean, len(true)), "identification is chance by construction"),
    }
    if train_centroids is not None:
        oracle = genre_oracle(train_centroids, genres)
        predictions["genre-centroid"] = (oracle, "knows the clip's true genre and nothing else")
    scores = []
    for name, (prediction, note) in predictions.items():
        c = similarity(prediction, true)
        scores.append(card.identification(f"identification/baseline={name}", c, note=note))
        scores.append(_sample_correlation(card, f"correlation/sample/baseline={name}", c, note))
    return scores
