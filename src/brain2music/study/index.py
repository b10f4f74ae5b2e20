"""The files of a BIDS folder, and which of them make up each BOLD recording."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ancpbids
from ancpbids.utils import parse_bids_name
from ancpbids.vfs import LocalVfs

from ..artifacts import read_json
from ..errors import InputError
from .finding import Finding, error

IMAGE = (".nii", ".nii.gz")
NOT_RAW = {"derivatives", "sourcedata", "code"}
Key = tuple[str, str, str, str]
"""Subject, task, session and run: what names a run; the run padded with zeros, so as to sort by number."""


@dataclass(frozen=True)
class BidsFile:
    """A file and what its name says; ``entities`` as written ("01"), keyed by their short names ("sub")."""

    path: Path
    entities: dict[str, str]
    suffix: str
    extension: str

    @property
    def key(self) -> Key:
        """The run that the file belongs to."""
        subject, task, session, run = (self.entities.get(name, "") for name in ("sub", "task", "ses", "run"))
        return subject, task, session, f"{int(run):09d}" if run.isdecimal() else run

    def applies_to(self, other: "BidsFile", root: Path) -> bool:
        """BIDS inheritance: this file lies in a folder above and names nothing that the other does not."""
        folder = self.path.parent
        above = folder == root or folder in other.path.parents
        return above and self.entities.items() <= other.entities.items()


@dataclass(frozen=True)
class Recording:
    """The files of one BOLD run. ``sidecars`` and ``events`` run from the most general to the closest.

    ``key`` names and sorts the run; ``anchor`` is the file that it is known by.
    """

    key: Key
    subject: str
    session: str
    task: str
    label: str
    anchor: Path
    images: tuple[Path, ...]
    sidecars: tuple[Path, ...]
    events: tuple[Path, ...]


def index_bids(root: Path) -> list[BidsFile]:
    """The files with BIDS names in a folder, sorted by path; :class:`InputError` where it is not legible."""
    try:
        found: list[Any] = ancpbids.BIDSLayout(str(root), vfs=_NamesOnly()).get(scope="raw")
    except (OSError, ValueError) as problem:
        raise InputError(f"the folder cannot be read ({problem})", root, "check the path") from None
    paths = (Path(file.get_absolute_path()) for file in found)
    return sorted(filter(None, map(_parse, paths)), key=lambda file: file.path)


def group_recordings(files: Iterable[BidsFile], root: Path) -> list[Recording]:
    """The BOLD runs that the raw files speak of: by image, own sidecar or own events; in order of time."""
    raw = (file for file in files if not NOT_RAW & set(file.path.relative_to(root).parts))
    by_key: dict[Key, list[BidsFile]] = {}
    for file in raw:
        if file.suffix in ("bold", "events") and file.entities.get("part") != "phase":
            by_key.setdefault(file.key, []).append(file)
    general = {wider for key in by_key for wider in _wider(key)}
    runs, shared = {}, []
    for key, own in by_key.items():
        if key[0] and key[1] and (key not in general or any(file.extension in IMAGE for file in own)):
            runs[key] = own
        else:
            shared += own
    return [_recording(runs[key], shared, root) for key in sorted(runs)]


def read_metadata(paths: Sequence[Path], findings: list[Finding]) -> dict[str, Any]:
    """Sidecars merged, the closest winning; the unreadable are reported."""
    merged: dict[str, Any] = {}
    for path in paths:
        merged |= read_object(path, "sidecar-invalid", findings)
    return merged


def read_object(path: Path, code: str, findings: list[Finding]) -> dict[str, Any]:
    """A JSON file that must hold an object; {} and a finding where it does not."""
    mend = "replace the file with a valid JSON object"
    try:
        value = read_json(path)
    except InputError as problem:
        findings.append(error(code, path, problem.what, mend))
        return {}
    except OSError as problem:
        findings.append(error(code, path, f"the file cannot be read ({problem.strerror})", mend))
        return {}
    if not isinstance(value, dict):
        findings.append(error(code, path, f"this JSON holds a {type(value).__name__}, not an object", mend))
        return {}
    return value


def _wider(key: Key) -> Iterator[Key]:
    """The keys of files that hold for this run and for others: without its session, its run, or both."""
    subject, task, session, run = key
    for wider in ((subject, task, "", run), (subject, task, session, ""), (subject, task, "", "")):
        if wider != key:
            yield wider


def _recording(own: list[BidsFile], shared: list[BidsFile], root: Path) -> Recording:
    images = [file for file in own if file.suffix == "bold" and file.extension in IMAGE]
    anchor = min(own, key=lambda file: (file not in images, file.suffix != "bold"))
    inherited = [file for file in shared if file.applies_to(anchor, root)]
    inherited.sort(key=lambda file: (len(file.path.parts), len(file.entities), file.path))

    def kind(suffix: str, extension: str) -> tuple[Path, ...]:
        files = (*inherited, *own)
        return tuple(file.path for file in files if (file.suffix, file.extension) == (suffix, extension))

    subject, task, session, _ = anchor.key
    return Recording(
        key=anchor.key,
        subject=subject,
        session=session,
        task=task,
        label=anchor.entities.get("run", ""),
        anchor=anchor.path,
        images=tuple(file.path for file in images),
        sidecars=kind("bold", ".json"),
        events=kind("events", ".tsv"),
    )


def _parse(path: Path) -> BidsFile | None:
    parsed = parse_bids_name(path.name)
    return parsed and BidsFile(path, parsed["entities"], parsed["suffix"], parsed["extension"])


class _NamesOnly(LocalVfs):
    """Index by name and open nothing: the indexer stumbles over a broken dataset_description.json."""

    def read_text(self, path: str, encoding: str = "utf-8") -> str:
        return "{}"
