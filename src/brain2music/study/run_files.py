"""Grouping of files into BOLD runs: images, and the sidecars and events that apply to them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .._utils.errors import InputError
from .._utils.files import read_json
from .content import foreign_content
from .entities import IMAGE, BidsFile, Key, inherited
from .finding import Finding, error


@dataclass(frozen=True)
class RunFiles:
    """The files of one BOLD run.

    Attributes
    ----------
    key : Key
        Identifies and sorts the run.
    anchor : BidsFile
        The raw file that represents the run: its image, if there is one.
    raw : tuple of BidsFile
        The raw images, of which one is read.
    root : Path
        The BIDS folder.
    around : tuple of BidsFile
        Files that may apply to the anchor.
    image : BidsFile or None
        The image to read.
    own_root, own
        If the image is preprocessed: the folder of the derivatives, and its files.
    """

    key: Key
    anchor: BidsFile
    raw: tuple[BidsFile, ...]
    root: Path
    around: tuple[BidsFile, ...]
    image: BidsFile | None = None
    own_root: Path | None = None
    own: tuple[BidsFile, ...] = ()

    @property
    def subject(self) -> str:
        """The label of the subject, without ``sub-``."""
        return self.anchor.entities["sub"]

    @property
    def task(self) -> str:
        """The label of the task."""
        return self.anchor.entities["task"]

    @property
    def preprocessed(self) -> bool:
        """Whether the image to read comes from derivatives."""
        return self.own_root is not None

    @property
    def sidecars(self) -> list[list[BidsFile]]:
        """The sidecars of the raw image, grouped in levels from the most general to the closest."""
        return inherited(self.around, "bold", ".json", self.anchor, self.root)

    @property
    def own_sidecars(self) -> list[list[BidsFile]]:
        """The sidecars of the preprocessed image, likewise; none if the raw image is read."""
        if self.image is None or self.own_root is None:
            return []
        return inherited(self.own, "bold", ".json", self.image, self.own_root)

    @property
    def events(self) -> list[BidsFile]:
        """The closest table of events; several if they are equally close."""
        levels = inherited(self.around, "events", ".tsv", self.anchor, self.root)
        return levels[-1] if levels else []

    def take(self, image: BidsFile, own: Sequence[BidsFile] = (), own_root: Path | None = None) -> "RunFiles":
        """Set the image to read; the anchor becomes the raw image that it was made from."""
        origin = [raw for raw in self.raw if raw.is_within(image)] or list(self.raw)
        anchor = origin[0] if origin else self.anchor
        return replace(self, image=image, anchor=anchor, own=tuple(own), own_root=own_root)


def group_run_files(files: Iterable[BidsFile], root: Path) -> list[RunFiles]:
    """Group raw files into BOLD runs, in order: each has an image, or a sidecar or table of events of its own.

    Files that differ in any entity but ``entities.ALTERNATIVES`` belong to different runs. A sidecar or table of
    events with fewer entities than other files is inherited by these, and makes no run.
    """
    raw = [file for file in files if file.suffix in ("bold", "events")]
    by_key: dict[Key, list[BidsFile]] = {}
    for file in raw:
        if "sub" in file.entities and "task" in file.entities:
            by_key.setdefault(file.key, []).append(file)
    by_subject: dict[str, list[BidsFile]] = {}
    for file in raw:
        by_subject.setdefault(file.entities.get("sub", ""), []).append(file)
    entities = {key: own[0].run_items for key, own in by_key.items()}
    runs = []
    for key in sorted(by_key):
        own = by_key[key]
        images = tuple(file for file in own if file.suffix == "bold" and file.extension in IMAGE)
        others = (entities[other] for other in by_key if other[0] == key[0])
        if images or not any(entities[key] < other for other in others):
            anchor = images[0] if images else min(own, key=lambda file: (file.suffix != "bold", file.path))
            around = (*by_subject.get("", ()), *by_subject[key[0]])
            runs.append(RunFiles(key, anchor, images, root, around))
    return runs


def merge_sidecars(paths: Sequence[Path], findings: list[Finding]) -> dict[str, Any]:
    """Merge sidecars, of which the last takes precedence; unreadable ones are reported."""
    merged: dict[str, Any] = {}
    for path in paths:
        merged |= read_json_object(path, "sidecar-invalid", findings)
    return merged


def read_json_object(path: Path, code: str, findings: list[Finding]) -> dict[str, Any]:
    """Read a JSON file that must hold an object; {} and a finding if it does not."""
    hint = "replace the file with a valid JSON object"
    try:
        value = read_json(path)
    except InputError as problem:
        foreign = foreign_content(path)
        what, hint = (foreign.what, foreign.hint) if foreign else (problem.what, hint)
        findings.append(error(code, path, what, hint))
        return {}
    except OSError as problem:
        findings.append(error(code, path, f"the file cannot be read ({problem.strerror})", hint))
        return {}
    if not isinstance(value, dict):
        findings.append(error(code, path, f"this JSON holds a {type(value).__name__}, not an object", hint))
        return {}
    return value
