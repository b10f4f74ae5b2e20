"""Responses to embeddings: a ridge decoder per subject, fitted on training clips or inside folds."""

import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from .._utils.errors import Brain2MusicWarning
from ..brain.load import require_alike
from ..brain.responses import Responses
from ..embeddings.alignment import Matched, match_windows
from ..embeddings.embeddings import Embeddings, EmbeddingSpace
from ..study.folds import group_clips, group_k_fold, require_undivided
from ..study.study import Clip
from .fits import Fit, Grouping, Prediction, fit_predict, predict_folds

Labels = Sequence[Hashable] | Int[np.ndarray, " clips"]


@dataclass(frozen=True)
class Decoded:
    """Predicted embeddings beside the true ones.

    Attributes
    ----------
    predicted, true : (clips, windows, dims), in the embedding's own units.
    train_mean : (clips, dims), mean of the training targets in the fit that predicted the clip. Between
        folds it moves away from the clips held out, so that identification across folds is below chance
        without signal (0.40 where 0.50 is expected) unless it is taken off both sides.
    clips : the clip of each row.
    space : what the embedding is.
    alphas : (alphas,) the penalties tried, ascending.
    best_alphas, cv_scores : (fits, dims), the penalty chosen and its cross-validated score inside the
        training set, in each fit: one, or one a fold.
    """

    predicted: Float32[np.ndarray, "clips windows dims"]
    true: Float32[np.ndarray, "clips windows dims"]
    train_mean: Float32[np.ndarray, "clips dims"]
    clips: tuple[Clip, ...]
    space: EmbeddingSpace
    alphas: Float[np.ndarray, " alphas"]
    best_alphas: Float[np.ndarray, "fits dims"]
    cv_scores: Float[np.ndarray, "fits dims"]

    @property
    def on_edge(self) -> Bool[np.ndarray, " dims"]:
        """Dimensions that can be predicted (score above 0) by the smallest or largest penalty tried, in any fit."""
        return self._best_at(0) | self._best_at(-1)

    def _best_at(self, place: int) -> Bool[np.ndarray, " dims"]:
        return (np.isclose(self.best_alphas, self.alphas[place]) & (self.cv_scores > 0)).any(axis=0)


def decode(
    train: Responses,
    train_embeddings: Embeddings,
    test: Responses,
    test_embeddings: Embeddings,
    *,
    alphas: Sequence[float] | None = None,
    n_folds: int = 5,
    groups: Grouping = "clip",
    scans_per_window: int | None = None,
    standardise: bool = False,
) -> Decoded:
    """Fit on the training clips, predict the test clips (Brain2Music §3.2, Eq. 1: T̂ = R W).

    Parameters
    ----------
    alphas : penalties tried, default 20 from 0.1 to 1e8 (the paper does not give its own); the best is
        chosen for each dimension.
    n_folds : folds of the cross-validation inside the training set that chooses them.
    groups : what a fold may not divide: a recording, with all its excerpts ("clip"), or the clips of a run besides.
    scans_per_window : scans averaged per window; default ⌈window / TR⌉.
    standardise : scale every voxel to unit variance over the training pairs first. Responses that are
        z-scored per run do without. Targets are always centred on the training pairs.

    Raises
    ------
    InputError : the two sides differ in voxels, TR, lag or embedding; windows do not match; too few groups
        to fold.
    """
    fit = Fit(alphas, n_folds, groups, standardise)
    sides = match_sides(train, train_embeddings, test, test_embeddings, scans_per_window, groups)
    prediction = fit_predict(sides.train, sides.test.X, sides.units, fit)
    decoded = assemble(prediction, sides.test, test.clips, train_embeddings.space, fit)
    warn_on_edge(decoded)
    return decoded


def decode_kfold(
    responses: Responses,
    embeddings: Embeddings,
    *,
    n_folds: int = 10,
    seed: int = 0,
    together: Labels | None = None,
    folds: Sequence[Int[np.ndarray, " _"]] | None = None,
    alphas: Sequence[float] | None = None,
    inner_folds: int = 5,
    groups: Grouping = "clip",
    scans_per_window: int | None = None,
    standardise: bool = True,
) -> Decoded:
    """Predict every clip from a decoder fitted without it; scaling and penalties are fitted in the fold.

    Parameters
    ----------
    n_folds : outer folds; recordings, with all their excerpts, are dealt out at random by ``seed``.
    together : a label per clip; clips with one label (an artist, a run) stay in one fold besides.
    folds : the clips held out in each fold, instead of those dealt by ``n_folds`` and ``seed``.
    inner_folds, the rest : as ``n_folds`` and the rest of :func:`decode`.

    Raises
    ------
    InputError : windows do not match, or there are fewer recordings or labels than folds.
    LeakageError : ``folds`` divide a recording or label.
    """
    fit = Fit(alphas, inner_folds, groups, standardise)
    pairs = match_windows(responses, embeddings, scans_per_window=scans_per_window)
    units = undivided(responses, groups, together)
    folds = outer_folds(responses, n_folds, seed, together, folds)
    prediction = predict_folds(pairs, units, folds, fit)
    decoded = assemble(prediction, pairs, responses.clips, embeddings.space, fit)
    warn_on_edge(decoded)
    return decoded


@dataclass(frozen=True)
class Sides:
    """Matched training and test pairs, and what folds may not divide of the training clips (:func:`undivided`)."""

    train: Matched
    test: Matched
    units: Int[np.ndarray, " clips"]


def match_sides(
    train: Responses,
    train_embeddings: Embeddings,
    test: Responses,
    test_embeddings: Embeddings,
    scans_per_window: int | None = None,
    groups: Grouping = "clip",
    together: Labels | None = None,
) -> Sides:
    """Match the windows of both sides; :class:`InputError` where the sides cannot meet."""
    train_embeddings.space.require_same(test_embeddings.space)
    train, test = require_alike(train, test)
    return Sides(
        match_windows(train, train_embeddings, scans_per_window=scans_per_window),
        match_windows(test, test_embeddings, scans_per_window=scans_per_window),
        undivided(train, groups, together),
    )


def undivided(
    responses: Responses, groups: Grouping = "clip", together: Labels | None = None
) -> Int[np.ndarray, " clips"]:
    """What no fold may divide, a number per clip: recordings, and whatever else is held together."""
    labels = ([] if together is None else [together]) + ([responses.runs] if groups == "run" else [])
    return group_clips(responses.clips, *labels)


def outer_folds(
    responses: Responses,
    n_folds: int,
    seed: int,
    together: Labels | None = None,
    folds: Sequence[Int[np.ndarray, " _"]] | None = None,
) -> list[Int[np.ndarray, " _"]]:
    """The folds given, or else dealt; none divides a recording or what shares a label."""
    units = undivided(responses, together=together)
    dealt = list(group_k_fold(len(units), n_folds, seed, units) if folds is None else folds)
    require_undivided(dealt, units)
    return dealt


def assemble(
    prediction: Prediction, asked: Matched, clips: tuple[Clip, ...], space: EmbeddingSpace, fit: Fit
) -> Decoded:
    """Pairs back to (clips, windows, dims)."""
    shape = (len(clips), asked.n_windows, space.dims)
    return Decoded(
        prediction.values.reshape(shape),
        asked.Y.reshape(shape),
        prediction.train_mean.reshape(shape)[:, 0],
        clips,
        space,
        fit.grid,
        prediction.best_alphas,
        prediction.cv_scores,
    )


def warn_on_edge(decoded: Decoded) -> None:
    """Warn where the best penalty lies on the edge of the grid: the true optimum may lie beyond it."""
    low, high = int(decoded._best_at(0).sum()), int(decoded._best_at(-1).sum())
    if low or high:
        text = (
            f"{decoded.space.name}: of {decoded.space.dims} dimensions, {low} are best predicted by the smallest and "
            f"{high} by the largest penalty tried; widen the grid"
        )
        warnings.warn(text, Brain2MusicWarning, stacklevel=3)
