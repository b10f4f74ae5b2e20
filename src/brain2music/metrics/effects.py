"""How large the effects of a table of scores are, and which are found when all of them are looked at."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm, t

from ..encoding.significance import fdr
from .records import GROUP, scores_table
from .score import Score

if TYPE_CHECKING:
    import pandas as pd

OF_DIFFERENCE = ("kernel_distance",)
"""Metrics whose p asks whether two sets differ."""


def effect_size(score: Score) -> float:
    """Compute how far a score is from chance, in standard deviations of its clips or subjects.

    Parameters
    ----------
    score : Score
        A score with an interval.

    Returns
    -------
    float
        ``(value - chance) / SD``. For a mean over subjects this is Cohen's d with Hedges' correction for few [1]_, the
        SD being that over subjects; for one subject the SD of clips is what the width of the interval implies. NaN
        without an interval, or with one of no width.

    References
    ----------
    .. [1] Hedges, "Distribution theory for Glass's estimator of effect size", Journal of Educational Statistics 6,
           1981.

    Examples
    --------
    >>> from brain2music.metrics import Score, effect_size
    >>> columns = {"stage": "decode", "condition": "decoded", "embedding": "musicnn-mtt", "metric": "identification"}
    >>> score = Score(**columns, subject="01", value=0.8, low=0.75, high=0.85, chance=0.5, n=60, candidates=60)
    >>> round(effect_size(score), 2)
    1.52
    """
    if score.low is None or score.high is None or score.high <= score.low or score.n < 2:
        return float("nan")
    over_subjects = score.subject == GROUP
    quantile = t.ppf(0.975, score.n - 1) if over_subjects else norm.ppf(0.975)
    sd = (score.high - score.low) / (2 * float(quantile)) * np.sqrt(score.n)
    correction = 1 - 3 / (4 * (score.n - 1) - 1) if over_subjects else 1.0
    return float(correction * (score.value - score.chance) / sd)


def effects_table(scores: Sequence[Score]) -> "pd.DataFrame":
    """Add false discovery rates and effect sizes to a table of scores.

    Parameters
    ----------
    scores : sequence of Score
        All scores that are looked at together.

    Returns
    -------
    DataFrame
        The columns of :func:`scores_table`, ``q`` (the false discovery rate over all rows that have a p, by Benjamini
        and Hochberg; none for ``kernel_distance``, whose low p means that sets of sounds differ, not that a score is
        above chance) and ``effect`` (:func:`effect_size`).

    Examples
    --------
    >>> from brain2music.metrics import Score, effects_table
    >>> columns = {"stage": "decode", "condition": "decoded", "embedding": "musicnn-mtt", "chance": 0.5, "n": 60}
    >>> scores = [
    ...     Score(**columns, metric=metric, subject="01", value=value, p=p, candidates=60)
    ...     for metric, value, p in [("identification", 0.8, 0.001), ("top1", 0.6, 0.04)]
    ... ]
    >>> effects_table(scores)["q"].tolist()
    [0.002, 0.04]
    """
    table = scores_table(scores)
    p = np.array([np.nan if score.p is None or score.metric in OF_DIFFERENCE else score.p for score in scores])
    return table.assign(q=fdr(p), effect=[effect_size(score) for score in scores])
