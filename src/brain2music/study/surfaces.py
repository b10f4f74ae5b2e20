"""BOLD series on cortical surfaces: a GIFTI file per hemisphere, or CIFTI grayordinates."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

import numpy as np
from jaxtyping import Float32

from .._utils.errors import InputError
from .content import foreign_content
from .entities import parse_name

GIFTI, CIFTI = ".func.gii", ".dtseries.nii"
LABEL_FILES = (".label.gii", ".dlabel.nii")
"""Endings of the names of labels: of hemispheres, and of grayordinates."""
REWRITE = "write or fetch it again"


@dataclass(frozen=True)
class Grayordinates:
    """Where the values of a series on surfaces lie.

    Attributes
    ----------
    space : str
        The label ``space-`` of the files, such as "fsaverage5" or "fsLR".
    vertices : tuple of int
        Vertices of the left and the right mesh.
    models : str
        The brain models of CIFTI, as the XML of its header; "" for a pair of GIFTI files, whose values are those of all
        vertices, left before right.
    """

    space: str
    vertices: tuple[int, int]
    models: str = ""

    @property
    def count(self) -> int:
        """How many values a scan has."""
        return len(self.axis()) if self.models else sum(self.vertices)

    def axis(self) -> Any:
        """The brain models as nibabel's axis."""
        from nibabel.cifti2.parse_cifti2 import Cifti2Parser

        parser = Cifti2Parser()
        parser.parse(self.models.encode())
        return parser.header.get_axis(1)


@dataclass(frozen=True)
class SurfaceHeader:
    """What is known of a series without its values; ``tr`` is in seconds, None if the file does not say."""

    grayordinates: Grayordinates
    n_scans: int
    tr: float | None


def is_surface(path: Path) -> bool:
    """Whether the name is that of a series on surfaces."""
    return path.name.endswith((GIFTI, CIFTI))


def surface_files(path: Path) -> list[Path]:
    """List the files of a series: left and right, given either, or the one of CIFTI; other images are on their own.

    Raises
    ------
    InputError
        A file of a series is missing.
    """
    if not path.name.endswith((GIFTI, LABEL_FILES[0])):
        return [path]
    pair = [hemisphere_file(path, side) for side in "LR"]
    for file, which in zip(pair, ("left", "right"), strict=True):
        if not file.is_file():
            what = f"the {which} hemisphere is missing: a run on the surface is a pair, hemi-L and hemi-R"
            raise InputError(what, file, "fetch it, or choose another space by preprocessing.bids_filter")
    return pair


def hemisphere_file(path: Path, side: str) -> Path:
    """Name the file of one hemisphere, "L" or "R", given that of either."""
    return path.with_name(path.name.replace("_hemi-L_", f"_hemi-{side}_").replace("_hemi-R_", f"_hemi-{side}_"))


def read_surface_header(path: Path) -> SurfaceHeader:
    """Read the layout of a series; :class:`InputError` if a file is missing or broken, or hemispheres do not agree."""
    stamps = tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in surface_files(_existing(path)))
    return _surface_layout(path, stamps)


def read_surface(path: Path) -> Float32[np.ndarray, "scans vertices"]:
    """Read a series in the order of its :class:`Grayordinates`.

    Raises
    ------
    InputError
        A file is missing or broken, or the hemispheres have different numbers of scans.
    """
    files = surface_files(_existing(path))
    if path.name.endswith(CIFTI):
        return _legible(path, lambda: np.ascontiguousarray(_load(path).dataobj, np.float32))
    left, right = (_hemisphere(file) for file in files)
    if len(left) != len(right):
        what = f"the left hemisphere has {len(left)} scans, the right {len(right)}"
        raise InputError(what, files[1], REWRITE)
    return np.hstack([left, right])


def read_surface_labels(path: Path) -> list[str]:
    """Read the name of the region of every vertex, in the order of series; "" where it has none.

    ``path`` is the left of two ``.label.gii``, or a ``.dlabel.nii``. The label 0 is none, as are those called "???".

    Raises
    ------
    InputError
        A file is missing or broken, or holds no labels.
    """
    files = surface_files(path)
    names: list[str] = []
    for file in files:
        keys, table = _legible(file, partial(_labels, file))
        table = {key: "" if key == 0 or name == "???" else name for key, name in table.items()}
        names += [table.get(int(key), "") for key in keys]
    return names


def _labels(path: Path) -> tuple[Any, dict[int, str]]:
    """The labels of vertices, and the names of labels."""
    import nibabel as nib

    image: Any = nib.load(path)
    if path.name.endswith(LABEL_FILES[0]):
        return image.darrays[0].data, dict(image.labeltable.get_labels_as_dict())
    table = image.header.get_axis(0).label[0]
    return np.asarray(image.dataobj)[0], {key: name for key, (name, _) in table.items()}


@lru_cache(maxsize=256)
def _surface_layout(path: Path, stamps: tuple[tuple[Path, int, int], ...]) -> SurfaceHeader:
    parsed = parse_name(path)
    space = parsed.plain.get("space", "") if parsed else ""
    if path.name.endswith(CIFTI):
        return _legible(path, lambda: _cifti_header(path, space))
    left, right = (_hemisphere(file) for file, _, _ in stamps)
    if len(left) != len(right):
        what = f"the left hemisphere has {len(left)} scans, the right {len(right)}"
        raise InputError(what, stamps[1][0], REWRITE)
    vertices = left.shape[1], right.shape[1]
    if space.startswith("fsaverage") and vertices[0] != vertices[1]:
        what = f"the left hemisphere has {vertices[0]} vertices, the right {vertices[1]}; those of {space} are equal"
        raise InputError(what, stamps[1][0], REWRITE)
    return SurfaceHeader(Grayordinates(space, vertices), len(left), None)


def _cifti_header(path: Path, space: str) -> SurfaceHeader:
    from nibabel import cifti2

    image = _load(path)
    series, models = (image.header.get_axis(index) for index in (0, 1))
    if not isinstance(series, cifti2.SeriesAxis) or not isinstance(models, cifti2.BrainModelAxis):
        raise InputError("this CIFTI is not a series of scans by grayordinates", path, "give a dense time series")
    left, right = (int(models.nvertices.get(f"CIFTI_STRUCTURE_CORTEX_{side}", 0)) for side in ("LEFT", "RIGHT"))
    xml = cifti2.Cifti2Header.from_axes((cifti2.ScalarAxis(["value"]), models)).to_xml().decode()
    tr = float(series.step) if series.unit == "SECOND" and series.step > 0 else None
    return SurfaceHeader(Grayordinates(space, (left, right), xml), int(image.shape[0]), tr)


def _hemisphere(path: Path) -> Float32[np.ndarray, "scans vertices"]:
    arrays = _legible(path, lambda: [np.asarray(each.data) for each in _load(path).darrays])
    if not arrays or any(each.shape != arrays[0].shape or each.dtype.kind not in "iuf" for each in arrays):
        raise InputError("this GIFTI is not a series: its arrays are none, or differ", path, REWRITE)
    series = arrays[0].T if len(arrays) == 1 and arrays[0].ndim == 2 else np.array(arrays)
    if series.ndim != 2:
        raise InputError(f"this GIFTI holds arrays of shape {arrays[0].shape}, not one value per vertex", path, REWRITE)
    return np.ascontiguousarray(series, np.float32)


def _load(path: Path) -> Any:
    import nibabel as nib

    image: Any = nib.load(path)
    wanted = nib.Cifti2Image if path.name.endswith(CIFTI) else nib.GiftiImage
    if not isinstance(image, wanted):
        raise nib.filebasedimages.ImageFileError(f"it is a {type(image).__name__}, not what its name says")
    return image


def _legible(path: Path, read: Callable[[], Any]) -> Any:
    """What is read from a file; :class:`InputError` if that fails."""
    from nibabel.cifti2 import Cifti2HeaderError
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    headers = (ImageFileError, HeaderDataError, Cifti2HeaderError, ExpatError)
    broken = (*headers, OSError, EOFError, ValueError, IndexError, AttributeError)
    try:
        return read()
    except broken as problem:
        if foreign := foreign_content(path):
            raise InputError(foreign.what, path, foreign.hint) from None
        raise InputError(f"this series on the surface cannot be read ({problem})", path, REWRITE) from None


def _existing(path: Path) -> Path:
    if not path.is_file() and not path.name.endswith(GIFTI):
        raise InputError("the image is missing", path, "check the path, or fetch the image")
    return path
