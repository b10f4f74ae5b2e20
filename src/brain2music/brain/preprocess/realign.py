"""Rigid realignment of volumes to a reference by least squares (Friston et al. 1995), from coarse to fine.

The reference's gradients are computed once (the inverse compositional form; Baker & Matthews 2004), so that a step
costs one interpolation of the volume. Volumes may have grids of their own: all is computed in mm.
"""

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32

FWHM = 2.354820045
"""Full width at half maximum of a Gaussian of standard deviation 1."""
COARSE_MM, FAR_MM = 12.0, 24.0
"""Smoothing before the fine level, and before these of a volume that may be far away."""
MARGIN_MM = 6.0
"""How far beyond the mask voxels are compared: the edge of the brain says most about its place."""
POINTS = {"coarse": 15_000, "fine": 60_000}
"""At most so many voxels are compared: beyond these, precision no longer grows."""
TOLERANCES = {"coarse": (0.05, 1e-3), "fine": (1e-3, 2e-5)}
"""Steps below these (mm, radians) are the last of a level."""
MAX_STEPS = 30


@dataclass(frozen=True)
class Aligned:
    """A volume's place.

    Attributes
    ----------
    matrix : (4, 4) float
        Takes positions in the reference (mm) to those in the volume.
    similarity : float
        Correlation of the compared voxels at this place; 1 is best.
    """

    matrix: Float[np.ndarray, "4 4"]
    similarity: float


@dataclass(frozen=True)
class _Smoothed:
    """One level: where the smoothed reference is sampled (mm from the centre), its values, and its derivatives."""

    fwhm_mm: float
    tolerance: tuple[float, float]
    points: Float[np.ndarray, "points 3"]
    values: Float[np.ndarray, " points"]
    jacobian: Float[np.ndarray, "points 8"]
    solver: Float[np.ndarray, "8 points"]


class Realigner:
    """Finds the rigid movement of volumes relative to a reference.

    Intensities may differ by a scale and an offset. A volume is compared in voxels of the mask and a margin around it.

    Parameters
    ----------
    reference : ndarray of shape (x, y, z)
        The volume that others are aligned to.
    affine : ndarray of shape (4, 4)
        Its voxels in mm.
    mask : ndarray of bool of shape (x, y, z)
        The brain.
    smoothing_mm : float, default 5
        Width at half maximum of the last smoothing; at least two voxels are taken.

    Attributes
    ----------
    centre : ndarray of shape (3,)
        Centre of the mask in mm, about which rotations are meant.

    Raises
    ------
    ValueError
        The mask is empty.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.ndimage import gaussian_filter, shift
    >>> from brain2music.brain import Realigner
    >>> head = gaussian_filter(np.random.default_rng(0).random((24, 24, 24)).astype(np.float32), 2)
    >>> affine = np.diag([3.0, 3.0, 3.0, 1.0])
    >>> realigner = Realigner(head, affine, np.ones(head.shape, bool))
    >>> found = realigner.align(shift(head, (0.5, 0, 0), order=3, mode="nearest"), affine)
    >>> bool(np.abs(found.matrix[:3, 3] - [1.5, 0, 0]).max() < 0.02)  # half a voxel of 3 mm
    True
    """

    def __init__(
        self,
        reference: Float32[np.ndarray, "x y z"],
        affine: Float[np.ndarray, "4 4"],
        mask: Bool[np.ndarray, "x y z"],
        smoothing_mm: float = 5.0,
    ) -> None:
        if not mask.any():
            raise ValueError("the mask is empty")
        inside = np.argwhere(mask).mean(axis=0)
        self.centre: Float[np.ndarray, " xyz"] = affine[:3, :3] @ inside + affine[:3, 3]
        fine = max(smoothing_mm, 2 * float(voxel_sizes(affine).max()))
        around = _around(mask, affine)
        self._levels = [
            self._level(reference, affine, around, FAR_MM, "coarse"),
            self._level(reference, affine, around, COARSE_MM, "coarse"),
            self._level(reference, affine, around, fine, "fine"),
        ]

    def align(
        self,
        volume: Float32[np.ndarray, "x y z"],
        affine: Float[np.ndarray, "4 4"],
        start: Float[np.ndarray, "4 4"] | None = None,
    ) -> Aligned:
        """Find the place of a volume.

        Parameters
        ----------
        volume : ndarray of shape (x, y, z)
            The volume; its grid may differ from the reference's.
        affine : ndarray of shape (4, 4)
            Its voxels in mm.
        start : ndarray of shape (4, 4), optional
            A place within about 10 mm and 10 degrees; default none is known, and the search begins from the headers and
            from the centres of both volumes.

        Returns
        -------
        Aligned
            Its place.
        """
        if start is not None:
            return self._descend(self._levels[1:], volume, affine, start)
        shifted = np.eye(4)
        shifted[:3, 3] = _centre_of_mass(volume, affine) - self.centre
        ways = product((self._levels, self._levels[1:]), (np.eye(4), shifted))  # strong smoothing makes a ball of heads
        found = [self._descend(levels, volume, affine, begin) for levels, begin in ways]
        return max(found, key=lambda each: each.similarity)

    def _descend(
        self,
        levels: list[_Smoothed],
        volume: Float32[np.ndarray, "x y z"],
        affine: Float[np.ndarray, "4 4"],
        start: Float[np.ndarray, "4 4"],
    ) -> Aligned:
        """Take steps at each level until they are small."""
        from scipy.ndimage import gaussian_filter, spline_filter

        sizes, to_voxel = voxel_sizes(affine), np.linalg.inv(affine)
        matrix = _about(start, self.centre, -1)  # from here on, points are relative to the centre
        similarity = 0.0
        for level in levels:
            smooth = gaussian_filter(volume, level.fwhm_mm / FWHM / sizes, mode="nearest")
            coefficients = spline_filter(smooth, 3, output=np.float32, mode="mirror")
            for _ in range(MAX_STEPS):
                step, similarity = _descent_step(level, coefficients, to_voxel, matrix, self.centre)
                matrix = matrix @ np.linalg.inv(_movement(step))
                if np.abs(step[:3]).max() < level.tolerance[0] and np.abs(step[3:]).max() < level.tolerance[1]:
                    break
        return Aligned(_about(matrix, self.centre, 1), similarity)

    def _level(
        self,
        reference: Float32[np.ndarray, "x y z"],
        affine: Float[np.ndarray, "4 4"],
        around: Bool[np.ndarray, "x y z"],
        fwhm_mm: float,
        kind: Literal["coarse", "fine"],
    ) -> _Smoothed:
        from scipy.ndimage import gaussian_filter

        smooth = gaussian_filter(reference, fwhm_mm / FWHM / voxel_sizes(affine), mode="nearest").astype(np.float64)
        voxels = np.argwhere(around)
        if len(voxels) > POINTS[kind]:
            voxels = voxels[np.sort(np.random.default_rng(0).permutation(len(voxels))[: POINTS[kind]])]
        place = tuple(voxels.T)
        points = voxels @ affine[:3, :3].T + affine[:3, 3] - self.centre
        of_voxels = np.stack([axis[place] for axis in np.gradient(smooth)], axis=1)
        gradient = of_voxels @ np.linalg.inv(affine[:3, :3])
        values = smooth[place]
        columns = [gradient, np.cross(points, gradient), values[:, None], np.ones((len(values), 1))]
        jacobian = np.hstack(columns)
        return _Smoothed(fwhm_mm, TOLERANCES[kind], points, values, jacobian, _solver(jacobian))


def voxel_sizes(affine: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, " xyz"]:
    """The sides of voxels in mm."""
    return np.linalg.norm(affine[:3, :3], axis=0)


def _descent_step(
    level: _Smoothed,
    coefficients: Float32[np.ndarray, "x y z"],
    to_voxel: Float[np.ndarray, "4 4"],
    matrix: Float[np.ndarray, "4 4"],
    centre: Float[np.ndarray, " xyz"],
) -> tuple[Float[np.ndarray, " six"], float]:
    """The movement of the reference that explains what is left, and the correlation of the voxels before it."""
    from scipy.ndimage import map_coordinates

    whole = to_voxel @ _translation(centre) @ matrix
    where = (level.points @ whole[:3, :3].T + whole[:3, 3]).T
    inside = ((where >= 0) & (where <= np.array(coefficients.shape)[:, None] - 1)).all(axis=0)
    if inside.sum() < 100:
        return np.zeros(6), -1.0
    found = map_coordinates(coefficients, where, order=3, prefilter=False, mode="mirror")
    values, found = (level.values, found) if inside.all() else (level.values[inside], found[inside])
    solver = level.solver if inside.all() else _solver(level.jacobian[inside])
    spread = values.std() * found.std()
    similarity = float(((values - values.mean()) * (found - found.mean())).mean() / spread) if spread > 0 else -1.0
    fitted = solver @ found  # of the movement times the scale of intensities, the scale, and an offset
    return fitted[:6] / fitted[6] if fitted[6] > 0 else np.zeros(6), similarity


def _solver(jacobian: Float[np.ndarray, "points 8"]) -> Float[np.ndarray, "8 points"]:
    """What makes least squares of residuals."""
    scale = np.linalg.norm(jacobian, axis=0)
    scale[scale == 0] = 1
    scaled = jacobian / scale
    return np.linalg.pinv(scaled.T @ scaled, hermitian=True) @ scaled.T / scale[:, None]


def _movement(step: Float[np.ndarray, " six"]) -> Float[np.ndarray, "4 4"]:
    from scipy.spatial.transform import Rotation

    matrix = _translation(step[:3])
    matrix[:3, :3] = Rotation.from_rotvec(step[3:]).as_matrix()
    return matrix


def _translation(by: Float[np.ndarray, " xyz"]) -> Float[np.ndarray, "4 4"]:
    matrix = np.eye(4)
    matrix[:3, 3] = by
    return matrix


def _about(matrix: Float[np.ndarray, "4 4"], centre: Float[np.ndarray, " xyz"], way: int) -> Float[np.ndarray, "4 4"]:
    """A matrix for positions relative to a centre (-1), or from such a matrix the one for positions (1)."""
    return _translation(way * centre) @ matrix @ _translation(-way * centre)


def _around(mask: Bool[np.ndarray, "x y z"], affine: Float[np.ndarray, "4 4"]) -> Bool[np.ndarray, "x y z"]:
    """The mask and a margin."""
    from scipy.ndimage import binary_dilation

    return binary_dilation(mask, iterations=max(1, round(MARGIN_MM / float(voxel_sizes(affine).mean()))))


def _centre_of_mass(
    volume: Float32[np.ndarray, "x y z"], affine: Float[np.ndarray, "4 4"]
) -> Float[np.ndarray, " xyz"]:
    weights = np.clip(volume - np.median(volume), 0, None).astype(np.float64)
    total = weights.sum()
    shares = [weights.sum(axis=other) for other in ((1, 2), (0, 2), (0, 1))]
    centre = [float(share @ np.arange(len(share)) / total) if total > 0 else (len(share) - 1) / 2 for share in shares]
    return affine[:3, :3] @ np.array(centre) + affine[:3, 3]
