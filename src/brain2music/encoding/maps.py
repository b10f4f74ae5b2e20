"""Maps of one value per voxel: BIDS statmaps (NIfTI, GIFTI, CIFTI), and values on the cortical surface."""

import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from jaxtyping import Float

from .._utils.files import atomic_path, write_json
from ..brain.responses import VoxelSpace
from ..study.surfaces import Grayordinates

SIDES = ("left", "right")
MNI_LOW, MNI_HIGH = np.array([-75.0, -110.0, -75.0]), np.array([75.0, 80.0, 90.0])
"""A box, in mm, around the MNI152 brain."""


def write_statmap(
    path: Path, values: Float[np.ndarray, " voxels"], space: VoxelSpace, *, description: str, simulated: bool
) -> list[Path]:
    """Write one value per voxel as a NIfTI image with a JSON sidecar, both atomically.

    Values are single precision, 0 outside the mask and where NaN. The same values give the same bytes. Values on
    surfaces are written as these were read: a GIFTI file per hemisphere, or a CIFTI scalar.

    Parameters
    ----------
    path : Path
        Name of the image, ``.nii`` or ``.nii.gz``. On surfaces, the names of the files are made from it:
        ``stat-r_statmap.nii.gz`` becomes ``hemi-L_stat-r_statmap.func.gii`` and ``hemi-R_…``, or
        ``stat-r_statmap.dscalar.nii``.
    values : ndarray of shape (voxels,)
        The map.
    space : VoxelSpace
        Positions of the voxels.
    description : str
        What the values are, for the sidecar.
    simulated : bool
        Whether the brain is simulated, which the sidecar says.

    Returns
    -------
    list of Path
        The images written: two for a pair of hemispheres, else one.

    Examples
    --------
    >>> from pathlib import Path
    >>> import nibabel
    >>> import numpy as np
    >>> from brain2music.brain import VoxelSpace
    >>> from brain2music.encoding import write_statmap
    >>> space = VoxelSpace(np.array([[[True, False], [True, True]]]), np.diag([2.0, 2.0, 2.0, 1.0]))
    >>> [path.name for path in write_statmap(Path("r.nii.gz"), np.ones(3) / 10, space, description="", simulated=True)]
    ['r.nii.gz']
    >>> nibabel.load("r.nii.gz").get_fdata().round(1).tolist()
    [[[0.1, 0.0], [0.1, 0.1]]]
    """
    image, files = statmap_image(values, space), map_files(path, space)
    for file, each in zip(files, image if isinstance(image, tuple) else [image], strict=True):
        with atomic_path(file) as temporary:
            temporary.write_bytes(each.to_bytes()) if len(files) > 1 else nib.save(each, temporary)
    text = ("Simulated: " if simulated else "") + description
    write_json(sidecar_of(path), {"Description": text, "Simulated": simulated})
    return files


def map_files(path: Path, space: VoxelSpace) -> list[Path]:
    """Name the images in which :func:`write_statmap` writes a map of this name."""
    if space.grayordinates is None:
        return [path]
    return _named(path)[2:] if space.grayordinates.models else _named(path)[:2]


def possible_map_files(path: Path) -> list[Path]:
    """Name all images in which a map of this name may be, in a volume or on surfaces."""
    return [path, *_named(path)]


def _named(path: Path) -> list[Path]:
    """The names of a map on surfaces: left, right, and both in one file of CIFTI."""
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    before, stat, rest = stem.rpartition("stat-") if "stat-" in stem else ("", "", stem)
    pair = [path.with_name(f"{before}hemi-{side}_{stat}{rest}.func.gii") for side in "LR"]
    return [*pair, path.with_name(f"{stem}.dscalar.nii")]


def sidecar_of(path: Path) -> Path:
    """The path of the JSON sidecar of an image."""
    return path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".json")


def statmap_image(values: Float[np.ndarray, " voxels"], space: VoxelSpace) -> Any:
    """Make a nibabel image of a map on the grid of the volume; on surfaces, a pair of GIFTI images or one of CIFTI."""
    if space.grayordinates is not None:
        return _surface_image(whole_surface(np.nan_to_num(values, nan=0.0), space), space.grayordinates)
    volume = np.zeros(space.mask.shape, np.float32)
    volume[space.mask] = np.nan_to_num(values, nan=0.0)
    image = nib.Nifti1Image(volume, space.affine)
    image.header.set_xyzt_units("mm", "sec")
    return image


def whole_surface(
    values: Float[np.ndarray, " voxels"], space: VoxelSpace, fill: float = 0.0
) -> Float[np.ndarray, " values"]:
    """Lay a map over all values of its surfaces, in the order of their files; ``fill`` where it has none."""
    whole = np.full(space.mask.size, fill, np.float32)
    whole[space.mask.ravel()] = values
    return whole


def hemispheres(values: Float[np.ndarray, " voxels"], space: VoxelSpace) -> dict[str, Float[np.ndarray, " vertices"]]:
    """Give every vertex of both meshes its value of a map on surfaces, NaN where it has none."""
    surfaces = space.grayordinates
    assert surfaces is not None
    whole = whole_surface(values, space, np.nan)
    if not surfaces.models:
        return dict(zip(SIDES, np.split(whole, [surfaces.vertices[0]]), strict=True))
    sampled, axis = {}, surfaces.axis()
    for side, count in zip(SIDES, surfaces.vertices, strict=True):
        own = axis.name == f"CIFTI_STRUCTURE_CORTEX_{side.upper()}"
        sampled[side] = np.full(count, np.nan, np.float32)
        sampled[side][axis.vertex[own]] = whole[own]
    return sampled


def _surface_image(whole: Float[np.ndarray, " values"], surfaces: Grayordinates) -> Any:
    if surfaces.models:
        axes = (nib.cifti2.ScalarAxis(["statmap"]), surfaces.axis())
        return nib.Cifti2Image(whole[None], nib.cifti2.Cifti2Header.from_axes(axes))
    return tuple(
        _hemisphere_image(half, structure)
        for half, structure in zip(np.split(whole, [surfaces.vertices[0]]), ("CortexLeft", "CortexRight"), strict=True)
    )


def _hemisphere_image(values: Float[np.ndarray, " vertices"], structure: str) -> Any:
    array = nib.gifti.GiftiDataArray(values.astype(np.float32), intent="NIFTI_INTENT_NONE")
    meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": structure})
    return nib.GiftiImage(darrays=[array], meta=meta)


def is_mni_like(space: VoxelSpace) -> bool:
    """Whether the voxels have about the position of the MNI152 brain, so that the surface of fsaverage fits them.

    Judged by extent: the mask is in a box around the template, and its centre within 15 mm of that of the template.
    Brains in scanner space that happen to be there cannot be distinguished.
    """
    if space.grayordinates is not None or not space.mask.any():
        return False
    xyz = np.argwhere(space.mask) @ space.affine[:3, :3].T + space.affine[:3, 3]
    low, high = xyz.min(axis=0), xyz.max(axis=0)
    voxel = np.sqrt((space.affine[:3, :3] ** 2).sum(axis=0)).max()
    inside = (low >= MNI_LOW - voxel).all() and (high <= MNI_HIGH + voxel).all()
    large = (high - low >= [110, 130, 90]).all()
    centred = (np.abs((low + high) / 2 - [0, -17, 5]) <= 15).all()
    return bool(inside and large and centred)


def surface_values(
    values: Float[np.ndarray, " voxels"], space: VoxelSpace, mesh: str = "fsaverage5"
) -> dict[str, Float[np.ndarray, " vertices"]]:
    """Sample a map at the vertices of fsaverage, as the mean between the white and the pial surface.

    The surfaces fsaverage5 are part of nilearn, so that nothing is downloaded. Voxels are weighted linearly by
    distance; those that are NaN or outside the mask do not count, and a vertex is NaN where their weight is three
    quarters or more. The voxels must be in MNI space.

    Parameters
    ----------
    values : ndarray of shape (voxels,)
        The map.
    space : VoxelSpace
        Positions of the voxels.
    mesh : str, default "fsaverage5"
        Name of the surface in nilearn.

    Returns
    -------
    dict of "left" and "right" to ndarray of shape (vertices,)
        Values of each hemisphere.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.brain import VoxelSpace
    >>> from brain2music.encoding import surface_values
    >>> affine = np.array([[6.0, 0, 0, -78], [0, 6, 0, -112], [0, 0, 6, -72], [0, 0, 0, 1]])
    >>> space = VoxelSpace(np.ones((27, 33, 28), bool), affine)
    >>> sampled = surface_values(np.full(27 * 33 * 28, 0.25), space)
    >>> sampled["left"].shape, round(float(np.nanmax(sampled["left"])), 2)
    ((10242,), 0.25)
    """
    from nilearn.datasets import fetch_surf_fsaverage
    from nilearn.surface import vol_to_surf

    surfaces, known = fetch_surf_fsaverage(mesh), np.isfinite(values)
    total, weight = statmap_image(values, space), statmap_image(known.astype(float), space)
    sampled = {}
    for side in SIDES:
        pial, white = surfaces[f"pial_{side}"], surfaces[f"white_{side}"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # vertices outside the image are NaN, as they should be
            above, below = (vol_to_surf(image, pial, inner_mesh=white) for image in (total, weight))
        sampled[side] = np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0.25)
    return sampled
