"""One run from its image to cleaned time series of the voxels of a mask, and the grid that it must have."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from .._utils.errors import InputError
from ..study.confounds import confounds_table
from ..study.study import Run, Study
from . import clean
from .responses import VoxelSpace
from .volumes import Image, open_image, read_voxels


@dataclass(frozen=True)
class Cleaning:
    """How every run is cleaned: the arguments of :func:`brain2music.brain.clean.clean_run`."""

    detrend: clean.Detrending = "median"
    window_s: float = 240.0
    zscore: bool = True
    confounds: tuple[str, ...] = ()

    def table(self, study: Study, run: Run, derivatives: Path | None = None) -> Path | None:
        """The table of confounds of a run; None where none are regressed out."""
        return confounds_table(study, run, derivatives) if self.confounds else None


def read_cleaned(
    run: Run, space: VoxelSpace, how: Cleaning, table: Path | None = None
) -> tuple[Float32[np.ndarray, "scans voxels"], clean.Cleaned]:
    """Read and clean one run, always on one thread, so that results do not depend on how many there are.

    Raises
    ------
    InputError
        The image is missing, damaged or on another grid, or the table does not fit it.
    """
    from threadpoolctl import threadpool_limits

    series = read_voxels(open_on_grid(run, space), space.mask)
    nuisance = None if table is None else clean.read_confounds(table, how.confounds, len(series))
    with threadpool_limits(1):
        found = clean.clean_run(series, run.tr, how.detrend, nuisance, window_s=how.window_s, scale=how.zscore)
    return series, found


def open_on_grid(run: Run, space: VoxelSpace) -> Image:
    """Open the image of a run; :class:`InputError` if there is none, or on another grid than the mask's."""
    if run.bold is None:
        raise InputError(f"{run.name} has events but no BOLD image", run.events, "fetch the image of this run")
    image = open_image(run.bold)
    if image.grayordinates != space.grayordinates:
        what = "the image is not on the surfaces of the mask, which are the first run's, vertex by vertex"
    elif image.grid != space.mask.shape:
        what = f"the image has the grid {image.grid} but the mask, on that of the first run, {space.mask.shape}"
    elif not np.allclose(image.affine, space.affine, atol=1e-3):
        what = f"the image's affine differs from that of the mask, which is the first run's (grid {image.grid})"
    else:
        return image
    raise InputError(what, image.path, "align all runs of a subject to one image first")


def runs_with_clips(study: Study, subject: str) -> Sequence[Run]:
    """The runs of a subject, of both splits, in which clips were presented that count."""
    return [run for run in study.runs_of(subject) if any(not each.carry_in for each in run.presentations)]
