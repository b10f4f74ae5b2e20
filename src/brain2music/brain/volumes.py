"""Fast reading of BOLD images: memory-mapped .nii, streamed .nii.gz, one scan in memory at a time."""

import gzip
import mmap
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Shaped

from .._utils.errors import InputError
from .._utils.gzipped import BROKEN, open_gzip
from ..study.content import foreign_content
from ..study.images import has_place, trailing_bytes
from ..study.surfaces import Grayordinates, is_surface, read_surface, read_surface_header

FORGET_BYTES = 16 << 20
"""Of a memory-mapped file, as much stays in memory at once."""


@dataclass(frozen=True)
class Image:
    """The header of a NIfTI image, sufficient to read its voxels without nibabel's array proxy.

    Of a series on surfaces, the grid is (values, 1, 1), and ``grayordinates`` says where they lie.
    """

    path: Path
    shape: tuple[int, ...]
    affine: Float[np.ndarray, "4 4"]
    dtype: np.dtype
    offset: int
    slope: float
    inter: float
    grayordinates: Grayordinates | None = None

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
    if is_surface(path):
        found = read_surface_header(path)
        shape = (found.grayordinates.count, 1, 1, found.n_scans)
        return Image(path, shape, np.eye(4), np.dtype(np.float32), 0, 1.0, 0.0, found.grayordinates)
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
    if proxy.dtype.kind not in "iuf":
        what = f"its voxels are not numbers but {proxy.dtype}"
        raise InputError(what, path, "export the magnitude as integers or floats")
    if sum(size > 1 for size in image.shape[3:]) > 1:
        what = f"the image has the shape {image.shape}: more dimensions than space and time"
        raise InputError(what, path, "put the 4-D series of one echo there")
    if not has_place(image.affine):
        what = "the header does not say where in space the voxels are: its affine is singular or not finite"
        raise InputError(what, path, "copy or export the image again")
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
    ascending = np.sort(where)  # as they lie in the file
    in_mask = np.searchsorted(ascending, where)
    found, ordered = np.empty(len(where), image.dtype), np.empty(len(where), image.dtype)
    result = np.empty((image.n_scans, len(where)), np.float32)
    for row, volume in zip(result, _iterate_scans(image), strict=True):
        np.take(volume, ascending, out=found, mode="clip")
        row[:] = np.take(found, in_mask, out=ordered, mode="clip")
    _apply_scaling(result, image)
    return result


def read_volume(image: Image) -> Float32[np.ndarray, "x y z"]:
    """Read the first scan of an image, scaled by its header."""
    volume = next(_iterate_scans(image)).astype(np.float32)
    _apply_scaling(volume, image)
    return volume.reshape(image.grid, order="F")


def read_mean(image: Image) -> Float[np.ndarray, "x y z"]:
    """Compute the mean over scans, scaled by the header, with one scan in memory; NaN where any scan is."""
    total = np.zeros(prod(image.grid))
    for volume in _iterate_scans(image):
        total += volume
    return (total / image.n_scans * image.slope + image.inter).reshape(image.grid, order="F")


def _apply_scaling(values: Float32[np.ndarray, "..."], image: Image) -> None:
    if (image.slope, image.inter) != (1.0, 0.0):
        values *= np.float32(image.slope)
        values += np.float32(image.inter)


@contextmanager
def iterate_volumes(image: Image) -> Iterator[Iterator[Float32[np.ndarray, "x y z"]]]:
    """Iterate over the scans of an image, one in memory at a time, scaled by its header."""
    slope, inter = np.float32(image.slope), np.float32(image.inter)
    scans = _iterate_scans(image)
    yield (scan.astype(np.float32).reshape(image.grid, order="F") * slope + inter for scan in scans)


def _iterate_scans(image: Image) -> Iterator[Shaped[np.ndarray, " voxels"]]:
    """Iterate over scans as flat arrays in the order (Fortran) and type of the file."""
    if image.grayordinates is not None:
        return iter(read_surface(image.path))
    return _streamed(image) if image.path.name.endswith(".gz") else _memory_mapped(image)


def _memory_mapped(image: Image) -> Iterator[Shaped[np.ndarray, " voxels"]]:
    """Scans of a memory-mapped file, whose pages are given back once they were read."""
    n_voxels, size = prod(image.grid), prod(image.grid) * image.dtype.itemsize
    if image.path.stat().st_size < image.offset + image.n_scans * size:
        raise _truncated(image)
    with image.path.open("rb") as file:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    begun = 0
    for first in range(image.offset, image.offset + image.n_scans * size, size):
        yield np.frombuffer(pages, image.dtype, n_voxels, first)
        if first + size - begun >= FORGET_BYTES and hasattr(mmap, "MADV_DONTNEED"):
            whole = (first + size) // mmap.PAGESIZE * mmap.PAGESIZE
            pages.madvise(mmap.MADV_DONTNEED, begun, whole - begun)
            begun = whole


def _streamed(image: Image) -> Iterator[Shaped[np.ndarray, " voxels"]]:
    """Scans of a compressed file; whatever follows the gzip streams that hold them is not read."""
    size, done = prod(image.grid) * image.dtype.itemsize, 0
    held = image.offset + image.n_scans * size
    try:
        with open_gzip(image.path) as file:
            file.seek(image.offset)
            while done < image.n_scans:
                yield np.frombuffer(_read_whole(file, size), image.dtype)
                done += 1
            file.read(1)  # where the stream ends, its checksum is compared
    except BROKEN as problem:
        if trailing_bytes(image.path, held) is None:
            if isinstance(problem, EOFError):
                raise _truncated(image) from None
            what = f"the image is damaged: its bytes are not those that were compressed ({problem})"
            raise InputError(what, image.path, "fetch it again") from None
    if done < image.n_scans:  # ISA-L reads ahead into what follows
        with gzip.open(image.path) as file:
            file.seek(image.offset + done * size)
            for _ in range(done, image.n_scans):
                yield np.frombuffer(_read_whole(file, size), image.dtype)


def _read_whole(file: BufferedIOBase, size: int) -> bytes:
    found = file.read(size)
    if len(found) < size:
        raise EOFError("the file ends there")
    return found


def _truncated(image: Image) -> InputError:
    what = f"the image ends before the last of its {image.n_scans} scans"
    return InputError(what, image.path, "fetch it again")
