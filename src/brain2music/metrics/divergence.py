"""Kullback-Leibler divergence of what a tagger finds in two sounds."""

import numpy as np
from jaxtyping import Float

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
