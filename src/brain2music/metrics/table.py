"""The score table of a decoder: every number that is reported, from predicted and true embeddings.

Vectors are compared after the mean of the training clips is taken from both sides: embeddings such as musicnn's share a
large mean, with which the mean vector alone correlates highly with every clip (see its row among the baselines), and
which moves between folds. The paper says nothing of it; rows that end in ``/raw`` are the plain Pearson correlations
of its equations.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from .baselines import genre_oracle
from .card import ScoreCard
from .ranking import identification, similarity
from .score import Score, ScoredStage
from .uncertainty import bootstrap


@dataclass(frozen=True)
class Refit:
    """What a decoder refitted to permuted recordings made of the clips: as the arguments of :func:`score_decoding`."""

    predicted: Float[np.ndarray, "clips dims"]
    true: Float[np.ndarray, "clips dims"]
    train_mean: Float[np.ndarray, "*fits dims"]
    genres: Sequence[Hashable]


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
    train_centroids: Mapping[Hashable, Float[np.ndarray, " dims"]] | Float[np.ndarray, "clips dims"] | None = None,
    note: str = "",
    ceiling: Mapping[str, float] | None = None,
    draws: int = 10_000,
    in_folds: bool = False,
    refits: Sequence[Refit] = (),
    together: Int[np.ndarray, " clips"] | None = None,
) -> list[Score]:
    """Every score of predicted embeddings against the true ones of the same clips.

    Parameters
    ----------
    predicted, true : (clips, dims), one vector a clip, in the embedding's own units.
    genres : the genre of each clip.
    train_mean : (dims,) mean of the training clips' embeddings, or (clips, dims) in the fold that predicted each.
    train_centroids : genre → mean training embedding (:func:`.baselines.genre_centroids`), for the genre oracle, or
        (clips, dims) that of each clip's genre in the fold that predicted it; without it that row is left out.
    note : put on every row ("rank 6").
    ceiling : metric → oracle or noise-ceiling value.
    draws : permutations, and bootstrap draws.
    in_folds : clips were predicted in folds, so that p is made from ``refits`` (of the same clips, after recordings
        have changed places), or not given.
    together : the recording of each clip; recordings change places whole.

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
    card = ScoreCard(subject, embedding, stage, rng, simulated, note, dict(ceiling or {}), draws, in_folds, together)
    c, raw = similarity(predicted - train_mean, true - train_mean), similarity(predicted, true)
    others = [similarity(each.predicted - each.train_mean, each.true - each.train_mean) for each in refits]
    raws = [similarity(each.predicted, each.true) for each in refits]
    about = "not centred, as the paper's equations read"
    return [
        *card.identification_family(c, genres, list(zip(others, (refit.genres for refit in refits), strict=True))),
        card.identification("identification/raw", raw, note=about, refits=[identification(r).mean() for r in raws]),
        _sample_correlation(card, "correlation/sample", c, refits=others),
        _sample_correlation(card, "correlation/sample/raw", raw, refits=raws),
        _dimension_correlation(card, predicted, true, refits),
        *_baselines(card, true, genres, train_mean, train_centroids),
    ]


def _sample_correlation(
    card: ScoreCard,
    metric: str,
    c: Float[np.ndarray, "n n"],
    note: str = "",
    refits: Sequence[Float[np.ndarray, "n n"]] = (),
) -> Score:
    """Mean correlation of a prediction with its own clip's embedding; chance is that with any clip's, or of refits."""
    values = [float(np.diagonal(each).mean()) for each in refits]
    return card.payoff(metric, c, float(np.mean(values)) if values else c.mean(), len(c), note=note, refits=values)


def _dimension_correlation(
    card: ScoreCard,
    predicted: Float[np.ndarray, "n dims"],
    true: Float[np.ndarray, "n dims"],
    refits: Sequence[Refit],
) -> Score:
    """Mean over dimensions of the correlation over clips. Centring does not change it."""
    products, dims, (a, b) = _products_of_dimensions(predicted, true)
    others = [float(np.trace(_products_of_dimensions(each.predicted, each.true)[0]) / len(true)) for each in refits]
    left_out = f"{predicted.shape[1] - dims} of {predicted.shape[1]} dimensions are constant and left out"
    note = left_out if dims < predicted.shape[1] else ""
    chance = float(np.mean(others)) if others else 0.0
    scored = card.payoff("correlation/dimension", products, chance, len(a), note=note, refits=others)
    low, high = bootstrap(lambda weights: _weighted_correlation(weights, a, b), len(a), card.rng, card.draws)
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
    train_centroids: Mapping[Hashable, Float[np.ndarray, " dims"]] | Float[np.ndarray, "n dims"] | None,
) -> list[Score]:
    """Identification and correlation of predictions that know nothing of the brain."""
    centred = true - train_mean
    drawn = card.rng.normal(0, centred.std(axis=0), true.shape)
    mean = np.broadcast_to(train_mean.mean(axis=0) if train_mean.ndim > 1 else train_mean, true.shape)
    apart = replace(card, in_folds=False)  # of vectors drawn at random: nothing was fitted, in folds or else
    known = [
        (apart, "random-vector", similarity(drawn, centred), "one draw"),
        (card, "mean-vector", similarity(mean, true), "not centred; identification is chance by construction"),
    ]
    if train_centroids is not None:
        own = train_centroids if isinstance(train_centroids, np.ndarray) else genre_oracle(train_centroids, genres)
        oracle = similarity(own - train_mean, centred)
        known.append((card, "genre-centroid", oracle, "knows the clip's true genre and nothing else"))
    scores = []
    for of, name, c, note in known:
        scores.append(of.identification(f"identification/baseline={name}", c, note=note))
        scores.append(_sample_correlation(of, f"correlation/sample/baseline={name}", c, note))
    return scores
