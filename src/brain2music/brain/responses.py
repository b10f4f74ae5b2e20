"""The noun of the brain side: responses of every voxel to every clip."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from brain2music.study.study import Clip


@dataclass(frozen=True)
class VoxelSpace:
    """Where voxels are: ``mask`` over the volume grid, voxels in C order of the mask, and its ``affine``.

    ``roi`` gives a region's name per voxel ("" where unlabelled).
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
    data : (clips, scans, voxels) float32, z-scored per run, averaged over repeats, lag already applied; may
        be a memory map.
    clips : the clip of each row.
    runs : (clips,) the run in which each clip was first presented; clips of one run are neighbours in time.
    tr : seconds between scans.
    lag_tr : scans by which responses were shifted to meet the haemodynamic delay.
    n_repeats : (clips,) presentations averaged.
    repeats : (repeats, clips, scans, voxels) before averaging, where every clip was repeated alike; else
        None.
    space : where the voxels are; None for arrays that came without coordinates.
    simulated : True for simulated brains, and said wherever a score of them is shown.
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
        """The responses to some of the clips."""
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
    """One subject's responses: ``train``, and ``test``, which is None where all clips are scored in folds."""

    train: Responses
    test: Responses | None


def restrict(responses: Responses, keep: Bool[np.ndarray, " voxels"]) -> Responses:
    """The responses of a subset of the voxels, with their mask and ROI names."""
    space = responses.space
    if space is not None:
        mask = np.zeros_like(space.mask)
        mask[space.mask] = keep
        roi = None if space.roi is None else tuple(np.array(space.roi, dtype=object)[keep])
        space = VoxelSpace(mask, space.affine, roi)
    repeats = None if responses.repeats is None else responses.repeats[..., keep]
    return replace(responses, data=responses.data[..., keep], repeats=repeats, space=space)
