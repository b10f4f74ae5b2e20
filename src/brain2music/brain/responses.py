"""The data classes of the brain: responses of every voxel to every clip, and the space of voxels."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from ..study.study import Clip


@dataclass(frozen=True)
class VoxelSpace:
    """The positions of voxels.

    Attributes
    ----------
    mask : (x, y, z) bool
        Over the grid of the volume; voxels are in C order of the mask.
    affine : (4, 4) float
    roi : tuple of str or None
        The name of a region per voxel ("" if unlabelled).
    """

    mask: Bool[np.ndarray, "x y z"]
    affine: Float[np.ndarray, "4 4"]
    roi: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.roi is not None and len(self.roi) != int(self.mask.sum()):
            raise ValueError(f"{len(self.roi)} ROI labels for {int(self.mask.sum())} voxels")


@dataclass(frozen=True)
class Responses:
    """BOLD responses of one subject to the clips of one split.

    Attributes
    ----------
    subject : str
        The label of the subject.
    data : (clips, scans, voxels) float32
        Z-scored per run, averaged over repeats, and shifted by the lag; may be a memory map.
    clips : tuple of Clip
        The clip of each row.
    runs : (clips,) int
        The run in which each clip was first presented; clips of one run are neighbours in time.
    tr : float
        Repetition time in seconds.
    lag_tr : int
        Scans by which responses were shifted to account for the haemodynamic delay.
    n_repeats : (clips,) int
        The number of presentations that were averaged.
    repeats : (repeats, clips, scans, voxels) float32 or None
        The single presentations, if all clips were repeated equally often.
    space : VoxelSpace or None
        The positions of the voxels; None for arrays without coordinates.
    simulated : bool
        Whether the brain is simulated, which is shown wherever a score of it is.
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
        """Scans per clip."""
        return int(self.data.shape[1])

    @property
    def n_voxels(self) -> int:
        """Voxels per scan."""
        return int(self.data.shape[2])


class SplitResponses(NamedTuple):
    """The training and test responses of one subject; ``test`` is None if all clips are scored in folds."""

    train: Responses
    test: Responses | None


def restrict(responses: Responses, keep: Bool[np.ndarray, " voxels"]) -> Responses:
    """Select the responses of some of the voxels, with their mask and region names."""
    space = responses.space
    if space is not None:
        mask = np.zeros_like(space.mask)
        mask[space.mask] = keep
        roi = None if space.roi is None else tuple(np.array(space.roi, dtype=object)[keep])
        space = VoxelSpace(mask, space.affine, roi)
    repeats = None if responses.repeats is None else responses.repeats[..., keep]
    return replace(responses, data=responses.data[..., keep], repeats=repeats, space=space)
