"""What is known of the runs of a subject beside their responses: quality, volumes left out, names."""

from collections.abc import Iterator

from ..study.study import Run
from .confound_strategy import LeftOut
from .quality import RunQuality, run_quality
from .responses import VoxelSpace
from .scrubbing import left_out_of
from .source import BidsSource, Source
from .volumes import open_image, read_voxels


def run_qualities(source: Source, subject: str, space: VoxelSpace | None) -> Iterator[tuple[Run, RunQuality]]:
    """Measure each run of a subject, one in memory at a time; none of a study of arrays.

    Of runs whose cleaned scans are kept, the quality was measured as they were read, in the voxels of the mask; others
    are read for it.
    """
    if not isinstance(source, BidsSource) or space is None:
        return
    for run in source.study.runs_of(subject):
        if run.bold is None:
            continue
        kept = None if source.store is None else source.store.quality(run)
        yield run, run_quality(read_voxels(open_image(run.bold), space.mask)) if kept is None else kept


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
