"""Index of the files of a BIDS folder by their names; no file but ``.bidsignore`` is opened."""

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .._utils.errors import InputError
from .entities import IMAGE, BidsFile, parse_name
from .finding import Finding, error, warning

NOT_RAW = {"derivatives", "sourcedata", "code"}
NEITHER = {"sourcedata", "code", "figures", "logs", "log"}
"""Folders of derivatives that hold no images of runs."""
_OF_RUN = re.compile(r".*(bold\.nii(\.gz)?|events\.tsv)", re.IGNORECASE)
"""Names of files that are meant to be the image or the events of a run."""

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


def index_bids(root: Path, subjects: Collection[str] | None = None) -> list[BidsFile]:
    """List the files with BIDS names in a raw folder, sorted by path.

    Parameters
    ----------
    subjects : labels; the folders of others are not entered. Default all.

    Raises
    ------
    InputError : a folder is not legible.
    """
    return _list_files(root, subjects, NOT_RAW, inside=True)


def index_derivatives(folder: Path, subjects: Collection[str] | None = None) -> list[BidsFile]:
    """List the files with BIDS names in derivatives, whose subjects may be one folder down or more."""
    return _list_files(folder, subjects, NEITHER, inside=False)


def subject_labels(root: Path) -> list[str]:
    """List the labels of the subjects that have a folder, sorted."""
    return sorted(path.name.removeprefix("sub-") for path in root.glob("sub-*") if path.is_dir())


def leave_ignored(files: list[BidsFile], root: Path, findings: list[Finding]) -> list[BidsFile]:
    """Leave out the files that ``.bidsignore`` of the folder names, with patterns as in git, and report them."""
    path = root / ".bidsignore"
    spec = _ignored(root, findings)
    if spec is None:
        return files
    left_out = [file for file in files if spec.match_file(file.path.relative_to(root).as_posix())]
    if left_out:
        names = [file.path.name for file in left_out]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        what = f"left out, as this file asks: {', '.join(names[:3])}{more}"
        findings.append(warning("files-ignored", path, what, "take the pattern out to have them read"))
    ignored = {file.path for file in left_out}
    return [file for file in files if file.path not in ignored]


def check_names(root: Path, subjects: Collection[str] | None, findings: list[Finding]) -> None:
    """Report images and events of runs in the folders of subjects that nothing reads, or reads as another subject's."""
    spec = _ignored(root, [])
    for subject in subject_labels(root) if subjects is None else sorted(subjects):
        for folder, below, names in os.walk(root / f"sub-{subject}"):
            below[:] = [name for name in below if name[0] != "." and name not in NOT_RAW]
            for path in (Path(folder, name) for name in sorted(names) if _OF_RUN.fullmatch(name) and name[0] != "."):
                if spec is None or not spec.match_file(path.relative_to(root).as_posix()):
                    findings += _misnamed(path, subject)


def _misnamed(path: Path, subject: str) -> Iterator[Finding]:
    file = parse_name(path)
    as_bids = "name it as BIDS does: sub-<label>[_ses-<label>]_task-<label>[_run-<number>]"
    if file is None or "sub" not in file.entities:
        what = "this is not read, since its name is not one of BIDS"
        yield warning("name-unread", path, what, f"{as_bids}_bold.nii.gz or …_events.tsv", subject)
    elif file.entities["sub"] != subject:
        what = f"this file of sub-{file.entities['sub']} is in the folder of sub-{subject}"
        yield error("name-differs", path, what, "call both alike, or move the file", subject)
    elif path.name.lower().endswith(IMAGE) and not path.name.endswith(IMAGE):
        lower = file.extension.lower()
        what = f"this image is not read, since its name ends in {file.extension}, not in {lower}"
        yield error("name-unread", path, what, f"let it end in {lower}", subject)
    elif path.name.endswith(IMAGE) and "task" not in file.entities:
        what = "this image is not read, since its name does not say the task"
        yield warning("name-unread", path, what, f"{as_bids}_bold.nii.gz", subject)


def _ignored(root: Path, findings: list[Finding]) -> "GitIgnoreSpec | None":
    """The patterns of ``.bidsignore``; None if there are none."""
    path = root / ".bidsignore"
    if not path.is_file():
        return None
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(path.read_text(encoding="utf-8-sig").splitlines())
    except (ValueError, OSError) as problem:
        findings.append(error("bidsignore-invalid", path, f"the patterns cannot be read ({problem})", "correct them"))
        return None


def _list_files(root: Path, subjects: Collection[str] | None, never: set[str], inside: bool) -> list[BidsFile]:
    try:
        paths = list(_walk_files(root, subjects, never, inside))
    except (OSError, ValueError) as problem:
        raise InputError(f"the folder cannot be read ({problem})", root, "check the path") from None
    return sorted(filter(None, map(parse_name, paths)), key=lambda file: file.path)


def _walk_files(root: Path, subjects: Collection[str] | None, never: set[str], inside: bool) -> Iterator[Path]:
    """Iterate over the files below a folder; ``inside`` enters only its folders ``sub-…``. Links are followed once."""
    entered: set[str] = set()
    for folder, below, files in os.walk(root, onerror=_raise, followlinks=True):
        here = os.path.realpath(folder)
        below[:] = [] if here in entered else [name for name in below if name[0] != "." and name not in never]
        if here in entered:
            continue
        entered.add(here)
        if inside and Path(folder) == root:
            below[:] = [name for name in below if name.startswith("sub-")]
        if subjects is not None:
            below[:] = [n for n in below if not n.startswith("sub-") or n.removeprefix("sub-") in subjects]
        for name in files:
            if subjects is None or not name.startswith("sub-") or _subject(name) in subjects:
                yield Path(folder, name)


def _subject(name: str) -> str:
    return name.split("_", 1)[0].removeprefix("sub-")


def _raise(problem: OSError) -> None:
    raise problem
