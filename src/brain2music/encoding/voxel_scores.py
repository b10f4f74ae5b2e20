"""Scores of an encoder, a value per voxel, as a table, an image or a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from .._utils.errors import InputError
from ..brain.responses import VoxelSpace
from .maps import statmap_image, write_statmap

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
            On surfaces, a pair of GIFTI images or one of CIFTI; else on the grid of the responses, as nilearn draws it.

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
            The image; of a pair of hemispheres the left.

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
        return write_statmap(path, getattr(self, what), space, description=text, simulated=self.simulated)[0]

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
