"""The raw images of subjects, in the order in which they are aligned, with their timing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..._utils.errors import InputError
from ...study.derivatives import ImageChoice, choose_images
from ...study.entities import IMAGE, BidsFile
from ...study.finding import Finding
from ...study.images import read_header
from ...study.index import index_bids, leave_ignored, subject_labels
from ...study.run_files import RunFiles, group_run_files, merge_sidecars
from ...study.timing import read_tr
from ..volumes import Image, open_image

SLICE_AXES = {"i": 0, "j": 1, "k": 2}
"""Axes by BIDS' SliceEncodingDirection, whose default is k."""


@dataclass(frozen=True)
class RawRun:
    """One raw image.

    Attributes
    ----------
    image : Image
        Its header.
    entities : dict
        BIDS entities of its name, as written.
    tr : float
        Repetition time in seconds.
    sidecar : dict
        Its merged sidecars.
    """

    image: Image
    entities: dict[str, str]
    tr: float
    sidecar: dict[str, Any]

    @property
    def name(self) -> str:
        """The entities: ``sub-001_task-Test_run-01``."""
        return "_".join(f"{name}-{label}" for name, label in self.entities.items())

    def slice_times(self) -> tuple[list[float], int]:
        """Seconds from the beginning of a scan at which each slice was acquired, and their axis.

        Raises
        ------
        InputError
            If the sidecar has no SliceTiming, or another one than the image has slices.
        """
        direction = str(self.sidecar.get("SliceEncodingDirection", "k"))
        axis = SLICE_AXES.get(direction[:1], 2)
        times, n_slices = self.sidecar.get("SliceTiming"), self.image.grid[axis]
        hint = "correct SliceTiming in its bold.json, or leave out --slice-timing"
        if times is None:
            raise InputError("the sidecar has no SliceTiming", self.image.path, hint)
        numbers = isinstance(times, list) and all(isinstance(each, int | float) for each in times)
        if not numbers or len(times) != n_slices or not 0 <= min(times) <= max(times) <= self.tr:
            what = f"SliceTiming is not a time between 0 and the TR of {self.tr:g} s for each of {n_slices} slices"
            raise InputError(what, self.image.path, hint)
        return (list(map(float, times))[:: -1 if direction.endswith("-") else 1], axis)


def find_raw_runs(root: Path, subjects: Sequence[str] = ()) -> dict[str, list[RawRun]]:
    """Find the raw BOLD runs of each subject, in order of session, task and run.

    Raises
    ------
    InputError
        The folder is missing or has no runs, a subject has none, or an image or its timing cannot be read.
    """
    if not root.is_dir():
        raise InputError("there is no such folder", root, "name the folder of a BIDS study")
    wanted = [label.removeprefix("sub-") for label in subjects]
    findings: list[Finding] = []
    files = leave_ignored(index_bids(root, wanted or None), root, findings)
    grouped = group_run_files(files, root)
    chosen = choose_images(grouped, root, ImageChoice(raw=True), findings)
    _raise_first(findings)
    found: dict[str, list[RawRun]] = {label: [] for label in wanted}
    for each in sorted(chosen, key=_in_time):
        found.setdefault(each.subject, []).append(_read_raw(each))
    for label, runs in found.items():
        if not runs:
            raise InputError(f"there is no BOLD run of sub-{label}", root, f"choose among {_listed_subjects(root)}")
    if not found:
        raise InputError("there is no BOLD run here", root, "name the folder that holds the sub-<label> folders")
    return dict(sorted(found.items()))


def find_t1(root: Path, subject: str) -> BidsFile | None:
    """The subject's first T1-weighted image; None without any."""
    files = index_bids(root, [subject])
    own = (each for each in files if each.suffix == "T1w" and each.entities.get("sub") == subject)
    images = (each for each in own if each.extension in IMAGE and each.path.exists())
    return min(images, key=lambda each: each.path, default=None)


def _in_time(run: RunFiles) -> tuple[str, str, str, str]:
    subject, task, session, number, _ = run.key
    return subject, session, task, number


def _read_raw(run: RunFiles) -> RawRun:
    findings: list[Finding] = []
    if run.image is None:
        hint = "get the image, with `datalad get` or from OpenNeuro, or remove the run"
        raise InputError("this run has no image", run.anchor.path, hint)
    header = read_header(run.image.path, findings)
    tr = read_tr(run, header, findings)
    _raise_first(findings)
    sidecar = merge_sidecars([file.path for level in run.sidecars for file in level], findings)
    return RawRun(open_image(run.image.path), dict(run.anchor.run_entities), tr, sidecar)


def _raise_first(findings: Sequence[Finding]) -> None:
    for finding in findings:
        if finding.severity == "error":
            raise finding.as_error()


def _listed_subjects(root: Path) -> str:
    return ", ".join(subject_labels(root)) or "none"
