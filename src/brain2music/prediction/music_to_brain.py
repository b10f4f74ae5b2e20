"""From new sounds to predicted responses by a fitted encoder: loaded once, asked many times."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32

from .._utils.errors import InputError
from ..audio.io import duration_of
from ..brain.preparation import presentation_of
from ..brain.responses import VoxelSpace
from ..embeddings.clips import LabelEmbedder
from ..embeddings.embeddings import Embeddings
from ..embeddings.protocols import Embedder
from ..encoding.estimator import Encoder
from ..encoding.maps import statmap_image, write_statmap
from ..models.embedders import get_embedder
from ..study.stimuli import Stimuli, fade
from ..study.study import Clip

PredictedMap = Literal["mean", "ceiling", "cv_r2"]


@dataclass(frozen=True)
class PredictedResponses:
    """Responses that an encoder predicts of one sound.

    Attributes
    ----------
    name : str
        Name of the sound.
    data : ndarray of shape (windows, voxels)
        Mean response in each window of scans, in the units of the training responses: standard deviations of a run.
    starts_s : ndarray of shape (windows,)
        Seconds of the sound at which each window begins; the response itself follows by the lag.
    ceiling : ndarray of shape (voxels,)
        Noise ceiling: the highest correlation that a measured response could have with a perfect prediction; NaN if
        clips were not repeated.
    cv_r2 : ndarray of shape (voxels,)
        How well the encoder predicts held-out training clips; around 0, the prediction of the voxel means nothing.
    space : VoxelSpace or None
        Positions of the voxels.
    embedding, subject : str
        The embedding of the encoder, and its subject.
    lag_s : float
        Seconds by which responses follow the sound.
    simulated : bool
        Whether the encoder is of a simulated brain.

    See Also
    --------
    MusicToBrain : Predicts them.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.prediction import PredictedResponses
    >>> nothing = np.full(3, np.nan)
    >>> predicted = PredictedResponses(
    ...     "a.wav", np.ones((2, 3), np.float32), np.array([0.0, 1.5]), nothing, nothing, None, "logmel", "01", 4.5
    ... )
    >>> predicted.mean, list(predicted.to_frame().columns)
    (array([1., 1., 1.], dtype=float32), ['voxel', 'roi', 'predicted', 'ceiling', 'cv_r2', 'simulated'])
    """

    name: str
    data: Float32[np.ndarray, "windows voxels"]
    starts_s: Float[np.ndarray, " windows"]
    ceiling: Float[np.ndarray, " voxels"]
    cv_r2: Float[np.ndarray, " voxels"]
    space: VoxelSpace | None
    embedding: str
    subject: str
    lag_s: float
    simulated: bool = False

    @property
    def mean(self) -> Float32[np.ndarray, " voxels"]:
        """Mean over the windows."""
        return self.data.mean(axis=0, dtype=np.float32)

    def to_image(self, what: PredictedMap = "mean") -> Any:
        """Make a nibabel image of one value per voxel; 0 outside the mask and where NaN.

        Parameters
        ----------
        what : {"mean", "ceiling", "cv_r2"}
            The predicted response, averaged over windows; its noise ceiling; or the score of the encoder.

        Returns
        -------
        nibabel.Nifti1Image
            On surfaces, a pair of GIFTI images or one of CIFTI; else on the grid of the training images.

        Raises
        ------
        InputError
            The encoder has no coordinates.
        """
        return statmap_image(getattr(self, what), self._require_space())

    def to_nifti(self, path: str | Path, what: PredictedMap = "mean") -> Path:
        """Write one value per voxel as a NIfTI image with a JSON sidecar.

        Parameters
        ----------
        path : str or Path
            Name of the image, ``.nii`` or ``.nii.gz``.
        what : {"mean", "ceiling", "cv_r2"}
            As for :meth:`to_image`.

        Returns
        -------
        Path
            The image; of a pair of hemispheres the left.

        Raises
        ------
        InputError
            The encoder has no coordinates, or the path is not that of an image.
        """
        path, space = Path(path), self._require_space()
        if not path.name.endswith((".nii", ".nii.gz")):
            raise InputError("a map is written as NIfTI", path, "name it .nii.gz")
        whats = {
            "mean": f"Response to {self.name} predicted from {self.embedding}, mean over {len(self.data)} windows",
            "ceiling": "Highest correlation with measured responses that noise allows",
            "cv_r2": f"Cross-validated r² of responses predicted from {self.embedding}",
        }
        about = f"{whats[what]}, subject {self.subject}"
        return write_statmap(path, getattr(self, what), space, description=about, simulated=self.simulated)[0]

    def to_frame(self) -> pd.DataFrame:
        """Convert to a table with one row per voxel.

        Returns
        -------
        DataFrame
            Columns ``voxel``, ``roi`` ("" if unnamed), ``predicted`` (the mean over windows), ``ceiling``, ``cv_r2``
            and ``simulated``.
        """
        roi = (None if self.space is None else self.space.roi) or [""] * len(self.ceiling)
        values = {"predicted": self.mean, "ceiling": self.ceiling, "cv_r2": self.cv_r2}
        table = {"voxel": np.arange(len(self.ceiling)), "roi": list(roi), **values, "simulated": self.simulated}
        return pd.DataFrame(table)

    def _require_space(self) -> VoxelSpace:
        if self.space is None:
            raise InputError("the encoder has no coordinates of voxels", hint="use to_frame() for a table of voxels")
        return self.space


class MusicToBrain:
    """A fitted encoder with its embedding: sounds in, predicted responses with their noise ceiling out.

    Parameters
    ----------
    encoder : Encoder, str or Path
        A fitted encoder, or the folder of a saved one.
    embedder : Embedder, optional
        Embedder of the encoder's space; default that of its name (:func:`brain2music.get_embedder`).

    Attributes
    ----------
    encoder : Encoder
        The encoder.
    embedder : Embedder
        The embedder.

    Raises
    ------
    InputError
        There is no such model, it is damaged, or the embedding that is here differs from that of the encoder.

    See Also
    --------
    BrainToMusic : The other direction.
    brain2music.Encoder : The encoder by itself.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.embeddings import Embeddings
    >>> rng = np.random.default_rng(0)
    >>> embedder = b2m.get_embedder("logmel", 1.5, 1.5)
    >>> sounds = rng.normal(0, 0.1, (40, 3 * embedder.space.sample_rate)).astype(np.float32)
    >>> vectors = np.stack([embedder.embed(sound, embedder.space.sample_rate) for sound in sounds])
    >>> weights = rng.normal(size=(embedder.space.dims, 5))
    >>> names = tuple(f"row-{i}" for i in range(40))
    >>> encoder = b2m.Encoder().fit(Embeddings(vectors, names, embedder.space), vectors @ weights)
    >>> online = b2m.MusicToBrain(encoder.save_pretrained("encoder"))
    >>> predicted = online.predict((sounds[0], embedder.space.sample_rate))
    >>> predicted.data.shape, bool(np.corrcoef(predicted.data.ravel(), (vectors[0] @ weights).ravel())[0, 1] > 0.9)
    ((2, 5), True)
    """

    def __init__(self, encoder: Encoder | str | Path, embedder: Embedder | None = None) -> None:
        self.encoder = encoder if isinstance(encoder, Encoder) else Encoder.from_pretrained(encoder)
        space = self.encoder.space_
        self.embedder = get_embedder(space.name, space.window_s, space.step_s) if embedder is None else embedder
        space.require_same(self.embedder.space)
        if isinstance(self.embedder, LabelEmbedder):
            what = f"{space.name} embeds labels of clips, not their sound"
            raise InputError(what, hint="name an encoder from an embedding of sound")
        self._stimuli = presentation_of(self.encoder.preparation_)

    def predict(self, sound: str | Path | tuple[np.ndarray, int]) -> PredictedResponses:
        """Predict the responses to a sound, which is faded and levelled as the stimuli of the study were.

        Parameters
        ----------
        sound : str, Path, or tuple of ndarray of shape (samples,) and int
            A sound file; or mono samples, and their rate in Hz.

        Returns
        -------
        PredictedResponses
            Predicted responses in each window, with the noise ceiling.

        Raises
        ------
        InputError
            The sound cannot be read, is silent, or is shorter than a window of the embedding.
        """
        encoder, layout = self.encoder, self.encoder._train
        name, (waveform, rate) = self._presented(sound)
        vectors = self.embedder.embed(waveform, rate)
        data = encoder.predict_music(Embeddings(vectors[None], (name,), encoder.space_))[0]
        return PredictedResponses(
            name,
            data.astype(np.float32),
            np.arange(len(data)) * encoder._windows.step * layout.tr,
            encoder.ceiling_,
            encoder.cv_scores_,
            layout.space,
            encoder.space_.name,
            layout.subject,
            layout.lag_tr * layout.tr,
            layout.simulated,
        )

    def _presented(
        self, sound: str | Path | tuple[np.ndarray, int]
    ) -> tuple[str, tuple[Float32[np.ndarray, " samples"], int]]:
        """Name and waveform of a sound as it would have been presented in the study."""
        fade_s, rms = self._stimuli.fade_s, self._stimuli.rms
        if isinstance(sound, tuple):
            waveform, rate = np.asarray(sound[0], np.float32), int(sound[1])
            if waveform.ndim != 1 or not waveform.size or not np.isfinite(waveform).all():
                raise InputError(
                    f"samples of shape {waveform.shape} were given", hint="give finite samples of one channel"
                )
            faded = waveform * fade(len(waveform), fade_s, rate)
            level = float(np.sqrt(np.mean(np.square(faded, dtype=np.float64))))
            if rms is not None and level == 0:
                raise InputError("the sound is silent", hint="give another")
            return "sound", (faded if rms is None else (faded * (rms / level)).astype(np.float32), rate)
        path = Path(sound)
        if not path.is_file():
            raise InputError("the recording is missing", path, "check the path")
        clip = Clip(path.name, 0.0, max(duration_of(path), 1e-3), label=path.name)
        return path.name, Stimuli(path.parent, fade_s=fade_s, rms=rms).waveform(clip)
