"""Writing of NIfTI images: scan by scan, gzipped, with the same bytes for the same numbers."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped

from ..._utils.files import atomic_path


@contextmanager
def scan_writer(
    path: Path,
    grid: tuple[int, int, int],
    affine: Float[np.ndarray, "4 4"],
    dtype: np.dtype,
    *,
    n_scans: int | None = None,
    tr: float | None = None,
    scale: tuple[float, float] = (1.0, 0.0),
) -> Iterator[Callable[[Shaped[np.ndarray, "x y z"]], None]]:
    """Yield what writes one scan after another in image units; the file appears when all are there.

    Parameters
    ----------
    dtype, scale : what is stored, and the slope and intercept that lead from it to image units.
    n_scans, tr : of a series; None for a single volume.
    """
    slope, inter = scale
    with (
        atomic_path(path) as temporary,
        temporary.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as file,
    ):
        file.write(_header(grid, affine, dtype, n_scans, tr, scale))

        def write(scan: Shaped[np.ndarray, "x y z"]) -> None:
            stored = scan if scale == (1.0, 0.0) else (scan - inter) / slope
            if dtype.kind in "iu":
                limits = np.iinfo(dtype)
                stored = np.clip(np.rint(stored), limits.min, limits.max)
            file.write(stored.astype(dtype).tobytes(order="F"))

        yield write


def write_volume(path: Path, volume: Shaped[np.ndarray, "x y z"], affine: Float[np.ndarray, "4 4"]) -> None:
    """Write one volume: masks as uint8, labels as int32, other numbers as float32."""
    kind = np.uint8 if volume.dtype == bool else np.int32 if volume.dtype.kind in "iu" else np.float32
    x, y, z = volume.shape
    with scan_writer(path, (x, y, z), affine, np.dtype(kind)) as write:
        write(volume.astype(kind))


def _header(
    grid: tuple[int, int, int],
    affine: Float[np.ndarray, "4 4"],
    dtype: np.dtype,
    n_scans: int | None,
    tr: float | None,
    scale: tuple[float, float],
) -> bytes:
    """The 352 bytes before the data."""
    import nibabel

    header = nibabel.Nifti1Header()
    header.set_data_dtype(dtype)
    header.set_data_shape((*grid, n_scans) if n_scans else grid)
    header.set_sform(affine, code="scanner")
    header.set_qform(affine, code="scanner")
    zooms = tuple(np.linalg.norm(affine[:3, :3], axis=0))
    header.set_zooms((*zooms, tr or 0.0) if n_scans else zooms)
    header.set_xyzt_units("mm", "sec" if n_scans else "unknown")
    header.set_slope_inter(*scale)
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    return header.binaryblock + bytes(4)
