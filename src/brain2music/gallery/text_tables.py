"""Reading of TSV and CSV tables that preserves quotes in titles such as "Heroes", 12" or 'n'.

In TSV a quote is an ordinary character, as in BIDS and in the tables of MTG-Jamendo; but spreadsheets write TSV like
CSV, with quotes around a field that contains a tab or a quote and double quotes inside, which are removed, as nobody
writes them by hand. In CSV quotes around a field belong to the format.
"""

import csv
import io
from pathlib import Path

import pandas as pd

from .._utils.errors import InputError


def read_text_table(file: Path) -> pd.DataFrame:
    """Read a UTF-8 table as text: the first line has the names of columns, and shorter lines are padded with "".

    CSV may have semicolons instead of commas.

    Raises
    ------
    InputError
        If a line has more fields than the heading, or a quote is not closed; lines are counted from 1, the heading.
    OSError, ValueError
        If the file cannot be read, is not UTF-8, or is empty.
    """
    text = file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    heading = next((line for line in text.split("\n") if line.strip()), "")
    if not heading:
        raise ValueError("it is empty")
    if file.suffix.lower() == ".csv":
        separator = ";" if ";" in heading and "," not in heading else ","
        rows = _rows_of_csv(text, separator, file)
    else:
        quoted = all(_is_quoted(name) for name in heading.split("\t"))
        rows = _rows_of_csv(text, "\t", file) if quoted else _rows_of_tsv(text, file)
    columns, *rest = [row for row in rows if any(field.strip() for field in row)]
    width = len(columns)
    return pd.DataFrame([(row + [""] * width)[:width] for row in rest], columns=columns, dtype=str)


def _rows_of_tsv(text: str, file: Path) -> list[list[str]]:
    rows = [line.split("\t") for line in text.split("\n")]
    long = _too_long(rows)
    if long is None:
        return [[_unquoted(field) for field in row] for row in rows]
    quoted = _parsed(text, "\t")  # fields with tabs or line ends in them, as a spreadsheet quotes them
    if quoted is None or _too_long(quoted) is not None:
        raise _faulty(long, rows, file)
    return quoted


def _rows_of_csv(text: str, separator: str, file: Path) -> list[list[str]]:
    rows = _parsed(text, separator)
    if rows is not None and _too_long(rows) is None:
        return rows
    plain = [line.split(separator) for line in text.split("\n")]  # quotes by hand: "Heroes" (live),David Bowie
    long = _too_long(plain)
    if long is not None:
        raise _faulty(long, plain, file)
    return plain


def _parsed(text: str, separator: str) -> list[list[str]] | None:
    """Parse rows by the rules of CSV; None if that is impossible, for example with an unclosed quote."""
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error:
        return None


def _too_long(rows: list[list[str]]) -> int | None:
    """The first row with more fields than the heading, apart from empty ones at its end."""
    width = next((len(row) for row in rows if any(row)), 0)
    return next((number for number, row in enumerate(rows) if any(row[width:])), None)


def _faulty(number: int, rows: list[list[str]], file: Path) -> InputError:
    width = next(len(row) for row in rows if any(row))
    what = f"line {number + 1} has {len(rows[number])} fields, the heading {width}"
    return InputError(what, file, "put quotes around a field with a separator in it, and double the quotes inside")


def _is_quoted(field: str) -> bool:
    return len(field) > 1 and field.startswith('"') and field.endswith('"')


def _unquoted(field: str) -> str:
    '''Undo the quoting of a spreadsheet: """Heroes""" becomes "Heroes", while "Heroes" is unchanged.'''
    inside = field[1:-1]
    if _is_quoted(field) and '"' in inside and '"' not in inside.replace('""', ""):
        return inside.replace('""', '"')
    return field
