"""events.tsv to events: which clip was heard when. Every problem of the table is reported; the legible rows remain."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from .finding import Finding, error, warning
from .study import Clip

QUOTES = "'\"`‘’“”"
MISSING = ("", "n/a")
TOLERANCE = 1e-3
"""Seconds by which times in tables may disagree."""


@dataclass(frozen=True)
class Event:
    """A clip heard from ``onset`` for ``duration`` seconds of its run; ``line`` of the table, counted from 1."""

    clip: Clip
    onset: float
    duration: float
    line: int

    @property
    def end(self) -> float:
        """Seconds of the run at which the clip ends."""
        return self.onset + self.duration


@dataclass(frozen=True)
class Library:
    """What ``stimuli/stimuli.tsv`` (BIDS extension proposal 44) says of each stimulus id; empty without one."""

    path: Path
    rows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def read_library(folder: Path, findings: list[Finding]) -> Library:
    """Read ``folder/stimuli.tsv``: ``stimulus_id`` (or ``stim_id``), and ``filename``, ``genre``, ``caption`` if any."""
    path = folder / "stimuli.tsv"
    table = read_tsv(path, findings) if path.is_file() else None
    if table is None:
        return Library(path)
    key = next((name for name in ("stimulus_id", "stim_id") if name in table), None)
    if key is None:
        findings.append(_missing_columns(path, table, "stimulus_id"))
        return Library(path)
    return Library(path, {_label(row[key]): row for row in table.to_dict("records")})


def read_events(path: Path, library: Library, findings: list[Finding]) -> tuple[Event, ...]:
    """The clips heard in a run, in time.

    A clip is named by ``genre`` + ``track`` + ``start`` + ``end`` (ds003720), by ``stim_file`` (BIDS, relative to
    ``/stimuli``), or by ``stim_id`` (BIDS extension proposal 44); the latter two run from ``start`` (default 0)
    to ``end`` (default ``start + duration``). Rows that name no clip (rest, button presses) are passed over.
    """
    before = len(findings)
    table = read_tsv(path, findings)
    if table is None or not _has_columns(path, table, findings):
        return ()
    rows = enumerate(table.to_dict("records"), start=2)
    events = [_read_row(_Row(path, line, cells, findings), library) for line, cells in rows]
    heard = sorted((event for event in events if event), key=lambda event: event.onset)
    _report_quotes(path, table, findings)
    _report_overlaps(path, heard, findings)
    if not heard and not any(finding.severity == "error" for finding in findings[before:]):
        what = "no event of this run names a clip"
        findings.append(error("events-empty", path, what, "list what was heard, one row a clip"))
    return tuple(heard)


def read_tsv(path: Path, findings: list[Finding]) -> pd.DataFrame | None:
    """A table of stripped text cells, quotes kept as they are; None and a finding where it cannot be read."""
    try:
        table = pd.read_csv(
            path, sep="\t", dtype=str, keep_default_na=False, quoting=3, encoding="utf-8-sig", index_col=False
        )
    except pd.errors.EmptyDataError:
        findings.append(error("table-empty", path, "the table is empty", "write its header and rows"))
    except (pd.errors.ParserError, UnicodeDecodeError, OSError, ValueError) as problem:
        what = f"this is not a readable table ({problem})"
        findings.append(
            error("table-unreadable", path, what, "save it as UTF-8 text with tabs between columns")
        )
    else:
        table.columns = table.columns.str.strip()
        return table.fillna("").apply(lambda column: column.str.strip())
    return None


class _Row:
    """A row of events.tsv that knows how to complain about itself."""

    def __init__(self, path: Path, line: int, cells: Mapping[str, str], findings: list[Finding]) -> None:
        self.path, self.line, self.cells, self.findings = path, line, cells, findings

    def text(self, column: str) -> str:
        value = _label(self.cells.get(column, ""))
        return "" if value in MISSING else value

    def number(self, column: str, default: float | None = None) -> float | None:
        """The cell as a finite number; the default where it is empty; None and a finding otherwise."""
        text = self.text(column)
        if not text and default is not None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if math.isfinite(value):
            return value
        self.complain(
            "number-invalid",
            f"{column} is {text or 'missing'!r}, not a number",
            f"give the {column} in seconds",
        )
        return None

    def complain(self, code: str, what: str, mend: str) -> None:
        self.findings.append(error(code, self.path, f"line {self.line}: {what}", mend))


def _read_row(row: _Row, library: Library) -> Event | None:
    if not any(row.text(column) for column in ("track", "stim_file", "stim_id")):
        return None
    onset, duration = row.number("onset"), row.number("duration")
    if onset is not None and onset < 0:
        row.complain(
            "onset-negative", f"the onset is {onset:g} s", "count onsets from the first scan of the run"
        )
    if duration is not None and duration <= 0:
        row.complain(
            "duration-invalid", f"the duration is {duration:g} s", "give durations in seconds, over 0"
        )
    clip = _read_clip(row, library, duration)
    if clip is None or onset is None or duration is None or onset < 0 or duration <= 0:
        return None
    if abs(clip.duration - duration) > 0.1:
        what = f"line {row.line}: the event lasts {duration:g} s but its excerpt {clip.duration:g} s"
        row.findings.append(warning("excerpt-length", row.path, what, "make duration and end - start agree"))
    return Event(clip, onset, duration, row.line)


def _read_clip(row: _Row, library: Library, duration: float | None) -> Clip | None:
    named = _read_track(row, library)
    start = row.number("start", default=0.0)
    end = row.number("end", default=None if start is None or duration is None else start + duration)
    if named is None or start is None or end is None:
        return None
    if not 0 <= start < end:
        row.complain(
            "excerpt-invalid", f"the excerpt runs from {start:g} to {end:g} s", "give 0 <= start < end"
        )
        return None
    track, about = named
    return Clip(track, start, end, genre=_label(about.get("genre", "")), caption=about.get("caption") or None)


def _read_track(row: _Row, library: Library) -> tuple[str, Mapping[str, str]] | None:
    """The id of the recording, and the record that tells its genre and caption."""
    if stimulus := row.text("stim_id"):
        about = library.rows.get(stimulus)
        if about is None:
            what = f"stim_id {stimulus!r} is not listed in {library.path}"
            row.complain("stimulus-unknown", what, "list it there under stimulus_id, or correct the event")
            return None
        return _stimulus_path(about.get("filename") or about.get("stim_file") or stimulus), {
            **row.cells,
            **about,
        }
    if file := row.text("stim_file"):
        return _stimulus_path(file), row.cells
    track, genre = row.text("track"), row.text("genre")
    if not track.isdecimal():
        return PurePosixPath(track).name if track.endswith(".wav") else track, row.cells
    if not genre:
        row.complain(
            "label-missing", f"track {track} has no genre", "give the genre that the track number counts in"
        )
        return None
    return f"{genre}.{int(track):05d}", row.cells


def _stimulus_path(text: str) -> str:
    """A path relative to /stimuli, from what studies write in its place."""
    return text.removeprefix("bids::").lstrip("/").removeprefix("stimuli/")


def _label(text: str) -> str:
    return text.strip(QUOTES + " \t")


def _has_columns(path: Path, table: pd.DataFrame, findings: list[Finding]) -> bool:
    missing = [name for name in ("onset", "duration") if name not in table]
    if not {"track", "stim_file", "stim_id"} & set(table):
        missing.append("track (with genre, start, end), stim_file or stim_id")
    elif "track" in table and not {"stim_file", "stim_id"} & set(table):
        missing += [name for name in ("start", "end") if name not in table]
    if missing:
        findings.append(_missing_columns(path, table, ", ".join(missing)))
    return not missing


def _missing_columns(path: Path, table: pd.DataFrame, missing: str) -> Finding:
    what = f"the table has no column {missing}; it has {', '.join(table) or 'none'}"
    return error("columns-missing", path, what, "add what is missing")


def _report_quotes(path: Path, table: pd.DataFrame, findings: list[Finding]) -> None:
    """Quotes round labels are a warning: quotes on one side only mark a label that naive readers keep apart."""
    labels = _labels(table)
    halves = {label for label in labels if _label(label) != label and not _is_quoted(label)}
    if quoted := {label for label in labels if _is_quoted(label)}:
        what = f"{len(quoted)} labels carry literal quotes, {min(quoted)} among them; they are read without"
        findings.append(warning("label-quoted", path, what, "write labels without quotes"))
    for label in sorted(halves):
        what = f"the label {label} is malformed; it is read as {_label(label)}"
        findings.append(warning("label-malformed", path, what, "write labels without quotes"))


def _labels(table: pd.DataFrame) -> Iterable[str]:
    columns = [name for name in ("genre", "track", "stim_file", "stim_id") if name in table]
    return {label for name in columns for label in table[name]}


def _is_quoted(label: str) -> bool:
    return len(label) > 1 and label[0] in QUOTES and label[-1] in QUOTES


def _report_overlaps(path: Path, heard: list[Event], findings: list[Finding]) -> None:
    for earlier, later in zip(heard, heard[1:], strict=False):
        if later.onset < earlier.end - TOLERANCE:
            what = f"line {later.line}: the event at {later.onset:g} s starts before line {earlier.line} ends, at {earlier.end:g} s"
            findings.append(error("events-overlap", path, what, "correct onset or duration"))
