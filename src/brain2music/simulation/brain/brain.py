"""The simulated brain: MNI152 grey matter of any voxel size, with auditory and control regions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

FAMILIES = ("early", "middle", "late")


@dataclass(frozen=True)
class BrainRegion:
    """A region of the simulated brain.

    Attributes
    ----------
    name : str
    centres, radii
        Of its ellipsoids, in mm (MNI).
    shares : tuple of float
        The shares of its voxels that are tuned to each feature family.
    gain : float
        Its signal-to-noise ratio relative to Heschl's gyrus; 0 for control regions.
    """

    name: str
    centres: tuple[tuple[int, int, int], ...]
    radii: tuple[int, int, int]
    shares: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gain: float = 0.0


# Centres of gravity, and about twice the standard deviations, of the Harvard-Oxford cortical regions (Desikan et al.
# 2006; probability over 25 %), left and right, with the divisions of the temporal gyri as separate ellipsoids. Where
# ellipsoids overlap, voxels belong to the region listed first. Shares and gains: early responses in Heschl's gyrus,
# timbre and pitch around it, categories further out (Norman-Haignere et al. 2015; Nakai et al. 2021).
REGIONS = (
    BrainRegion("Heschl's gyrus L", ((-45, -20, 8),), (10, 10, 8), (1.0, 0.0, 0.0), 1.0),
    BrainRegion("Heschl's gyrus R", ((46, -17, 7),), (10, 10, 8), (1.0, 0.0, 0.0), 1.0),
    BrainRegion("Planum temporale L", ((-52, -30, 12),), (14, 13, 9), (0.6, 0.4, 0.0), 1.0),
    BrainRegion("Planum temporale R", ((55, -25, 13),), (14, 13, 9), (0.6, 0.4, 0.0), 1.0),
    BrainRegion("Superior temporal gyrus L", ((-56, -4, -8), (-62, -29, 3)), (9, 12, 11), (0.1, 0.6, 0.3), 0.95),
    BrainRegion("Superior temporal gyrus R", ((58, 0, -11), (61, -24, 1)), (9, 12, 11), (0.1, 0.6, 0.3), 0.95),
    BrainRegion("Middle temporal gyrus L", ((-58, -5, -22), (-61, -27, -11)), (9, 15, 9), (0.0, 0.4, 0.6), 0.85),
    BrainRegion("Middle temporal gyrus R", ((58, -2, -24), (61, -23, -12)), (9, 15, 9), (0.0, 0.4, 0.6), 0.85),
    BrainRegion("Inferior frontal gyrus L", ((-50, 29, 9), (-51, 14, 16)), (9, 9, 14), (0.0, 0.0, 1.0), 0.8),
    BrainRegion("Inferior frontal gyrus R", ((52, 28, 8), (52, 15, 16)), (9, 9, 14), (0.0, 0.0, 1.0), 0.8),
    BrainRegion("Precentral gyrus", ((-34, -12, 49), (35, -11, 50)), (14, 12, 14)),
    BrainRegion("Superior parietal lobule", ((-29, -49, 58), (29, -48, 59)), (14, 12, 14)),
    BrainRegion("Intracalcarine cortex", ((-10, -75, 8), (11, -73, 8)), (11, 14, 9)),
    BrainRegion("Occipital pole", ((-17, -96, 7), (19, -95, 9)), (16, 9, 18)),
)
"""Ten auditory and four control regions; the rest of grey matter has no name and no signal."""


@dataclass(frozen=True)
class Brain:
    """The voxels of one subject, in C order of ``mask``.

    Attributes
    ----------
    mask : (x, y, z) bool
        Voxels inside the brain.
    affine : (4, 4) float
        Of the grid, in mm.
    xyz : (voxels, 3) float32
        Positions in mm.
    grey : (voxels,) bool
        Grey matter.
    region : (voxels,) int
        1 + index in REGIONS; 0 for none.
    baseline : (voxels,) float32
        Mean image intensity.
    """

    mask: Bool[np.ndarray, "x y z"]
    affine: Float[np.ndarray, "4 4"]
    xyz: Float32[np.ndarray, "voxels 3"]
    grey: Bool[np.ndarray, " voxels"]
    region: Int[np.ndarray, " voxels"]
    baseline: Float32[np.ndarray, " voxels"]

    @property
    def n_voxels(self) -> int:
        """Number of voxels inside the brain."""
        return len(self.xyz)

    def volume(self, values: Float[np.ndarray, " voxels"] | Int[np.ndarray, " voxels"]) -> np.ndarray:
        """Arrange one value per voxel in an (x, y, z) array, with 0 outside the brain."""
        volume = np.zeros(self.mask.shape, dtype=values.dtype)
        volume[self.mask] = values
        return volume


def make_brain(resolution_mm: float, rng: np.random.Generator) -> Brain:
    """Make the brain of one subject from nilearn's MNI152, with regions shifted (s.d. 2 mm along each axis)."""
    mask, grey_share, affine = _template(resolution_mm)
    xyz = (np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]).astype(np.float32)
    grey = grey_share[mask] > 0.5
    region = np.where(grey, _label_regions(xyz, rng.normal(0, 2, (len(REGIONS), 3))), 0)
    texture = rng.normal(0, 40, len(xyz))
    baseline = (800 + 200 * grey_share[mask] + texture).astype(np.float32)
    return Brain(mask, affine, xyz, grey, region, baseline)


def _template(
    resolution_mm: float,
) -> tuple[Bool[np.ndarray, "x y z"], Float32[np.ndarray, "x y z"], Float[np.ndarray, "4 4"]]:
    """Brain mask, share of grey matter and affine, on the smallest grid that contains the brain."""
    from nilearn.datasets import load_mni152_brain_mask, load_mni152_gm_template
    from nilearn.image import resample_img

    def resampled(image: Any, interpolation: str) -> Any:
        return resample_img(image, np.eye(3) * resolution_mm, interpolation=interpolation)

    brain = resampled(load_mni152_brain_mask(resolution=1), "nearest")
    mask = np.asarray(brain.dataobj) > 0
    grey = np.asarray(resampled(load_mni152_gm_template(resolution=1), "linear").dataobj, np.float32)
    box = tuple(slice(max(0, axis.min() - 1), axis.max() + 2) for axis in np.nonzero(mask))
    affine = np.array(brain.affine, dtype=np.float64)
    affine[:3, 3] += affine[:3, :3] @ [side.start for side in box]
    return mask[box], grey[box], affine


def _label_regions(
    xyz: Float32[np.ndarray, "voxels 3"], shifts: Float[np.ndarray, "regions 3"]
) -> Int[np.ndarray, " voxels"]:
    labels = np.zeros(len(xyz), dtype=np.int64)
    for index in reversed(range(len(REGIONS))):
        for centre in REGIONS[index].centres:
            offsets = (xyz - (np.array(centre) + shifts[index])) / REGIONS[index].radii
            labels[(offsets**2).sum(1) <= 1] = index + 1
    return labels
