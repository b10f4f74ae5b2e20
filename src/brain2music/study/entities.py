"""Parsing of BIDS file names: entities, inheritance, and the closest of several files to another."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ancpbids.utils import parse_bids_name

IMAGE = (".nii", ".nii.gz")
NUMBERS = {"run", "echo", "flip", "inv", "chunk"}
"""Entities whose labels are numbers: ``run-1`` and ``run-01`` are one run."""
DERIVED = ("desc", "space", "cohort", "res", "den")
"""Entities that only derivatives have: the processing of an image, and the grid it was resampled to."""
ALTERNATIVES = ("part", "echo", *DERIVED, "rec", "hemi")
"""Entities that distinguish images of one run; any other entity, known or not, distinguishes runs."""
Key = tuple[str, str, str, str, tuple[tuple[str, str], ...]]
"""Subject, task, session, run and all other entities of the run; the run is padded with zeros, to sort by number."""


@dataclass(frozen=True)
class BidsFile:
    """A file with the entities of its name, as written ("01") and keyed by their short names ("sub")."""

    path: Path
    entities: dict[str, str]
    suffix: str
    extension: str

    @cached_property
    def plain(self) -> dict[str, str]:
        """The entities with numbers normalised."""
        return {name: plain_label(name, label) for name, label in self.entities.items()}

    @property
    def run_entities(self) -> dict[str, str]:
        """The entities, as written, that distinguish the run from others."""
        return {name: label for name, label in self.entities.items() if name not in ALTERNATIVES}

    @cached_property
    def run_items(self) -> frozenset[tuple[str, str]]:
        """The same entities with numbers normalised, as items."""
        return frozenset((name, self.plain[name]) for name in self.run_entities)

    @cached_property
    def key(self) -> Key:
        """The run that the file belongs to."""
        subject, task, session, run = (self.plain.get(name, "") for name in ("sub", "task", "ses", "run"))
        named = {"sub", "task", "ses", "run", *ALTERNATIVES}
        rest = sorted((name, label) for name, label in self.plain.items() if name not in named)
        return subject, task, session, f"{int(run):09d}" if run.isdecimal() else run, tuple(rest)

    def is_within(self, other: "BidsFile", besides: Iterable[str] = ()) -> bool:
        """Whether the other file has all entities of this one, apart from ``besides``."""
        own = {name: label for name, label in self.plain.items() if name not in set(besides)}
        return own.items() <= other.plain.items()

    def applies_to(self, other: "BidsFile", root: Path) -> bool:
        """Whether this file is inherited by the other: it is in a folder above and has no further entities."""
        folder = self.path.parent
        return (folder == root or folder in other.path.parents) and self.is_within(other)


def parse_name(path: Path) -> BidsFile | None:
    """Parse the name of a file; None if it is not a BIDS name.

    The names of fMRIPrep before 1.2 are understood too: ``…_bold_confounds.tsv``,
    ``…_bold_space-T1w_preproc.nii.gz``.
    """
    stem, dot, rest = path.name.partition(".")
    old = "_bold_" in stem
    parsed = parse_bids_name(stem.replace("_bold_", "_", 1) + dot + rest)
    if not parsed:
        return None
    suffix, extension = parsed["suffix"], parsed["extension"]
    pieces = [piece for piece in stem.split("_")[:-1] if not (old and piece == "bold")]
    entities = dict(piece.split("-", 1) for piece in pieces)
    if old and suffix == "preproc":
        return BidsFile(path, {**entities, "desc": suffix}, "bold", extension)
    return BidsFile(path, entities, suffix, extension)


def plain_label(name: str, label: str) -> str:
    """Normalise a label for comparison: numbers have no leading zeros."""
    return str(int(label)) if name in NUMBERS and label.isdecimal() else label


def inherited(files: Iterable[BidsFile], suffix: str, extension: str, by: BidsFile, root: Path) -> list[list[BidsFile]]:
    """List the files of a kind that apply to another, grouped in levels from the most general to the closest.

    A file in a deeper folder is closer; of files in one folder, the one with more entities.
    """
    levels: dict[tuple[int, int], list[BidsFile]] = {}
    for file in files:
        if (file.suffix, file.extension) == (suffix, extension) and file.applies_to(by, root):
            levels.setdefault((len(file.path.parts), len(file.entities)), []).append(file)
    return [sorted(levels[level], key=lambda file: file.path) for level in sorted(levels)]
