"""What a regressor is given, and held-out predictions to build upon."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from scipy.stats import rankdata

from ..ridge import Gram, assign_folds
from ..study.folds import inner_groups
from .fits import Fitted, Pairs, RidgeSettings, fit_ridge


@dataclass(frozen=True)
class View:
    """Responses of the training pairs at one lag, with the name of a region per voxel, and their Gram matrix."""

    X: Float32[np.ndarray, "pairs voxels"]
    roi: tuple[str, ...] | None = None
    gram: Gram | None = None

    @classmethod
    def of(cls, X: Float32[np.ndarray, "pairs voxels"], roi: tuple[str, ...] | None = None) -> "View":
        """Make a view with a Gram matrix that fits share; it is computed when it is first used."""
        return cls(X, roi, Gram(X))

    def rows(self, keep: Bool[np.ndarray, " pairs"]) -> "View":
        """Select some of the pairs."""
        if keep.all():
            return self
        return View(self.X[keep], self.roi, None if self.gram is None else self.gram[keep])


@dataclass(frozen=True)
class Problem:
    """Training pairs in one view or several (the main lag first), and how they may be divided.

    Attributes
    ----------
    views : tuple of View
        Responses of the pairs at each lag.
    clip : ndarray of int of shape (pairs,)
        Index of the clip of each pair.
    units : ndarray of int of shape (clips,)
        Groups of clips that no fold may divide.
    settings : RidgeSettings
        Settings of the ridge regressions.
    seed : int
        Seed of whatever a regressor or a post-processing samples.
    """

    views: tuple[View, ...]
    clip: Int[np.ndarray, " pairs"]
    units: Int[np.ndarray, " clips"]
    settings: RidgeSettings = field(default_factory=RidgeSettings)
    seed: int = 0

    @property
    def groups(self) -> Int[np.ndarray, " pairs"]:
        """Groups of pairs that folds may not divide; raises :class:`InputError` if there are too few."""
        return inner_groups(self.units, self.clip, self.settings.n_folds)

    @property
    def folds(self) -> Int[np.ndarray, " pairs"]:
        """The fold in which each training pair is held out, the same for every ridge regression."""
        return assign_folds(len(self.clip), self.groups, self.settings.n_folds)

    def rows(self, keep: Bool[np.ndarray, " pairs"], settings: RidgeSettings | None = None) -> "Problem":
        """Select some of the pairs."""
        views = tuple(view.rows(keep) for view in self.views)
        return Problem(views, self.clip[keep], self.units, settings or self.settings, self.seed)

    def ridge(self, targets: Sequence[Pairs]) -> list[Fitted]:
        """Fit ridge regressions from all voxels at the main lag to each set of targets."""
        return fit_ridge(self.views[0].X, targets, self.groups, self.settings, self.views[0].gram)

    def ridge_from(
        self,
        X: Float32[np.ndarray, "pairs features"],
        targets: Sequence[Pairs],
        settings: RidgeSettings | None = None,
        gram: Gram | None = None,
    ) -> list[Fitted]:
        """Fit ridge regressions from other features of the same pairs."""
        return fit_ridge(X, targets, self.groups, settings or self.settings, gram)


@dataclass(frozen=True)
class HeldOut:
    """Cross-validated predictions of training pairs and their true embeddings, both centred per fold.

    The mean of the pairs that each fold was fitted to is subtracted. If the mean of all pairs were subtracted, a pair
    and the prediction made without it would be on opposite sides of it where there is no signal, and whatever is fitted
    to the two would learn to reverse predictions.

    Attributes
    ----------
    predicted, true : ndarray of shape (pairs, dims)
        Predicted and true embeddings.
    fold, clip : ndarray of int of shape (pairs,)
        The fold in which a pair is held out, and the index of its clip.
    """

    predicted: Float32[np.ndarray, "pairs dims"]
    true: Float32[np.ndarray, "pairs dims"]
    fold: Int[np.ndarray, " pairs"]
    clip: Int[np.ndarray, " pairs"]

    @classmethod
    def of(cls, fitted: Fitted, true: Pairs, problem: Problem) -> "HeldOut":
        """Take the held-out predictions of a fit, and the targets that it was fitted to."""
        folds, mean = problem.folds, np.empty_like(true)
        for fold in np.unique(folds):
            mean[folds == fold] = true[folds != fold].mean(axis=0)
        return cls(fitted.held_out - mean, true - mean, folds, problem.clip)

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return int(self.fold.max()) + 1

    def rows(self, keep: Bool[np.ndarray, " pairs"]) -> "HeldOut":
        """Select some of the pairs."""
        return HeldOut(self.predicted[keep], self.true[keep], self.fold[keep], self.clip[keep])

    def by_clip(self) -> "HeldOut":
        """Average over the windows of each clip."""
        _, first, row = np.unique(self.clip, return_index=True, return_inverse=True)
        shares = np.bincount(row).astype(np.float32)[:, None]
        means = [_sums(side, row, len(first)) / shares for side in (self.predicted, self.true)]
        return HeldOut(means[0], means[1], self.fold[first], self.clip[first])

    def identification(self) -> float:
        """Compute two-way identification of clips among those of their fold.

        Clips are not compared over folds: candidates that a map was fitted to are easier to tell from one that it was
        not.
        """
        clips = self.by_clip()
        folds = [clips.fold == fold for fold in range(self.n_folds)]
        values = [inner_identification(clips.predicted[held], clips.true[held]) for held in folds if held.sum() > 1]
        return float(np.mean(values)) if values else 0.5


def inner_identification(
    predicted: Float32[np.ndarray, "clips dims"], true: Float32[np.ndarray, "clips dims"]
) -> float:
    """Compute two-way identification inside the training set (Brain2Music, Eqs. 2-3); constant rows never win."""
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
    """List the voxels of each named region that is large enough."""
    labels = np.array(roi)
    names, counts = np.unique(labels[labels != ""], return_counts=True)
    return {str(name): labels == name for name, count in zip(names, counts, strict=True) if count >= min_voxels}


def _sums(
    values: Float32[np.ndarray, "rows dims"], row: Int[np.ndarray, " rows"], n: int
) -> Float32[np.ndarray, "sums dims"]:
    total = np.zeros((n, values.shape[1]), np.float32)
    np.add.at(total, row, values)
    return total
