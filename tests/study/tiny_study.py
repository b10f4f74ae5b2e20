"""A tiny BIDS study on disk, whole, for tests to break."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import soundfile

from brain2music.study import Finding, Study, check_study

TR = 1.5
CLIP_S = 3.0
RATE = 8000
STIM_FILE = "onset\tduration\tstim_file"
RUNS = ("task-music_run-01", "task-music_run-02", "task-music_run-03")
HEADER = "onset\tduration\tgenre\ttrack\tstart\tend"


SCANS = {"task-Training_run-01": 6, "task-Training_run-02": 6, "task-Test_run-01": 10}
"""The study's runs, and their scans."""


class TinyStudy:
    """One subject: two training runs in a ring, one test run of two clips presented twice; two scans per clip."""

    def __init__(self, root: Path) -> None:
        self.root, self.func = root, root / "sub-01" / "func"
        self.write_json("dataset_description.json", {"Name": "Tiny", "BIDSVersion": "1.9.0"})
        self.add_run("task-Training_run-01", [4, 1, 2])
        self.add_run("task-Training_run-02", [2, 3, 4])
        self.add_run("task-Test_run-01", [6, 5, 6, 5, 6])
        for track in range(1, 7):
            self.write_track(track)

    def add_mask(self) -> None:
        """Write a mask of every voxel."""
        mask = self.root / "derivatives" / "masks" / "sub-01" / "anat" / "sub-01_desc-brain_mask.nii.gz"
        self.write_image("", np.ones((3, 4, 5), np.uint8), path=mask)

    def add_run(self, name: str, tracks: list[int]) -> None:
        """Write the events, the sidecar and the image of a run that plays the tracks one after another."""
        rows = [f"{CLIP_S * i:g}\t{CLIP_S:g}\tjazz\t{track}\t0.5\t3.5" for i, track in enumerate(tracks)]
        self.write_events(name, [HEADER, *rows])
        self.write_json(self.sidecar(name), {"RepetitionTime": TR, "TaskName": "listening"})
        self.write_image(name, voxels(2 * len(tracks), seed=len(tracks)))

    def add_preprocessed(
        self, entities: str = "desc-preproc", names: Sequence[str] = tuple(SCANS), folder: str = "derivatives/fmriprep"
    ) -> list[Path]:
        """Write a preprocessed image of each run, of as many scans as the raw."""
        paths = []
        for name in names:
            path = self.root / folder / "sub-01" / "func" / f"sub-01_{name}_{entities}_bold.nii.gz"
            paths.append(self.write_image(name, voxels(SCANS[name], shape=(2, 2, 2)), path=path))
        return paths

    def copy_subject(self, label: str) -> None:
        """Copy all of the first subject's raw files to another."""
        for path in sorted(self.func.iterdir()):
            copy = self.root / f"sub-{label}" / "func" / path.name.replace("sub-01", f"sub-{label}")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)

    def events(self, name: str) -> Path:
        return self.func / f"sub-01_{name}_events.tsv"

    def sidecar(self, name: str) -> Path:
        return self.func / f"sub-01_{name}_bold.json"

    def image(self, name: str) -> Path:
        return self.func / f"sub-01_{name}_bold.nii.gz"

    def track(self, number: int) -> Path:
        return self.root / "stimuli" / "jazz" / f"jazz.{number:05d}.wav"

    def write_events(self, name: str, lines: list[str]) -> None:
        self.func.mkdir(parents=True, exist_ok=True)
        self.events(name).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def write_json(self, path: str | Path, value: object) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(json.dumps(value), encoding="utf-8")

    def write_image(
        self, name: str, data: np.ndarray, tr: float = TR, unit: str = "sec", path: Path | None = None
    ) -> Path:
        """Write a 4-D image, or a 3-D one where the data are."""
        image = nib.Nifti1Image(data, np.eye(4))
        if data.ndim == 4:
            image.header.set_zooms((2, 2, 2, tr))
        image.header.set_xyzt_units("mm", unit)
        path = path or self.image(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(image, path)
        return path

    def write_track(self, number: int, seconds: float = 4.0) -> None:
        self.track(number).parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).uniform(-0.5, 0.5, round(seconds * RATE))
        soundfile.write(self.track(number), noise, RATE)

    def edit(self, path: Path, old: str, new: str) -> None:
        """Replace text in a file; it must be there."""
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def check(self) -> list[Finding]:
        return check_study(self.root)


def voxels(n_volumes: int, seed: int = 0, shape: tuple[int, int, int] = (3, 4, 5)) -> np.ndarray:
    """A float32 image whose voxels all vary."""
    return np.random.default_rng(seed).normal(100, 10, (*shape, n_volumes)).astype(np.float32)


Write = Callable[..., TinyStudy]
"""Writes a study of runs of one task from the rows of their events."""


def song(number: int) -> str:
    """The ``stim_file`` of a tiny study's track."""
    return f"jazz/jazz.{number:05d}.wav"


def presented(study: Study) -> list[tuple[str, float, float]]:
    """Every presentation's recording, start and end, run by run."""
    return [(each.clip.track, each.clip.start, each.clip.end) for run in study.runs for each in run.presentations]
