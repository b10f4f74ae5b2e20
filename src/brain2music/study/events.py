"""events.tsv to events: which clip was heard when. Problems are reported; the legible rows remain."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from .finding import Finding, error, warning
from .study import Clip
from .tables import Row, Table, is_quoted, read_table, unquote

TOLERANCE = 1e-3
"""By how much times may disagree: seconds, or a part of the TR."""
SOURCES = ("stim_id", "stim_file", "track")
"""The columns that may name a recording; the first that is filled does."""


@dataclass(frozen=True)
class Event:
    """A clip heard from ``onset`` for ``duration`` seconds of its run; ``line`` is its line in the table."""

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
    """What ``stimuli.tsv`` (BIDS extension proposal 44) says of each stimulus id; empty without one."""

    path: Path
    rows: Mapping[str, Row] = field(default_factory=dict)


def read_library(folders: Sequence[Path], findings: list[Finding]) -> Library:
    """Read the first ``stimuli.tsv`` of the folders.

    Its ``stimulus_id`` (or ``stim_id``) names a stimulus, ``filename`` its file; ``type``, ``genre`` and
    ``caption`` are taken where given. Without ``filename`` the file is ``<stimulus_id>_audio.<extension>``.
    """
    path = next((folder / "stimuli.tsv" for folder in folders if (folder / "stimuli.tsv").is_file()), None)
    table = path and read_table(path, findings)
    if not table:
        return Library(path or folders[0] / "stimuli.tsv")
    key = next((name for name in ("stimulus_id", "stim_id") if name in table.columns), None)
    if key is None:
        findings.append(table.lacks("stimulus_id"))
        return Library(table.path)
    return Library(table.path, {row.text(key): row for row in table.rows})


def read_events(path: Path, library: Library, findings: list[Finding]) -> tuple[Event, ...]:
    """The clips heard in a run, in order of time.

    A clip is named by ``genre``, ``track``, ``start`` and ``end`` (ds003720), by ``stim_file`` (BIDS, below
    ``/stimuli``), or by ``stim_id`` (BIDS extension proposal 44); by the latter two it runs from ``start``
    (default 0) to ``end`` (default ``start + duration``). Rows that name no sound (rest, button presses) are
    passed over. Quotes around labels, also those that lack their partner, are left out with a warning.
    """
    before = len(findings)
    table = read_table(path, findings)
    if table is None or not _has_columns(table, findings):
        return ()
    _report_quotes(table, findings)
    read = [_read_event(row, library, findings) for row in table.rows if _is_heard(row, library)]
    events = sorted((event for event in read if event), key=lambda event: event.onset)
    _report_overlaps(path, events, findings)
    if not read and not any(finding.severity == "error" for finding in findings[before:]):
        what = "no event of this run names a recording"
        findings.append(error("events-empty", path, what, "list what was heard, one row a clip"))
    return tuple(events)


def _is_heard(row: Row, library: Library) -> bool:
    stimulus = library.rows.get(row.text("stim_id"))
    kind = stimulus.text("type") if stimulus else ""
    return any(map(row.text, SOURCES)) and (not kind or "audio" in kind.lower())


def _read_event(row: Row, library: Library, findings: list[Finding]) -> Event | None:
    """One row; None and findings, all that apply, where it is not legible."""
    before = len(findings)
    onset, duration = row.number("onset", findings), row.number("duration", findings)
    if onset < 0:
        what = f"the onset is {onset:g} s"
        findings.append(row.error("onset-negative", what, "count onsets from the first scan of the run"))
    if duration <= 0:
        what = f"the duration is {duration:g} s"
        findings.append(row.error("duration-invalid", what, "give durations in seconds, over 0"))
    start, end = _read_excerpt(row, duration, findings)
    track, about = _read_recording(row, library, findings)
    if len(findings) > before:
        return None
    clip = Clip(track, start, end, genre=unquote(about.text("genre")), caption=about.text("caption") or None)
    if abs(clip.duration - duration) > 0.1:
        what = f"line {row.line}: the event lasts {duration:g} s but its excerpt {clip.duration:g} s"
        findings.append(warning("excerpt-length", row.path, what, "make duration and end - start agree"))
    return Event(clip, onset, duration, row.line)


def _read_excerpt(row: Row, duration: float, findings: list[Finding]) -> tuple[float, float]:
    whole = row.text("stim_id") or row.text("stim_file")
    start = 0.0 if whole and not row.text("start") else row.number("start", findings)
    end = start + duration if whole and not row.text("end") else row.number("end", findings)
    if start < 0 or (end <= start and duration > 0):
        what = f"the excerpt runs from {start:g} to {end:g} s"
        findings.append(row.error("excerpt-invalid", what, "give 0 <= start < end in seconds"))
    return start, end


def _read_recording(row: Row, library: Library, findings: list[Finding]) -> tuple[str, Row]:
    """The recording's id, and the row that tells its genre and caption."""
    if stimulus := row.text("stim_id"):
        about = library.rows.get(stimulus, row)
        if about is row:
            what = f"stim_id {stimulus!r} is not listed in {library.path}"
            mend = "list it there under stimulus_id, or correct the event"
            findings.append(row.error("stimulus-unknown", what, mend))
        merged = {**row.cells, **{name: cell for name, cell in about.cells.items() if cell}}
        file = about.text("filename") or about.text("stim_file") or stimulus
        return _below_stimuli(file), Row(row.path, row.line, merged)
    if file := row.text("stim_file"):
        return _below_stimuli(file), row
    track, genre = unquote(row.text("track")), unquote(row.text("genre"))
    if not track.isdecimal():
        return re.sub(r"\.(wav|au|mp3|flac|ogg)$", "", track), row
    if not genre:
        what = f"track {track} has no genre"
        findings.append(row.error("label-missing", what, "give the genre that the track number counts in"))
    return f"{genre}.{int(track):05d}", row


def _below_stimuli(text: str) -> str:
    """A path relative to /stimuli, from what studies write in its place."""
    return text.removeprefix("bids::").lstrip("/").removeprefix("stimuli/")


def _has_columns(table: Table, findings: list[Finding]) -> bool:
    missing = [name for name in ("onset", "duration") if name not in table.columns]
    if not set(SOURCES) & set(table.columns):
        missing.append("track (with genre, start and end), stim_file or stim_id")
    elif not {"stim_file", "stim_id"} & set(table.columns):
        missing += [name for name in ("start", "end") if name not in table.columns]
    if missing:
        findings.append(table.lacks(*missing))
    return not missing


def _report_quotes(table: Table, findings: list[Finding]) -> None:
    labels = {row.cells.get(name, "") for row in table.rows for name in ("genre", "track")}
    quoted = sorted(label for label in labels if is_quoted(label))
    mend = "write labels without quotes"
    if quoted:
        what = f"{len(quoted)} labels carry literal quotes, {quoted[0]} among them; read without them"
        findings.append(warning("label-quoted", table.path, what, mend))
    for label in sorted(labels.difference(quoted)):
        if unquote(label) != label:
            what = f"the label {label} has a quote without partner; read as {unquote(label)}"
            findings.append(warning("label-malformed", table.path, what, mend))


def _report_overlaps(path: Path, events: Sequence[Event], findings: list[Finding]) -> None:
    for earlier, later in pairwise(events):
        if later.onset < earlier.end - TOLERANCE:
            what = (
                f"line {later.line}: the event at {later.onset:g} s starts before that of line "
                f"{earlier.line} ends, at {earlier.end:g} s"
            )
            findings.append(error("events-overlap", path, what, "correct the onset or the duration"))
