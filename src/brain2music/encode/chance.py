"""What encoders score by chance where clips are predicted in folds, and what their p has to be made of.

Clips permuted after the fit are no null there. What the training clips of a fold happen to show is missing from those
held out, so that voxels without signal have correlations below 0 (-0.08 for 60 clips), and the fits of different folds
share clips, so that their predictions are wrong together and vary by more than permuted ones do. Both are measured by
refits: voxels drawn at random, each with its responses to the clips permuted in its own way, are fitted like all
others, choice of penalties included, as further targets of the same factorisation. How their correlations lie about
those of clips permuted after the fit is much the same for every voxel (being counted in standard deviations of these);
that distribution calibrates the permutation test of the voxels themselves
(:class:`~brain2music.encode.significance.Chance`).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import norm

from ..brain.responses import Responses
from ..embed.embeddings import Embeddings
from ..study.folds import FEWEST, draw_orders
from .encoder import Fit, predict_folds
from .features import Pairs, Windows, match_scans
from .significance import Chance, permuted_moments

REFITS = 2000
"""Refits that chance is measured by: enough for the 99th percentile."""
_LEVELS = (0.95, 0.975, 0.99)
"""Where the upper tail of refits is laid on that of permuted clips."""
_ORDERS = 200


def chance_in_folds(
    responses: Responses,
    embeddings: Embeddings,
    rng: np.random.Generator,
    *,
    folds: Sequence[Int[np.ndarray, " _"]],
    units: Int[np.ndarray, " clips"],
    windows: Windows | None = None,
    fit: Fit | None = None,
    n: int = REFITS,
) -> Chance | None:
    """Measure chance by ``n`` refits of voxels drawn at random to permuted recordings, the rest as ``encode_kfold``.

    None where there are too few recordings (:data:`~brain2music.study.folds.FEWEST`) to change places.
    """
    if len(np.unique(units)) < FEWEST:
        return None
    pairs = match_scans(responses, embeddings, windows=windows)
    n_clips = len(responses.clips)
    by_clip = pairs.Y.reshape(n_clips, -1, responses.n_voxels)
    varying = np.flatnonzero(np.ptp(pairs.Y, axis=0) > 0)
    if not len(varying):
        return None
    orders = draw_orders(units, n, rng, responses.groups, displaced=True)
    drawn = rng.choice(varying, n)
    moved = np.empty((*by_clip.shape[:2], n), np.float32)
    for k, (order, voxel) in enumerate(zip(orders, drawn, strict=True)):
        moved[..., k] = by_clip[order, :, voxel]
    refitted = Pairs(pairs.X, moved.reshape(len(pairs.Y), n), pairs.groups)
    _, predicted, measured = predict_folds(refitted, folds, units, fit or Fit())
    sides = (each.reshape(moved.shape) for each in (predicted, measured))
    r, mean, sd = permuted_moments(*sides, draw_orders(units, _ORDERS, rng, responses.groups))
    return _laid_over(r, mean, sd)


def _laid_over(
    r: Float[np.ndarray, " refits"], mean: Float[np.ndarray, " refits"], sd: Float[np.ndarray, " refits"]
) -> Chance | None:
    usable = sd > 1e-6
    if not usable.any():
        return None
    z = (r[usable] - mean[usable]) / sd[usable]
    tail = (np.quantile(z, _LEVELS) - z.mean()) / norm.ppf(_LEVELS)
    return Chance(float(z.mean()), float(max(tail.mean(), 1e-3)), len(z))
