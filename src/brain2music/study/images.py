"""Checks of BOLD images: the header, and scan by scan whether the voxels agree with it."""

import gzip
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
from jaxtyping import Bool, Float, Shaped

from .._utils.errors import InputError
from .content import foreign_content
from .finding import Finding, error, warning
from .surfaces import Grayordinates, is_surface, read_surface, read_surface_header

COPY_AGAIN = "copy or download the image again"
DEFLATE_LIMIT = 1032
"""The largest compression ratio of a gzip file."""
SECONDS = {8: 1.0, 16: 1e-3, 24: 1e-6}
"""NIfTI's codes of the units of time."""


@dataclass(frozen=True)
class Header:
    """The header of a 4-D image, or of a series on surfaces, whose values are then a volume of (values, 1, 1).

    ``tr`` is in seconds, None if the header does not say.
    """

    path: Path
    shape: tuple[int, int, int]
    n_volumes: int
    tr: float | None
    dtype: np.dtype
    offset: int
    affine: Float[np.ndarray, "4 4"]
    grayordinates: Grayordinates | None = None

    @property
    def volume_bytes(self) -> int:
        """Bytes of one scan."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def file_bytes(self) -> int:
        """Bytes of the uncompressed file."""
        return self.offset + self.n_volumes * self.volume_bytes


def read_header(path: Path, findings: list[Finding]) -> Header | None:
    """Read the header of a BOLD image, but no voxels; None and a finding if that fails."""
    if is_surface(path):
        return _read_surface(path, findings)
    try:
        image = _open_nifti(path)
    except (nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError) as problem:
        what = f"this is not a readable NIfTI ({problem})"
        findings.append(_instead_of_image(path) or error("image-unreadable", path, what, COPY_AGAIN))
    except (OSError, EOFError, zlib.error, ValueError, OverflowError) as problem:
        what = f"the image cannot be read ({problem})"
        findings.append(_instead_of_image(path) or error("image-unreadable", path, what, COPY_AGAIN))
    else:
        return _require_series(_interpret(path, image), tuple(image.shape), path, findings)
    return None


def _read_surface(path: Path, findings: list[Finding]) -> Header | None:
    try:
        found = read_surface_header(path)
    except InputError as problem:
        findings.append(error("image-unreadable", path, problem.what, problem.hint))
        return None
    if found.n_scans < 2:
        findings.append(error("image-not-4d", path, "this series has one scan", "put the BOLD series there"))
        return None
    shape, affine = (found.grayordinates.count, 1, 1), np.eye(4)
    return Header(path, shape, found.n_scans, found.tr, np.dtype(np.float32), 0, affine, found.grayordinates)


def _instead_of_image(path: Path) -> Finding | None:
    """Report a page or a pointer in place of an image; None if it is neither."""
    foreign = foreign_content(path)
    if foreign is None:
        return None
    return error("image-missing" if foreign.is_unfetched else "image-unreadable", path, foreign.what, foreign.hint)


@dataclass(frozen=True)
class Voxels:
    """Masks (x, y, z) of the voxels that vary over a run, are finite throughout, and are zero throughout.

    ``flat`` numbers the scans, from 1, that have one value in all voxels.
    """

    varying: Bool[np.ndarray, "x y z"]
    finite: Bool[np.ndarray, "x y z"]
    zero: Bool[np.ndarray, "x y z"]
    flat: tuple[int, ...] = ()


def scan_voxels(header: Header, findings: list[Finding]) -> Voxels | None:
    """Read every scan once; None and a finding if the file ends or breaks before the last scan of its header."""
    varying, finite, zero = (np.full(header.shape, value, order="F") for value in (False, True, True))
    first: np.ndarray | None = None
    count, flat = 0, []
    try:
        for volume in _iterate_volumes(header, findings):
            first = volume if first is None else first
            varying |= volume != first
            zero &= volume == 0
            finite &= np.isfinite(volume)
            count += 1
            if volume.size > 1 and volume[0, 0, 0] == volume[-1, -1, -1] and (volume == volume[0, 0, 0]).all():
                flat.append(count)
    except (OSError, EOFError, zlib.error) as problem:
        what = f"the image breaks off after {count} of {header.n_volumes} scans ({problem})"
        findings.append(error("image-truncated", header.path, what, COPY_AGAIN))
        return None
    return Voxels(varying & finite, finite, zero, tuple(flat))


def report_voxels(header: Header, voxels: Voxels, alive: Bool[np.ndarray, "x y z"], findings: list[Finding]) -> None:
    """Report NaN and constant voxels, which are left out: a warning, or an error if no voxel remains.

    Voxels that are zero throughout are background, unless they are ``alive``, which means they vary in another run.
    """
    path, total = header.path, voxels.finite.size
    if bad := int((~voxels.finite).sum()):
        what = f"{bad} of {total} voxels hold NaN or infinite values"
        if bad == total:
            findings.append(error("voxels-nan", path, what, "export the image again"))
            return
        hint = "mask them with 0 if they are outside the brain, else export the image again"
        findings.append(warning("voxels-nan", path, f"{what}, and are left out", hint))
    constant = voxels.finite & ~voxels.varying
    if constant.all():
        findings.append(error("voxels-constant", path, "no voxel of the image ever changes", COPY_AGAIN))
        return
    if dead := int((constant & (~voxels.zero | alive)).sum()):
        what = f"{dead} of {total} voxels never change, {int((constant & alive).sum())} of them only in this run"
        hint = "leave them out with a mask; if they are within the brain, look at the image"
        findings.append(warning("voxels-constant", path, what, hint))
    if voxels.flat:
        numbers = ", ".join(map(str, voxels.flat[:5])) + (" …" if len(voxels.flat) > 5 else "")
        what = f"{len(voxels.flat)} of {header.n_volumes} scans hold one value in all voxels (number {numbers}, from 1)"
        hint = f"{COPY_AGAIN}; if the scanner lost them, leave out the events around them"
        findings.append(warning("scans-empty", path, what, hint))


def trailing_bytes(path: Path, size: int) -> int | None:
    """Count the bytes after the gzip streams that hold the first ``size`` bytes; None if such a stream is broken.

    A gzip file may consist of several streams; whatever follows the last one that is needed does no harm.
    """
    held, read = 0, 0
    with path.open("rb") as file:
        rest = file.read(1 << 20)
        while rest:
            stream = zlib.decompressobj(wbits=31)
            try:
                while not stream.eof and rest:
                    held += len(stream.decompress(rest))
                    read += len(rest) - len(stream.unused_data)
                    rest = stream.unused_data or file.read(1 << 20)
            except zlib.error:
                return None
            if not stream.eof:
                return None
            if held >= size:
                return path.stat().st_size - read
    return None


def _open_nifti(path: Path) -> Any:
    """Open a NIfTI without nibabel's remarks on the headers that it repairs."""
    logger = nib.imageglobals.logger
    disabled, logger.disabled = logger.disabled, True
    try:
        image = nib.load(path)
    finally:
        logger.disabled = disabled
    if not isinstance(image, nib.Nifti1Image):
        raise nib.filebasedimages.ImageFileError(f"it is a {type(image).__name__}")
    return image


def _interpret(path: Path, image: Any) -> Header:
    header = image.header
    zooms = header.get_zooms()
    unit = int(header["xyzt_units"]) & 0b111000
    tr = float(zooms[3]) * SECONDS.get(unit, 1.0) if len(zooms) > 3 else 0.0
    is_known = tr > 0 and math.isfinite(tr) and (unit in SECONDS or tr != 1)
    shape = (*image.shape, 1, 1, 1, 1)
    return Header(
        path=path,
        shape=(shape[0], shape[1], shape[2]),
        n_volumes=shape[3],
        tr=tr if is_known else None,
        dtype=header.get_data_dtype(),
        offset=int(image.dataobj.offset),
        affine=np.asarray(image.affine, dtype=np.float64),
    )


def _require_series(header: Header, shape: tuple[int, ...], path: Path, findings: list[Finding]) -> Header | None:
    if len(shape) != 4 or min(shape) < 1 or header.n_volumes < 2 or header.dtype.kind not in "iufc":
        what = f"the image is {header.dtype} of shape {shape}, not a series of scans"
        findings.append(error("image-not-4d", path, what, "put the 4-D BOLD series there"))
        return None
    if not has_place(header.affine):
        what = "the header does not say where in space the voxels are: its affine is singular or not finite"
        findings.append(error("image-unreadable", path, what, COPY_AGAIN))
        return None
    size = path.stat().st_size
    if size * (DEFLATE_LIMIT if path.suffix == ".gz" else 1) < header.file_bytes:
        what = f"the image is {size} bytes long but its header promises {header.file_bytes}"
        findings.append(error("image-truncated", path, what, COPY_AGAIN))
        return None
    return header


def has_place(affine: Float[np.ndarray, "4 4"]) -> bool:
    """Whether an affine gives every voxel a place of its own."""
    return bool(np.isfinite(affine).all()) and float(np.linalg.cond(affine[:3, :3])) < 1e9


def _iterate_volumes(header: Header, findings: list[Finding]) -> Iterator[Shaped[np.ndarray, "x y z"]]:
    if header.grayordinates is not None:
        try:
            yield from read_surface(header.path)[:, :, None, None]
        except InputError as problem:
            raise EOFError(problem.what) from None
        return
    opener = gzip.open if header.path.suffix == ".gz" else open
    with cast(BufferedIOBase, opener(header.path, "rb")) as file:
        file.seek(header.offset)
        for _ in range(header.n_volumes):
            buffer = file.read(header.volume_bytes)
            if len(buffer) < header.volume_bytes:
                raise EOFError("the file ends there")
            yield np.frombuffer(buffer, header.dtype).reshape(header.shape, order="F")
        extra = _read_rest(file, header)  # to the end, where gzip keeps its checksum
    if extra:
        what = f"{extra} bytes follow the image that its header promises; they are not read"
        findings.append(warning("image-longer", header.path, what, "find out which is right, or copy it again"))


def _read_rest(file: BufferedIOBase, header: Header) -> int:
    """Count the bytes after the last scan; raises if they belong to a stream that the scans need."""
    extra = 0
    try:
        while more := file.read(1 << 20):
            extra += len(more)
    except (OSError, EOFError, zlib.error):
        trailing = trailing_bytes(header.path, header.file_bytes)
        if trailing is None:
            raise
        return extra + trailing
    return extra
