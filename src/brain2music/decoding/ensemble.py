"""The paper's ensemble of regions: a decoder per region, the best few of them averaged."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from .._utils.errors import Brain2MusicWarning, InputError
from ..brain.load import common_voxels
from ..brain.responses import Responses
from ..embeddings.embeddings import Embeddings
from .decoder import Decoded, assemble, match_sides
from .fits import Fit, Fitted, Grouping, Views, correlations
from .problem import Problem, View, regions


@dataclass(frozen=True)
class Region:
    """A region of the ensemble: its name, its voxels, and its score in the training set.

    ``cv_score`` is the correlation of cross-validated predictions with the true embedding, averaged over
    dimensions.
    """

    name: str
    n_voxels: int
    cv_score: float


@dataclass(frozen=True)
class Ensemble:
    """The averaged predictions, the regions that were averaged, best first, and all that were ranked."""

    decoded: Decoded
    chosen: tuple[Region, ...]
    ranked: tuple[Region, ...]


def decode_ensemble(
    train: Responses,
    train_embeddings: Embeddings,
    test: Responses,
    test_embeddings: Embeddings,
    *,
    n_best: int = 6,
    min_voxels: int = 10,
    alphas: Sequence[float] | None = None,
    n_folds: int = 5,
    groups: Grouping = "clip",
    scans_per_window: int | None = None,
    standardise: bool = False,
) -> Ensemble:
    """Fit every region apart, rank them by cross-validation in the training set, average the best (§3.2).

    The paper takes six of the 150 regions of the Destrieux atlas, for each subject and embedding.

    Parameters
    ----------
    n_best : regions averaged.
    min_voxels : regions with fewer voxels are passed over.
    alphas, n_folds, the rest : as for :func:`brain2music.decoding.decoder.decode`.

    Raises
    ------
    InputError : the responses have no region names, or no region is large enough.
    """
    fit = Fit(alphas, n_folds, groups, standardise)
    train, test = common_voxels(train, test)
    sides = match_sides(train, train_embeddings, test, test_embeddings, scans_per_window, groups)
    roi = None if train.space is None else train.space.roi
    problem = Problem((View(sides.train, sides.test.X, roi),), sides.units, fit)
    averaged, ranked = rank_regions(problem, n_best, min_voxels)
    decoded = assemble(averaged.predict(sides.test.X), sides.test, test.clips, train_embeddings.space, fit)
    return Ensemble(decoded, ranked[:n_best], ranked)


def rank_regions(problem: Problem, n_best: int = 6, min_voxels: int = 10) -> tuple[Fitted, tuple[Region, ...]]:
    """The mean of the decoders of the best regions, and all regions, best first; as :func:`decode_ensemble`."""
    view = problem.views[0]
    if view.roi is None:
        raise InputError("the responses have no region names", hint="give a segmentation (dseg.nii.gz, dseg.tsv)")
    large = regions(view.roi, min_voxels)
    if not large:
        raise InputError(f"no region has {min_voxels} voxels or more", hint="lower the smallest size of a region")
    fits: list[tuple[Region, Fitted]] = []
    for name, voxels in large.items():
        fitted = problem.ridge(view.train.X[:, voxels])
        assert fitted.held_out is not None
        score = float(correlations(fitted.held_out, problem.Y).mean())
        fits.append((Region(name, int(voxels.sum()), score), fitted))
    fits.sort(key=lambda each: (-each[0].cv_score, each[0].name))
    if len(fits) < n_best:
        text = f"the ensemble is of {len(fits)} regions, not {n_best}: no more have {min_voxels} voxels"
        warnings.warn(text, Brain2MusicWarning, stacklevel=3)
    chosen = [large[region.name] for region, _ in fits[:n_best]]
    best = [fitted for _, fitted in fits[:n_best]]

    def mean(views: Views) -> Float32[np.ndarray, "asked dims"]:
        each = [fit.mapping([views[0][:, voxels]]) for fit, voxels in zip(best, chosen, strict=True)]
        return np.stack(each).mean(axis=0)

    averaged = Fitted(
        mean,
        best[0].train_mean,
        np.concatenate([each.best_alphas for each in best]),
        np.concatenate([each.cv_scores for each in best]),
        np.stack([each.held_out for each in best if each.held_out is not None]).mean(axis=0),
    )
    return averaged, tuple(region for region, _ in fits)
