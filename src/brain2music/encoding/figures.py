"""Figures of encoding maps: on the cortical surface if the brain is on it or in MNI space, else slices."""

import warnings
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

import nibabel as nib
import numpy as np
from jaxtyping import Float, Float32
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from .._utils.errors import InputError
from .._utils.files import atomic_path
from ..brain.responses import VoxelSpace
from ..study.surfaces import Grayordinates
from .maps import SIDES, hemispheres, is_mni_like, statmap_image, surface_values

COLOURS = "inferno"
FSAVERAGE5 = 10242
"""Vertices of a hemisphere."""
DIVERGING = "RdBu_r"


def map_figure(
    path: Path,
    values: Float[np.ndarray, " voxels"],
    space: VoxelSpace,
    *,
    title: str,
    label: str = "r",
    simulated: bool = False,
    diverging: bool = False,
    top: float | None = None,
    meshes: tuple[Path, Path] | None = None,
) -> None:
    """Draw one value per voxel: on the cortical surface if the brain is in MNI space, else in slices of the volume.

    Maps on surfaces are drawn on these where nilearn has their mesh (fsaverage5), or where it is given; else as values
    vertex by vertex, which the figure says.

    Parameters
    ----------
    path : Path
        Name of the figure, a PNG or SVG by its ending, which is written atomically.
    values : ndarray of shape (voxels,)
        The map. NaN is not coloured, so thresholded maps have NaN below the threshold.
    space : VoxelSpace
        Positions of the voxels.
    title : str
        Title of the figure.
    label : str, default "r"
        Label of the colour bar.
    simulated : bool, default False
        Whether to add "(simulated)" to the title.
    diverging : bool, default False
        Whether colours are centred on 0, for differences.
    top : float, optional
        The value of the last colour; default the 99.5th percentile.
    meshes : tuple of Path, optional
        Surfaces of the left and the right hemisphere (``.surf.gii``) on which maps of surfaces are drawn.

    Raises
    ------
    InputError
        A mesh cannot be read, or has another number of vertices than the map.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from brain2music.brain import VoxelSpace
    >>> from brain2music.encoding import map_figure
    >>> space = VoxelSpace(np.ones((6, 7, 5), bool), np.diag([3.0, 3.0, 3.0, 1.0]))
    >>> map_figure(Path("r.png"), np.linspace(0, 0.5, 210), space, title="Correlation with measured responses")
    >>> Path("r.png").read_bytes()[1:4]
    b'PNG'
    """
    top = top or max(float(np.nanquantile(np.abs(values), 0.995)) if np.isfinite(values).any() else 0.0, 1e-3)
    title = f"{title} (simulated)" if simulated else title
    scale = Normalize(-top if diverging else 0.0, top)
    colours = DIVERGING if diverging else COLOURS
    if space.grayordinates is not None:
        figure = _own_surfaces(values, space, scale, colours, meshes)
    elif is_mni_like(space):
        figure = _surfaces(surface_values(values, space), _fsaverage5(), scale, colours)
    else:
        figure = _slices(values, space, scale, colours)
    figure.suptitle(title, fontsize=12)
    bar = figure.add_axes((0.3, 0.13, 0.4, 0.025))
    figure.colorbar(ScalarMappable(scale, colours), cax=bar, orientation="horizontal", label=label)
    _save(figure, path)


def _own_surfaces(
    values: Float[np.ndarray, " voxels"],
    space: VoxelSpace,
    scale: Normalize,
    colours: str,
    meshes: tuple[Path, Path] | None,
) -> Figure:
    """Draw a map on its own surfaces if there are meshes of as many vertices, else vertex by vertex."""
    surfaces, sampled = space.grayordinates, hemispheres(values, space)
    assert surfaces is not None
    if meshes is not None:
        return _surfaces(sampled, read_meshes(meshes, surfaces.vertices), scale, colours)
    if has_mesh(surfaces):
        return _surfaces(sampled, _fsaverage5(), scale, colours)
    return _vertices(sampled, scale, colours, surfaces.space or "this space")


def has_mesh(surfaces: Grayordinates) -> bool:
    """Whether the mesh of these surfaces is part of nilearn."""
    return surfaces.space == "fsaverage5" and surfaces.vertices == (FSAVERAGE5, FSAVERAGE5)


def _fsaverage5() -> dict[str, Any]:
    """The inflated fsaverage5 with its sulci, which are part of nilearn."""
    from nilearn.datasets import fetch_surf_fsaverage

    return dict(fetch_surf_fsaverage("fsaverage5"))


def read_meshes(paths: tuple[Path, Path], vertices: tuple[int, int]) -> dict[str, Any]:
    """Read the meshes of both hemispheres; :class:`InputError` where one is not legible, or of other vertices."""
    from nilearn.surface import load_surf_mesh

    found: dict[str, Any] = {}
    for side, path, count in zip(SIDES, paths, vertices, strict=True):
        try:
            mesh = load_surf_mesh(path)
        except (OSError, ValueError, IndexError, ExpatError, nib.filebasedimages.ImageFileError) as problem:
            what = f"this mesh cannot be read ({problem})"
            raise InputError(what, path, "give a .surf.gii of the space of the responses") from None
        if len(mesh.coordinates) != count:
            what = f"the mesh has {len(mesh.coordinates)} vertices, and the map of this hemisphere {count}"
            raise InputError(what, path, "give the mesh of the space of the responses")
        found[f"infl_{side}"] = mesh
    return found


def _vertices(sampled: dict[str, Any], scale: Normalize, colours: str, name: str) -> Figure:
    """Draw the values of each hemisphere in the order of its vertices, for want of a mesh."""
    figure = Figure(figsize=(11, 4.2))
    for column, side in enumerate(SIDES):
        axes, half = figure.add_subplot(1, 2, column + 1), sampled[side]
        axes.scatter(np.arange(len(half)), half, s=4, c=half, cmap=colours, norm=scale)
        axes.set_xlim(0, max(len(half), 1))
        axes.set_xlabel("vertex", fontsize=8)
        axes.set_title(side, fontsize=9)
    figure.text(0.5, 0.01, f"There is no mesh of {name} to draw on: values by vertex.", ha="center", fontsize=8)
    figure.subplots_adjust(0.06, 0.3, 0.98, 0.86)
    return figure


def _surfaces(sampled: dict[str, Any], mesh: dict[str, Any], scale: Normalize, colours: str) -> Figure:
    """Draw both inflated hemispheres in lateral and medial views."""
    from nilearn.plotting import plot_surf_stat_map

    figure = Figure(figsize=(11, 3.4))
    views = (("left", "lateral"), ("left", "medial"), ("right", "medial"), ("right", "lateral"))
    for column, (side, view) in enumerate(views):
        axes = figure.add_subplot(1, 4, column + 1, projection="3d")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # nothing to colour on this side
            plot_surf_stat_map(
                mesh[f"infl_{side}"],
                sampled[side],
                bg_map=mesh.get(f"sulc_{side}"),
                hemi=side,
                view=view,
                cmap=colours,
                vmin=scale.vmin,
                vmax=scale.vmax,
                colorbar=False,
                axes=axes,
                figure=figure,
            )
        axes.set_title(f"{side}, {view}", fontsize=9, y=0.92)
    figure.subplots_adjust(0, 0.14, 1, 0.95, 0, 0)
    return figure


def _slices(values: Float[np.ndarray, " voxels"], space: VoxelSpace, scale: Normalize, colours: str) -> Figure:
    """Draw twelve axial slices from the bottom up, left on the left, over the grey mask, in the subject's space."""
    known = np.isfinite(values)
    shown, mask, coloured = (_upright(each, space) for each in (values, np.ones(len(values)), known.astype(float)))
    shown = np.where(coloured > 0, shown, np.nan)
    filled = np.flatnonzero(mask.any(axis=(0, 1)))
    chosen = np.unique(np.linspace(filled[0], filled[-1], 12).round().astype(int))
    figure = Figure(figsize=(11, 4.2))
    for at, z in enumerate(chosen):
        axes = figure.add_subplot(2, (len(chosen) + 1) // 2, at + 1)
        axes.imshow(np.where(mask[..., z] > 0, 0.85, 1.0).T, cmap="gray", vmin=0, vmax=1, origin="lower")
        axes.imshow(shown[..., z].T, cmap=colours, norm=scale, origin="lower", interpolation="nearest")
        axes.set_title(f"slice {z}", fontsize=8)
        axes.set_axis_off()
    figure.subplots_adjust(0.01, 0.2, 0.99, 0.86, 0.02, 0.15)
    return figure


def _upright(values: Float[np.ndarray, " voxels"], space: VoxelSpace) -> Float32[np.ndarray, "x y z"]:
    """Reorient a map so that its axes point right, forward and up; 0 outside the mask and where NaN."""
    return np.asarray(nib.as_closest_canonical(statmap_image(values, space)).dataobj, np.float32)


def _save(figure: Figure, path: Path) -> None:
    with atomic_path(path) as temporary:
        kind = path.suffix[1:]
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(temporary, format=kind, dpi=110, metadata=metadata)
