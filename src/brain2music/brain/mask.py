"""Which voxels: a mask of the study's derivatives where there is one, else one of the first run."""

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
from .responses import VoxelSpace
from .volumes import Image, open_image, read_volume

_GREY = ("desc-grey_mask", "desc-gray_mask", "desc-cortex_mask", "label-GM_mask", "label-GM_desc-brain_mask")
_BRAIN = ("desc-brain_mask", "brainmask")


def choose_mask(study: Study, subject: str, derivatives: Path | None = None, mask: Path | None = None) -> VoxelSpace:
    """The voxels to read for a subject, on the grid of the subject's first run.

    Taken from the first of these that is there: ``mask``; a grey-matter mask of the subject in the
    derivatives; the subject's brain masks there (their intersection); nilearn's ``compute_epi_mask`` of the
    first run.

    Parameters
    ----------
    derivatives : where to look before ``root/derivatives``. Only masks in the same ``space-`` as the BOLD count.
    mask : a NIfTI image, voxels above 0.5 are in; brought to the BOLD grid by nearest neighbour.

    Raises
    ------
    InputError : the subject has no BOLD image, or the mask keeps no voxel.
    """
    bold = first_bold(study, subject)
    found = mask_files(study, subject, derivatives, mask)
    if found:
        return _space(bold, np.logical_and.reduce([read_mask(path, bold) for path in found]), found[0])
    return _space(bold, epi_mask(bold), bold.path)


def mask_files(study: Study, subject: str, derivatives: Path | None = None, mask: Path | None = None) -> list[Path]:
    """The images that :func:`choose_mask` takes the subject's mask from; [] where it makes one of the first run."""
    if mask is not None:
        return [mask]
    bold = first_bold(study, subject).path
    for folder in derivative_folders(study, derivatives):
        for endings in (_GREY, _BRAIN):
            if found := _masks_in(folder, subject, endings, bold):
                return found
    return []


def check_masks(study: Study, subject: str, derivatives: Path | None = None) -> list[Finding]:
    """Report masks on another grid than the BOLD images', which are brought to it by nearest neighbour."""
    bold, findings = first_bold(study, subject), []
    for path in mask_files(study, subject, derivatives):
        image = open_image(path)
        if image.grid != bold.grid or not np.allclose(image.affine, bold.affine, atol=1e-3):
            volume = read_volume(image) > 0.5
            sizes = [abs(np.linalg.det(each.affine[:3, :3])) for each in (image, bold)]
            kept = sizes[1] * read_mask(path, bold).sum() / max(sizes[0] * volume.sum(), 1e-9)
            differs = "affine" if image.grid == bold.grid else "grid"
            what = (
                f"the mask's {differs} differs from that of {bold.path.name}; {kept:.0%} of it lies within that image"
            )
            hint = "see that both are in one space; it is brought to the image by nearest neighbour"
            findings.append(Finding("warning", "mask-resampled", path, what, hint, subject))
    return findings


def derivative_folders(study: Study, derivatives: Path | None) -> list[Path]:
    """Where a subject's derivatives are looked for: first the folder that was named, then the study's own."""
    own = study.root / "derivatives"
    return [own] if derivatives is None else [derivatives, own]


def first_bold(study: Study, subject: str) -> Image:
    """The header of the subject's first BOLD run: the grid that every other run must share."""
    runs = study.runs_of(subject)
    if not runs:
        raise InputError(f"there is no sub-{subject}", study.root, f"choose among {', '.join(study.subjects)}")
    for run in runs:
        if run.bold is not None:
            return open_image(run.bold)
    raise InputError(f"sub-{subject} has events but no BOLD images", study.root, "fetch the images of this subject")


def read_mask(path: Path, like: Image) -> Bool[np.ndarray, "x y z"]:
    """Read a mask image (in where above 0.5) on the grid of another image."""
    image = open_image(path)
    return sample_nearest(read_volume(image), image.affine, like.grid, like.affine) > 0.5


def epi_mask(bold: Image) -> Bool[np.ndarray, "x y z"]:
    """nilearn's brain mask from the intensities of a run."""
    from nilearn.masking import compute_epi_mask

    what = "no mask goes with the image, and no brain was found in it"
    hint = "put a mask of the brain on this grid, called as the image but desc-brain_mask, into the derivatives"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that nothing was found is said below
            mask = np.asarray(compute_epi_mask(str(bold.path), ensure_finite=True).dataobj).astype(bool)
    except (ValueError, EOFError, OSError) as error:
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
    """A volume's values at the voxel centres of another grid, by nearest neighbour; 0 outside the volume."""
    if volume.shape == grid and np.allclose(affine, grid_affine, atol=1e-4):
        return volume
    to_source = np.linalg.inv(affine) @ grid_affine
    centres = np.indices(grid).reshape(3, -1)
    source = np.rint(to_source[:3, :3] @ centres + to_source[:3, 3:]).astype(int)
    inside = ((source >= 0) & (source < np.array(volume.shape)[:, None])).all(axis=0)
    result = np.zeros(centres.shape[1], volume.dtype)
    result[inside] = volume[tuple(source[:, inside])]
    return result.reshape(grid)


def derivative_files(folder: Path, subject: str, endings: Iterable[str], bold: Path) -> list[Path]:
    """A subject's derivatives with one of these endings, in the space of the BOLD, sorted; links are followed."""
    pattern = re.compile(rf"sub-{re.escape(subject)}(_.*)?_({'|'.join(map(re.escape, endings))})\.nii(\.gz)?$")
    files = index_derivatives(folder, [subject]) if folder.is_dir() else []
    paths = [file.path for file in files if pattern.fullmatch(file.path.name)]
    return [path for path in paths if _entity(path) == _entity(bold)]


def _masks_in(folder: Path, subject: str, endings: Iterable[str], bold: Path) -> list[Path]:
    """Masks of functional images are on the BOLD's own grid, so anatomical ones only count without them."""
    found = derivative_files(folder, subject, endings, bold)
    return [path for path in found if "_task-" in path.name] or found


def _entity(path: Path) -> str:
    match = re.search(r"_space-([0-9A-Za-z]+)", path.name)
    return match.group(1) if match else ""


def _space(bold: Image, mask: Bool[np.ndarray, "x y z"], source: Path) -> VoxelSpace:
    if not mask.any():
        raise InputError("the mask keeps no voxel of the BOLD grid", source, "give a mask that covers the brain")
    return VoxelSpace(mask, np.asarray(bold.affine, dtype=np.float64))
