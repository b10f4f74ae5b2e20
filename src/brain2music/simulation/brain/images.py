"""Writing of simulated NIfTI images: int16, volume by volume, with the same bytes for the same numbers."""

import gzip
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int16

from .brain import Brain

SLOPE = 0.25
"""Image units per stored integer."""


def quantised(values: Float32[np.ndarray, "scans voxels"]) -> Int16[np.ndarray, "scans voxels"]:
    """Quantise image intensities to the int16 that are stored, in steps of SLOPE."""
    return np.clip(np.rint(values / SLOPE), 0, 32767).astype(np.int16)


def write_bold(
    path: Path,
    scans: Int16[np.ndarray, "scans voxels"],
    brain: Brain,
    tr: float,
    motion: Float[np.ndarray, "scans 6"] | None = None,
) -> None:
    """Write a run as a gzipped NIfTI: TR in pixdim[4], mm and seconds, zero outside the brain.

    Parameters
    ----------
    path : Path
    scans : (scans, voxels) int16
        As :func:`quantised` returns them.
    brain : Brain
    tr : float
    motion : (scans, 6) float, optional
        Rigid-body parameters (mm and radians) by which each volume is moved.
    """
    volume = np.zeros(brain.mask.shape, np.int16)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as file:
        file.write(_nifti_header(brain, np.int16, (len(scans), tr)))
        for index, scan in enumerate(scans):
            volume[brain.mask] = scan
            moved = volume if motion is None else _move_volume(volume, motion[index], brain)
            file.write(moved.tobytes(order="F"))


def write_map(path: Path, values: np.ndarray, brain: Brain) -> None:
    """Write one value per voxel as a gzipped NIfTI (integers as int16, other numbers as float32)."""
    kind = np.int16 if np.issubdtype(values.dtype, np.integer) or values.dtype == bool else np.float32
    with path.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as file:
        file.write(_nifti_header(brain, kind))
        file.write(brain.volume(values.astype(kind)).tobytes(order="F"))


def _nifti_header(brain: Brain, kind: type, time: tuple[int, float] | None = None) -> bytes:
    """The 352 bytes before the data, for a grid in the space of the subject, near MNI space."""
    import nibabel

    header = nibabel.Nifti1Header()
    header.set_data_dtype(kind)
    header.set_data_shape(brain.mask.shape + ((time[0],) if time else ()))
    header.set_sform(brain.affine, code="scanner")
    header.set_qform(brain.affine, code="scanner")
    zooms = tuple(np.abs(np.diag(brain.affine)[:3]))
    header.set_zooms(zooms + ((time[1],) if time else ()))
    header.set_xyzt_units("mm", "sec" if time else "unknown")
    header.set_slope_inter(SLOPE if time else 1.0, 0.0)
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    header["descrip"] = b"simulated by brain2music"
    return header.binaryblock + bytes(4)


def _move_volume(
    volume: Int16[np.ndarray, "x y z"], motion: Float[np.ndarray, " six"], brain: Brain
) -> Int16[np.ndarray, "x y z"]:
    """Move a volume rigidly about the centre of its grid, with linear interpolation."""
    from scipy.ndimage import affine_transform
    from scipy.spatial.transform import Rotation

    size = np.abs(np.diag(brain.affine)[:3])
    rotation = Rotation.from_euler("xyz", motion[3:]).as_matrix().T
    voxelwise = rotation * size / size[:, None]
    centre = (np.array(volume.shape) - 1) / 2
    offset = centre - voxelwise @ (centre + motion[:3] / size)
    return np.rint(affine_transform(volume.astype(np.float32), voxelwise, offset, order=1)).astype(np.int16)
