"""Comparison of embeddings on the same voxels: differences, regions, and unique variance.

Whole test clips are resampled; all voxels and all embeddings have the same bootstraps, so that differences are paired.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float32
from scipy.stats import norm

from ..brain.responses import Responses
from ..embeddings.embeddings import Embeddings
from ..ridge import Partition, variance_partition
from ..study.folds import group_clips
from .alignment import Windows, match_scans
from .ceiling import FLOOR, Ceiling
from .encoder import Encoded
from .significance import fdr

_BATCH_BYTES = 32 << 20


@dataclass(frozen=True)
class Difference:
    """Difference between the correlations that two embeddings reach in every voxel.

    Attributes
    ----------
    value, se : ndarray of shape (voxels,)
        The difference, and its standard error over clips.
    p : ndarray of shape (voxels,)
        Two-sided p, with value / se taken as normal.
    q : ndarray of shape (voxels,)
        False discovery rate over voxels.

    See Also
    --------
    difference : Computes it.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.encoding import Difference, fdr
    >>> p = np.array([0.001, 0.4])
    >>> found = Difference(value=np.array([0.2, 0.02]), se=np.array([0.05, 0.05]), p=p, q=fdr(p))
    >>> (found.q < 0.05).tolist()
    [True, False]
    """

    value: Float[np.ndarray, " voxels"]
    se: Float[np.ndarray, " voxels"]
    p: Float[np.ndarray, " voxels"]
    q: Float[np.ndarray, " voxels"]


def bootstrap_clips(
    n_clips: int, rng: np.random.Generator, n_bootstraps: int = 1000
) -> Float32[np.ndarray, "bootstraps clips"]:
    """Sample clips with replacement, and count how often each clip is in each bootstrap sample.

    All voxels and embeddings that are compared use the same bootstraps, so that differences are paired.

    Parameters
    ----------
    n_clips : int
        Number of clips.
    rng : numpy.random.Generator
        Source of samples.
    n_bootstraps : int, default 1000
        Number of bootstrap samples.

    Returns
    -------
    ndarray of shape (bootstraps, clips)
        Counts, in single precision; every row sums to the number of clips.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.encoding import bootstrap_clips
    >>> counts = bootstrap_clips(60, np.random.default_rng(0), n_bootstraps=3)
    >>> counts.shape, counts.sum(axis=1).tolist()
    ((3, 60), [60.0, 60.0, 60.0])
    """
    return rng.multinomial(n_clips, np.full(n_clips, 1 / n_clips), size=n_bootstraps).astype(np.float32)


def difference(a: Encoded, b: Encoded, bootstraps: Float32[np.ndarray, "bootstraps clips"]) -> Difference:
    """Compute the difference between r of one embedding and r of another in every voxel.

    Parameters
    ----------
    a : Encoded
        Responses predicted from the first embedding.
    b : Encoded
        The same responses predicted from the second.
    bootstraps : ndarray of shape (bootstraps, clips)
        Bootstrap samples of :func:`bootstrap_clips`, from which standard errors are computed.

    Returns
    -------
    Difference
        Correlations of ``a`` minus those of ``b``, with standard errors, p and q.

    Raises
    ------
    ValueError
        They do not predict the same windows of the same clips and voxels.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.embeddings import as_data_classes
    >>> from brain2music.encoding import bootstrap_clips, difference, encode_kfold
    >>> rng = np.random.default_rng(0)
    >>> melody, rhythm = rng.normal(size=(2, 40, 1, 4))
    >>> bold = melody @ rng.normal(size=(4, 3)) + 0.1 * rng.normal(size=(40, 1, 3))
    >>> a, b = (encode_kfold(*as_data_classes(bold, each), n_folds=4) for each in (melody, rhythm))
    >>> bool((difference(a, b, bootstrap_clips(40, rng, 200)).value > 0.3).all())
    True
    """
    _require_same_rows(a, b)
    se = np.empty(a.r.shape)
    for (batch, r_a), (_, r_b) in zip(resampled(a, bootstraps), resampled(b, bootstraps), strict=True):
        se[batch] = (r_a - r_b).std(axis=0, ddof=1)
    value = a.r - b.r
    z = np.divide(np.abs(value), se, out=np.zeros_like(value), where=se > 0)
    p = 2 * norm.sf(z)
    return Difference(value, se, p, fdr(p))


def resampled(
    encoded: Encoded, bootstraps: Float32[np.ndarray, "bootstraps clips"]
) -> Iterator[tuple[slice, Float32[np.ndarray, "bootstraps batch"]]]:
    """Yield r of every voxel in every bootstrap, one batch of voxels at a time; 0 where nothing varies."""
    size = max(1, _BATCH_BYTES // (4 * len(bootstraps)))
    n = bootstraps.sum(axis=1, keepdims=True) * encoded.measured.shape[1]
    for first in range(0, encoded.measured.shape[2], size):
        batch = slice(first, first + size)
        x, y = encoded.predicted[..., batch], encoded.measured[..., batch]
        x, y = (each - each.mean(axis=(0, 1)) for each in (x, y))
        sx, sy, sxx, syy, sxy = (bootstraps @ each.sum(axis=1) for each in (x, y, x * x, y * y, x * y))
        product = np.maximum(sxx - sx * sx / n, 0) * np.maximum(syy - sy * sy / n, 0)
        covariance = sxy - sx * sy / n
        yield batch, np.divide(covariance, np.sqrt(product), out=np.zeros_like(product), where=product > 0)


def roi_table(
    encoded: Mapping[str, Encoded],
    sets: Mapping[str, Bool[np.ndarray, " voxels"]],
    bootstraps: Float32[np.ndarray, "bootstraps clips"],
    *,
    significant: Mapping[str, Bool[np.ndarray, " voxels"]],
    ceiling: Ceiling | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Summarise embeddings in sets of voxels, such as regions.

    Parameters
    ----------
    encoded : dict of str to Encoded
        Encoded responses by name of the embedding, all with the same rows and voxels.
    sets : dict of str to ndarray of bool of shape (voxels,)
        Voxels by name of the region; empty sets are left out.
    bootstraps : ndarray of shape (bootstraps, clips)
        Bootstrap samples of :func:`bootstrap_clips`, for intervals.
    significant : dict of str to ndarray of bool of shape (voxels,)
        Voxels predicted above chance, by name of the embedding.
    ceiling : Ceiling, optional
        Noise ceilings of the voxels.
    level : float, default 0.95
        Coverage of the intervals.

    Returns
    -------
    DataFrame
        One row per embedding and set. Columns are ``embedding``, ``roi``, ``voxels``, ``mean_r`` with its interval
        ``low`` and ``high`` over clips, ``median_r``, ``ceiling`` (mean), ``normalised_r`` (mean r over mean ceiling of
        the voxels whose ceiling is at least 0.2, which is more stable than a mean of quotients) and ``significant``
        (share).

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.embeddings import as_data_classes
    >>> from brain2music.encoding import bootstrap_clips, encode_kfold, roi_table
    >>> rng = np.random.default_rng(0)
    >>> features = rng.normal(size=(40, 1, 4))
    >>> bold = features @ rng.normal(size=(4, 6)) + 0.1 * rng.normal(size=(40, 1, 6))
    >>> encoded = encode_kfold(*as_data_classes(bold, features), n_folds=4)
    >>> heschl = np.arange(6) < 2
    >>> draws = bootstrap_clips(40, rng, 200)
    >>> table = roi_table({"features": encoded}, {"Heschl": heschl}, draws, significant={"features": encoded.r > 0.3})
    >>> table[["embedding", "roi", "voxels", "significant"]]
      embedding     roi  voxels  significant
    0  features  Heschl       2          1.0
    """
    nonempty = {roi: voxels for roi, voxels in sets.items() if voxels.any()}
    rows = []
    for name, each in encoded.items():
        intervals = mean_intervals(each, list(nonempty.values()), bootstraps, level)
        for (roi, voxels), (low, high) in zip(nonempty.items(), intervals, strict=True):
            r = each.r[voxels]
            row = {"embedding": name, "roi": roi, "voxels": int(voxels.sum()), "mean_r": r.mean(), "low": low}
            row |= {"high": high, "median_r": np.median(r), **_against_ceiling(r, ceiling, voxels)}
            rows.append(row | {"significant": significant[name][voxels].mean()})
    return pd.DataFrame(rows)


def mean_intervals(
    encoded: Encoded,
    sets: Sequence[Bool[np.ndarray, " voxels"]],
    bootstraps: Float32[np.ndarray, "bootstraps clips"],
    level: float = 0.95,
    *,
    minus: Encoded | None = None,
) -> list[tuple[float, float]]:
    """Percentile intervals over clips of the mean r in each set of voxels, or of its difference from another's."""
    members = np.stack(sets).astype(np.float32)
    weights = members / members.sum(axis=1, keepdims=True)
    means = np.zeros((len(bootstraps), len(sets)))
    for sign, each in ((1, encoded), (-1, minus)):
        for batch, r in resampled(each, bootstraps) if each is not None else ():
            means += sign * (r @ weights[:, batch].T)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def partition(
    train: Responses,
    test: Responses,
    embeddings: Sequence[Embeddings],
    *,
    windows: Windows,
    standardise: bool = False,
    **settings: Any,
) -> Partition:
    """Partition the variance of every voxel among embeddings by banded ridge regression.

    Parameters
    ----------
    train : Responses
        Responses to the training clips.
    test : Responses
        Responses to the test clips.
    embeddings : sequence of Embeddings
        Two embeddings or more, each of all training and test clips.
    windows : Windows
        The windows of scans to predict (:func:`common_windows`).
    standardise : bool, default False
        Whether to scale every feature to unit variance over the training set.
    **settings
        Further arguments of :func:`brain2music.ridge.banded_ridge_cv`.

    Returns
    -------
    Partition
        Variance explained, product measure, unique share of each embedding, and shared part, for every voxel.

    Raises
    ------
    ValueError
        There are fewer than two embeddings.

    References
    ----------
    Dupré la Tour et al., "Feature-space selection with banded ridge regression", NeuroImage 264:119728, 2022.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.embeddings import as_data_classes
    >>> from brain2music.encoding import common_windows, partition
    >>> rng = np.random.default_rng(0)
    >>> melody, rhythm = rng.normal(size=(2, 60, 1, 4))
    >>> bold = b2m.as_responses(melody @ rng.normal(size=(4, 3)) + 0.1 * rng.normal(size=(60, 1, 3)))
    >>> music = [as_data_classes(bold, each)[1] for each in (melody, rhythm)]
    >>> parts = partition(bold[:40], bold[40:], music, windows=common_windows(bold, music), n_candidates=5)
    >>> bool((parts.unique[0] > 0.8).all()), bool((abs(parts.unique[1]) < 0.1).all())
    (True, True)
    """
    train_pairs = [match_scans(train, each, windows=windows) for each in embeddings]
    test_pairs = [match_scans(test, each, windows=windows) for each in embeddings]
    bands, test_bands = [], []
    for train_side, test_side in zip(train_pairs, test_pairs, strict=True):
        centre, sd = train_side.X.mean(axis=0), train_side.X.std(axis=0)
        scale = np.divide(1, sd, out=np.zeros_like(sd), where=sd > 1e-6 * np.abs(centre)) if standardise else 1.0
        bands.append((train_side.X - centre) * scale)
        test_bands.append((test_side.X - centre) * scale)
    clips = np.unique(test_pairs[0].groups, return_inverse=True)[1]
    return variance_partition(
        bands,
        train_pairs[0].Y,
        test_bands,
        test_pairs[0].Y,
        groups_test=clips,
        groups=group_clips(train.clips)[train_pairs[0].groups],
        **settings,
    )


def unique_intervals(
    parts: Partition,
    voxels: Bool[np.ndarray, " voxels"],
    bootstraps: Float32[np.ndarray, "bootstraps clips"],
    level: float = 0.95,
) -> list[tuple[float, float]]:
    """Percentile intervals over clips of the mean unique share of each embedding in a set of voxels."""
    total = bootstraps @ parts.sum_of_squares[:, voxels]
    shares = [((bootstraps @ error[:, voxels]) / total).mean(axis=1) for error in parts.error_increase]
    return [tuple(np.quantile(each, [(1 - level) / 2, (1 + level) / 2]).tolist()) for each in shares]


def _against_ceiling(
    r: Float[np.ndarray, " members"], ceiling: Ceiling | None, voxels: Bool[np.ndarray, " voxels"]
) -> dict[str, float]:
    if ceiling is None:
        return {"ceiling": np.nan, "normalised_r": np.nan}
    ceiling_r = ceiling.r[voxels]
    usable = ceiling_r >= FLOOR
    return {
        "ceiling": ceiling_r.mean(),
        "normalised_r": r[usable].mean() / ceiling_r[usable].mean() if usable.any() else np.nan,
    }


def _require_same_rows(a: Encoded, b: Encoded) -> None:
    if a.clips != b.clips or a.measured.shape != b.measured.shape:
        raise ValueError(
            f"{a.space.name} predicts {a.measured.shape} of (clips, windows, voxels), {b.space.name} "
            f"{b.measured.shape}: give both the same windows and clips"
        )
