"""Agreement of listeners who judged the same, beyond that of listeners who guess."""

from typing import Literal

import numpy as np
from jaxtyping import Float

Level = Literal["nominal", "interval"]


def krippendorff_alpha(ratings: Float[np.ndarray, "listeners questions"], level: Level = "nominal") -> float:
    r"""Compute Krippendorff's alpha, which unlike Fleiss' kappa allows that not all listeners judge all questions.

    .. math:: \alpha = 1 - D_o / D_e

    where :math:`D_o` is the mean disagreement of pairs of answers to the same question, and :math:`D_e` that of pairs
    of any two answers. 1 is perfect agreement and 0 that of guesses. With many answers and none missing it is Fleiss'
    kappa.

    Parameters
    ----------
    ratings : ndarray of shape (listeners, questions)
        Answers as numbers; NaN where a listener did not judge a question.
    level : {"nominal", "interval"}
        Whether answers are the same or not, or differ by the square of their difference.

    Returns
    -------
    float
        Alpha; NaN where no question has two answers, or all answers are the same.

    References
    ----------
    Krippendorff, *Computing Krippendorff's alpha-reliability* (2011); the example is his.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.listening import krippendorff_alpha
    >>> gap = np.nan
    >>> ratings = np.array([
    ...     [1, 2, 3, 3, 2, 1, 4, 1, 2, gap, gap, gap],
    ...     [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, gap, 3],
    ...     [gap, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, gap],
    ...     [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, gap],
    ... ])
    >>> round(krippendorff_alpha(ratings), 3), round(krippendorff_alpha(ratings, "interval"), 3)
    (0.743, 0.849)
    """
    judged = np.isfinite(ratings)
    ratings, judged = ratings[:, judged.sum(axis=0) > 1], judged[:, judged.sum(axis=0) > 1]
    values, codes = np.unique(ratings[judged], return_inverse=True)
    if len(values) < 2:
        return float("nan")
    counts = np.zeros((ratings.shape[1], len(values)))  # answers to each question
    np.add.at(counts, (np.nonzero(judged.T)[0], _by_question(judged, codes)), 1)
    per_question = counts.sum(axis=1, keepdims=True)
    coincidences = counts.T @ (counts / (per_question - 1)) - np.diag((counts / (per_question - 1)).sum(axis=0))
    totals = coincidences.sum(axis=0)
    expected = (np.outer(totals, totals) - np.diag(totals)) / (totals.sum() - 1)
    difference = np.subtract.outer(values, values)
    distance = (difference != 0).astype(float) if level == "nominal" else difference**2
    return float(1 - (coincidences * distance).sum() / (expected * distance).sum())


def _by_question(judged: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Codes of answers, which are listed listener by listener, question by question."""
    table = np.full(judged.shape, -1)
    table[judged] = codes.ravel()
    return table.T[judged.T]
