"""Rigid transforms of the head: matrices and parameters, and how far the head moved from scan to scan."""

import numpy as np
from jaxtyping import Float

HEAD_RADIUS_MM = 50.0
"""Radius of the sphere on which rotations are expressed in mm (Power et al. 2012)."""


def rigid_matrix(parameters: Float[np.ndarray, " six"], centre: Float[np.ndarray, " xyz"]) -> Float[np.ndarray, "4 4"]:
    """Make the matrix of a movement: mm along x, y and z, then radians about x, y and z (in this order) of a centre."""
    from scipy.spatial.transform import Rotation

    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", parameters[3:]).as_matrix()
    matrix[:3, 3] = centre + parameters[:3] - matrix[:3, :3] @ centre
    return matrix


def rigid_parameters(matrix: Float[np.ndarray, "4 4"], centre: Float[np.ndarray, " xyz"]) -> Float[np.ndarray, " six"]:
    """Compute the parameters of a rigid matrix: the inverse of :func:`rigid_matrix`."""
    from scipy.spatial.transform import Rotation

    moved = matrix[:3, :3] @ centre + matrix[:3, 3] - centre
    return np.concatenate([moved, Rotation.from_matrix(matrix[:3, :3]).as_euler("xyz")])


def framewise_displacement(
    parameters: Float[np.ndarray, "scans 6"], radius_mm: float = HEAD_RADIUS_MM
) -> Float[np.ndarray, " scans"]:
    r"""Compute the framewise displacement of a head from its motion parameters.

    It is :math:`\sum_i |\Delta t_i| + r \sum_i |\Delta\theta_i|`, with translations :math:`t` and rotations
    :math:`\theta` on a sphere of radius :math:`r` (Power et al. 2012 [1]_).

    Parameters
    ----------
    parameters : ndarray of shape (scans, 6)
        Translations along x, y and z in mm, then rotations about x, y and z in radians.
    radius_mm : float, default 50
        Radius of the sphere in mm.

    Returns
    -------
    ndarray of shape (scans,)
        Displacement from the scan before, in mm; NaN for the first scan.

    References
    ----------
    .. [1] Power et al., "Spurious but systematic correlations in functional connectivity MRI networks arise from
       subject motion", NeuroImage 59:2142, 2012, doi:10.1016/j.neuroimage.2011.10.018.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.brain import framewise_displacement
    >>> still, moved, turned = np.zeros(6), np.array([1.0, 0, 0, 0, 0, 0]), np.array([1.0, 0, 0, 0, 0, 0.01])
    >>> framewise_displacement(np.stack([still, moved, turned])).round(2).tolist()
    [nan, 1.0, 0.5]
    """
    change = np.abs(np.diff(parameters, axis=0))
    return np.concatenate([[np.nan], change[:, :3].sum(axis=1) + radius_mm * change[:, 3:].sum(axis=1)])
