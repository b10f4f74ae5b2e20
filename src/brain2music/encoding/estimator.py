"""The encoder as a scikit-learn estimator over embeddings and responses."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil
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
from ..embeddings.embeddings import Embeddings
from ..embeddings.plain import as_data_classes, with_steps
from ..ridge import delayed
from ..study.folds import group_clips, most_folds
from ..study.study import Clip
from .alignment import WINDOW_TOLERANCE, common_windows, features_in, match_scans
from .ceiling import response_ceiling
from .encoder import EncoderSettings, Labels, fit_pairs
from .significance import fdr, voxel_permutation_test
from .voxel_scores import VoxelScores


class Encoder(BaseEstimator):
    """Encoder of the responses of one subject, voxel by voxel, from music embeddings.

    Ridge regression of the mean response in each window on the embedding of the window, with a penalty per voxel chosen
    by cross-validation over recordings [1]_.

    Parameters
    ----------
    alphas : sequence of float, optional
        Ridge penalties tried; default 20 from 0.1 to 1e8.
    n_folds : int, default 5
        Folds of the cross-validation inside the training set; fewer if there are fewer recordings.
    delays : sequence of int, default (0,)
        Windows by which copies of the features precede the response (finite impulse response).
    scans_per_window : int, optional
        Scans averaged per window; default the duration of the embedding's window over the TR, rounded up.
    standardise : bool, default False
        Whether to scale every feature to unit variance over the training set.

    Attributes
    ----------
    best_alphas_, cv_scores_ : ndarray of shape (voxels,)
        The penalty chosen for each voxel, and its cross-validated r² inside the training set.
    mean_ : ndarray of shape (voxels,)
        Mean training response.
    n_folds_ : int
        Number of folds that were used.
    space_ : EmbeddingSpace
        The space of the embeddings.
    ceiling_ : ndarray of shape (voxels,)
        Noise ceiling of each voxel, from the training responses or :meth:`measure_ceiling`; NaN if no clips were
        repeated.
    ceiling_repeats_ : int
        Number of repeats in the average that the ceiling is for; 0 without one.
    trained_on_ : tuple of str
        Names of the training clips.
    preparation_ : dict
        How the responses were made from images, as far as it was given to :meth:`save_pretrained`.

    See Also
    --------
    brain2music.MusicToBrain : Predicts maps from sound with a saved encoder.
    brain2music.encoding.encode : Predicted and measured responses, as arrays.
    brain2music.Decoder : Predicts embeddings from responses.

    References
    ----------
    .. [1] Denk, Takagi et al., "Brain2Music: Reconstructing music from human brain activity", arXiv 2307.11078, §3.4.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> rng = np.random.default_rng(0)
    >>> music = rng.normal(size=(60, 1, 4))
    >>> bold = music @ rng.normal(size=(4, 30)) + 0.1 * rng.normal(size=(60, 1, 30))
    >>> encoder = b2m.Encoder().fit(music[:50], bold[:50])
    >>> bool((encoder.score(bold[50:], music[50:], n_permutations=100).r > 0.9).all())
    True
    """

    def __init__(
        self,
        *,
        alphas: Sequence[float] | None = None,
        n_folds: int = 5,
        delays: Sequence[int] = (0,),
        scans_per_window: int | None = None,
        standardise: bool = False,
    ) -> None:
        self.alphas = alphas
        self.n_folds = n_folds
        self.delays = delays
        self.scans_per_window = scans_per_window
        self.standardise = standardise

    def fit(self, embeddings: Any, responses: Any, groups: Labels | None = None) -> "Encoder":
        """Fit the encoder on training clips.

        Parameters
        ----------
        embeddings : Embeddings or array of shape (clips, windows, dims) or (clips, dims)
            Embeddings of the training clips, matched by name, and of any others, such as those that :meth:`score`
            needs.
        responses : Responses or array of shape (clips, scans, voxels) or (clips, voxels)
            Responses to the training clips.
        groups : sequence of hashable, optional
            A label per training clip, such as its artist; no fold divides clips of one label, nor of one recording.

        Returns
        -------
        Encoder
            The encoder itself.

        Raises
        ------
        InputError
            A clip has no embedding, windows do not fit the scans, or there are too few recordings for the folds.
        """
        train, music = as_data_classes(responses, embeddings)
        self._windows = common_windows(train, [music], self.scans_per_window)
        pairs = match_scans(train, music, windows=self._windows, delays=self.delays)
        groups = group_clips(train.clips, *([] if groups is None else [groups]))
        self.n_folds_ = most_folds(groups, self.n_folds) or self.n_folds
        fitted = fit_pairs(pairs, groups, EncoderSettings(self.alphas, self.n_folds_, self.standardise))
        fitted = replace(fitted, mapping=replace(fitted.mapping, ridge=fitted.mapping.ridge.without_rows()))
        self.trained_on_, self.preparation_ = tuple(clip.name for clip in train.clips), dict[str, Any]()
        self._n_music_windows = music.data.shape[1]
        self._music: Embeddings | None = music
        self._fitted, self._train, self.space_ = fitted, train[:0], music.space
        self.best_alphas_, self.cv_scores_, self.mean_ = fitted.best_alphas, fitted.cv_scores, fitted.mean
        self._set_ceiling(train)
        return self

    def predict(self, responses: Any, embeddings: Any = None) -> Float32[np.ndarray, "clips windows voxels"]:
        """Predict responses, averaged in windows, from the embeddings of the same clips.

        Parameters
        ----------
        responses : Responses or array of shape (clips, scans, voxels) or (clips, voxels)
            Only its clips and timing are used.
        embeddings : Embeddings or array, optional
            Embeddings of these clips; default those passed to :meth:`fit`.

        Returns
        -------
        ndarray of shape (clips, windows, voxels)
            Predictions in the units of the training responses.
        """
        predicted, _, _ = self._sides(responses, embeddings)
        return predicted + self.mean_

    def predict_music(self, embeddings: Any) -> Float32[np.ndarray, "clips windows voxels"]:
        """Predict responses to any music, of which there are no responses, from its embeddings alone.

        Parameters
        ----------
        embeddings : Embeddings or array of shape (clips, windows, dims)
            Embeddings in the space of the fit, with a window at each of its steps; clips may be longer or shorter than
            the training clips.

        Returns
        -------
        ndarray of shape (clips, windows, voxels)
            Mean response in each window of scans, in the units of the training responses.

        Raises
        ------
        InputError
            The embeddings are in another space, or an array has other dimensions.
        """
        check_is_fitted(self)
        if not isinstance(embeddings, Embeddings):
            data = with_steps(embeddings, "embeddings", "dims")
            if data.shape[2] != self.space_.dims:
                what = f"embeddings of {data.shape[2]} dims were given to an encoder of {self.space_.dims}"
                raise InputError(what, hint=f"embed the music with {self.space_.name}")
            embeddings = Embeddings(data, tuple(f"row-{row}" for row in range(len(data))), self.space_)
        self.space_.require_same(embeddings.space)
        windows = replace(self._windows, count=self._count_windows(embeddings.data.shape[1]))
        music = self._listed(embeddings)
        X = features_in(music, [Clip(name, 0.0, 1.0, label=name) for name in music.names], windows, self._train.tr)
        if tuple(self.delays) != (0,):
            X = delayed(X, self.delays, np.repeat(np.arange(len(music)), windows.count))
        return self._fitted.mapping(X).reshape(len(music), windows.count, -1) + self.mean_

    def measure_ceiling(self, responses: Any) -> "Encoder":
        """Measure the noise ceiling of every voxel on responses to repeated clips, such as those of the test set.

        The ceiling is kept with the encoder: it says how far a measured response could agree with a predicted one.

        Parameters
        ----------
        responses : Responses
            Responses with repeats, loaded in the same way as the training responses.

        Returns
        -------
        Encoder
            The encoder itself.

        Raises
        ------
        InputError
            Clips were not repeated equally often, or the responses differ from the training responses in voxels, TR,
            lag or scans.
        """
        check_is_fitted(self)
        if getattr(responses, "repeats", None) is None:
            raise InputError("a noise ceiling needs clips that were all repeated equally often", hint="give others")
        self._set_ceiling(self._require_alike(responses))
        return self

    def save_pretrained(self, folder: str | Path, *, preparation: Mapping[str, Any] | None = None) -> Path:
        """Save the fitted encoder and its noise ceiling as ``config.json`` and ``model.safetensors``.

        Embeddings that were passed to :meth:`fit` are not saved: a loaded encoder is given those of its clips.

        Parameters
        ----------
        folder : str or Path
            Folder to write, created if necessary.
        preparation : mapping, optional
            How the training responses were made from images (:attr:`brain2music.ListeningStudy.preparation`); default
            what the encoder was loaded with.

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
        >>> encoder = b2m.Encoder().fit(music, bold)
        >>> loaded = b2m.Encoder.from_pretrained(encoder.save_pretrained("encoder"))
        >>> bool((loaded.predict_music(music) == encoder.predict_music(music)).all())
        True
        """
        from .saving import save_encoder

        check_is_fitted(self)
        if preparation is not None:
            self.preparation_ = dict(preparation)
        return save_encoder(self, Path(folder))

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "Encoder":
        """Load an encoder from a folder of :meth:`save_pretrained`.

        Parameters
        ----------
        folder : str or Path
            The folder.

        Returns
        -------
        Encoder
            The fitted encoder, whose predictions are those of the one saved, to the last bit.

        Raises
        ------
        InputError
            There is no encoder there, it is of a later version, or a file is damaged.
        """
        from .saving import load_encoder

        return load_encoder(cls(), Path(folder))

    def score(
        self, responses: Any, embeddings: Any = None, *, n_permutations: int = 10_000, random_state: int = 0
    ) -> VoxelScores:
        """Correlate predicted with measured responses to test clips.

        Parameters
        ----------
        responses : Responses or array of shape (clips, scans, voxels) or (clips, voxels)
            Responses that were loaded in the same way as the training responses.
        embeddings : Embeddings or array, optional
            Embeddings of these clips; default those passed to :meth:`fit`.
        n_permutations : int, default 10,000
            Permutations of clips within runs, for p.
        random_state : int, default 0
            Seed of the permutations.

        Returns
        -------
        VoxelScores
            Correlation per voxel, with noise ceiling, p and q.

        Raises
        ------
        InputError
            The responses differ from the training responses in voxels, TR, lag or scans, or a clip has no embedding.
        """
        predicted, measured, scored = self._sides(responses, embeddings)
        rng = np.random.default_rng(random_state)
        recordings = group_clips(scored.clips)
        tested = voxel_permutation_test(predicted, measured, rng, n_permutations, blocks=scored.runs, groups=recordings)
        ceiling = response_ceiling(scored, self._windows)
        return VoxelScores(
            tested.r,
            np.full(len(tested.r), np.nan) if ceiling is None else ceiling.r,
            tested.p,
            fdr(tested.p),
            scored.space,
            self.space_.name,
            scored.subject,
            len(scored),
            scored.simulated,
        )

    def _sides(
        self, responses: Any, embeddings: Any
    ) -> tuple[Float32[np.ndarray, "clips windows voxels"], Float32[np.ndarray, "clips windows voxels"], Responses]:
        """Predicted and measured responses, both minus the training mean, and the responses themselves."""
        check_is_fitted(self)
        if embeddings is None and self._music is None:
            raise InputError("a loaded encoder has no embeddings of its own", hint="give those of these clips")
        scored, music = as_data_classes(responses, self._music if embeddings is None else embeddings)
        self.space_.require_same(music.space)
        scored = self._require_alike(scored)
        pairs = match_scans(scored, music, windows=self._windows, delays=self.delays)
        shape = (len(scored), self._windows.count, len(self.mean_))
        measured = (pairs.Y - self.mean_).reshape(shape)
        return self._fitted.mapping(pairs.X).reshape(shape), measured, scored

    def _require_alike(self, responses: Responses) -> Responses:
        """The responses in the voxels of the fit; :class:`InputError` where they were loaded differently."""
        require_same_grid(self._train, responses)
        train, alike = require_alike(self._train, responses)
        if train.n_voxels != len(self.mean_):
            what = f"the responses lack {len(self.mean_) - train.n_voxels} of the voxels that were trained on"
            raise InputError(what, hint="load both with the same mask")
        return alike

    def _set_ceiling(self, responses: Responses) -> None:
        """Keep the ceiling of responses; NaN where they have no repeats."""
        ceiling = response_ceiling(responses, self._windows)
        self.ceiling_ = np.full(len(self.mean_), np.nan) if ceiling is None else ceiling.r
        self.ceiling_repeats_ = 0 if ceiling is None or responses.repeats is None else len(responses.repeats)

    def _count_windows(self, n_music_windows: int) -> int:
        """Windows of scans in music of so many windows: those that its scans have room for."""
        own, space = self._windows, self.space_
        if n_music_windows == self._n_music_windows or (own.count == 1 and self._train.n_scans == 1):
            return own.count
        seconds = (n_music_windows - 1) * space.step_s + space.window_s
        n_scans = ceil(seconds / self._train.tr - WINDOW_TOLERANCE)
        return max(1, min(n_music_windows, (n_scans - own.length) // own.step + 1))

    def _listed(self, embeddings: Embeddings) -> Embeddings:
        """The embeddings under names of their own, as those of recordings may recur."""
        return replace(embeddings, names=tuple(f"row-{row}" for row in range(len(embeddings))))
