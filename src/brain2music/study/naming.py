"""What the rows of any study's events name: columns, codes and markers, brought to the columns that are read.

A table with ``stim_id``, ``stim_file`` or ``track``, and with durations, stays as it is, unless settings say otherwise.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np

from ..config import EventsConfig
from .event import Lengths
from .finding import Finding, error, warning
from .library import FILES, KNOWN, Library, unknown_code
from .rows import LISTED, RECORDING_COLUMNS, is_not_music, may_be_sound
from .study import Clip
from .tables import Row, TextTable, read_table

NEVER: tuple[str, ...] = ("onset", "duration", "start", "end", "response_time", "participant_id", *KNOWN)
"""Columns that never name a recording of their own accord."""
_FRACTION = re.compile(r"[-+]?\d*\.\d+")
OF_CODES = (*KNOWN, "start", "end", "duration")
"""What a table of codes may give beside the file."""


@dataclass(frozen=True)
class Naming:
    """How the rows of a study name what was presented.

    ``codes`` is the table of the settings, if any; ``locate`` gives the file of a clip's recording.
    """

    settings: EventsConfig
    library: Library
    codes: Library | None = None
    participants: Mapping[str, Row] = field(default_factory=dict)
    locate: Callable[[Clip], Path | None] = lambda _: None
    lengths: Lengths = lambda _: None

    def __call__(self, table: TextTable, subject: str, findings: list[Finding]) -> TextTable:
        """Bring a subject's table of events to the columns that are read."""
        column = self._column(table, subject, findings) if "onset" in table.columns else None
        if column is not None:
            rows = [self._named(row, column, subject) for row in table.rows]
            columns = dict.fromkeys((*table.columns, "stim_file", "stim_id"))
            self._report_unknown(table, rows, column, subject, findings)
            table = TextTable(table.path, tuple(columns), tuple(rows))
        return self._with_durations(table, findings)

    @property
    def by_participant(self) -> bool:
        """Whether what was presented is a column of the table of participants."""
        column = self.settings.stimulus
        return column is not None and any(column in row.cells for row in self.participants.values())

    def about(self, name: str) -> tuple[str, Row] | None:
        """The file or id of a name or code, as cells of a row; None if no table lists it."""
        found = None if self.codes is None else self.codes.find(name)
        if found is not None:
            return "stim_file", found[1]
        found = self.library.find(name)
        return None if found is None else ("stim_id", replace(found[1], cells={**found[1].cells, "stim_id": found[0]}))

    def cells_of(self, name: str) -> dict[str, str]:
        """The cells of a row that names what a name or code means; none that name a recording if it means none."""
        blank = dict.fromkeys(RECORDING_COLUMNS, "")
        if (found := self.about(name)) is not None:
            kind, row = found
            if kind == "stim_id":
                return {**blank, "stim_id": row.text("stim_id")}
            file = next(filter(None, map(row.text, ("filename", *FILES))), "")
            given = {each: row.cells[each] for each in OF_CODES if row.text(each)}
            return {**blank, "stim_file": file, LISTED: "yes", **given}
        known = self.codes is None and name and (self._is_recording(name) or not is_not_music(name))
        return {**blank, "stim_file": name if known else ""}

    def _column(self, table: TextTable, subject: str, findings: list[Finding]) -> str | None:
        """The column that names what was presented; None if the table is to be read as it is."""
        column = self.settings.stimulus
        if column is not None:
            if column in table.columns or self._of_participant(subject, column):
                return column
            findings.append(table.lacks(column))
            return None
        filled = [name for name in table.columns if any(row.text(name) for row in table.rows)]
        named = [name for name in filled if name in RECORDING_COLUMNS]
        if self.codes is not None:
            return self._inferred(table, [*named, *self._others(table)], findings) or (named[0] if named else None)
        if named and (named != ["track"] or {"start", "end"} <= set(table.columns)):
            return None
        return self._inferred(table, self._others(table) + named, findings)

    def _others(self, table: TextTable) -> list[str]:
        return [name for name in table.columns if name not in (*NEVER, *RECORDING_COLUMNS)]

    def _inferred(self, table: TextTable, columns: Sequence[str], findings: list[Finding]) -> str | None:
        """The column most of whose cells are codes, ids or recordings, with a finding that says so."""
        counts: dict[str, int] = {}
        for column in columns:
            values = [row.text(column) for row in table.rows if row.text(column)]
            if all(_FRACTION.fullmatch(value) for value in values):
                continue  # times and ratings are no names, and not searched for
            known = {value for value in set(values) if self._is_known(value)}
            if 2 * len(known) >= len({value for value in values if not is_not_music(value)}):
                counts[column] = sum(value in known for value in values)
        best = max(counts, key=lambda column: counts[column], default=None)
        if best is None or not counts[best]:
            return None
        if best not in RECORDING_COLUMNS:
            what = f"the column {best} is taken to name what was presented, in {counts[best]} of {len(table.rows)} rows"
            hint = f'say so with the setting events.stimulus = "{best}", or name another column'
            findings.append(warning("column-inferred", table.path, what, hint))
        return best

    def _is_known(self, value: str) -> bool:
        if self.codes is not None:
            return self.codes.find(value) is not None
        return self.library.find(value) is not None or self._is_recording(value)

    def _is_recording(self, value: str) -> bool:
        named = PurePosixPath(value).suffix != "" and may_be_sound(value, known=True)
        return named or self.locate(Clip(value, 0.0, 1.0)) is not None

    def _of_participant(self, subject: str, column: str) -> str:
        row = self.participants.get(subject)
        return "" if row is None else row.text(column)

    def _named(self, row: Row, column: str, subject: str) -> Row:
        value = row.text(column) if column in row.cells else self._of_participant(subject, column)
        given = self.cells_of(value) if value else dict.fromkeys(RECORDING_COLUMNS, "")
        own = {name: cell for name, cell in given.items() if name in RECORDING_COLUMNS or not row.text(name)}
        if column not in row.cells:
            own |= {
                name: self._of_participant(subject, name) for name in KNOWN if not (row.text(name) or own.get(name))
            }
        return replace(row, cells={**row.cells, **own})

    def _report_unknown(
        self, table: TextTable, rows: Sequence[Row], column: str, subject: str, findings: list[Finding]
    ) -> None:
        """Report a table of codes that lists none of what is named."""
        if self.codes is None or any(row.text("stim_file") or row.text("stim_id") for row in rows):
            return
        values = dict.fromkeys(row.text(column) or self._of_participant(subject, column) for row in table.rows)
        finding = unknown_code([value for value in values if value], self.codes)
        findings.append(replace(finding, file=table.path))

    def _with_durations(self, table: TextTable, findings: list[Finding]) -> TextTable:
        """Give markers, events without duration, the time until the next event; only where no event has one."""
        music = [row for row in table.rows if any(map(row.text, RECORDING_COLUMNS))]
        given = self.settings.marker_s
        if not music or not all(map(_lacks_duration, music)):
            return table
        onsets = sorted({onset for row in table.rows if math.isfinite(onset := row.number("onset", []))})
        seconds = {row.line: given or self._until_next(row, onsets) for row in music}
        known = [value for value in seconds.values() if math.isfinite(value)]
        if not known:
            return table
        usual = float(np.median(known))
        rows = [
            replace(row, cells={**row.cells, "duration": f"{round(value if math.isfinite(value) else usual, 6):g}"})
            if (value := seconds.get(row.line)) is not None
            else row
            for row in table.rows
        ]
        lengths = sorted(value if math.isfinite(value) else usual for value in seconds.values())
        what = f"{len(music)} events have no duration, and are taken to last "
        what += f"{given:g} s" if given else f"until the next event or the end of the recording, {_from_to(lengths)} s"
        hint = "give durations, or one for all with the setting events.marker_s"
        findings.append(warning("durations-inferred", table.path, what, hint))
        return TextTable(table.path, tuple(dict.fromkeys((*table.columns, "duration"))), tuple(rows))

    def _until_next(self, row: Row, onsets: Sequence[float]) -> float:
        """Seconds until the next event, and no longer than the recording goes on; NaN if neither is known."""
        onset = row.number("onset", [])
        later = next((other - onset for other in onsets if other > onset + 1e-6), math.inf)
        start = row.number("start", []) if row.text("start") else 0.0
        length = self.length_of(row)
        rest = math.inf if length is None or not math.isfinite(start) else length - start
        seconds = min(later, rest)
        return seconds if 0 < seconds < math.inf else math.nan

    def length_of(self, row: Row) -> float | None:
        """Seconds of the recording that a row names; None if it is not available."""
        named = row.text("stim_file")
        if stimulus := row.text("stim_id"):
            about = self.library.rows.get(stimulus)
            named = stimulus if about is None else (about.text("filename") or about.text("stim_file") or stimulus)
        track = named.removeprefix("stimuli/") if named else row.text("track")
        return self.lengths(Clip(track, 0.0, 1.0, row.text("genre"))) if track else None


def _lacks_duration(row: Row) -> bool:
    """Whether the duration of a row is missing, also as R writes it, or zero."""
    text = row.text("duration")
    return text in ("", "NA") or re.fullmatch(r"0+(\.0*)?", text) is not None


def read_participants(root: Path) -> dict[str, Row]:
    """The rows of ``participants.tsv`` by the label of the participant; none if it is missing or not legible."""
    path = root / "participants.tsv"
    table = read_table(path, []) if path.is_file() else None
    if table is None or "participant_id" not in table.columns:
        return {}
    return {row.text("participant_id").removeprefix("sub-"): row for row in table.rows if not row.surplus}


def unread_codes(path: Path) -> Finding:
    """The error that the table of codes is missing."""
    return error("codes-missing", path, "there is no such table of stimuli", "correct events.stimulus_table")


def _from_to(lengths: Sequence[float]) -> str:
    low, high = f"{lengths[0]:.3g}", f"{lengths[-1]:.3g}"
    return low if low == high else f"{low} to {high}"
