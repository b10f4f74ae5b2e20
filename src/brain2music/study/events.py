"""Reading of tables of events: which clip was presented when. Problems are reported; the legible rows remain."""

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..config import EventRows
from .event import Event, Lengths
from .finding import Finding, add_row_faults, error, warning
from .library import Library
from .naming import Naming
from .pieces import read_piece
from .rows import RECORDING_COLUMNS, chosen_rows, report_skipped
from .run_files import RunFiles
from .sections import find_sections, holds_run_times, without_blocks
from .stimuli import SLACK_S, has_drive, leaves_folder
from .study import Clip
from .tables import ADD_COLUMNS, Row, TextTable, is_quoted, read_table, unquote

_STARTS = re.compile(r"start|offset|onset|begin|seek", re.IGNORECASE)
"""Names of columns that may say where in its recording a clip starts."""


@dataclass(frozen=True)
class EventTable:
    """The contents of a table of events: its events in order of time, and counts of the rows that are no music."""

    events: tuple[Event, ...] = ()
    skipped: Counter[str] = field(default_factory=Counter)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class EventReader:
    """Reads the tables of events of a study, each once, or once for each participant where these heard their own.

    ``naming`` says what rows name; ``rows`` is the setting that says which rows count. ``known_as`` collects the id of
    the stimulus of each track.
    """

    naming: Naming
    rows: EventRows | None = None
    tables: dict[tuple[Path, str], EventTable] = field(default_factory=dict, init=False)
    known_as: dict[str, str] = field(default_factory=dict, init=False)
    pieces: list[Event] = field(default_factory=list, init=False)

    @property
    def lengths(self) -> Lengths:
        """Durations of available recordings."""
        return self.naming.lengths

    def __call__(self, path: Path, subject: str) -> EventTable:
        """Read the table at a path, as it is a subject's."""
        key = path, subject if self.naming.by_participant else ""
        if key not in self.tables:
            self.tables[key] = read_events(path, self.naming, subject, rows=self.rows, known_as=self.known_as)
        return self.tables[key]

    def piece(
        self, files: RunFiles, seconds: float | None, findings: list[Finding], *, inferred: bool = False
    ) -> tuple[Event, ...]:
        """The event of the piece that the task or the run names (:func:`.pieces.read_piece`)."""
        row = read_piece(files, self.naming, seconds, findings, inferred=inferred)
        event = None if row is None else _read_event(row, self.naming.library, findings)
        if row is None or event is None:
            return ()
        if stimulus := row.text("stim_id"):
            self.known_as[event.clip.track] = stimulus
        self.pieces.append(event)
        return (event,)

    def all_events(self, root: Path) -> list[Event]:
        """The events of all tables of a BIDS folder, so that clips do not depend on the subjects and tasks chosen.

        Where tasks or runs are the pieces, those of the runs that are read.
        """
        if self.naming.settings.piece is not None:
            return list(self.pieces)
        for pattern in ("sub-*/func/*_events.tsv", "sub-*/ses-*/func/*_events.tsv"):
            for path in root.glob(pattern):
                self(path, path.name.partition("_")[0].removeprefix("sub-"))
        return [*(event for key in sorted(self.tables) for event in self.tables[key].events), *self.pieces]

    def report(self, used: Iterable[Path], findings: list[Finding]) -> None:
        """Report the rows of the given tables that are not music."""
        read = set(used)
        tables = {path: self.tables[path, label] for path, label in sorted(self.tables) if path in read}
        skipped = sum((table.skipped for table in tables.values()), Counter[str]())
        if skipped:
            first = next(path for path, table in tables.items() if table.skipped)
            findings.append(report_skipped(skipped, first, self.rows))


def read_events(
    path: Path,
    naming: Naming,
    subject: str = "",
    *,
    rows: EventRows | None = None,
    known_as: dict[str, str] | None = None,
) -> EventTable:
    """Read the clips presented in one run, in order of time.

    ``naming`` brings the table to the columns that are read. A clip is named by ``genre``, ``track``, ``start`` and
    ``end`` (ds003720), by ``stim_file`` (BIDS, below ``/stimuli``), or by ``stim_id`` (BIDS extension proposal 44).
    With the latter two it extends from ``start`` (default 0; for contiguous rows see :func:`.sections.find_sections`)
    to ``end`` (default ``start + duration``).
    Rows that are not music (:func:`.rows.chosen_rows`) and rows that span others (:func:`.sections.without_blocks`)
    are skipped. A faulty row is left out with a warning; if most rows are faulty, that is an error. Quotes around
    labels, paired or not, are removed with a warning.
    """
    findings: list[Finding] = []
    library, lengths = naming.library, naming.lengths
    table = read_table(path, findings)
    table = table if table is None else naming(table, subject, findings)
    if table is None or not _has_columns(table, findings):
        return EventTable(findings=tuple(findings))
    _report_quotes(table, findings)
    counted, skipped = chosen_rows(table, library.rows, rows, findings)
    events, faults = _read_rows(counted, library, lengths, findings, {} if known_as is None else known_as)
    add_row_faults(faults, len(counted) - len(events), len(counted), findings)
    _report_unread_starts(table, counted, events, lengths, findings)
    events = find_sections(without_blocks(events, path, findings), path, lengths, findings)
    if not counted and not skipped and not findings:
        what = "no event of this run names a recording"
        findings.append(error("events-empty", path, what, "list what was presented, one row per clip"))
    return EventTable(tuple(events), skipped, tuple(findings))


def _read_rows(
    rows: Sequence[Row], library: Library, lengths: Lengths, findings: list[Finding], known_as: dict[str, str]
) -> tuple[list[Event], list[Finding]]:
    """Read rows into events in order of time; also returns the findings about illegible rows."""
    events: list[Event] = []
    faults: list[Finding] = []
    for row in rows:
        event = _read_event(row, library, faults)
        events += [event] if event else []
        if event and (stimulus := row.text("stim_id")):
            known_as[event.clip.track] = stimulus
    events.sort(key=lambda event: (event.onset, event.line))
    if holds_run_times(events, lengths):
        what = "the column start holds times of the run, not of the recordings; it is left out, and so is end"
        findings.append(
            warning("start-is-run-time", rows[0].path, what, "give where in its recording each clip starts")
        )
        events = [_from_start(event) for event in events]
    by_line = {row.line: row for row in rows}
    for event in events:
        if abs(event.clip.duration - event.duration) > 0.1:
            what = f"line {event.line}: the event lasts {event.duration:g} s but its excerpt {event.clip.duration:g} s"
            hint = "make duration and end - start agree"
            findings.append(warning("excerpt-length", by_line[event.line].path, what, hint))
    return events, faults


def _report_unread_starts(
    table: TextTable, rows: Sequence[Row], events: Sequence[Event], lengths: Lengths, findings: list[Finding]
) -> None:
    """Warn of an unread column that may say where in its recording each clip starts.

    Only if recordings are longer than their clips, and the column holds positions in them other than 0.
    """
    longest = max((lengths(event.clip) or 0.0 for event in events if not event.placed), default=0.0)
    if longest <= max((event.duration for event in events), default=0.0) + 2 * SLACK_S:
        return
    for column in table.columns:
        if column in ("onset", "start", "end") or not _STARTS.search(column):
            continue
        cells = [row.text(column) for row in rows]
        values = [float(cell) for cell in cells if re.fullmatch(r"\d+(\.\d*)?", cell)]
        if values and len(values) == len(list(filter(None, cells))) and 0 < max(values) < longest:
            what = f"the column {column} is not read, and every clip taken from the start of its recording"
            hint = "if it says where in its recording each clip starts, in seconds, call it start"
            findings.append(warning("column-unread", table.path, what, hint))


def _from_start(event: Event) -> Event:
    return replace(event, clip=replace(event.clip, start=0.0, end=event.duration), measured=True, placed=False)


def _read_event(row: Row, library: Library, findings: list[Finding]) -> Event | None:
    """Read one row; None and all findings that apply if it is not legible."""
    before = len(findings)
    if row.surplus:
        what = f"the row has {row.surplus} cells more than the header"
        findings.append(row.error("row-ragged", what, "give every row the header's columns"))
    onset, duration = row.number("onset", findings), row.number("duration", findings)
    if duration <= 0:
        what = f"the duration is {duration:g} s"
        findings.append(row.error("duration-invalid", what, "give durations in seconds, over 0"))
    start, end = _read_excerpt(row, duration, findings)
    track, about = _read_recording(row, library, findings)
    genre = unquote(about.text("genre"))
    artist = unquote(about.text("artist"))
    if leaves_folder(track) or leaves_folder(genre):
        what = f"the recording {track!r} is outside the folder of stimuli"
        findings.append(row.error("stimulus-outside", what, "put it into that folder, and name it relative to it"))
    if len(findings) > before:
        return None
    clip = Clip(track, start, end, genre=genre, caption=about.text("caption") or None, artist=artist)
    return Event(clip, onset, duration, row.line, measured=not row.text("end"), placed=bool(row.text("start")))


def _read_excerpt(row: Row, duration: float, findings: list[Finding]) -> tuple[float, float]:
    whole = row.text("stim_id") or row.text("stim_file")
    start = 0.0 if whole and not row.text("start") else row.number("start", findings)
    end = start + duration if whole and not row.text("end") else row.number("end", findings)
    if start < 0 or (end <= start and duration > 0):
        what = f"the excerpt runs from {start:g} to {end:g} s"
        findings.append(row.error("excerpt-invalid", what, "give 0 <= start < end in seconds"))
    return start, end


def _read_recording(row: Row, library: Library, findings: list[Finding]) -> tuple[str, Row]:
    """The id of the recording, and the row with its genre and caption."""
    if stimulus := row.text("stim_id"):
        about = library.rows.get(stimulus, row)
        if about is row:
            what = f"stim_id {stimulus!r} is not listed in {library.path}"
            hint = "list it there under stimulus_id, or correct the event"
            findings.append(row.error("stimulus-unknown", what, hint))
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
    """Normalise the ways in which studies write the path of a recording to a path relative to ``/stimuli``."""
    below = text.replace("\\", "/").removeprefix("bids::")
    if below.startswith("/") or has_drive(below):  # as on the machine that presented it
        below = re.split(r"(?<=/)stimuli/", below, flags=re.IGNORECASE)[-1]
    below = below.lstrip("/").removeprefix("./").removeprefix("stimuli/")
    return posixpath.normpath(below) if below else below


def _has_columns(table: TextTable, findings: list[Finding]) -> bool:
    missing = [name for name in ("onset", "duration") if name not in table.columns]
    if not set(RECORDING_COLUMNS) & set(table.columns):
        missing.append("track (with genre, start and end), stim_file or stim_id")
    elif not {"stim_file", "stim_id"} & set(table.columns):
        missing += [name for name in ("start", "end") if name not in table.columns]
    if missing:
        lacking = table.lacks(*missing)
        if lacking.hint == ADD_COLUMNS and not set(RECORDING_COLUMNS) & set(table.columns):
            hint = (
                "name the column that says what was presented by the setting events.stimulus, and where it has codes "
            )
            lacking = replace(lacking, hint=f"{hint}their table by events.stimulus_table; or {ADD_COLUMNS}")
        findings.append(lacking)
    return not missing


def _report_quotes(table: TextTable, findings: list[Finding]) -> None:
    labels = {row.cells.get(name, "") for row in table.rows for name in ("genre", "track")}
    quoted = sorted(label for label in labels if is_quoted(label))
    hint = "write labels without quotes"
    if quoted:
        what = f"{len(quoted)} labels carry literal quotes, {quoted[0]} among them; read without them"
        findings.append(warning("label-quoted", table.path, what, hint))
    for label in sorted(labels.difference(quoted)):
        if unquote(label) != label:
            what = f"the label {label} has a quote without partner; read as {unquote(label)}"
            findings.append(warning("label-malformed", table.path, what, hint))
