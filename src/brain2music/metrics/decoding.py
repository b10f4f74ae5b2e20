"""Every score of a decoder that is reported, from predicted and true embeddings.

Vectors are compared after the mean of the training clips is subtracted from both sides: embeddings such as musicnn's
share a large mean, with which the mean vector alone correlates highly with every clip (condition "mean"), and which
differs between folds. The paper does not mention it; metrics that end in ``_uncentred`` are the plain Pearson
correlations of its equations.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from ..decoding.decoded import Decoded
from .baselines import genre_oracle
from .builder import ScoreBuilder
from .ranking import identification_accuracy, similarity
from .score import Score
from .uncertainty import bootstrap


@dataclass(frozen=True)
class Refit:
    """Predictions by a decoder refitted to permuted recordings: as the arguments of :func:`score_decoding`."""

    predicted: Float[np.ndarray, "clips dims"]
    true: Float[np.ndarray, "clips dims"]
    train_mean: Float[np.ndarray, "*fits dims"]
    genres: Sequence[Hashable]


def score_decoding(
    predicted: Float[np.ndarray, "clips dims"],
    true: Float[np.ndarray, "clips dims"],
    genres: Sequence[Hashable],
    builder: ScoreBuilder,
    *,
    train_mean: Float[np.ndarray, "*fits dims"],
    train_centroids: Mapping[Hashable, Float[np.ndarray, " dims"]] | Float[np.ndarray, "clips dims"] | None = None,
    refits: Sequence[Refit] = (),
) -> list[Score]:
    """Score predicted embeddings against the true ones of the same clips.

    Parameters
    ----------
    predicted, true : (clips, dims) arrays
        One vector per clip, in the embedding's own units.
    genres : sequence
        Genre of each clip.
    builder : ScoreBuilder
        Columns that all scores share.
    train_mean : (dims,) or (clips, dims) array
        Mean of the training clips' embeddings, or that in the fold that predicted each clip.
    train_centroids : mapping or (clips, dims) array, optional
        Mean training embedding of each genre (:func:`.baselines.genre_centroids`), or that of each clip's genre in the
        fold that predicted it; without it there is no condition "genre".
    refits : sequence of Refit, optional
        Of the same clips in folds, after recordings were permuted: they give p.

    Returns
    -------
    list of Score
        ``identification``, ``top1``, ``top3``, ``top5``, ``10_way``, ``identification_within_genre``, identification
        of every genre's clips, ``identification_uncentred``, ``sample_correlation`` with and without centring,
        ``dimension_correlation``, and identification and sample correlation of the conditions "random", "mean" and
        "genre".

    Raises
    ------
    ValueError
        Shapes do not fit, or a prediction is constant or not finite.
    """
    if predicted.shape != true.shape or len(genres) != len(true):
        raise ValueError(f"predicted {predicted.shape}, true {true.shape} and {len(genres)} genres do not fit")
    c, raw = similarity(predicted - train_mean, true - train_mean), similarity(predicted, true)
    others = [similarity(each.predicted - each.train_mean, each.true - each.train_mean) for each in refits]
    raws = [similarity(each.predicted, each.true) for each in refits]
    uncentred: dict[str, Any] = {
        "metric": "identification_uncentred",
        "detail": "not centred, as the paper's equations read",
        "refits": [identification_accuracy(each) for each in raws],
    }
    return [
        *builder.identification_family(c, genres, list(zip(others, (refit.genres for refit in refits), strict=True))),
        builder.identification(raw, **uncentred),
        _sample_correlation(builder, c, refits=others),
        _sample_correlation(builder, raw, "sample_correlation_uncentred", refits=raws),
        _dimension_correlation(builder, predicted, true, refits),
        *_baselines(builder, true, genres, train_mean, train_centroids),
    ]


def clip_similarity(decoded: Decoded) -> Float[np.ndarray, "clips clips"]:
    """Correlate predicted with true embeddings of clips, averaged over windows and centred on the training mean.

    Parameters
    ----------
    decoded : Decoded
        Predicted and true embeddings of the same clips.

    Returns
    -------
    (clips, clips) array
        Pearson correlations of predictions (rows) with true embeddings (columns).
    """
    sides = (side.mean(axis=1, dtype=np.float32) - decoded.train_mean for side in (decoded.predicted, decoded.true))
    return similarity(*sides)


def _sample_correlation(
    builder: ScoreBuilder,
    c: Float[np.ndarray, "n n"],
    metric: str = "sample_correlation",
    detail: str = "",
    refits: Sequence[Float[np.ndarray, "n n"]] = (),
) -> Score:
    """Mean correlation of a prediction with its own clip's embedding; chance is that with any clip's, or of refits."""
    values = [float(np.diagonal(each).mean()) for each in refits]
    chance = float(np.mean(values)) if values else c.mean()
    return builder.payoff(metric, c, chance, len(c), detail=detail, refits=values)


def _dimension_correlation(
    builder: ScoreBuilder,
    predicted: Float[np.ndarray, "n dims"],
    true: Float[np.ndarray, "n dims"],
    refits: Sequence[Refit],
) -> Score:
    """Mean over dimensions of the correlation over clips. Centring does not change it."""
    products, dims, (a, b) = _products_of_dimensions(predicted, true)
    others = [float(np.trace(_products_of_dimensions(each.predicted, each.true)[0]) / len(true)) for each in refits]
    left_out = f"{predicted.shape[1] - dims} of {predicted.shape[1]} dimensions are constant and left out"
    detail = left_out if dims < predicted.shape[1] else ""
    chance = float(np.mean(others)) if others else 0.0
    scored = builder.payoff("dimension_correlation", products, chance, len(a), detail=detail, refits=others)
    low, high = bootstrap(
        lambda weights: _weighted_correlation(weights, a, b), len(a), builder.rng, builder.n_permutations
    )
    return replace(scored, low=low, high=high) if np.isfinite([low, high]).all() else scored


def _products_of_dimensions(
    predicted: Float[np.ndarray, "n dims"], true: Float[np.ndarray, "n dims"]
) -> tuple[Float[np.ndarray, "n n"], int, tuple[Float[np.ndarray, "n kept"], Float[np.ndarray, "n kept"]]]:
    """Mean product of every prediction with every clip over dimensions z-scored over clips, and what varies of them."""
    defined = (np.ptp(predicted, axis=0) > 0) & (np.ptp(true, axis=0) > 0)
    a, b = _z_scored(predicted, defined), _z_scored(true, defined)
    dims = int(defined.sum())
    return a @ b.T / max(dims, 1), dims, (a, b)


def _z_scored(rows: Float[np.ndarray, "n dims"], defined: Bool[np.ndarray, " dims"]) -> Float[np.ndarray, "n kept"]:
    kept = rows[:, defined].astype(np.float64)
    return (kept - kept.mean(axis=0)) / kept.std(axis=0)


def _weighted_correlation(
    weights: Float[np.ndarray, "bootstraps n"], a: Float[np.ndarray, "n dims"], b: Float[np.ndarray, "n dims"]
) -> Float[np.ndarray, " bootstraps"]:
    """Mean over dimensions of the correlation over weighted clips, without dimensions constant in a bootstrap."""
    weights = weights / weights.sum(axis=1, keepdims=True)
    mean_a, mean_b = weights @ a, weights @ b
    covariance = weights @ (a * b) - mean_a * mean_b
    spread = np.sqrt(np.maximum(weights @ a**2 - mean_a**2, 0) * np.maximum(weights @ b**2 - mean_b**2, 0))
    defined = spread > 1e-9
    r = np.divide(covariance, spread, out=np.zeros_like(spread), where=defined)
    return r.sum(axis=1) / defined.sum(axis=1)


def _baselines(
    builder: ScoreBuilder,
    true: Float[np.ndarray, "n dims"],
    genres: Sequence[Hashable],
    train_mean: Float[np.ndarray, "*fits dims"],
    train_centroids: Mapping[Hashable, Float[np.ndarray, " dims"]] | Float[np.ndarray, "n dims"] | None,
) -> list[Score]:
    """Identification and correlation of predictions that know nothing of the brain."""
    centred = true - train_mean
    sampled = builder.rng.normal(0, centred.std(axis=0), true.shape)
    mean = np.broadcast_to(train_mean.mean(axis=0) if train_mean.ndim > 1 else train_mean, true.shape)
    folds = {"in_folds": builder.in_folds}  # these were computed per fold; vectors sampled at random were not
    known = [
        (builder.without_brain("random"), similarity(sampled, centred), "one sample"),
        (
            builder.without_brain("mean", **folds),
            similarity(mean, true),
            "not centred; identification is at chance by construction",
        ),
    ]
    if train_centroids is not None:
        own = train_centroids if isinstance(train_centroids, np.ndarray) else genre_oracle(train_centroids, genres)
        oracle = similarity(own - train_mean, centred)
        known.append((builder.without_brain("genre", **folds), oracle, ""))
    scores = []
    for of, c, detail in known:
        scores.append(of.identification(c, detail=detail))
        scores.append(_sample_correlation(of, c, detail=detail))
    return scores
