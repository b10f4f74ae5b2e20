"""Region names of voxels, from a BIDS segmentation: a ``dseg`` image and its table, or labels on the same surfaces."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from .._utils.errors import InputError
from ..study.index import index_derivatives
from ..study.study import Study
from ..study.surfaces import LABEL_FILES, read_surface_labels, surface_files
from .mask import derivative_files, derivative_folders, first_bold, sample_nearest
from .responses import VoxelSpace
from .volumes import Image, open_image, read_volume


def label_voxels(space: VoxelSpace, dseg: Path, table: Path | None = None) -> VoxelSpace:
    """Give every voxel the name of its region ("" if the segmentation has none).

    Parameters
    ----------
    space : VoxelSpace
    dseg : Path
        An image of integer labels on any grid; each voxel gets the label nearest to its centre. For responses on
        surfaces, the labels of the left hemisphere (``.label.gii``, beside those of the right) or of grayordinates
        (``.dlabel.nii``), which have their names in them.
    table : Path, optional
        A TSV with the columns ``index`` and ``name``; by default the ``.tsv`` beside the image.

    Raises
    ------
    InputError
        If the table is missing or lacks a column, or no voxel of the mask has a label.
    """
    if space.grayordinates is not None:
        return replace(space, roi=_named_vertices(space, dseg))
    names = read_label_table(table if table is not None else _table_of(dseg))
    image = open_image(dseg)
    labels = sample_nearest(read_volume(image), image.affine, _grid(space.mask), space.affine)[space.mask]
    roi = tuple(names.get(int(label), "") for label in np.rint(labels))
    if not any(roi):
        raise InputError(
            "no voxel of the mask has a named label",
            dseg,
            "use a segmentation in the space of the BOLD images, whose table names its labels",
        )
    return replace(space, roi=roi)


def find_dseg(study: Study, subject: str, derivatives: Path | None = None) -> Path | None:
    """Find the segmentation of a subject in the derivatives, with a table and in the space of the BOLD images."""
    first = first_bold(study, subject)
    bold, folders = first.path, derivative_folders(study, derivatives)
    if first.grayordinates is not None:
        return next((path for folder in folders for path in _labels_in(folder, subject, first)), None)
    found = (path for folder in folders for path in derivative_files(folder, subject, ("dseg",), bold))
    return next((path for path in found if _table_of(path).is_file()), None)


def dseg_files(study: Study, subject: str, derivatives: Path | None = None) -> list[Path]:
    """List the segmentation of a subject (see :func:`find_dseg`) and its table of names; [] if there is none."""
    dseg = find_dseg(study, subject, derivatives)
    if dseg is not None and dseg.name.endswith(LABEL_FILES):
        return surface_files(dseg)
    return [] if dseg is None else [dseg, _table_of(dseg)]


def read_label_table(path: Path) -> dict[int, str]:
    """Read the names of labels by index from a BIDS label table."""
    import pandas as pd

    try:
        table = pd.read_csv(path, sep="\t", dtype={"name": str}, keep_default_na=False)
        return {int(index): str(name) for index, name in zip(table["index"], table["name"], strict=True)}
    except FileNotFoundError:
        raise InputError(
            "the label table is missing", path, "put a TSV with the columns index and name there"
        ) from None
    except KeyError as error:
        raise InputError(f"the label table lacks the column {error}", path, "name its columns index and name") from None
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(f"this is not a label table ({error})", path, "give whole numbers in index") from None


def _labels_in(folder: Path, subject: str, bold: Image) -> list[Path]:
    """The labels of a subject that are on the surfaces of its runs, and of the same kind of file."""
    assert bold.grayordinates is not None
    files = index_derivatives(folder, [subject]) if folder.is_dir() else []
    ending = LABEL_FILES[1] if bold.grayordinates.models else LABEL_FILES[0]
    return [
        file.path
        for file in files
        if (file.suffix, file.extension) == ("dseg", ending)
        and file.plain.get("space", "") == bold.grayordinates.space
        and file.plain.get("hemi", "L") == "L"
    ]


def _named_vertices(space: VoxelSpace, labels: Path) -> tuple[str, ...]:
    """The names of the vertices that are kept; :class:`InputError` if the labels are of other surfaces."""
    assert space.grayordinates is not None
    names = read_surface_labels(labels)
    if len(names) != space.mask.size:
        what = f"there are labels of {len(names)} vertices, and {space.mask.size} in the runs"
        raise InputError(what, labels, "use labels in the space of the runs, vertex by vertex")
    roi = tuple(np.array(names, dtype=object)[space.mask.ravel()])
    if not any(roi):
        raise InputError("no vertex of the runs has a named label", labels, "use labels in the space of the runs")
    return roi


def _table_of(dseg: Path) -> Path:
    """The TSV with the name of the image, or ``dseg.tsv`` in its folder or one of the two above."""
    own = dseg.with_name(dseg.name.removesuffix(".gz").removesuffix(".nii") + ".tsv")
    shared = (folder / "dseg.tsv" for folder in (dseg.parent, dseg.parent.parent, dseg.parent.parent.parent))
    return next((path for path in (own, *shared) if path.is_file()), own)


def _grid(mask: Bool[np.ndarray, "x y z"]) -> tuple[int, int, int]:
    x, y, z = mask.shape
    return x, y, z
