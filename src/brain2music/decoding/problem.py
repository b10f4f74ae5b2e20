"""What an option of decoding is given, and what it gives back to be built upon."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from scipy.stats import rankdata

from ..embeddings.alignment import Matched
from ..ridge import assign_folds
from .fits import Fit, Fitted, Prediction, cv_groups, fit_ridge


@dataclass(frozen=True)
class View:
    """One way of looking at the same pairs: the responses at one lag, and a region's name per voxel.

    ``test_X`` are the responses that :func:`.options.predict_with` is asked for; no fit looks at them.
    """

    train: Matched
    test_X: Float32[np.ndarray, "test voxels"]
    roi: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Problem:
    """Training pairs in one view or several (the main lag first), and the responses asked for.

    ``units`` says what no fold may divide, a number per clip (:func:`.decoder.undivided`); ``seed`` fixes whatever an
    option draws.
    """

    views: tuple[View, ...]
    units: Int[np.ndarray, " clips"]
    fit: Fit
    seed: int = 0

    @property
    def Y(self) -> Float32[np.ndarray, "pairs dims"]:
        """The embeddings of the training pairs."""
        return self.views[0].train.Y

    @property
    def folds(self) -> Int[np.ndarray, " pairs"]:
        """The fold in which each training pair is held out: those of :func:`fit_ridge`."""
        groups = cv_groups(self.views[0].train, self.units, self.fit)
        return assign_folds(len(groups), groups, self.fit.n_folds)

    def ridge(self, X: Float32[np.ndarray, "pairs features"], fit: Fit | None = None) -> Fitted:
        """A ridge from other features of the same pairs, with held-out predictions."""
        return fit_ridge(replace(self.views[0].train, X=X), self.units, fit or self.fit, keep_held_out=True)


@dataclass(frozen=True)
class HeldOut:
    """Cross-validated predictions of training pairs and their truth, both about the mean each fold was fitted with.

    About the mean of all pairs, a pair and the prediction made without it lie on opposite sides of it where there is
    no signal, and whatever is fitted to the two learns to turn predictions round.

    Attributes
    ----------
    predicted, true : (pairs, dims). fold, clip : (pairs,) the fold held out, the index of the clip.
    """

    predicted: Float32[np.ndarray, "pairs dims"]
    true: Float32[np.ndarray, "pairs dims"]
    fold: Int[np.ndarray, " pairs"]
    clip: Int[np.ndarray, " pairs"]

    @classmethod
    def of(cls, prediction: Prediction | Fitted, problem: Problem) -> "HeldOut":
        """The held-out side of a fit."""
        assert prediction.held_out is not None
        folds, mean = problem.folds, np.empty_like(problem.Y)
        for fold in np.unique(folds):
            mean[folds == fold] = problem.Y[folds != fold].mean(axis=0)
        return cls(prediction.held_out - mean, problem.Y - mean, folds, problem.views[0].train.groups)

    @property
    def n_folds(self) -> int:
        """Folds, numbered from 0."""
        return int(self.fold.max()) + 1

    def rows(self, keep: Bool[np.ndarray, " pairs"]) -> "HeldOut":
        """Some of the pairs."""
        return HeldOut(self.predicted[keep], self.true[keep], self.fold[keep], self.clip[keep])

    def by_clip(self) -> "HeldOut":
        """One row a clip, the mean over its windows."""
        _, first, row = np.unique(self.clip, return_index=True, return_inverse=True)
        shares = np.bincount(row).astype(np.float32)[:, None]
        means = [_sums(side, row, len(first)) / shares for side in (self.predicted, self.true)]
        return HeldOut(means[0], means[1], self.fold[first], self.clip[first])

    def identification(self) -> float:
        """Two-way identification of clips among those of their fold (:func:`identification`).

        Not among all: candidates that a map was fitted to are easier to tell from one that it was not.
        """
        clips = self.by_clip()
        folds = [clips.fold == fold for fold in range(self.n_folds)]
        values = [identification(clips.predicted[held], clips.true[held]) for held in folds if held.sum() > 1]
        return float(np.mean(values)) if values else 0.5


def identification(predicted: Float32[np.ndarray, "clips dims"], true: Float32[np.ndarray, "clips dims"]) -> float:
    """Two-way identification (Brain2Music Eqs. 2-3) for choices inside the training set; constant rows never win."""
    sides = [side - side.mean(axis=1, keepdims=True) for side in (predicted, true)]
    norms = [np.linalg.norm(side, axis=1, keepdims=True) for side in sides]
    a, b = (np.divide(s, n, out=np.zeros_like(s), where=n > 0) for s, n in zip(sides, norms, strict=True))
    beaten = np.diagonal(rankdata(np.round(a @ b.T, 6), method="min", axis=1)) - 1
    return float(beaten.mean() / (len(beaten) - 1))


def shrunk_spectrum(
    rows: Float32[np.ndarray, "rows dims"],
) -> tuple[Float[np.ndarray, "dims rank"], Float[np.ndarray, " rank"], float]:
    """Ledoit and Wolf's covariance of rows: eigenvectors, eigenvalues, and the eigenvalue of all other directions.

    Ledoit & Wolf 2004 (doi:10.1016/S0047-259X(03)00096-4): the sample covariance shrunk towards its mean variance.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    centred = (rows - rows.mean(axis=0)).astype(np.float64)
    shrinkage = float(ledoit_wolf_shrinkage(centred, assume_centered=True))
    _, singular, vectors = np.linalg.svd(centred, full_matrices=False)
    values = singular**2 / len(rows)
    kept = values > 1e-12 * max(float(values[0]), np.finfo(float).tiny)
    floor = shrinkage * float(values.sum()) / rows.shape[1]
    return vectors[kept].T, (1 - shrinkage) * values[kept] + floor, floor


def regions(roi: Sequence[str], min_voxels: int) -> dict[str, Bool[np.ndarray, " voxels"]]:
    """Which voxels each named region has, for regions that are large enough, by name."""
    labels = np.array(roi)
    names, counts = np.unique(labels[labels != ""], return_counts=True)
    return {str(name): labels == name for name, count in zip(names, counts, strict=True) if count >= min_voxels}


def _sums(
    values: Float32[np.ndarray, "rows dims"], row: Int[np.ndarray, " rows"], n: int
) -> Float32[np.ndarray, "sums dims"]:
    total = np.zeros((n, values.shape[1]), np.float32)
    np.add.at(total, row, values)
    return total
