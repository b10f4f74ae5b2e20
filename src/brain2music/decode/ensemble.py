"""The paper's ensemble of regions: a decoder per region, the best few of them averaged."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from ..brain.load import common_voxels
from ..brain.responses import Responses, restrict
from ..embed.embeddings import Embeddings
from ..errors import Brain2MusicWarning, InputError
from .decoder import Decoded, Fit, Grouping, Prediction, assemble, fit_predict, match_sides


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
    alphas, n_folds, the rest : as for :func:`brain2music.decode.decoder.decode`.

    Raises
    ------
    InputError : the responses have no region names, or no region is large enough.
    """
    fit = Fit(alphas, n_folds, groups, standardise)
    train, test = common_voxels(train, test)
    fits: list[tuple[Region, Prediction]] = []
    for name, voxels in _regions(train, min_voxels).items():
        sides = match_sides(
            restrict(train, voxels),
            train_embeddings,
            restrict(test, voxels),
            test_embeddings,
            scans_per_window,
        )
        prediction = fit_predict(sides.train, sides.test.X, sides.runs, fit, keep_held_out=True)
        assert prediction.held_out is not None
        score = float(correlations(prediction.held_out, sides.train.Y).mean())
        fits.append((Region(name, int(voxels.sum()), score), prediction))
    fits.sort(key=lambda each: (-each[0].cv_score, each[0].name))
    if len(fits) < n_best:
        text = f"the ensemble is of {len(fits)} regions, not {n_best}: no more have {min_voxels} voxels"
        warnings.warn(text, Brain2MusicWarning, stacklevel=2)
    best = [prediction for _, prediction in fits[:n_best]]
    averaged = Prediction(
        np.stack([each.values for each in best]).mean(axis=0),
        best[0].train_mean,
        np.concatenate([each.best_alphas for each in best]),
        np.concatenate([each.cv_scores for each in best]),
    )
    decoded = assemble(averaged, sides.test, test.clips, train_embeddings.space, fit)
    return Ensemble(decoded, tuple(region for region, _ in fits[:n_best]), tuple(region for region, _ in fits))


def correlations(
    a: Float32[np.ndarray, "rows dims"], b: Float32[np.ndarray, "rows dims"]
) -> Float32[np.ndarray, " dims"]:
    """Pearson correlation per column; 0 where one is constant."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    norms = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
    return np.divide((a * b).sum(axis=0), norms, out=np.zeros_like(norms), where=norms > 0)


def _regions(responses: Responses, min_voxels: int) -> dict[str, Bool[np.ndarray, " voxels"]]:
    """Which voxels each named region has, for regions that are large enough."""
    if responses.space is None or responses.space.roi is None:
        raise InputError(
            f"the responses of sub-{responses.subject} have no region names",
            mend="give a segmentation (dseg.nii.gz with its dseg.tsv)",
        )
    roi = np.array(responses.space.roi)
    names, counts = np.unique(roi[roi != ""], return_counts=True)
    large = [str(name) for name, count in zip(names, counts, strict=True) if count >= min_voxels]
    if not large:
        raise InputError(f"no region has {min_voxels} voxels or more", mend="lower the smallest size of a region")
    return {name: roi == name for name in large}
