"""The scans of a study's runs as they are in their images, before cleaning."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32

from ..study.study import Run
from .confound_strategy import LeftOut
from .responses import VoxelSpace
from .scrubbing import left_out_of
from .source import BidsSource, Source
from .volumes import open_image, read_voxels


def raw_runs(
    source: Source, subject: str, space: VoxelSpace | None
) -> Iterator[tuple[Run, Float32[np.ndarray, "scans voxels"]]]:
    """Each run of a subject with its scans in some voxels, one run in memory at a time; none of a study of arrays."""
    if not isinstance(source, BidsSource) or space is None:
        return
    for run in source.study.runs_of(subject):
        if run.bold is not None:
            yield run, read_voxels(open_image(run.bold), space.mask)


def run_names(source: Source, subject: str, test: bool) -> list[str]:
    """Names of the runs with clips of a split, in the order in which responses number them; [] if they have none."""
    if not isinstance(source, BidsSource):
        return []
    runs = source.study.runs_of(subject, "test" if test else "train")
    return [run.name for run in runs if any(not each.carry_in for each in run.presentations)]


def volumes_left_out(source: Source, subject: str) -> dict[str, LeftOut]:
    """Which volumes of each run take no part, by the name of the run; none where no table of confounds is read."""
    if not isinstance(source, BidsSource):
        return {}
    runs = [run for run in source.study.runs_of(subject) if run.n_volumes is not None]
    found = {run.name: left_out_of(run, source.study, source.config, source.derivatives) for run in runs}
    return {name: volumes[1] for name, volumes in found.items() if volumes is not None}
