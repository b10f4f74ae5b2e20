"""Where preprocessed images and what goes with them lie: BIDS derivatives, by fMRIPrep's names."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ... import __version__
from ..._utils.errors import InputError
from ..._utils.files import read_json, read_object, write_json
from ...study.index import NOT_RAW

MAKER = "brain2music preprocess"


@dataclass(frozen=True)
class RunOutputs:
    """The files of one run, all beside another but for the figure."""

    folder: Path
    figures: Path
    name: str

    @property
    def bold(self) -> Path:
        """The realigned image."""
        return self.folder / f"{self.name}_desc-preproc_bold.nii.gz"

    @property
    def record(self) -> Path:
        """Its sidecar, written last: what it was made from, and how."""
        return self.folder / f"{self.name}_desc-preproc_bold.json"

    @property
    def mask(self) -> Path:
        """The brain, as far as it was scanned throughout the run."""
        return self.folder / f"{self.name}_desc-brain_mask.nii.gz"

    @property
    def mean(self) -> Path:
        """The mean realigned image."""
        return self.folder / f"{self.name}_boldref.nii.gz"

    @property
    def confounds(self) -> Path:
        """Motion, framewise displacement, and what else may be regressed out."""
        return self.folder / f"{self.name}_desc-confounds_timeseries.tsv"

    @property
    def figure(self) -> Path:
        """The motion, and the image before and after its correction."""
        return self.figures / f"{self.name}_desc-motion_bold.png"

    @property
    def written(self) -> list[Path]:
        """All of them."""
        described = self.confounds.with_suffix(".json")
        return [self.bold, self.mask, self.mean, self.confounds, described, self.figure, self.record]


@dataclass(frozen=True)
class PrepOutputs:
    """The folder of derivatives."""

    root: Path

    def of_run(self, entities: dict[str, str]) -> RunOutputs:
        """The files of a run."""
        subject, session = self.root / f"sub-{entities['sub']}", entities.get("ses")
        folder = subject / f"ses-{session}" if session else subject
        name = "_".join(f"{each}-{label}" for each, label in entities.items())
        return RunOutputs(folder / "func", subject / "figures", name)

    def reference(self, subject: str) -> Path:
        """The volume that all scans of a subject are aligned to."""
        return self.root / f"sub-{subject}" / "func" / f"sub-{subject}_desc-hmc_boldref.nii.gz"

    def labels(self, subject: str, atlas: str) -> Path:
        """Regions by an atlas, on the grid of the reference."""
        return self.root / f"sub-{subject}" / "func" / f"sub-{subject}_seg-{atlas}_dseg.nii.gz"

    def cortex(self, subject: str) -> Path:
        """The mask of the cerebral cortex."""
        return self.root / f"sub-{subject}" / "func" / f"sub-{subject}_desc-cortex_mask.nii.gz"

    def anatomy(self, subject: str) -> Path:
        """What regions were made from, and how; written last of them."""
        return self.root / f"sub-{subject}" / "func" / f"sub-{subject}_desc-anatomy_boldref.json"

    def lock(self, subject: str) -> Path:
        """What a process holds while it works on a subject."""
        return self.root / f".sub-{subject}.lock"


def describe_outputs(out: Path, study: Path) -> None:
    """Write ``dataset_description.json``; :class:`InputError` if the folder is an input or another program's."""
    require_separate(out, study)
    name = study.resolve().name
    about = read_object(study / "dataset_description.json") if (study / "dataset_description.json").is_file() else {}
    described: dict[str, Any] = {
        "Name": f"brain2music preprocessing of {about.get('Name', name)}",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": MAKER, "Version": __version__}],
        "SourceDatasets": [{"Name": str(about.get("Name", name))}],
    }
    if about.get("Simulated") is True:
        described["Simulated"] = True
    write_json(out / "dataset_description.json", described)


def require_separate(out: Path, study: Path) -> None:
    """Raise :class:`InputError` where outputs would be written among raw data or into another program's folder."""
    if out.exists() and not out.is_dir():
        raise InputError("the output is a file, not a folder", out, "name a folder for the outputs")
    inside = out.resolve().relative_to(study.resolve()).parts if out.resolve().is_relative_to(study.resolve()) else None
    raw = inside is not None and (not inside or inside[0].startswith("sub-") or inside[0] in NOT_RAW - {"derivatives"})
    if raw or inside == ("derivatives",):
        what = "the output folder is an input, and inputs are never written to"
        raise InputError(what, out, f"name a folder of its own, such as {study / 'derivatives' / 'brain2music-prep'}")
    description = out / "dataset_description.json"
    makers = _makers(description) if description.is_file() else []
    if description.is_file() and MAKER not in makers:
        held = f"the derivatives of {makers[0]}" if makers else "a data set that brain2music did not make"
        raise InputError(f"the folder holds {held}", out, "name another output folder")
    if out.is_dir() and not description.is_file() and any(out.glob("sub-*")):
        raise InputError("the folder holds subjects that this command did not write", out, "name another output folder")


def require_prep_room(out: Path, bytes_needed: int) -> None:
    """Raise :class:`InputError` where the disk has too little room for what will be written."""
    there = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < bytes_needed:
        what = f"about {bytes_needed / 1e9:.1f} GB will be written, and {free / 1e9:.1f} GB are free there"
        raise InputError(what, out, "free some room, or name a folder on another disk")


def is_made(outputs: Sequence[Path], record: Path, made_from: dict[str, Any]) -> bool:
    """Whether all outputs are there and were made from the same, by the record that was written last."""
    if not all(path.is_file() for path in outputs):
        return False
    try:
        found = read_json(record)
    except InputError:
        return False
    return isinstance(found, dict) and found.get("MadeFrom") == made_from


def _makers(description: Path) -> list[str]:
    found = read_object(description).get("GeneratedBy")
    return [str(each.get("Name")) for each in found if isinstance(each, dict)] if isinstance(found, list) else []
