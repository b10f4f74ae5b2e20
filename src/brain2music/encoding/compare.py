"""Embeddings against each other on the same voxels: differences, regions, and what each explains alone.

Whole test clips are resampled; all voxels and all embeddings meet the same draws, so that differences are paired.
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
from .ceiling import FLOOR, Ceiling
from .encoder import Encoded
from .features import Windows, match_scans
from .significance import fdr

_BATCH_BYTES = 32 << 20


@dataclass(frozen=True)
class Difference:
    """r of one embedding less r of another.

    Attributes
    ----------
    value : (voxels,). se : its standard error over clips.
    p : two-sided, value / se taken as normal. q : its false discovery rate over voxels.
    """

    value: Float[np.ndarray, " voxels"]
    se: Float[np.ndarray, " voxels"]
    p: Float[np.ndarray, " voxels"]
    q: Float[np.ndarray, " voxels"]


def draw_clips(n_clips: int, rng: np.random.Generator, n: int = 1000) -> Float32[np.ndarray, "draws clips"]:
    """How often each clip is drawn in a bootstrap: ``n`` draws of as many clips, with replacement."""
    return rng.multinomial(n_clips, np.full(n_clips, 1 / n_clips), size=n).astype(np.float32)


def difference(a: Encoded, b: Encoded, draws: Float32[np.ndarray, "draws clips"]) -> Difference:
    """The map of r(a) - r(b), with clips drawn by :func:`draw_clips`.

    Raises ValueError unless both predict the same rows of the same voxels.
    """
    _require_same_rows(a, b)
    se = np.empty(a.r.shape)
    for (batch, drawn_a), (_, drawn_b) in zip(resampled(a, draws), resampled(b, draws), strict=True):
        se[batch] = (drawn_a - drawn_b).std(axis=0, ddof=1)
    value = a.r - b.r
    z = np.divide(np.abs(value), se, out=np.zeros_like(value), where=se > 0)
    p = 2 * norm.sf(z)
    return Difference(value, se, p, fdr(p))


def resampled(
    encoded: Encoded, draws: Float32[np.ndarray, "draws clips"]
) -> Iterator[tuple[slice, Float32[np.ndarray, "draws batch"]]]:
    """r of every voxel in every draw, a batch of voxels at a time; 0 where nothing varies."""
    size = max(1, _BATCH_BYTES // (4 * len(draws)))
    n = draws.sum(axis=1, keepdims=True) * encoded.measured.shape[1]
    for first in range(0, encoded.measured.shape[2], size):
        batch = slice(first, first + size)
        x, y = encoded.predicted[..., batch], encoded.measured[..., batch]
        x, y = (each - each.mean(axis=(0, 1)) for each in (x, y))
        sx, sy, sxx, syy, sxy = (draws @ each.sum(axis=1) for each in (x, y, x * x, y * y, x * y))
        product = np.maximum(sxx - sx * sx / n, 0) * np.maximum(syy - sy * sy / n, 0)
        covariance = sxy - sx * sy / n
        yield batch, np.divide(covariance, np.sqrt(product), out=np.zeros_like(product), where=product > 0)


def roi_table(
    encoded: Mapping[str, Encoded],
    sets: Mapping[str, Bool[np.ndarray, " voxels"]],
    draws: Float32[np.ndarray, "draws clips"],
    *,
    significant: Mapping[str, Bool[np.ndarray, " voxels"]],
    ceiling: Ceiling | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """One row an embedding and set of voxels.

    Columns: ``embedding``, ``roi``, ``voxels``, ``mean_r`` with its interval ``low`` and ``high`` over clips,
    ``median_r``, ``ceiling`` (mean), ``normalised_r`` (mean r / mean ceiling of the voxels whose ceiling is at least
    :data:`~brain2music.encoding.ceiling.FLOOR`, steadier than a mean of quotients) and ``significant`` (share).

    Parameters
    ----------
    encoded : name -> what was predicted, all of the same rows and voxels. significant : name -> which voxels are.
    sets : name -> a region's voxels; empty ones are left out.
    """
    named = {roi: voxels for roi, voxels in sets.items() if voxels.any()}
    rows = []
    for name, each in encoded.items():
        intervals = mean_intervals(each, list(named.values()), draws, level)
        for (roi, voxels), (low, high) in zip(named.items(), intervals, strict=True):
            r = each.r[voxels]
            row = {"embedding": name, "roi": roi, "voxels": int(voxels.sum()), "mean_r": r.mean(), "low": low}
            row |= {"high": high, "median_r": np.median(r), **_against_ceiling(r, ceiling, voxels)}
            rows.append(row | {"significant": significant[name][voxels].mean()})
    return pd.DataFrame(rows)


def mean_intervals(
    encoded: Encoded,
    sets: Sequence[Bool[np.ndarray, " voxels"]],
    draws: Float32[np.ndarray, "draws clips"],
    level: float = 0.95,
    *,
    less: Encoded | None = None,
) -> list[tuple[float, float]]:
    """Percentile intervals over clips of the mean r of each set of voxels, or of how much it is above another's."""
    members = np.stack(sets).astype(np.float32)
    weights = members / members.sum(axis=1, keepdims=True)
    means = np.zeros((len(draws), len(sets)))
    for sign, each in ((1, encoded), (-1, less)):
        for batch, r in resampled(each, draws) if each is not None else ():
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
    """What each embedding explains alone and together, by banded ridge (Brain2Music's rebuttal, A.1.8).

    ``standardise`` is as in :func:`~brain2music.encoding.encoder.encode`; ``settings`` go to
    :func:`~brain2music.ridge.banded_ridge_cv`. :class:`Partition` holds r², the product measure and the unique
    share per embedding, and what is shared, in the test clips of every voxel.

    Raises ValueError for fewer than two embeddings.
    """
    known = [match_scans(train, each, windows=windows) for each in embeddings]
    asked = [match_scans(test, each, windows=windows) for each in embeddings]
    bands, test_bands = [], []
    for fitted, new in zip(known, asked, strict=True):
        centre, sd = fitted.X.mean(axis=0), fitted.X.std(axis=0)
        scale = np.divide(1, sd, out=np.zeros_like(sd), where=sd > 1e-6 * np.abs(centre)) if standardise else 1.0
        bands.append((fitted.X - centre) * scale)
        test_bands.append((new.X - centre) * scale)
    clips = np.unique(asked[0].groups, return_inverse=True)[1]
    return variance_partition(
        bands,
        known[0].Y,
        test_bands,
        asked[0].Y,
        groups_test=clips,
        groups=group_clips(train.clips)[known[0].groups],
        **settings,
    )


def unique_intervals(
    parts: Partition,
    voxels: Bool[np.ndarray, " voxels"],
    draws: Float32[np.ndarray, "draws clips"],
    level: float = 0.95,
) -> list[tuple[float, float]]:
    """Percentile intervals over clips of each embedding's mean unique share of some voxels' variance."""
    total = draws @ parts.sum_of_squares[:, voxels]
    shares = [((draws @ error[:, voxels]) / total).mean(axis=1) for error in parts.error_increase]
    return [tuple(np.quantile(each, [(1 - level) / 2, (1 + level) / 2]).tolist()) for each in shares]


def _against_ceiling(
    r: Float[np.ndarray, " members"], ceiling: Ceiling | None, voxels: Bool[np.ndarray, " voxels"]
) -> dict[str, float]:
    if ceiling is None:
        return {"ceiling": np.nan, "normalised_r": np.nan}
    best = ceiling.r[voxels]
    usable = best >= FLOOR
    return {
        "ceiling": best.mean(),
        "normalised_r": r[usable].mean() / best[usable].mean() if usable.any() else np.nan,
    }


def _require_same_rows(a: Encoded, b: Encoded) -> None:
    if a.clips != b.clips or a.measured.shape != b.measured.shape:
        raise ValueError(
            f"{a.space.name} predicts {a.measured.shape} of (clips, windows, voxels), {b.space.name} "
            f"{b.measured.shape}: give both the same windows and clips"
        )
