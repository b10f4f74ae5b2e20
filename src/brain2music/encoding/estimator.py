"""The encoder as a scikit-learn estimator over embeddings and responses, and its scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .._utils.errors import InputError
from ..brain.load import require_alike
from ..brain.responses import Responses, VoxelSpace
from ..embeddings.plain import as_data_classes
from ..study.folds import group_clips, most_folds
from .alignment import common_windows, match_scans
from .ceiling import response_ceiling
from .encoder import EncoderSettings, Labels, fit_pairs
from .maps import statmap_image, write_statmap
from .significance import fdr, voxel_permutation_test

Map = Literal["r", "ceiling", "p", "q"]


@dataclass(frozen=True)
class VoxelScores:
    """Scores of an encoder for every voxel.

    Attributes
    ----------
    r : ndarray of shape (voxels,)
        Pearson correlation of predicted and measured responses over the windows of all clips.
    ceiling : ndarray of shape (voxels,)
        Noise ceiling: the r of a perfect prediction; NaN if clips were not repeated.
    p, q : ndarray of shape (voxels,)
        One-sided p against permuted clips, and the false discovery rate (Benjamini-Hochberg).
    space : VoxelSpace or None
        Positions of the voxels.
    embedding, subject : str
        The embedding from which responses were predicted, and the subject.
    n : int
        Number of clips.
    simulated : bool
        Whether the brain is simulated.

    See Also
    --------
    brain2music.Encoder : Its method ``score`` computes them.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> rng = np.random.default_rng(0)
    >>> music = rng.normal(size=(60, 1, 4))
    >>> bold = music @ rng.normal(size=(4, 3)) + np.array([0.1, 10, 0.1]) * rng.normal(size=(60, 1, 3))
    >>> scores = b2m.Encoder().fit(music[:40], bold[:40]).score(bold[40:], music[40:], n_permutations=200)
    >>> (scores.q < 0.05).tolist(), scores.n
    ([True, False, True], 20)
    >>> list(scores.to_frame().columns)
    ['roi', 'r', 'ceiling', 'p', 'q', 'simulated']
    """

    r: Float[np.ndarray, " voxels"]
    ceiling: Float[np.ndarray, " voxels"]
    p: Float[np.ndarray, " voxels"]
    q: Float[np.ndarray, " voxels"]
    space: VoxelSpace | None
    embedding: str
    subject: str
    n: int
    simulated: bool = False

    def to_image(self, what: Map = "r") -> Any:
        """Make a nibabel image of one of the values per voxel; 0 outside the mask and where NaN.

        Parameters
        ----------
        what : {"r", "ceiling", "p", "q"}
            The value.

        Returns
        -------
        nibabel.Nifti1Image
            On the grid of the responses, as nilearn draws it.

        Raises
        ------
        InputError
            If the responses have no coordinates.
        """
        return statmap_image(getattr(self, what), self._require_space())

    def to_nifti(self, path: str | Path, what: Map = "r") -> Path:
        """Write one value per voxel as a NIfTI image with a JSON sidecar; 0 outside the mask and where NaN.

        Parameters
        ----------
        path : str or Path
            Name of the image, ``.nii`` or ``.nii.gz``.
        what : {"r", "ceiling", "p", "q"}
            The value to write.

        Returns
        -------
        Path
            The image.

        Raises
        ------
        InputError
            The responses have no coordinates, or the path is not that of an image.
        """
        path = Path(path)
        space = self._require_space()
        if not path.name.endswith((".nii", ".nii.gz")):
            raise InputError("a map is written as NIfTI", path, "name it .nii.gz")
        text = f"{what} of responses predicted from {self.embedding}, {self.n} clips, subject {self.subject}"
        write_statmap(path, getattr(self, what), space, description=text, simulated=self.simulated)
        return path

    def to_frame(self) -> pd.DataFrame:
        """Convert the scores to a table with one row per voxel.

        Returns
        -------
        DataFrame
            Columns ``roi`` ("" if unnamed), ``r``, ``ceiling``, ``p``, ``q`` and ``simulated``.
        """
        roi = (None if self.space is None else self.space.roi) or [""] * len(self.r)
        values: dict[str, Any] = {name: getattr(self, name) for name in ("r", "ceiling", "p", "q")}
        return pd.DataFrame({"roi": list(roi), **values, "simulated": self.simulated})

    def _require_space(self) -> VoxelSpace:
        if self.space is None:
            raise InputError("these responses have no coordinates", hint="use to_frame() for a table of voxels")
        return self.space


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

    See Also
    --------
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
        self._fitted, self._train, self._music, self.space_ = fitted, train[:0], music, music.space
        self.best_alphas_, self.cv_scores_, self.mean_ = fitted.best_alphas, fitted.cv_scores, fitted.mean
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
        scored, music = as_data_classes(responses, self._music if embeddings is None else embeddings)
        self.space_.require_same(music.space)
        train, scored = require_alike(self._train, scored)
        if train.n_voxels != len(self.mean_):
            what = f"the responses lack {len(self.mean_) - train.n_voxels} of the voxels that were trained on"
            raise InputError(what, hint="load both with the same mask")
        pairs = match_scans(scored, music, windows=self._windows, delays=self.delays)
        shape = (len(scored), self._windows.count, len(self.mean_))
        measured = (pairs.Y - self.mean_).reshape(shape)
        return self._fitted.mapping(pairs.X).reshape(shape), measured, scored
