"""The paper's ensemble of regions: a decoder per region, the best few of them averaged."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from .._utils.errors import Brain2MusicWarning, InputError
from .fits import Fitted, Pairs, correlations
from .mappings import Average, Restricted
from .problem import Problem, regions

N_BEST = 6
"""Regions averaged: the paper takes six of the 150 of the Destrieux atlas, for each subject and embedding (§3.2)."""
MIN_VOXELS = 10
"""Regions with fewer voxels are passed over."""


@dataclass(frozen=True)
class Region:
    """A region of the ensemble, with its score in the training set.

    Attributes
    ----------
    name : str
        Name of the region.
    voxels : ndarray of bool of shape (voxels,)
        Its voxels.
    cv_score : float
        Correlation of cross-validated predictions with the true embedding, averaged over dimensions.
    fitted : Fitted
        Its decoder.
    """

    name: str
    voxels: Bool[np.ndarray, " voxels"]
    cv_score: float
    fitted: Fitted


def best_regions(problem: Problem, targets: Sequence[Pairs]) -> list[Fitted]:
    """Average the decoders of the regions with the best cross-validated predictions (Brain2Music §3.2).

    Raises
    ------
    InputError
        The responses have no region names, or no region is large enough.
    """
    return [average(ranked) for ranked in rank_regions(problem, targets)]


def rank_regions(problem: Problem, targets: Sequence[Pairs]) -> list[list[Region]]:
    """Fit a decoder to each region that is large enough, and rank them, best first, for each set of targets."""
    view = problem.views[0]
    if view.roi is None:
        raise InputError("the responses have no region names", hint="give a segmentation (dseg.nii.gz, dseg.tsv)")
    large = regions(view.roi, MIN_VOXELS)
    if not large:
        raise InputError(f"no region has {MIN_VOXELS} voxels or more", hint="give a segmentation of larger regions")
    if len(large) < N_BEST:
        text = f"the ensemble is of {len(large)} regions, not {N_BEST}: no more have {MIN_VOXELS} voxels"
        warnings.warn(text, Brain2MusicWarning, stacklevel=2)
    ranked: list[list[Region]] = [[] for _ in targets]
    for name, voxels in large.items():
        fits = problem.ridge_from(view.X[:, voxels], targets)
        for fitted, Y, of_targets in zip(fits, targets, ranked, strict=True):
            score = float(correlations(fitted.held_out, Y).mean())
            of_targets.append(Region(name, voxels, score, fitted))
    return [sorted(each, key=lambda region: (-region.cv_score, region.name)) for each in ranked]


def average(ranked: Sequence[Region]) -> Fitted:
    """Average the decoders of the best regions."""
    best = ranked[:N_BEST]
    return Fitted(
        Average(tuple(Restricted(region.fitted.mapping, 0, region.voxels) for region in best)),
        best[0].fitted.train_mean,
        np.concatenate([region.fitted.best_alphas for region in best]),
        np.concatenate([region.fitted.cv_scores for region in best]),
        np.stack([region.fitted.held_out for region in best]).mean(axis=0),
    )
