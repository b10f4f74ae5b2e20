"""Bootstrap of clips nested in subjects: how certain a mean is for other subjects who hear other clips."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from .uncertainty import Interval


def bootstrap_nested(
    values: Sequence[Float[np.ndarray, " clips"]],
    rng: np.random.Generator,
    n_bootstraps: int = 10_000,
    level: float = 0.95,
) -> Interval:
    """Compute the interval of a mean over subjects and clips, both resampled.

    Subjects are drawn with replacement, then clips within each of them; so the interval holds for other subjects and
    other clips, where that of a subject's own clips, and Student's t over subjects, each hold for one of both. With
    fewer than about five subjects it is too narrow, as any bootstrap over them is.

    Parameters
    ----------
    values : sequence of ndarray of shape (clips,)
        Score of every clip, an array per subject; NaN is left out.
    rng : numpy.random.Generator
        Source of resampling.
    n_bootstraps : int, default 10000
        Bootstrap samples.
    level : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    low : float
        Lower bound, a percentile of the samples; NaN for fewer than two subjects, or one without clips.
    high : float
        Upper bound.

    References
    ----------
    Davison & Hinkley, "Bootstrap methods and their application", 1997, section 3.8.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import bootstrap_nested
    >>> rng = np.random.default_rng(0)
    >>> values = [skill + rng.normal(0, 0.2, 60) for skill in (0.75, 0.8, 0.85)]
    >>> low, high = bootstrap_nested(values, rng, 2000)
    >>> 0.7 < low < 0.8 < high < 0.9
    True
    """
    known = [each[~np.isnan(each)] for each in values]
    if len(known) < 2 or not all(map(len, known)):
        return float("nan"), float("nan")
    means = np.stack([_resampled_means(each, rng, n_bootstraps) for each in known])
    drawn = rng.integers(len(known), size=(n_bootstraps, len(known)))
    samples = means[drawn, rng.integers(n_bootstraps, size=drawn.shape)].mean(axis=1)
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _resampled_means(
    values: Float[np.ndarray, " clips"], rng: np.random.Generator, count: int
) -> Float[np.ndarray, " bootstraps"]:
    chunks = np.array_split(np.arange(count), max(1, count * len(values) // 1_000_000))
    return np.concatenate([values[rng.integers(len(values), size=(len(c), len(values)))].mean(axis=1) for c in chunks])
