"""One run from its image to cleaned time series of the voxels of a mask, and the grid that it must have."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32

from .._utils.errors import InputError
from ..config import PreprocessingConfig
from ..study.confounds import confounds_table
from ..study.study import Run, Study
from . import clean
from .confound_strategy import ConfoundStrategy, read_nuisance
from .responses import VoxelSpace
from .volumes import Image, open_image, read_voxels


@dataclass(frozen=True)
class Cleaning:
    """How every run is cleaned: the arguments of :func:`brain2music.brain.clean.clean_run`."""

    detrend: clean.Detrending = "median"
    window_s: float = 240.0
    zscore: bool = True
    confounds: tuple[str, ...] = ()
    strategy: ConfoundStrategy = field(default_factory=ConfoundStrategy)

    @classmethod
    def of(cls, settings: PreprocessingConfig) -> "Cleaning":
        """The cleaning that the settings of a run ask for."""
        how = ConfoundStrategy.of(settings)
        return cls(settings.detrend, confounds=tuple(settings.confounds), strategy=how)

    @property
    def reads_table(self) -> bool:
        """Whether the tables of confounds are read."""
        return bool(self.confounds or self.strategy.strategy)

    def table(self, study: Study, run: Run, derivatives: Path | None = None) -> Path | None:
        """The table of confounds of a run; None where none are regressed out."""
        return confounds_table(study, run, derivatives) if self.reads_table else None

    def table_files(self, study: Study, run: Run, derivatives: Path | None = None) -> list[Path]:
        """The table and, where components of CompCor are chosen by it, its description; none are regressed out: []."""
        return described(self.table(study, run, derivatives))


def described(table: Path | None) -> list[Path]:
    """A table of confounds with its description, as far as there are such."""
    if table is None:
        return []
    return [table, *(file for file in [table.with_suffix(".json")] if file.is_file())]


def read_cleaned(
    run: Run,
    space: VoxelSpace,
    how: Cleaning,
    table: Path | None = None,
    measure: Callable[[Float32[np.ndarray, "scans voxels"]], None] | None = None,
) -> tuple[Float32[np.ndarray, "scans voxels"], clean.Cleaned]:
    """Read and clean one run, always on one thread, so that results do not depend on how many there are.

    Volumes that its table says to leave out take no part, and are interpolated from the others. ``measure`` is called
    with the scans before they are cleaned.

    Raises
    ------
    InputError
        The image is missing, damaged or on another grid, the table does not fit it, or too few volumes remain.
    """
    from threadpoolctl import threadpool_limits

    series = read_voxels(open_on_grid(run, space), space.mask)
    if measure is not None:
        measure(series)
    nuisance, kept = None, None
    if table is not None:
        nuisance, left_out = read_nuisance(table, how.confounds, how.strategy, len(series))
        kept = left_out.kept
        require_spare(how, nuisance, kept, run.tr, table)
    with threadpool_limits(1):
        found = clean.clean_run(
            series, run.tr, how.detrend, nuisance, window_s=how.window_s, scale=how.zscore, kept=kept
        )
    return series, found


def require_spare(
    how: Cleaning,
    nuisance: Float[np.ndarray, "scans columns"],
    kept: Bool[np.ndarray, " scans"],
    tr: float,
    table: Path,
) -> None:
    """Raise :class:`InputError` where the volumes that remain are no more than the columns fitted to them."""
    design = np.column_stack([clean.drift_columns(len(kept), tr, how.detrend, how.window_s), nuisance])[kept]
    if not len(design) or clean.spare_degrees(design) < 1:
        what = f"{len(design)} of {len(kept)} volumes remain, to which {design.shape[1]} columns cannot be fitted"
        hint = "ask for fewer confounds or a higher fd_threshold, or leave the run out"
        raise InputError(what, table, hint)


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
