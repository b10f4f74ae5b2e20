"""The decoder as a scikit-learn estimator over responses and embeddings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float32
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .._utils.errors import InputError
from ..brain.load import require_alike
from ..brain.responses import Responses
from ..embeddings.alignment import average_windows, match_windows
from ..embeddings.embeddings import DecodedEmbeddings
from ..embeddings.plain import as_data_classes, as_responses
from ..study.folds import most_folds
from .decoder import Labels, undivided
from .fits import Fit, Fitted
from .options import fit_with, require_option, with_calibration, with_exemplars, with_head
from .problem import Problem, View

FORMS: Mapping[str, Callable[[str], str]] = {
    "plain": lambda name: name,
    "matched": with_calibration,
    "denoised": with_exemplars,
}
"""For each form of a prediction the decoder that gives it."""


class Decoder(BaseEstimator):
    """Predicts music embeddings from one subject's responses.

    Ridge regression from the mean response in each window to the window's embedding, with a penalty per dimension
    chosen by cross-validation over recordings [1]_, and the regressors and post-processing that
    :func:`brain2music.decoding.options.decoder_options` lists.

    Parameters
    ----------
    name : str, default "ridge"
        A regressor, post-processing, or both joined by ``+``: ``"selected+whitened"``.
    alphas : sequence of float, optional
        Ridge penalties tried; default 20 from 0.1 to 1e8.
    n_folds : int, default 5
        Folds of the cross-validation inside the training set; fewer where there are fewer recordings.
    scans_per_window : int, optional
        Scans averaged per window; default the length of the embedding's window over the TR, rounded up.
    standardise : bool, default False
        Scale every voxel to unit variance over the training set. Responses z-scored per run do without.
    random_state : int, default 0
        Seed of whatever a decoder draws.

    Attributes
    ----------
    best_alphas_ : ndarray of shape (fits, dims)
        The penalty chosen for each dimension, in each ridge of the decoder.
    cv_scores_ : ndarray of shape (fits, dims)
        Its cross-validated score inside the training set.
    train_mean_ : ndarray of shape (dims,)
        Mean of the training embeddings: predictions are shrunk towards it.
    n_folds_ : int
        Folds that were used.
    n_features_in_ : int
        Voxels.
    space_ : EmbeddingSpace
        What the predicted embeddings are.

    Raises
    ------
    InputError
        There is no such decoder; clips have no embedding; windows do not fit the scans; too few recordings to fold.

    References
    ----------
    .. [1] Denk, Takagi et al., "Brain2Music: Reconstructing music from human brain activity", arXiv 2307.11078, §3.2.

    Examples
    --------
    >>> import numpy as np, brain2music as b2m
    >>> rng = np.random.default_rng(0)
    >>> music = rng.normal(size=(60, 1, 4))
    >>> bold = music @ rng.normal(size=(4, 30)) + 0.1 * rng.normal(size=(60, 1, 30))
    >>> decoder = b2m.Decoder("ridge").fit(bold[:50], music[:50])
    >>> decoder.predict(bold[50:]).data.shape
    (10, 1, 4)
    """

    def __init__(
        self,
        name: str = "ridge",
        *,
        alphas: Sequence[float] | None = None,
        n_folds: int = 5,
        scans_per_window: int | None = None,
        standardise: bool = False,
        random_state: int = 0,
    ) -> None:
        self.name = name
        self.alphas = alphas
        self.n_folds = n_folds
        self.scans_per_window = scans_per_window
        self.standardise = standardise
        self.random_state = random_state

    def fit(self, responses: Any, embeddings: Any, groups: Labels | None = None) -> "Decoder":
        """Fit on training clips.

        Parameters
        ----------
        responses : Responses, or array of shape (clips, scans, voxels) or (clips, voxels)
            Of the training clips.
        embeddings : Embeddings, or array of shape (clips, windows, dims) or (clips, dims)
            Of these clips, matched by name, and of any others; an array has the same clips in the same order.
        groups : sequence, optional
            A label per training clip, such as its artist: no fold divides clips of one label, nor of one recording.

        Returns
        -------
        Decoder
            Itself.
        """
        require_option(self.name)
        train, music = as_data_classes(responses, embeddings)
        pairs = match_windows(train, music, scans_per_window=self.scans_per_window)
        units = undivided(train, together=groups)
        self.n_folds_ = most_folds(units, self.n_folds) or self.n_folds
        fit = Fit(self.alphas, self.n_folds_, standardise=self.standardise)
        roi = None if train.space is None else train.space.roi
        self._problem = Problem((View(pairs, pairs.X[:0], roi),), units, fit, self.random_state)
        self._forms = {self.name: fit_with(self.name, self._problem)}
        fitted = self._forms[self.name]
        self._train, self._n_windows = train[:0], music.data.shape[1]
        self.space_, self.n_features_in_ = music.space, train.n_voxels
        self.best_alphas_, self.cv_scores_, self.train_mean_ = fitted.best_alphas, fitted.cv_scores, fitted.train_mean
        return self

    def predict(self, responses: Any, form: str = "plain") -> DecodedEmbeddings:
        """Predicted embeddings of clips, in the embedding's own units.

        Parameters
        ----------
        responses : Responses, or array of shape (clips, scans, voxels) or (clips, voxels)
            Loaded as the training responses were.
        form : {"plain", "matched", "denoised"}
            ``matched`` gives predictions the mean and covariance of true embeddings, for searches; ``denoised`` draws
            them towards the training music besides, for generators. The decoder is not fitted again.

        Returns
        -------
        DecodedEmbeddings
            ``data`` (clips, windows, dims); ``names`` of the clips.

        Raises
        ------
        InputError
            The responses differ from the training responses in voxels, TR, lag or scans.
        """
        check_is_fitted(self)
        asked = self._as_trained(responses)
        averaged = average_windows(asked, self.space_, self._n_windows, self.scans_per_window)
        n_clips, n_windows, n_voxels = averaged.shape
        values = self._form(form).predict(averaged.reshape(-1, n_voxels)).values
        return DecodedEmbeddings(
            values.reshape(n_clips, n_windows, -1),
            tuple(clip.name for clip in asked.clips),
            self.space_,
            train_mean=_repeated(self.train_mean_, n_clips),
            clips=asked.clips,
            subject=asked.subject,
            simulated=asked.simulated,
            whole=asked.n_scans == 1,
        )

    def _as_trained(self, responses: Any) -> Responses:
        asked = responses
        if not isinstance(responses, Responses):
            asked = replace(as_responses(responses, self._train.tr), lag_tr=self._train.lag_tr)
        train, asked = require_alike(self._train, asked)
        if train.n_voxels != self.n_features_in_:
            what = f"the responses lack {self.n_features_in_ - train.n_voxels} of the voxels that were trained on"
            raise InputError(what, hint="load both with the same mask")
        return asked

    def _form(self, form: str) -> Fitted:
        """The fitted decoder with the post-processing that a form asks for."""
        if form not in FORMS:
            raise InputError(f"there is no form {form!r} of a prediction", hint=f"choose {', '.join(FORMS)}")
        wanted = FORMS[form](self.name)
        if wanted not in self._forms:
            self._forms[wanted] = self._extended(wanted)
        return self._forms[wanted]

    def _extended(self, wanted: str) -> Fitted:
        if not wanted.startswith(self.name):  # auto, which nothing joins
            return fit_with(wanted, self._problem)
        fitted = self._forms[self.name]
        for head in wanted.removeprefix(self.name).removeprefix("+").split("+"):
            fitted = with_head(fitted, self._problem, head)
        return fitted


def _repeated(mean: Float32[np.ndarray, " dims"], n_clips: int) -> Float32[np.ndarray, "clips dims"]:
    return np.tile(mean, (n_clips, 1))
