"""Which files make up each BOLD run: its images, and the sidecars and events that apply to them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .._utils.errors import InputError
from .._utils.files import read_json
from .entities import IMAGE, BidsFile, Key, inherited
from .finding import Finding, error


@dataclass(frozen=True)
class Recording:
    """The files of one BOLD run.

    ``key`` names and sorts the run; ``anchor`` is the raw file that it is known by, its image where there is one;
    ``raw`` are its raw images, alternatives of one another; ``around`` are files that may apply to the anchor.
    ``image`` is the one to read. Where it is preprocessed, ``own_root`` is the folder of the derivatives, and ``own``
    are its files.
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
        """The subject's label, without ``sub-``."""
        return self.anchor.entities["sub"]

    @property
    def task(self) -> str:
        """The task's label."""
        return self.anchor.entities["task"]

    @property
    def preprocessed(self) -> bool:
        """Whether the image to read comes from derivatives."""
        return self.own_root is not None

    @property
    def sidecars(self) -> list[list[BidsFile]]:
        """The raw image's sidecars, from the most general to the closest, equals together."""
        return inherited(self.around, "bold", ".json", self.anchor, self.root)

    @property
    def own_sidecars(self) -> list[list[BidsFile]]:
        """The preprocessed image's sidecars, likewise; none where the raw is read."""
        if self.image is None or self.own_root is None:
            return []
        return inherited(self.own, "bold", ".json", self.image, self.own_root)

    @property
    def events(self) -> list[BidsFile]:
        """The closest table of events; several where they are equally close."""
        levels = inherited(self.around, "events", ".tsv", self.anchor, self.root)
        return levels[-1] if levels else []

    def take(self, image: BidsFile, own: Sequence[BidsFile] = (), own_root: Path | None = None) -> "Recording":
        """The recording with an image to read; its anchor becomes the raw image that it was made from."""
        origin = [raw for raw in self.raw if raw.is_within(image)] or list(self.raw)
        anchor = origin[0] if origin else self.anchor
        return replace(self, image=image, anchor=anchor, own=tuple(own), own_root=own_root)


def group_recordings(files: Iterable[BidsFile], root: Path) -> list[Recording]:
    """The BOLD runs that the raw files speak of: by image, own sidecar or own events; in order of time.

    Files that differ in any entity but ``entities.ALTERNATIVES`` are of different runs. A sidecar or table of events
    that names less than others do is theirs, and no run.
    """
    raw = [file for file in files if file.suffix in ("bold", "events")]
    by_key: dict[Key, list[BidsFile]] = {}
    for file in raw:
        if "sub" in file.entities and "task" in file.entities:
            by_key.setdefault(file.key, []).append(file)
    by_subject: dict[str, list[BidsFile]] = {}
    for file in raw:
        by_subject.setdefault(file.entities.get("sub", ""), []).append(file)
    entities = {key: frozenset(_run_items(own[0])) for key, own in by_key.items()}
    recordings = []
    for key in sorted(by_key):
        own = by_key[key]
        images = tuple(file for file in own if file.suffix == "bold" and file.extension in IMAGE)
        others = (entities[other] for other in by_key if other[0] == key[0])
        if images or not any(entities[key] < other for other in others):
            anchor = images[0] if images else min(own, key=lambda file: (file.suffix != "bold", file.path))
            around = (*by_subject.get("", ()), *by_subject[key[0]])
            recordings.append(Recording(key, anchor, images, root, around))
    return recordings


def read_metadata(paths: Sequence[Path], findings: list[Finding]) -> dict[str, Any]:
    """Sidecars merged, the closest winning; the unreadable are reported."""
    merged: dict[str, Any] = {}
    for path in paths:
        merged |= read_object(path, "sidecar-invalid", findings)
    return merged


def read_object(path: Path, code: str, findings: list[Finding]) -> dict[str, Any]:
    """A JSON file that must hold an object; {} and a finding where it does not."""
    hint = "replace the file with a valid JSON object"
    try:
        value = read_json(path)
    except InputError as problem:
        findings.append(error(code, path, problem.what, hint))
        return {}
    except OSError as problem:
        findings.append(error(code, path, f"the file cannot be read ({problem.strerror})", hint))
        return {}
    if not isinstance(value, dict):
        findings.append(error(code, path, f"this JSON holds a {type(value).__name__}, not an object", hint))
        return {}
    return value


def _run_items(file: BidsFile) -> Iterable[tuple[str, str]]:
    return ((name, file.plain[name]) for name in file.run_entities)
