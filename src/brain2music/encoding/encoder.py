"""Encoding of responses from embeddings by ridge regression for every voxel, on a training set or in folds."""

import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float32, Int

from ..brain.load import require_alike
from ..brain.responses import Responses, VoxelSpace
from ..embeddings.embeddings import Embeddings, EmbeddingSpace
from ..ridge import DEFAULT_ALPHAS, RidgeFit, RidgeWarning, ridge_cv
from ..study.folds import group_clips, group_k_fold, inner_groups, require_undivided
from ..study.study import Clip
from .alignment import Pairs, Windows, match_scans

Labels = Sequence[Hashable] | Int[np.ndarray, " clips"]


@dataclass(frozen=True)
class Encoded:
    """Responses predicted by an encoder, beside the measured ones.

    Attributes
    ----------
    predicted, measured : ndarray of shape (clips, windows, voxels)
        Both minus the mean response of the training clips of the fit; otherwise correlations across folds would be
        below 0 where nothing can be predicted.
    clips : tuple of Clip
        The clip of each row.
    space : EmbeddingSpace
        Space of the features.
    voxels : VoxelSpace or None
        Positions of the voxels.
    alphas : ndarray of shape (alphas,)
        The penalties tried, ascending.
    best_alphas, cv_scores : ndarray of shape (fits, voxels)
        The penalty chosen for each voxel and its cross-validated r² inside the training set: one row, or one per fold.

    See Also
    --------
    encode : Predicts test clips.
    encode_kfold : Predicts all clips in folds.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.embeddings import as_data_classes
    >>> from brain2music.encoding import encode_kfold
    >>> rng = np.random.default_rng(0)
    >>> features = rng.normal(size=(40, 1, 4))
    >>> bold = features @ rng.normal(size=(4, 6)) + 0.1 * rng.normal(size=(40, 1, 6))
    >>> encoded = encode_kfold(*as_data_classes(bold, features), n_folds=4)
    >>> encoded.predicted.shape, encoded.best_alphas.shape, bool(encoded.r.min() > 0.9)
    ((40, 1, 6), (4, 6), True)
    """

    predicted: Float32[np.ndarray, "clips windows voxels"]
    measured: Float32[np.ndarray, "clips windows voxels"]
    clips: tuple[Clip, ...]
    space: EmbeddingSpace
    voxels: VoxelSpace | None
    alphas: Float[np.ndarray, " alphas"]
    best_alphas: Float[np.ndarray, "fits voxels"]
    cv_scores: Float[np.ndarray, "fits voxels"]

    @cached_property
    def r(self) -> Float[np.ndarray, " voxels"]:
        """Pearson correlation of every voxel over all windows of all clips; 0 where nothing varies."""
        return correlation(self.predicted, self.measured)


@dataclass(frozen=True)
class EncoderSettings:
    """Settings of the ridge regressions of an encoder.

    Attributes
    ----------
    alphas : sequence of float or None
        Penalties tried, of which the best is chosen for each voxel; default 20 from 0.1 to 1e8.
    n_folds : int
        Folds of the cross-validation over clips that chooses them.
    standardise : bool
        Whether to scale features to unit variance over the training set, for embeddings that mix units.
    memory_gb : float
        Working memory allowed, in GiB.

    Examples
    --------
    >>> from brain2music.encoding import EncoderSettings
    >>> EncoderSettings(alphas=[100.0, 1.0, 10.0]).grid
    array([  1.,  10., 100.])
    """

    alphas: Sequence[float] | None = None
    n_folds: int = 5
    standardise: bool = False
    memory_gb: float = 4

    @property
    def grid(self) -> Float[np.ndarray, " alphas"]:
        """The penalties tried, ascending."""
        return np.array(DEFAULT_ALPHAS if self.alphas is None else sorted(self.alphas), dtype=np.float64)


def encode(
    train: Responses,
    train_embeddings: Embeddings,
    test: Responses,
    test_embeddings: Embeddings,
    *,
    windows: Windows | None = None,
    delays: Sequence[int] = (0,),
    fit: EncoderSettings | None = None,
    groups: Labels | None = None,
) -> Encoded:
    """Fit an encoder of every voxel on training clips and predict test clips (Brain2Music [1]_, §3.4).

    Parameters
    ----------
    train : Responses
        Responses to the training clips.
    train_embeddings : Embeddings
        Embeddings of the training clips, matched by name.
    test : Responses
        Responses to the test clips.
    test_embeddings : Embeddings
        Embeddings of the test clips, matched by name.
    windows : Windows, optional
        The windows of scans to predict; default those of the embedding. To compare embeddings on the same rows, use
        :func:`common_windows`.
    delays : sequence of int, default (0,)
        Windows by which copies of the features precede the response (finite impulse response).
    fit : EncoderSettings, optional
        Penalties, folds and scaling of the ridge regressions.
    groups : sequence of hashable, optional
        A label per training clip, such as its artist; no fold divides clips of one label, nor of one recording.

    Returns
    -------
    Encoded
        Predicted and measured responses to the test clips.

    Raises
    ------
    InputError
        Training and test data differ in voxels, TR, lag or embedding, windows do not match, or there are too few clips
        for the folds.

    See Also
    --------
    brain2music.Encoder : The same as a scikit-learn estimator.

    References
    ----------
    .. [1] Denk, Takagi et al., "Brain2Music: Reconstructing music from human brain activity", arXiv 2307.11078.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.embeddings import as_data_classes
    >>> from brain2music.encoding import encode
    >>> rng = np.random.default_rng(0)
    >>> features = rng.normal(size=(50, 1, 4))
    >>> bold = features @ rng.normal(size=(4, 6)) + 0.1 * rng.normal(size=(50, 1, 6))
    >>> bold, music = as_data_classes(bold, features)
    >>> encoded = encode(bold[:40], music, bold[40:], music)
    >>> len(encoded.clips), bool(encoded.r.min() > 0.9)
    (10, True)
    """
    fit = fit or EncoderSettings()
    groups = _groups_of(train, groups)
    train_embeddings.space.require_same(test_embeddings.space)
    train, test = require_alike(train, test)
    train_pairs = match_scans(train, train_embeddings, windows=windows, delays=delays)
    test_pairs = match_scans(test, test_embeddings, windows=windows, delays=delays)
    part = _fit_predict(train_pairs, test_pairs.X, groups, fit)
    return _assemble([part], part.predicted, test_pairs.Y - part.mean, test, train_embeddings.space, fit)


def encode_kfold(
    responses: Responses,
    embeddings: Embeddings,
    *,
    n_folds: int = 10,
    seed: int = 0,
    groups: Labels | None = None,
    folds: Sequence[Int[np.ndarray, " _"]] | None = None,
    windows: Windows | None = None,
    delays: Sequence[int] = (0,),
    fit: EncoderSettings | None = None,
) -> Encoded:
    """Predict the responses to every clip by an encoder that was fitted without it.

    Scaling and penalties are fitted within each fold. Voxels that cannot be predicted have correlations slightly below
    0 (-0.08 for 60 clips), because the random deviations of the training clips of a fold are missing from the held-out
    clips; :func:`brain2music.encoding.chance.chance_in_folds` measures this bias, and corrects p.

    Parameters
    ----------
    responses : Responses
        Responses to all clips.
    embeddings : Embeddings
        Embeddings of all clips, matched by name.
    n_folds : int, default 10
        Outer folds, to which recordings with all their excerpts are assigned at random.
    seed : int, default 0
        Seed of this assignment.
    groups : sequence of hashable, optional
        A label per clip, such as its artist; no fold divides clips of one label.
    folds : sequence of ndarray of int, optional
        The clips held out in each fold, instead of ``n_folds`` and ``seed``.
    windows : Windows, optional
        The windows of scans to predict; default those of the embedding.
    delays : sequence of int, default (0,)
        Windows by which copies of the features precede the response.
    fit : EncoderSettings, optional
        Penalties, inner folds and scaling of the ridge regressions.

    Returns
    -------
    Encoded
        Predicted and measured responses to all clips.

    Raises
    ------
    InputError
        Windows do not match, or there are fewer recordings or labels than folds.
    LeakageError
        ``folds`` divide a recording or label.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.embeddings import as_data_classes
    >>> from brain2music.encoding import encode_kfold
    >>> rng = np.random.default_rng(0)
    >>> features = rng.normal(size=(40, 1, 4))
    >>> bold = features @ rng.normal(size=(4, 6)) + 0.1 * rng.normal(size=(40, 1, 6))
    >>> encoded = encode_kfold(*as_data_classes(bold, features), n_folds=4)
    >>> bool(encoded.r.min() > 0.9)
    True
    """
    fit, groups = fit or EncoderSettings(), _groups_of(responses, groups)
    folds = list(group_k_fold(len(groups), n_folds, seed, groups) if folds is None else folds)
    require_undivided(folds, groups)
    pairs = match_scans(responses, embeddings, windows=windows, delays=delays)
    parts, predicted, measured = predict_in_folds(pairs, folds, groups, fit)
    return _assemble(parts, predicted, measured, responses, embeddings.space, fit)


def predict_in_folds(
    pairs: Pairs, folds: Sequence[Int[np.ndarray, " _"]], groups: Int[np.ndarray, " clips"], fit: EncoderSettings
) -> tuple[list["Part"], Float32[np.ndarray, "pairs voxels"], Float32[np.ndarray, "pairs voxels"]]:
    """Fit and predict each fold; predicted and measured responses are centred on the training mean of their fold."""
    predicted, measured = np.empty_like(pairs.Y), np.empty_like(pairs.Y)
    parts = []
    for fold in folds:
        held_out = np.isin(pairs.groups, fold)
        train_pairs = Pairs(pairs.X[~held_out], pairs.Y[~held_out], pairs.groups[~held_out])
        part = _fit_predict(train_pairs, pairs.X[held_out], groups, fit)
        predicted[held_out] = part.predicted
        measured[held_out] = pairs.Y[held_out] - part.mean
        parts.append(part)
    return parts, predicted, measured


def correlation(
    a: Float32[np.ndarray, "clips windows voxels"], b: Float32[np.ndarray, "clips windows voxels"]
) -> Float[np.ndarray, " voxels"]:
    """Compute the Pearson correlation of every voxel over clips and windows; 0 where either does not vary."""
    return np.einsum("cwv,cwv->v", standardise_voxels(a), standardise_voxels(b), dtype=np.float64)


def standardise_voxels(x: Float32[np.ndarray, "clips windows voxels"]) -> Float32[np.ndarray, "clips windows voxels"]:
    """Centre every voxel over clips and windows and scale it to norm 1; 0 where it does not vary."""
    centred = x - x.mean(axis=(0, 1), dtype=np.float64)
    norm = np.sqrt((centred**2).sum(axis=(0, 1)))
    rounding = 1e-6 * np.sqrt(x[..., 0].size) * np.abs(x).max(axis=(0, 1))
    scale = np.divide(1, norm, out=np.zeros_like(norm), where=norm > rounding)
    return (centred * scale).astype(np.float32)


@dataclass(frozen=True)
class Part:
    """The result of one fit: predictions minus the training mean, that mean, and per voxel the penalty and score."""

    predicted: Float32[np.ndarray, "pairs voxels"]
    mean: Float32[np.ndarray, " voxels"]
    best_alphas: Float[np.ndarray, " voxels"]
    cv_scores: Float[np.ndarray, " voxels"]


@dataclass(frozen=True)
class EncoderMapping:
    """Ridge regressions of responses minus their training mean on features, which are centred and scaled first."""

    centre: Float32[np.ndarray, " features"]
    scale: Float32[np.ndarray, " features"]
    ridge: RidgeFit

    def __call__(self, rows: Float32[np.ndarray, "rows features"]) -> Float32[np.ndarray, "rows voxels"]:
        return np.asarray(self.ridge.predict((rows - self.centre) * self.scale), dtype=np.float32)


@dataclass(frozen=True)
class FittedEncoder:
    """Fitted encoders of all voxels: ``mapping`` predicts responses minus their training mean from features."""

    mapping: EncoderMapping
    mean: Float32[np.ndarray, " voxels"]
    best_alphas: Float[np.ndarray, " voxels"]
    cv_scores: Float[np.ndarray, " voxels"]


def _groups_of(responses: Responses, groups: Labels | None) -> Int[np.ndarray, " clips"]:
    return group_clips(responses.clips, *([] if groups is None else [groups]))


def _fit_predict(
    train_pairs: Pairs,
    test_features: Float32[np.ndarray, "test features"],
    groups: Int[np.ndarray, " clips"],
    fit: EncoderSettings,
) -> Part:
    fitted = fit_pairs(train_pairs, groups, fit)
    return Part(fitted.mapping(test_features), fitted.mean, fitted.best_alphas, fitted.cv_scores)


def fit_pairs(pairs: Pairs, groups: Int[np.ndarray, " clips"], fit: EncoderSettings) -> FittedEncoder:
    """Fit ridge regressions to pairs, with the penalty of each voxel chosen by cross-validation over ``groups``."""
    pair_groups = inner_groups(groups, pairs.groups, fit.n_folds)
    centre, mean = pairs.X.mean(axis=0), pairs.Y.mean(axis=0, dtype=np.float64).astype(np.float32)
    scale = np.ones_like(centre)
    if fit.standardise:
        sd = pairs.X.std(axis=0)
        scale = np.divide(1, sd, out=np.zeros_like(sd), where=sd > 1e-6 * np.abs(centre))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RidgeWarning)  # voxels without signal choose the largest penalty
        ridge = ridge_cv(
            (pairs.X - centre) * scale,
            pairs.Y - mean,
            alphas=fit.grid,
            groups=pair_groups,
            n_folds=fit.n_folds,
            memory_gb=fit.memory_gb,
        )
    return FittedEncoder(
        EncoderMapping(centre, scale, ridge),
        mean,
        np.asarray(ridge.best_alphas, dtype=np.float64),
        np.asarray(ridge.cv_scores, dtype=np.float64).max(axis=0),
    )


def _assemble(
    parts: Sequence[Part],
    predicted: Float32[np.ndarray, "pairs voxels"],
    measured: Float32[np.ndarray, "pairs voxels"],
    responses: Responses,
    space: EmbeddingSpace,
    fit: EncoderSettings,
) -> Encoded:
    """Reshape pairs to (clips, windows, voxels)."""
    shape = (len(responses.clips), -1, predicted.shape[1])
    return Encoded(
        predicted.reshape(shape),
        measured.reshape(shape),
        responses.clips,
        space,
        responses.space,
        fit.grid,
        np.stack([part.best_alphas for part in parts]),
        np.stack([part.cv_scores for part in parts]),
    )
