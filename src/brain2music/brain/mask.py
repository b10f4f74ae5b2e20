"""Choice of the voxels: a mask in the derivatives of the study if there is one, else one made from the first run."""

import re
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from .._utils.errors import InputError
from ..study.finding import Finding
from ..study.index import index_derivatives
from ..study.study import Study
from ..study.surfaces import read_surface
from .responses import VoxelSpace
from .volumes import Image, open_image, read_mean, read_volume

_GREY = ("desc-grey_mask", "desc-gray_mask", "desc-cortex_mask", "label-GM_mask", "label-GM_desc-brain_mask")
_BRAIN = ("desc-brain_mask", "brainmask")


def choose_mask(study: Study, subject: str, derivatives: Path | None = None, mask: Path | None = None) -> VoxelSpace:
    """Choose the voxels of a subject, on the grid of the first run.

    The mask is the first of these that exists: ``mask``; a grey-matter mask of the subject in the derivatives; the
    intersection of the brain masks there; nilearn's ``compute_epi_mask`` of the first run. On surfaces, it is the
    vertices whose values vary in the first run: those of the medial wall do not.

    Parameters
    ----------
    study : Study
    subject : str
    derivatives : Path, optional
        Where to look before ``root/derivatives``. Only masks in the same ``space-`` as the BOLD images are used.
    mask : Path, optional
        A NIfTI image whose voxels above 0.5 are inside; resampled to the BOLD grid by nearest neighbour.

    Raises
    ------
    InputError
        If the subject has no BOLD image, or the mask has several volumes or keeps no voxel.
    """
    bold = first_bold(study, subject)
    if bold.grayordinates is not None:
        if mask is not None:
            raise InputError("an image cannot mask responses on surfaces", mask, "leave the mask out")
        return _masked_space(bold, _varying(bold), bold.path)
    found = mask_files(study, subject, derivatives, mask)
    if found:
        return _masked_space(bold, np.logical_and.reduce([read_mask(path, bold) for path in found]), found[0])
    return _masked_space(bold, epi_mask(bold), bold.path)


def mask_files(study: Study, subject: str, derivatives: Path | None = None, mask: Path | None = None) -> list[Path]:
    """List the images of the subject's mask (see :func:`choose_mask`); [] if it is made from the first run."""
    if mask is not None:
        return [mask]
    first = first_bold(study, subject)
    if first.grayordinates is not None:
        return []
    bold = first.path
    for folder in derivative_folders(study, derivatives):
        for endings in (_GREY, _BRAIN):
            if found := _masks_in(folder, subject, endings, bold):
                return found
    return []


def check_masks(study: Study, subject: str, derivatives: Path | None = None) -> list[Finding]:
    """Report masks whose grid is not that of the BOLD images, and which are resampled to it by nearest neighbour."""
    bold, findings = first_bold(study, subject), []
    for path in mask_files(study, subject, derivatives):
        image = open_image(path)
        if image.grid != bold.grid or not np.allclose(image.affine, bold.affine, atol=1e-3):
            volume = read_volume(image) > 0.5
            sizes = [abs(np.linalg.det(each.affine[:3, :3])) for each in (image, bold)]
            kept = sizes[1] * read_mask(path, bold).sum() / max(sizes[0] * volume.sum(), 1e-9)
            differs = "affine" if image.grid == bold.grid else "grid"
            what = f"the mask's {differs} differs from that of {bold.path.name}; {kept:.0%} of it is within that image"
            hint = "see that both are in one space; it is resampled to the image by nearest neighbour"
            findings.append(Finding("warning", "mask-resampled", path, what, hint, subject))
    return findings


def derivative_folders(study: Study, derivatives: Path | None) -> list[Path]:
    """The folders in which derivatives are searched: the one that the user names, then that of the study."""
    own = study.root / "derivatives"
    return [own] if derivatives is None else [derivatives, own]


def first_bold(study: Study, subject: str) -> Image:
    """Open the header of the first BOLD run of a subject, whose grid all other runs must have."""
    runs = study.runs_of(subject)
    if not runs:
        raise InputError(f"there is no sub-{subject}", study.root, f"choose among {', '.join(study.subjects)}")
    for run in runs:
        if run.bold is not None:
            return open_image(run.bold)
    raise InputError(f"sub-{subject} has events but no BOLD images", study.root, "fetch the images of this subject")


def read_mask(path: Path, like: Image) -> Bool[np.ndarray, "x y z"]:
    """Read a mask image (inside above 0.5) on the grid of another image."""
    image = open_image(path)
    if image.n_scans > 1:
        raise InputError(f"the mask has {image.n_scans} volumes", path, "give a mask of one volume")
    return sample_nearest(read_volume(image), image.affine, like.grid, like.affine) > 0.5


def epi_mask(bold: Image) -> Bool[np.ndarray, "x y z"]:
    """Make a brain mask from the mean intensities of a run, using nilearn."""
    import nibabel as nib
    from nilearn.masking import compute_epi_mask

    what = "no mask goes with the image, and no brain was found in it"
    hint = "put a mask of the brain on this grid, with the name of the image but desc-brain_mask, into the derivatives"
    mean = nib.Nifti1Image(read_mean(bold), bold.affine)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an empty mask is an error below
            mask = np.asarray(compute_epi_mask(mean, ensure_finite=True).dataobj).astype(bool)
    except ValueError as error:
        raise InputError(f"{what} ({error})", bold.path, hint) from None
    if not mask.any():
        raise InputError(what, bold.path, hint)
    return mask


def sample_nearest(
    volume: Float[np.ndarray, "x y z"],
    affine: Float[np.ndarray, "4 4"],
    grid: tuple[int, int, int],
    grid_affine: Float[np.ndarray, "4 4"],
) -> Float[np.ndarray, "u v w"]:
    """Sample a volume at the voxel centres of another grid, by nearest neighbour; 0 outside the volume."""
    if volume.shape == grid and np.allclose(affine, grid_affine, atol=1e-4):
        return volume
    to_volume = np.linalg.inv(affine) @ grid_affine
    centres = np.indices(grid).reshape(3, -1)
    voxels = np.rint(to_volume[:3, :3] @ centres + to_volume[:3, 3:]).astype(int)
    inside = ((voxels >= 0) & (voxels < np.array(volume.shape)[:, None])).all(axis=0)
    result = np.zeros(centres.shape[1], volume.dtype)
    result[inside] = volume[tuple(voxels[:, inside])]
    return result.reshape(grid)


def derivative_files(folder: Path, subject: str, endings: Iterable[str], bold: Path) -> list[Path]:
    """List the derivatives of a subject with given endings, in the space of the BOLD images; links are followed."""
    pattern = re.compile(rf"sub-{re.escape(subject)}(_.*)?_({'|'.join(map(re.escape, endings))})\.nii(\.gz)?$")
    files = index_derivatives(folder, [subject]) if folder.is_dir() else []
    paths = [file.path for file in files if pattern.fullmatch(file.path.name)]
    return [path for path in paths if _space_entity(path) == _space_entity(bold)]


def _masks_in(folder: Path, subject: str, endings: Iterable[str], bold: Path) -> list[Path]:
    """The masks of functional images, which are on the grid of the BOLD images; anatomical ones if there are none."""
    found = derivative_files(folder, subject, endings, bold)
    return [path for path in found if "_task-" in path.name] or found


def _space_entity(path: Path) -> str:
    match = re.search(r"_space-([0-9A-Za-z]+)", path.name)
    return match.group(1) if match else ""


def _masked_space(bold: Image, mask: Bool[np.ndarray, "x y z"], file: Path) -> VoxelSpace:
    if not mask.any():
        raise InputError("the mask keeps no voxel of the BOLD grid", file, "give a mask that covers the brain")
    return VoxelSpace(mask, np.asarray(bold.affine, dtype=np.float64), grayordinates=bold.grayordinates)


def _varying(bold: Image) -> Bool[np.ndarray, "x y z"]:
    """The vertices that are finite and vary over the run."""
    series = read_surface(bold.path)
    varying = np.isfinite(series).all(axis=0) & (series != series[0]).any(axis=0)
    return varying.reshape(bold.grid)
