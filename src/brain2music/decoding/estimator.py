"""The decoder as a scikit-learn estimator over responses and embeddings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .._utils.errors import InputError
from ..brain.layout import require_same_grid
from ..brain.load import require_alike
from ..brain.responses import Responses
from ..embeddings.alignment import average_windows
from ..embeddings.embeddings import DecodedEmbeddings
from ..embeddings.plain import as_responses
from .decoded import Labels
from .fits import Asked, Fitted
from .mappings import without_rows
from .registry import fit_decoder, fit_form, in_form
from .training_pairs import TrainingPairs


class Decoder(BaseEstimator):
    """Decoder of music embeddings from the responses of one subject.

    Ridge regression of the embedding of each window on the mean response in the window, with a penalty per dimension
    chosen by cross-validation over recordings [1]_; or another regressor or post-processing that
    :func:`brain2music.decoding.decoder_options` lists.

    Parameters
    ----------
    name : str, default "ridge"
        A regressor, a post-processing, or both joined by ``+``: ``"selected+whitened"``.
    alphas : sequence of float, optional
        Ridge penalties tried; default 20 from 0.1 to 1e8.
    n_folds : int, default 5
        Folds of the cross-validation inside the training set; fewer if there are fewer recordings.
    scans_per_window : int, optional
        Scans averaged per window; default the duration of the embedding's window over the TR, rounded up.
    standardise : bool, default False
        Whether to scale every voxel to unit variance over the training set. Responses that were z-scored per run do not
        need it.
    random_state : int, default 0
        Seed of whatever a decoder samples.

    Attributes
    ----------
    best_alphas_ : ndarray of shape (fits, dims)
        The penalty chosen for each dimension, in each ridge regression of the decoder.
    cv_scores_ : ndarray of shape (fits, dims)
        Its cross-validated score inside the training set.
    train_mean_ : ndarray of shape (dims,)
        Mean of the training embeddings, towards which predictions are shrunk.
    n_folds_ : int
        Number of folds that were used.
    n_features_in_ : int
        Number of voxels.
    space_ : EmbeddingSpace
        The space of the predicted embeddings.
    trained_on_ : tuple of str
        Names of the training clips.
    preparation_ : dict
        How the responses were made from images, as far as it was given to :meth:`save_pretrained`.

    See Also
    --------
    brain2music.BrainToMusic : Decodes new scans with a saved decoder, to music.
    brain2music.cross_validate : Scores a decoder in folds.
    brain2music.Encoder : Predicts responses from embeddings.

    References
    ----------
    .. [1] Denk, Takagi et al., "Brain2Music: Reconstructing music from human brain activity", arXiv 2307.11078, §3.2.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> rng = np.random.default_rng(0)
    >>> music = rng.normal(size=(60, 1, 4))
    >>> bold = music @ rng.normal(size=(4, 30)) + 0.1 * rng.normal(size=(60, 1, 30))
    >>> decoder = b2m.Decoder("ridge").fit(bold[:50], music[:50])
    >>> decoded = decoder.predict(bold[50:])
    >>> decoded.data.shape, bool(np.abs(decoded.data - music[50:]).max() < 0.5)
    ((10, 1, 4), True)
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

    def fit(
        self, responses: Any, embeddings: Any, groups: Labels | None = None, *, lagged: Sequence[Any] = ()
    ) -> "Decoder":
        """Fit the decoder on training clips.

        Parameters
        ----------
        responses : Responses or array of shape (clips, scans, voxels) or (clips, voxels)
            Responses to the training clips.
        embeddings : Embeddings or array of shape (clips, windows, dims) or (clips, dims)
            Embeddings of these clips, matched by name, and of any others; an array has the same clips in the same
            order.
        groups : sequence of hashable, optional
            A label per training clip, such as its artist; no fold divides clips of one label, nor of one recording.
        lagged : sequence of Responses or arrays, optional
            Responses to the same clips at further lags, which the regressor ``stacked`` combines with the first.

        Returns
        -------
        Decoder
            The decoder itself.

        Raises
        ------
        InputError
            There is no such decoder, a clip has no embedding, windows do not fit the scans, or there are too few
            recordings for the folds.
        """
        return self.fit_to(TrainingPairs.of(self, responses, embeddings, groups, lagged))

    def fit_to(self, training: TrainingPairs, *, keep_rows: bool = False) -> "Decoder":
        """Fit to pairs that were made before (:class:`TrainingPairs`).

        Parameters
        ----------
        training : TrainingPairs
            The pairs.
        keep_rows : bool, default False
            Whether to predict by the training rows, which is faster for few clips, but not by what is saved.

        Returns
        -------
        Decoder
            The decoder itself.
        """
        self.n_folds_ = training.problem.settings.n_folds
        self._problem, self._targets = training.problem, training.targets
        fitted = fit_decoder(self.name, self._problem, [self._targets])[0]
        self._forms, self._mappings = {self.name: fitted}, dict[str, Any]()
        self._converted: dict[int, Any] | None = None if keep_rows else {}
        self.trained_on_, self.preparation_ = training.names, dict[str, Any]()
        self._train, self._n_windows = training.views, training.music.data.shape[1]
        self.space_, self.n_features_in_ = training.music.space, training.views[0].n_voxels
        self.best_alphas_, self.cv_scores_, self.train_mean_ = fitted.best_alphas, fitted.cv_scores, fitted.train_mean
        return self

    def predict(self, responses: Any, form: str = "plain", *, lagged: Sequence[Any] = ()) -> DecodedEmbeddings:
        """Predict the embeddings of clips, in the units of the training embeddings.

        Parameters
        ----------
        responses : Responses or array of shape (clips, scans, voxels) or (clips, voxels)
            Responses that were loaded in the same way as the training responses.
        form : {"plain", "matched", "denoised"}
            ``matched`` gives predictions the mean and covariance of true embeddings, for searches; ``denoised`` also
            draws them towards the training music, for generators. The decoder is not fitted again.
        lagged : sequence of Responses or arrays, optional
            Responses to the same clips at the further lags of the fit, in the same order.

        Returns
        -------
        DecodedEmbeddings
            ``data`` of shape (clips, windows, dims), and the names of the clips.

        Raises
        ------
        InputError
            The responses differ from the training responses in voxels, TR, lag, scans or number of lags.
        """
        check_is_fitted(self)
        if 1 + len(lagged) != len(self._train):
            what = f"responses at {1 + len(lagged)} lags were given to a decoder of {len(self._train)}"
            raise InputError(what, hint="give those at the further lags as `lagged`")
        asked = [self._as_trained(each, train) for each, train in zip((responses, *lagged), self._train, strict=True)]
        averaged = [average_windows(each, self.space_, self._n_windows, self.scans_per_window) for each in asked]
        n_clips, n_windows, n_voxels = averaged[0].shape
        first = asked[0]
        return DecodedEmbeddings(
            self._predict([each.reshape(-1, n_voxels) for each in averaged], form).reshape(n_clips, n_windows, -1),
            tuple(clip.name for clip in first.clips),
            self.space_,
            train_mean=np.tile(self.train_mean_, (n_clips, 1)),
            clips=first.clips,
            subject=first.subject,
            simulated=first.simulated,
            whole=first.n_scans == 1,
        )

    def _as_trained(self, responses: Any, train: Responses) -> Responses:
        asked = responses
        if not isinstance(responses, Responses):
            asked = replace(as_responses(responses, train.tr), lag_tr=train.lag_tr)
        require_same_grid(train, asked)
        train, asked = require_alike(train, asked)
        if train.n_voxels != self.n_features_in_:
            what = f"the responses lack {self.n_features_in_ - train.n_voxels} of the voxels that were trained on"
            raise InputError(what, hint="load both with the same mask")
        return asked

    def predict_windows(self, *views: Any, form: str = "plain") -> Float32[np.ndarray, "windows dims"]:
        """Predict embeddings from responses that are averaged in windows already, as an online experiment has them.

        Parameters
        ----------
        *views : array of shape (windows, voxels)
            Mean response in each window, z-scored per run as the training responses were; at each lag of the fit.
        form : {"plain", "matched", "denoised"}
            As for :meth:`predict`.

        Returns
        -------
        ndarray of shape (windows, dims)
            Predicted embeddings, in the units of the training embeddings.

        Raises
        ------
        InputError
            There are not the voxels or the lags of the fit, or values are not finite.
        """
        check_is_fitted(self)
        if len(views) != len(self._train):
            what = f"responses at {len(views)} lags were given to a decoder of {len(self._train)}"
            raise InputError(what, hint="give the mean response in each window at each of these lags")
        given = [np.asarray(each, np.float32) for each in views]
        for each in given:
            if each.ndim != 2 or each.shape[1] != self.n_features_in_ or len(each) != len(given[0]):
                what = f"responses of shape {each.shape} were given to a decoder of {self.n_features_in_} voxels"
                raise InputError(what, hint="give (windows, voxels), in the voxels of the training responses")
            if not np.isfinite(each).all():
                raise InputError("some responses are NaN or infinite", hint="set these voxels to 0, their mean")
        return self._predict(given, form)

    def save_pretrained(self, folder: str | Path, *, preparation: Mapping[str, Any] | None = None) -> Path:
        """Save the fitted decoder as ``config.json`` and ``model.safetensors``, with all forms of its prediction.

        Parameters
        ----------
        folder : str or Path
            Folder to write, created if necessary.
        preparation : mapping, optional
            How the training responses were made from images (:attr:`brain2music.ListeningStudy.preparation`), by which
            new images are prepared alike; default what the decoder was loaded with.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        InputError
            The folder cannot be written.

        Examples
        --------
        >>> import numpy as np
        >>> import brain2music as b2m
        >>> rng = np.random.default_rng(0)
        >>> music = rng.normal(size=(60, 1, 4))
        >>> bold = music @ rng.normal(size=(4, 30)) + 0.1 * rng.normal(size=(60, 1, 30))
        >>> decoder = b2m.Decoder("ridge").fit(bold[:50], music[:50])
        >>> loaded = b2m.Decoder.from_pretrained(decoder.save_pretrained("decoder"))
        >>> bool((loaded.predict(bold[50:]).data == decoder.predict(bold[50:]).data).all())
        True
        """
        from .saving import save_decoder

        check_is_fitted(self)
        if preparation is not None:
            self.preparation_ = dict(preparation)
        return save_decoder(self, Path(folder))

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "Decoder":
        """Load a decoder from a folder of :meth:`save_pretrained`.

        Parameters
        ----------
        folder : str or Path
            The folder.

        Returns
        -------
        Decoder
            The fitted decoder, whose predictions are those of the one saved, to the last bit.

        Raises
        ------
        InputError
            There is no decoder there, it is of a later version, or a file is damaged.
        """
        from .saving import load_decoder

        return load_decoder(cls(), Path(folder))

    def _predict(self, views: Asked, form: str) -> Float32[np.ndarray, "asked dims"]:
        return np.asarray(self._mapping(form)(views), dtype=np.float32)

    def _mapping(self, form: str) -> Any:
        """The mapping that a form asks for, with weights of voxels."""
        wanted = in_form(self.name, form)
        if wanted not in self._mappings:
            mapping = self._form(form).mapping
            self._mappings[wanted] = mapping if self._converted is None else without_rows(mapping, self._converted)
        return self._mappings[wanted]

    def _form(self, form: str) -> Fitted:
        """The fitted decoder with the post-processing that a form asks for."""
        wanted = in_form(self.name, form)
        if wanted not in self._forms:
            plain = self._forms[self.name]
            self._forms[wanted] = fit_form(self.name, form, plain, self._problem, self._targets)
        return self._forms[wanted]
