"""The null distribution of encoders whose clips are predicted in folds, measured by refits to permuted responses.

Permuting clips after the fit does not give the null there. The random deviations of the training clips of a fold are
missing from the held-out clips, so that voxels without signal have correlations below 0 (-0.08 for 60 clips); and the
fits of different folds share clips, so that the errors of their predictions are correlated and vary more than permuted
ones. Both effects are measured by refits: responses of randomly drawn voxels, with clips permuted in many ways, are
fitted like all others, penalties included, as further targets of the same factorisation. The distribution of their
correlations relative to those of clips permuted after the fit, in standard deviations of the latter, is nearly the same
for every voxel; it corrects the permutation test of the voxels themselves
(:class:`~brain2music.encoding.significance.Chance`).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import norm, t

from ..brain.responses import Responses
from ..embeddings.embeddings import Embeddings
from ..study.folds import FEWEST, draw_permutations
from .alignment import Pairs, Windows, match_scans
from .encoder import EncoderSettings, predict_in_folds
from .significance import Chance, permuted_correlations

REFITS = 2000
"""Number of refits, enough for the upper tail."""
_VOXELS = 50
"""Voxels with the same permutation, whose mean represents means over voxels."""
_LEVELS = (0.975, 0.99, 0.995)
"""Quantiles at which the upper tail of refits is matched to that of permuted clips."""
_N_PERMUTATIONS = 200


def chance_in_folds(
    responses: Responses,
    embeddings: Embeddings,
    rng: np.random.Generator,
    *,
    folds: Sequence[Int[np.ndarray, " _"]],
    groups: Int[np.ndarray, " clips"],
    windows: Windows | None = None,
    fit: EncoderSettings | None = None,
    n_refits: int = REFITS,
) -> Chance | None:
    """Measure the null distribution by refits of randomly drawn voxels to permuted groups of clips.

    Other parameters are those of ``encode_kfold``. None if there are fewer groups than
    :data:`~brain2music.study.folds.FEWEST`.
    """
    if len(np.unique(groups)) < FEWEST:
        return None
    pairs = match_scans(responses, embeddings, windows=windows)
    by_clip = pairs.Y.reshape(len(responses.clips), -1, responses.n_voxels)
    varying = np.flatnonzero(np.ptp(pairs.Y, axis=0) > 0)
    if not len(varying):
        return None
    n_permutations = max(2, n_refits // _VOXELS)
    permutations = draw_permutations(groups, n_permutations, rng, responses.runs, deranged=True)
    permuted = np.empty((*by_clip.shape[:2], n_permutations, _VOXELS), np.float32)
    for k, permutation in enumerate(permutations):
        permuted[:, :, k] = by_clip[permutation][:, :, rng.choice(varying, _VOXELS, replace=len(varying) < _VOXELS)]
    refitted = Pairs(pairs.X, permuted.reshape(len(pairs.Y), -1), pairs.groups)
    _, predicted, measured = predict_in_folds(refitted, folds, groups, fit or EncoderSettings())
    shape = (*permuted.shape[:2], -1)
    permutations = draw_permutations(groups, _N_PERMUTATIONS, rng, responses.runs)
    return _relative_null(permuted_correlations(predicted.reshape(shape), measured.reshape(shape), permutations))


def _relative_null(null: Float[np.ndarray, "orders refits"]) -> Chance | None:
    """Standardise the first row by the others, for single refits and for means of those with the same permutation."""
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
    few = t.ppf(0.95, n_means - 1) / norm.ppf(0.95) * np.sqrt(1 + 1 / n_means)  # as it is estimated
    return Chance(float(z.mean()), float(max(tail.mean(), 1.0)), len(z), float(max(of_means.std(ddof=1) * few, 1.0)))
