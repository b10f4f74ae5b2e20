"""The library of stimuli of a study: ``stimuli.tsv`` as in BIDS extension proposal 44, or a table of codes.

A library lists stimuli by id or code: the file of each, and what is known of it (genre, caption, artist). Folders below
the folder of stimuli may have tables of their own, which amend those above; what the JSON file of a stimulus says
counts most. Annotations (``stim-<label>_annot-<label>_events.tsv``) say what is known of a part of a stimulus.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..audio.io import SUFFIXES
from .finding import Finding, error, warning
from .stimuli import AUDIOVISUAL, STIMULUS_SUFFIXES
from .study import Clip
from .tables import Row, TextTable, read_table

KEYS: tuple[str, ...] = ("stimulus_id", "stim_id", "code")
"""Columns of ids or codes, the first of which is taken; a table of codes may have others in its first column."""
FILES: tuple[str, ...] = ("file", "filename", "stim_file", "path")
"""Columns of files, relative to the folder of stimuli; the first that is filled is taken."""
KNOWN: tuple[str, ...] = ("genre", "caption", "artist")
"""What may be known of a stimulus, a part of it, or a participant's music."""
OF_STIMULUS: tuple[str, ...] = (*FILES, *KNOWN, "type", "start", "end", "duration")
"""Columns in which rows of one code or id must agree."""


@dataclass(frozen=True)
class Annotation:
    """What is known of a part of a stimulus, from ``start`` to ``end`` seconds."""

    start: float
    end: float
    cells: Mapping[str, str]


@dataclass(frozen=True)
class Library:
    """The stimuli by id or code, and the annotations of each; empty without a table."""

    path: Path
    rows: Mapping[str, Row] = field(default_factory=dict)
    annotations: Mapping[str, tuple[Annotation, ...]] = field(default_factory=dict)

    def find(self, name: str) -> tuple[str, Row] | None:
        """The id and the row of a stimulus, with or without "stim-", in any case; None if it is not listed."""
        for key in (name, f"stim-{name}", name.removeprefix("stim-")):
            if key in self.rows:
                return key, self.rows[key]
        alike = [key for key in self.rows if key.casefold() == name.casefold()]
        return (alike[0], self.rows[alike[0]]) if len(alike) == 1 else None

    def described(self, clip: Clip, known_as: str, *, part: bool) -> Clip:
        """Give a clip what annotations say of most of it; of a ``part`` of a piece, in place of what is said of all.

        ``known_as`` is the id of its stimulus.
        """
        annotations = self.annotations.get(known_as, ())

        def known(name: str) -> str:
            own = getattr(clip, name) or ""
            return (_most(annotations, name, clip) or own) if part or not own else own

        genre, caption, artist = map(known, KNOWN)
        return replace(clip, genre=genre, caption=caption or None, artist=artist)


def read_library(folders: Sequence[Path], findings: list[Finding]) -> Library:
    """Read the first ``stimuli.tsv`` found in the folders, and those of the folders below it.

    ``stimulus_id`` (or ``stim_id``) names a stimulus, ``filename`` its file; ``type``, ``genre``, ``caption`` and
    ``artist`` are optional. Without ``filename`` the file is ``<stimulus_id>_audio.<extension>`` or
    ``<stimulus_id>_audiovideo.<extension>``, in the folder of stimuli or below.
    """
    top = next((folder for folder in folders if (folder / "stimuli.tsv").is_file()), None)
    if top is None:
        below = next((folder for folder in folders if any(_stimuli_tables(folder))), None)
        if below is None:
            return Library(folders[0] / "stimuli.tsv")
        top = below
    rows: dict[str, Row] = {}
    path = top / "stimuli.tsv"
    for place in _stimuli_tables(top):
        table = read_table(place, findings)
        if table is None:
            continue
        path = path if path.is_file() else place
        for key, row in _by_key(table, KEYS[:2], findings).items():
            above = rows[key].cells if key in rows else {}
            rows[key] = replace(row, cells={**above, **{name: cell for name, cell in row.cells.items() if cell}})
    files = _files_of_stimuli(top)
    located = {key: _located(key, row, top, files) for key, row in rows.items()}
    return Library(path, located, _annotations(top, located, findings))


def read_codes(path: Path, findings: list[Finding]) -> Library | None:
    """Read a table that gives the file of each code; None and a finding if it is not legible.

    Columns are separated by tabs, or by commas in a file called ``.csv``. Codes are in the column ``stimulus_id``,
    ``stim_id`` or ``code``, else in the first; files in ``file``, ``filename``, ``stim_file`` or ``path``.
    """
    table = read_table(path, findings, "," if path.suffix.lower() == ".csv" else "\t")
    if table is None:
        return None
    file = next((name for name in FILES if name in table.columns), None)
    if file is None:
        findings.append(table.lacks("file"))
        return None
    first = next((name for name in table.columns if name != file), file)
    keys = tuple(name for name in KEYS if name in table.columns) or (first,)
    rows = {}
    for key, row in _by_key(table, keys, findings).items():
        if name := row.text(file):
            rows[key] = replace(row, cells={**row.cells, "filename": name})
        else:
            findings.append(row.error("stimulus-unknown", f"the code {key!r} has no {file}", "name its recording"))
    return Library(path, rows)


def _by_key(table: TextTable, keys: Sequence[str], findings: list[Finding]) -> dict[str, Row]:
    """The rows by id; rows that are longer than the header are left out."""
    key = next((name for name in keys if name in table.columns), None)
    if key is None:
        findings.append(table.lacks(keys[0]))
        return {}
    for row in table.rows:
        if row.surplus:
            what = f"line {row.line}: the row has {row.surplus} cells more than the header; it is left out"
            findings.append(warning("row-ragged", table.path, what, "give every row the header's columns"))
    rows: dict[str, Row] = {}
    for row in table.rows:
        if row.surplus or not (name := row.text(key)):
            continue
        other = rows.setdefault(name, row)
        if any(row.text(each) != other.text(each) for each in OF_STIMULUS):
            what = f"{name} is listed in line {other.line} already, as another stimulus"
            findings.append(row.error("stimulus-twice", what, "list every code and id once"))
    return rows


def _stimuli_tables(folder: Path) -> list[Path]:
    """The tables of a folder and of those below it, those above first."""
    return sorted(folder.rglob("stimuli.tsv"), key=lambda path: (len(path.parts), path)) if folder.is_dir() else []


def _files_of_stimuli(folder: Path) -> dict[str, list[Path]]:
    """Sound files with names of BIDS by the id of their stimulus, in the folder and below: sounds first, then films."""
    found: dict[str, list[Path]] = {}
    for kind in STIMULUS_SUFFIXES:
        for path in sorted(folder.rglob(f"*_{kind}.*")):
            if path.suffix.lower() in (*SUFFIXES, *AUDIOVISUAL):
                found.setdefault(path.stem.removesuffix(f"_{kind}"), []).append(path)
    return found


def _located(key: str, row: Row, top: Path, files: Mapping[str, Sequence[Path]]) -> Row:
    """The row with the place of its file, if that is below the folder or a film, and what its JSON file says."""
    own = files.get(key) or files.get(f"stim-{key}") or ()
    said: dict[str, str] = {}
    for path in own[:1]:
        said = _sidecar(path.with_suffix(".json"))
        named = any(map(row.text, FILES[1:]))
        if not named and path.parent == top and path.stem == f"{key}_audio":
            continue  # found by its id, which is its name
        if not named:
            said["filename"] = path.relative_to(top).as_posix()
        if not row.text("type"):
            said["type"] = path.stem.rpartition("_")[2]
    return replace(row, cells={**row.cells, **said}) if said else row


def _sidecar(path: Path) -> dict[str, str]:
    """What the JSON file of a stimulus says of it, of the columns that are read."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    fields = {str(name).casefold(): value for name, value in said.items()} if isinstance(said, dict) else {}
    return {name: str(fields[name]) for name in KNOWN if isinstance(fields.get(name), str)}


def _annotations(folder: Path, rows: Mapping[str, Row], findings: list[Finding]) -> dict[str, tuple[Annotation, ...]]:
    """The annotations of each stimulus that say anything of genre, caption or artist."""
    found: dict[str, tuple[Annotation, ...]] = {}
    for path in sorted(folder.rglob("*_annot-*_events.tsv")):
        stimulus = path.name.partition("_annot-")[0]
        key = stimulus if stimulus in rows else stimulus.removeprefix("stim-")
        table = read_table(path, findings) if key in rows else None
        if table is None or not set(KNOWN) & set(table.columns):
            continue
        found[key] = found.get(key, ()) + tuple(_annotation_rows(table, findings))
    return found


def _annotation_rows(table: TextTable, findings: list[Finding]) -> Iterator[Annotation]:
    for row in table.rows:
        faults: list[Finding] = []
        start, length = row.number("onset", faults), row.number("duration", faults)
        if faults or length <= 0:
            what = f"line {row.line}: an annotation without onset and duration is left out"
            findings.append(warning("annotation-invalid", table.path, what, "give both in seconds of the stimulus"))
        else:
            yield Annotation(start, start + length, {name: row.text(name) for name in KNOWN})


def _most(annotations: Sequence[Annotation], name: str, clip: Clip) -> str:
    """The value that annotations give to at least half of a clip; "" if none does."""
    seconds: dict[str, float] = {}
    for each in annotations:
        shared = min(each.end, clip.end) - max(each.start, clip.start)
        if shared > 0 and (value := each.cells.get(name, "")):
            seconds[value] = seconds.get(value, 0.0) + shared
    best = max(seconds, key=lambda value: seconds[value], default="")
    return best if best and 2 * seconds[best] >= clip.duration - 1e-6 else ""


def unknown_code(values: Sequence[str], library: Library) -> Finding:
    """The error that a table of codes lists nothing of what events name."""
    named, listed = ", ".join(values[:3]) or "nothing", ", ".join([*library.rows][:3])
    what = f"no event names a code of this table; the events name {named}, the table {listed}"
    hint = "name the column of codes by the setting events.stimulus"
    if {_number(value) for value in values} & {_number(key) for key in library.rows} - {None}:
        hint = "write codes in both alike: 1, 1.0 and 01 are different codes"
    return error("codes-unknown", library.path, what, hint)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
