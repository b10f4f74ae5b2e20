"""Fast reading of BOLD images: memory-mapped .nii, streamed .nii.gz, one scan in memory at a time."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32

from .._utils.errors import InputError
from ..study.content import foreign_content


@dataclass(frozen=True)
class Image:
    """The header of a NIfTI image, sufficient to read its voxels without nibabel's array proxy."""

    path: Path
    shape: tuple[int, ...]
    affine: Float[np.ndarray, "4 4"]
    dtype: np.dtype
    offset: int
    slope: float
    inter: float

    @property
    def grid(self) -> tuple[int, int, int]:
        """The shape of the volume, without time."""
        x, y, z = (*self.shape[:3], 1, 1, 1)[:3]
        return x, y, z

    @property
    def n_scans(self) -> int:
        """Volumes in the file."""
        return prod(self.shape[3:])


def open_image(path: Path) -> Image:
    """Read a NIfTI header; :class:`InputError` if the file is missing or not a NIfTI image."""
    import nibabel as nib

    path = Path(path)
    if not path.is_file():
        raise _instead_of_volume(path) or InputError("the image is missing", path, "check the path, or fetch the image")
    try:
        image = nib.load(path)
    except (nib.filebasedimages.ImageFileError, OSError, EOFError, ValueError, zlib.error) as error:
        what = f"this is not a readable NIfTI image ({error})"
        raise _instead_of_volume(path) or InputError(what, path, "fetch the image again") from None
    if not isinstance(image, nib.Nifti1Image) or path.name.endswith((".img", ".hdr", ".img.gz", ".hdr.gz")):
        raise InputError("this is not a single-file NIfTI image", path, "convert it to .nii or .nii.gz")
    proxy: Any = image.dataobj
    return Image(path, image.shape, image.affine, proxy.dtype, proxy.offset, float(proxy.slope), float(proxy.inter))


def _instead_of_volume(path: Path) -> InputError | None:
    """The error of a page or a pointer in place of an image; None if it is neither."""
    foreign = foreign_content(path)
    return None if foreign is None or foreign.kind == "empty" else InputError(foreign.what, path, foreign.hint)


def read_voxels(image: Image, mask: Bool[np.ndarray, "x y z"]) -> Float32[np.ndarray, "scans voxels"]:
    """Read the voxels of a mask from every scan.

    Parameters
    ----------
    image : Image
        As :func:`open_image` returns it.
    mask : (x, y, z) bool
        Over the grid of the image.

    Returns
    -------
    (scans, voxels) float32
        Scaled by the header; voxels in C order of the mask, as in nilearn's NiftiMasker.

    Raises
    ------
    InputError
        If the mask has another shape, or the file ends before its last scan.
    """
    if mask.shape != image.grid:
        raise InputError(f"the image is {image.grid}, its mask {mask.shape}", image.path, "use a mask on the same grid")
    where = np.ravel_multi_index(np.nonzero(mask), image.grid, order="F")
    result = np.empty((image.n_scans, len(where)), np.float32)
    with _iterate_scans(image) as scans:
        for row, volume in zip(result, scans, strict=True):
            row[:] = volume[where]
    if (image.slope, image.inter) != (1.0, 0.0):
        result *= np.float32(image.slope)
        result += np.float32(image.inter)
    return result


def read_volume(image: Image) -> Float32[np.ndarray, "x y z"]:
    """Read the first scan of an image, scaled by its header."""
    with _iterate_scans(image) as scans:
        volume = next(scans).astype(np.float32)
    return (volume * np.float32(image.slope) + np.float32(image.inter)).reshape(image.grid, order="F")


@contextmanager
def iterate_volumes(image: Image) -> Iterator[Iterator[Float32[np.ndarray, "x y z"]]]:
    """Iterate over the scans of an image, one in memory at a time, scaled by its header."""
    slope, inter = np.float32(image.slope), np.float32(image.inter)
    with _iterate_scans(image) as scans:
        yield (scan.astype(np.float32).reshape(image.grid, order="F") * slope + inter for scan in scans)


@contextmanager
def _iterate_scans(image: Image) -> Iterator[Iterator[np.ndarray]]:
    """Iterate over scans as flat arrays in the order (Fortran) and type of the file."""
    size = prod(image.grid) * image.dtype.itemsize
    if not image.path.name.endswith(".gz"):
        if image.path.stat().st_size < image.offset + image.n_scans * size:
            raise _truncated(image)
        flat = np.memmap(image.path, image.dtype, "r", image.offset, (image.n_scans, prod(image.grid)))
        yield iter(flat)
        return
    with gzip.GzipFile(image.path, "rb") as file:
        yield _streamed(image, file, size)


def _streamed(image: Image, file: gzip.GzipFile, size: int) -> Iterator[np.ndarray]:
    try:
        file.seek(image.offset)
        for _ in range(image.n_scans):
            volume = file.read(size)
            if len(volume) < size:
                raise _truncated(image)
            yield np.frombuffer(volume, image.dtype)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise _truncated(image) from None


def _truncated(image: Image) -> InputError:
    return InputError(f"the image ends before the last of its {image.n_scans} scans", image.path, "fetch it again")
