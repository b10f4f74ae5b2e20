"""Cleaned runs on disk: one float32 array per subject, and a record per run of what its rows were made from.

A run is read once, whatever lags are asked for later, and by any process: its rows are written, then its record, which
has their digest. Rows without such a record, or with another digest, are made again: a process that was killed, at
whatever moment, leaves nothing that is taken for whole. The room on the disk is reserved before anything is read.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from .. import __version__
from .._utils.errors import InputError
from .._utils.files import atomic_path, digest_array, digest_file, plain, read_object, reserve, unwritable, write_json
from .._utils.jobs import Parallel, each_done
from .._utils.locks import locked
from ..study.study import Run, Study
from ..study.surfaces import surface_files
from .clean import Cleaned
from .cleaned_runs import Cleaning, described, open_on_grid, read_cleaned, runs_with_clips
from .quality import RunQuality, as_record, from_record, run_quality
from .responses import VoxelSpace

WORTH_BYTES = 256 << 20
"""Images of fewer bytes are read by one process, unless their number is given: others take a second to start."""


@dataclass(frozen=True)
class RunTask:
    """One run, and which rows of the array of its subject it becomes."""

    run: Run
    space: VoxelSpace
    how: Cleaning
    table: Path | None
    array: Path
    rows: range
    shape: tuple[int, int]

    @property
    def record(self) -> Path:
        """What the rows are made from, and their digest."""
        return _record_of(self.array.parent, self.run)

    def inputs(self) -> dict[str, Any]:
        """What the rows are to be made from: digests of the files, and the settings."""
        assert self.run.bold is not None
        digests = {"image": digest_file(self.run.bold), "mask": digest_array(self.space.mask)}
        digests |= {file.name: digest_file(file) for file in surface_files(self.run.bold)[1:]}
        digests |= {f"confounds{file.suffix}": digest_file(file) for file in described(self.table)}
        settings = {**asdict(self.how), "tr": self.run.tr}
        rows = {"first": self.rows.start, "stop": self.rows.stop, "of": self.shape}
        return plain({"version": __version__, "inputs": digests, "settings": settings, "rows": rows})


@dataclass(frozen=True)
class SubjectRuns:
    """The runs of one subject, in order, as rows of one array."""

    array: Path
    tasks: tuple[RunTask, ...]

    @classmethod
    def plan(
        cls,
        folder: Path,
        study: Study,
        subject: str,
        space: VoxelSpace,
        how: Cleaning,
        derivatives: Path | None = None,
    ) -> "SubjectRuns":
        """Lay out the array; only headers are read."""
        array = folder / f"sub-{subject}_desc-cleaned_bold.npy"
        runs = runs_with_clips(study, subject)
        lengths = [open_on_grid(run, space).n_scans for run in runs]
        ends = np.cumsum([0, *lengths]).tolist()
        bare = replace(space, roi=None)
        shape = (ends[-1], int(space.mask.sum()))
        tables = [how.table(study, run, derivatives) for run in runs]
        return cls(
            array,
            tuple(
                RunTask(run, bare, how, table, array, range(first, stop), shape)
                for run, table, first, stop in zip(runs, tables, ends[:-1], ends[1:], strict=True)
            ),
        )

    @property
    def identity(self) -> str:
        """What tells two layouts apart, within a process that reads files once."""
        mask = digest_array(self.tasks[0].space.mask) if self.tasks else ""
        return f"{mask} {[(task.run.bold, task.run.tr, task.table, task.how, task.rows) for task in self.tasks]}"

    @property
    def image_bytes(self) -> int:
        """Bytes of all images as they are on the disk."""
        return sum(task.run.bold.stat().st_size for task in self.tasks if task.run.bold is not None)

    @cached_property
    def found(self) -> Mapping[str, Cleaned]:
        """Which voxels were finite and constant, by the name of the run."""
        return {task.run.name: _found(task) for task in self.tasks}

    def read(self, run: Run) -> tuple[Float32[np.ndarray, "scans voxels"], Cleaned]:
        """The cleaned series of a run that was made, and which voxels were finite and constant."""
        task = next(task for task in self.tasks if task.run.name == run.name)
        return _rows_on_disk(task), self.found[run.name]


@dataclass
class RunStore:
    """A folder of cleaned runs.

    ``jobs`` is how many are read at once; none means as many as there are cores.
    """

    folder: Path
    jobs: Parallel = field(default_factory=lambda: Parallel(None))
    _made: dict[Path, str] = field(default_factory=dict, init=False, repr=False)

    def make(self, subjects: Sequence[SubjectRuns], advance: Callable[[int, int], None] | None = None) -> None:
        """Read and clean what is not there yet, several runs and subjects at once.

        ``advance`` is called with (runs done, runs).

        Raises
        ------
        InputError
            There is no room for the arrays, or a run cannot be read.
        """
        new = [each for each in subjects if self._made.get(each.array) != each.identity]
        tasks = [task for each in new for task in each.tasks]
        with ExitStack() as held:
            for each in sorted(new, key=lambda each: each.array):
                name = each.array.name.partition("_")[0]
                held.enter_context(locked(self.folder / f".{name}.lock", f"reading the runs of {name}"))
                _lay_out(each)
            jobs = self.jobs
            if jobs.n_jobs is None and sum(each.image_bytes for each in new) < WORTH_BYTES:
                jobs = Parallel(1, jobs.scheduler)
            for done, _ in enumerate(each_done(make_run, tasks, jobs, works="reads runs"), 1):
                if advance is not None:
                    advance(done, len(tasks))
        self._made |= {each.array: each.identity for each in new}

    def quality(self, run: Run) -> RunQuality | None:
        """The quality of the scans of a run before they were cleaned, as it was read; None if it was not."""
        try:
            return from_record(read_object(_record_of(self.folder, run))["quality"])
        except (InputError, KeyError, TypeError, ValueError):
            return None


def make_run(task: RunTask) -> bool:
    """Read and clean a run into its rows, unless they are there; True if it was read."""
    wanted = task.inputs()
    if _is_whole(task, wanted):
        return False
    task.record.unlink(missing_ok=True)
    measured: list[RunQuality] = []
    series, found = read_cleaned(
        task.run, task.space, task.how, task.table, lambda scans: measured.append(run_quality(scans))
    )
    if series.shape != (len(task.rows), task.shape[1]):
        raise InputError("the image changed while it was read", task.run.bold, "run it again")
    try:
        with task.array.open("r+b", buffering=0) as file:
            file.seek(_offset(task))
            for first in range(0, len(series), 64):
                _write_all(file, series[first : first + 64])
            os.fsync(file.fileno())
    except OSError as error:
        raise unwritable(task.array, error) from None
    lists = {"not_finite": np.flatnonzero(~found.finite), "constant": np.flatnonzero(found.constant)}
    quality = {"quality": as_record(measured[0])} if measured else {}
    write_json(task.record, {**wanted, **lists, **quality, "sha256": sha256(series.data).hexdigest()})
    return True


def _record_of(folder: Path, run: Run) -> Path:
    return folder / f"{run.name}_desc-cleaned_bold.json"


def _is_whole(task: RunTask, wanted: Mapping[str, Any]) -> bool:
    """Whether the rows are those of the record, and it is of what is wanted."""
    try:
        record = read_object(task.record)
    except InputError:
        return False
    if any(record.get(key) != value for key, value in wanted.items()):
        return False
    return sha256(_rows_on_disk(task).data).hexdigest() == record.get("sha256")


def _found(task: RunTask) -> Cleaned:
    record = read_object(task.record)
    found = Cleaned(np.ones(task.shape[1], bool), np.zeros(task.shape[1], bool))
    found.finite[np.array(record["not_finite"], int)] = False
    found.constant[np.array(record["constant"], int)] = True
    return found


def _lay_out(subject: SubjectRuns) -> None:
    """Make the array with all its room, unless there is one of this shape."""
    shape = subject.tasks[0].shape if subject.tasks else (0, 0)
    header = _array_header(shape)
    size = len(header) + 4 * shape[0] * shape[1]
    if subject.array.is_file() and subject.array.stat().st_size == size:
        with subject.array.open("rb") as file:
            if file.read(len(header)) == header:
                return
    with atomic_path(subject.array) as temporary, temporary.open("r+b") as file:
        file.write(header)
        file.flush()
        reserve(file.fileno(), size)


def _array_header(shape: tuple[int, int]) -> bytes:
    from io import BytesIO

    file = BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file.getvalue()


def _offset(task: RunTask) -> int:
    return len(_array_header(task.shape)) + 4 * task.rows.start * task.shape[1]


def _rows_on_disk(task: RunTask) -> Float32[np.ndarray, "scans voxels"]:
    """The rows of a run as they are on the disk; read and not mapped, so that they are gone from memory after use."""
    shape = (len(task.rows), task.shape[1])
    values = np.fromfile(task.array, "<f4", shape[0] * shape[1], offset=_offset(task))
    if len(values) < shape[0] * shape[1]:
        raise InputError("the array of cleaned runs was cut short", task.array, "remove it and run again")
    return values.reshape(shape).astype(np.float32, copy=False)


def _write_all(file: Any, rows: Float32[np.ndarray, "scans voxels"]) -> None:
    """Write all bytes: the system may take fewer than it was given."""
    rest = np.ascontiguousarray(rows, "<f4").data.cast("B")
    while rest:
        rest = rest[file.write(rest) :]
