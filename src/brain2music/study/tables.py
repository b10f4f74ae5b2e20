"""Reading of tab-separated tables, row by row, with the line numbers that findings need."""

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .content import foreign_content
from .finding import Finding, error

MISSING = ("", "n/a", "nan")
"""Cells without a value, in any case: as BIDS writes them, and as pandas does."""
SEPARATORS = {",": "commas", ";": "semicolons", " ": "spaces"}
ADD_COLUMNS = "add what is missing"
QUOTES = "'\"`‘’“”"


@dataclass(frozen=True)
class Row:
    """A row of a table: ``line`` of the file, counted from 1, and its cells by column.

    ``surplus`` is the number of filled cells beyond the columns of the header.
    """

    path: Path
    line: int
    cells: Mapping[str, str]
    surplus: int = 0

    def text(self, column: str) -> str:
        """The text of a cell without quotes around it; "" if it is missing, empty or n/a."""
        return cell_text(self.cells.get(column, ""))

    def number(self, column: str, findings: list[Finding]) -> float:
        """The value of a cell as a finite number; NaN and a finding if it is not one."""
        text = self.text(column)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if math.isfinite(value):
            return value
        what = f"{column} is {repr(text) if text else 'missing'}, not a number"
        hint = f"give the {column} in seconds"
        if re.fullmatch(r"[-+]?\d+,\d+", text):
            hint += f", with a decimal point: {text.replace(',', '.')}"
        findings.append(self.error("number-invalid", what, hint))
        return math.nan

    def error(self, code: str, what: str, hint: str) -> Finding:
        """Make an error at this row."""
        return error(code, self.path, f"line {self.line}: {what}", hint)


@dataclass(frozen=True)
class TextTable:
    """A table: its columns and its rows."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def lacks(self, *columns: str) -> Finding:
        """Make the error that these columns are missing."""
        has = ", ".join(self.columns)
        what = f"the table has no column {', '.join(columns)}; it has {has}"
        return error("columns-missing", self.path, what, self._hint_for(columns))

    def _hint_for(self, columns: tuple[str, ...]) -> str:
        """What to do about missing columns: the table may use another separator, or spell them differently."""
        sign = next((name for sign, name in SEPARATORS.items() if sign in self.columns[0]), None)
        if len(self.columns) == 1 and sign is not None:
            return f"separate columns by tabs, not by {sign}"
        spelt = {name.casefold().replace(" ", "_"): name for name in self.columns}
        alike = [(spelt[column], column) for column in columns if column in spelt]
        if alike:
            return "spell columns as BIDS does: " + ", ".join(f"{column} for {name}" for name, column in alike)
        return ADD_COLUMNS


def read_table(path: Path, findings: list[Finding], separator: str = "\t") -> TextTable | None:
    """Read a UTF-8 TSV file with a header, quotes included; None and a finding if it is not legible.

    With commas as ``separator``, quotes around cells are those of CSV.
    """
    foreign = foreign_content(path)
    if foreign is not None and foreign.kind != "empty":
        findings.append(error("table-unreadable", path, foreign.what, foreign.hint))
        return None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            is_csv = separator == ","
            lines = csv.reader(file, delimiter=separator, quoting=csv.QUOTE_MINIMAL if is_csv else csv.QUOTE_NONE)
            numbered = [(lines.line_num, [cell.strip() for cell in cells]) for cells in lines]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        hint = "save it as UTF-8 text with tabs between columns"
        findings.append(error("table-unreadable", path, f"this is not a readable table ({problem})", hint))
        return None
    filled = [(line, cells) for line, cells in numbered if any(cells)]
    if not filled:
        findings.append(error("table-empty", path, "the table is empty", "write its header and its rows"))
        return None
    (_, columns), *body = filled
    width = len(columns)
    if (twice := _doubled(columns, [cells for _, cells in body])) is not None:
        what = f"the table has two columns {twice}, whose cells differ"
        findings.append(error("columns-twice", path, what, "keep the one that is right, or rename the other"))
        return None
    rows = [
        Row(path, line, dict(zip(columns, cells, strict=False)), sum(map(bool, cells[width:]))) for line, cells in body
    ]
    return TextTable(path, tuple(columns), tuple(rows))


def _doubled(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str | None:
    """The first name that several columns have, of which some row holds different cells; None if there is none."""
    for place, name in enumerate(columns):
        first = columns.index(name)
        if name and first < place and any(row[first : first + 1] != row[place : place + 1] for row in rows):
            return name
    return None


def cell_text(cell: str) -> str:
    """The text of a cell without quotes around it; "" if it is empty or n/a."""
    value = unquote(cell) if is_quoted(cell) else cell
    return "" if value.casefold() in MISSING else value


def unquote(cell: str) -> str:
    """Remove quotes at the ends of a cell, paired or not."""
    return cell.strip(QUOTES + " ")


def is_quoted(cell: str) -> bool:
    """Whether a cell has quotes at both ends."""
    return len(cell) > 1 and cell[0] in QUOTES and cell[-1] in QUOTES
