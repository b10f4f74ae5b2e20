"""Kullback-Leibler divergence of what a tagger finds in two sounds."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from .builder import ScoreBuilder
from .score import Score

_FLOOR = 1e-6


def tagger_divergence(
    reference: Float[np.ndarray, "n classes"], made: Float[np.ndarray, "n classes"]
) -> Float[np.ndarray, " n"]:
    """Compute the divergence of the classes that a tagger finds in pairs of sounds [1]_.

    Probabilities of each sound are divided by their sum, as a tagger of independent classes gives none that add up to
    1, and none counts as less than 10⁻⁶. Values of different taggers, or normalisations, are not comparable.

    Parameters
    ----------
    reference : ndarray of shape (n, classes)
        Probabilities of all classes in the reference.
    made : ndarray of shape (n, classes)
        The same of the other sound of each pair.

    Returns
    -------
    ndarray of shape (n,)
        ``Σ p log(p / q)`` in nats, where p is of the reference and q of the other sound: 0 where both are alike.

    Raises
    ------
    ValueError
        A probability is negative or not finite.

    References
    ----------
    .. [1] Kreuk et al., "AudioGen: textually guided audio generation", ICLR 2023, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import tagger_divergence
    >>> reference, made = np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([[0.2, 0.2], [0.3, 0.1]])
    >>> tagger_divergence(reference, made).round(3)
    array([0.   , 0.144])
    """
    return np.diagonal(divergence_matrix(made, reference)).copy()


def score_divergence(
    made: Float[np.ndarray, "samples n classes"],
    presented: Float[np.ndarray, "n classes"],
    builder: ScoreBuilder,
    oracle: Float[np.ndarray, "oracle_samples n classes"] | None = None,
) -> Score:
    """Score how far the classes of music diverge from those of the clip that was presented.

    Parameters
    ----------
    made : (samples, clips, classes) array
        Probabilities of all of the tagger's classes, for every sample of retrieved or generated music.
    presented : (clips, classes) array
        The same of the clips.
    builder : ScoreBuilder
        Columns that the score has; its ``judge`` is the tagger.
    oracle : (samples, clips, classes) array, optional
        The same of music from the true embedding: the ceiling.

    Returns
    -------
    Score
        ``class_divergence``: mean over samples and clips in nats; chance is that from every other clip.
    """

    def mean(samples: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.mean([divergence_matrix(sample, presented) for sample in samples], axis=0)
        return found

    detail = f"of {presented.shape[1]} classes of {builder.judge}, in nats; lower is better"
    ceiling = {} if oracle is None else {"class_divergence": float(np.diagonal(mean(oracle)).mean())}
    return replace(builder, ceiling=ceiling).distance("class_divergence", mean(made), detail=detail)


def divergence_matrix(
    made: Float[np.ndarray, "n classes"], reference: Float[np.ndarray, "m classes"]
) -> Float[np.ndarray, "n m"]:
    """:func:`tagger_divergence` of every made sound (row) from every reference (column)."""
    p, q = _distribution(reference), _distribution(made)
    divergence: np.ndarray = np.maximum(np.sum(p * np.log(p), axis=1)[None, :] - np.log(q) @ p.T, 0.0)
    return divergence


def _distribution(probabilities: Float[np.ndarray, "n classes"]) -> Float[np.ndarray, "n classes"]:
    if not np.isfinite(probabilities).all() or (probabilities < 0).any():
        raise ValueError("class probabilities are negative or not finite")
    shares = np.maximum(probabilities.astype(np.float64), 0)
    shares = np.maximum(shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300), _FLOOR)
    return shares / shares.sum(axis=1, keepdims=True)
