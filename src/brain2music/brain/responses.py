"""The data classes of the brain: responses of every voxel to every clip, and the space of voxels."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from ..config import RESPONSE_S
from ..study.study import Clip
from ..study.surfaces import Grayordinates


def far_beyond(scans_s: float, clip_s: float) -> bool:
    """Whether scans last more than twice as long as their clip, and go on for longer than a response does."""
    return scans_s > max(2 * clip_s, clip_s + RESPONSE_S)


@dataclass(frozen=True)
class VoxelSpace:
    """Positions of voxels in a volume, or of values on cortical surfaces.

    Attributes
    ----------
    mask : ndarray of bool of shape (x, y, z)
        Mask over the grid of the volume; voxels are in C order of the mask.
    affine : ndarray of shape (4, 4)
        Map from indices to millimetres.
    roi : tuple of str or None
        Name of a region per voxel ("" if it has none).
    grayordinates : Grayordinates or None
        Where the values lie if they are on surfaces: the grid is then (values, 1, 1), in the order of the files.

    Raises
    ------
    ValueError
        The number of region names is not that of the voxels.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.brain import VoxelSpace
    >>> mask = np.zeros((4, 4, 4), bool)
    >>> mask[1, 2, :2] = True
    >>> space = VoxelSpace(mask, np.diag([3.0, 3.0, 3.0, 1.0]), roi=("Heschl", "Heschl"))
    >>> int(space.mask.sum()), (np.argwhere(mask) @ space.affine[:3, :3]).tolist()
    (2, [[3.0, 6.0, 0.0], [3.0, 6.0, 3.0]])
    """

    mask: Bool[np.ndarray, "x y z"]
    affine: Float[np.ndarray, "4 4"]
    roi: tuple[str, ...] | None = None
    grayordinates: Grayordinates | None = None

    def __post_init__(self) -> None:
        if self.roi is not None and len(self.roi) != int(self.mask.sum()):
            raise ValueError(f"{len(self.roi)} ROI labels for {int(self.mask.sum())} voxels")


@dataclass(frozen=True)
class Responses:
    """BOLD responses of one subject to clips.

    Attributes
    ----------
    subject : str
        Label of the subject.
    data : ndarray of shape (clips, scans, voxels)
        Responses in single precision: z-scored per run, averaged over repeats, and shifted by the lag; may be a memory
        map.
    clips : tuple of Clip
        The clip of each row.
    runs : ndarray of int of shape (clips,)
        The run in which each clip was first presented; clips of one run are neighbours in time.
    tr : float
        Repetition time in seconds.
    lag_tr : int
        Scans by which responses were shifted to account for the haemodynamic delay.
    n_repeats : ndarray of int of shape (clips,)
        Number of presentations that were averaged.
    repeats : ndarray of shape (repeats, clips, scans, voxels) or None
        The single presentations, if all clips were repeated equally often.
    space : VoxelSpace or None
        Positions of the voxels; None for arrays without coordinates.
    simulated : bool
        Whether the brain is simulated, which is shown wherever a score of it is.

    Raises
    ------
    ValueError
        The numbers of clips or voxels do not fit the data.

    See Also
    --------
    brain2music.as_responses : Converts an array.
    brain2music.ListeningStudy.responses : Reads them from a study.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.study import Clip
    >>> clips = (Clip("blues.00001", 0.0, 15.0, "blues"), Clip("jazz.00002", 0.0, 15.0, "jazz"))
    >>> ones = np.ones(2, dtype=int)
    >>> bold = b2m.Responses("01", np.zeros((2, 10, 300), np.float32), clips, ones, tr=1.5, lag_tr=3, n_repeats=ones)
    >>> len(bold), bold.n_scans, bold.n_voxels, bold[1:].clips[0].genre
    (2, 10, 300, 'jazz')
    """

    subject: str
    data: Float32[np.ndarray, "clips scans voxels"]
    clips: tuple[Clip, ...]
    runs: Int[np.ndarray, " clips"]
    tr: float
    lag_tr: int
    n_repeats: Int[np.ndarray, " clips"]
    repeats: Float32[np.ndarray, "repeats clips scans voxels"] | None = None
    space: VoxelSpace | None = None
    simulated: bool = False

    def __post_init__(self) -> None:
        if len(self.clips) != len(self.data):
            raise ValueError(f"{len(self.clips)} clips for {len(self.data)} rows of responses")
        if self.space is not None and int(self.space.mask.sum()) != self.n_voxels:
            raise ValueError(f"mask of {int(self.space.mask.sum())} voxels for responses of {self.n_voxels}")

    def __len__(self) -> int:
        """Clips."""
        return len(self.clips)

    def __getitem__(self, rows: Int[np.ndarray, " chosen"] | Bool[np.ndarray, " clips"] | slice) -> "Responses":
        """Select the responses to some of the clips."""
        chosen = np.atleast_1d(np.arange(len(self))[rows])
        return replace(
            self,
            data=self.data[rows] if isinstance(rows, slice) else self.data[chosen],
            clips=tuple(self.clips[i] for i in chosen),
            runs=self.runs[chosen],
            n_repeats=self.n_repeats[chosen],
            repeats=None if self.repeats is None else self.repeats[:, chosen],
        )

    @property
    def n_scans(self) -> int:
        """Number of scans per clip."""
        return int(self.data.shape[1])

    @property
    def n_voxels(self) -> int:
        """Number of voxels."""
        return int(self.data.shape[2])


class SplitResponses(NamedTuple):
    """Training and test responses of one subject.

    Attributes
    ----------
    train : Responses
        Responses to the training clips, or to all clips if there is no test set.
    test : Responses or None
        Responses to the test clips; None if all clips are scored in folds.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.brain import SplitResponses
    >>> bold = SplitResponses(train=b2m.as_responses(np.zeros((20, 10, 300))), test=None)
    >>> len(bold.train), bold.test is None
    (20, True)
    """

    train: Responses
    test: Responses | None


def restrict(responses: Responses, keep: Bool[np.ndarray, " voxels"]) -> Responses:
    """Select the responses of some of the voxels, with their mask and region names.

    Parameters
    ----------
    responses : Responses
        Responses to clips.
    keep : ndarray of bool of shape (voxels,)
        Voxels to keep.

    Returns
    -------
    Responses
        Responses of these voxels.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.brain import restrict
    >>> bold = b2m.as_responses(np.zeros((20, 10, 300)))
    >>> restrict(bold, np.arange(300) < 12).n_voxels
    12
    """
    space = None if responses.space is None else restrict_space(responses.space, keep)
    repeats = None if responses.repeats is None else responses.repeats[..., keep]
    return replace(responses, data=responses.data[..., keep], repeats=repeats, space=space)


def restrict_space(space: VoxelSpace, keep: Bool[np.ndarray, " voxels"]) -> VoxelSpace:
    """Select some of the voxels of a space, with their region names."""
    mask = np.zeros_like(space.mask)
    mask[space.mask] = keep
    roi = None if space.roi is None else tuple(np.array(space.roi, dtype=object)[keep])
    return replace(space, mask=mask, roi=roi)
