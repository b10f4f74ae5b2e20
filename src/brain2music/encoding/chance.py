"""What encoders score by chance where clips are predicted in folds, and what their p has to be made of.

Clips permuted after the fit are no null there. What the training clips of a fold happen to show is missing from those
held out, so that voxels without signal have correlations below 0 (-0.08 for 60 clips), and the fits of different folds
share clips, so that their predictions are wrong together and vary by more than permuted ones do. Both are measured by
refits: voxels drawn at random, their responses to the clips permuted in many ways, are fitted like all others, choice
of penalties included, as further targets of the same factorisation. How their correlations lie about
those of clips permuted after the fit is much the same for every voxel (being counted in standard deviations of these);
that distribution calibrates the permutation test of the voxels themselves
(:class:`~brain2music.encoding.significance.Chance`).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import norm, t

from ..brain.responses import Responses
from ..embeddings.embeddings import Embeddings
from ..study.folds import FEWEST, draw_permutations
from .encoder import Fit, predict_folds
from .features import Pairs, Windows, match_scans
from .significance import Chance, permuted_correlations

REFITS = 2000
"""Refits that chance is measured by: enough for the upper tail."""
_VOXELS = 50
"""Voxels that share a permutation: their mean tells of means over voxels."""
_LEVELS = (0.975, 0.99, 0.995)
"""Where the upper tail of refits is laid on that of permuted clips."""
_ORDERS = 200


def chance_in_folds(
    responses: Responses,
    embeddings: Embeddings,
    rng: np.random.Generator,
    *,
    folds: Sequence[Int[np.ndarray, " _"]],
    groups: Int[np.ndarray, " clips"],
    windows: Windows | None = None,
    fit: Fit | None = None,
    n: int = REFITS,
) -> Chance | None:
    """Measure chance by ``n`` refits of voxels drawn at random to permuted recordings, the rest as ``encode_kfold``.

    None where there are too few recordings (:data:`~brain2music.study.folds.FEWEST`) to change places.
    """
    if len(np.unique(groups)) < FEWEST:
        return None
    pairs = match_scans(responses, embeddings, windows=windows)
    by_clip = pairs.Y.reshape(len(responses.clips), -1, responses.n_voxels)
    varying = np.flatnonzero(np.ptp(pairs.Y, axis=0) > 0)
    if not len(varying):
        return None
    n_orders = max(2, n // _VOXELS)
    orders = draw_permutations(groups, n_orders, rng, responses.runs, deranged=True)
    moved = np.empty((*by_clip.shape[:2], n_orders, _VOXELS), np.float32)
    for k, order in enumerate(orders):
        moved[:, :, k] = by_clip[order][:, :, rng.choice(varying, _VOXELS, replace=len(varying) < _VOXELS)]
    refitted = Pairs(pairs.X, moved.reshape(len(pairs.Y), -1), pairs.groups)
    _, predicted, measured = predict_folds(refitted, folds, groups, fit or Fit())
    shape = (*moved.shape[:2], -1)
    orders = draw_permutations(groups, _ORDERS, rng, responses.runs)
    return _laid_over(permuted_correlations(predicted.reshape(shape), measured.reshape(shape), orders))


def _laid_over(null: Float[np.ndarray, "orders refits"]) -> Chance | None:
    """Where the first row lies among the others, refit by refit, and as the mean of those that share a permutation."""
    of_means = null.reshape(len(null), -1, _VOXELS).mean(axis=2)
    z, of_means = (
        (each[0] - each[1:].mean(axis=0))[usable] / spread[usable]
        for each in (null, of_means)
        for spread in [each[1:].std(axis=0)]
        for usable in [spread > 1e-6]
    )
    if len(z) < 2 or len(of_means) < 2:
        return None
    tail = (np.quantile(z, _LEVELS) - z.mean()) / norm.ppf(_LEVELS)
    n_means = len(of_means)
    few = t.ppf(0.95, n_means - 1) / norm.ppf(0.95) * np.sqrt(1 + 1 / n_means)  # a spread that is known from so many
    return Chance(float(z.mean()), float(max(tail.mean(), 1.0)), len(z), float(max(of_means.std(ddof=1) * few, 1.0)))
