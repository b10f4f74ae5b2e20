"""TSV and CSV with their quotes as they are: a title such as "Heroes", 12" or 'n' keeps them.

In TSV a quote is a letter like any other, as in BIDS and in MTG-Jamendo's tables; spreadsheets, which write TSV as
they write CSV, put quotes around a field with a tab or a quote in it and double those inside, which no one does by
hand: such fields lose them. In CSV quotes around a field are the format's.
"""

import csv
import io
from pathlib import Path

import pandas as pd

from .._utils.errors import InputError


def read_text_table(file: Path) -> pd.DataFrame:
    """A UTF-8 table, all of it text: columns as in the first line, shorter lines filled up with "".

    CSV may have semicolons for its commas. Lines are counted from 1, the heading.

    Raises
    ------
    InputError : a line has more fields than the heading, or a quote is not closed; the line is named.
    OSError, ValueError : the file cannot be read, is not UTF-8, or is empty.
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
    """Rows by the rules of CSV; None where they are broken, as by a quote that is not closed."""
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error:
        return None


def _too_long(rows: list[list[str]]) -> int | None:
    """The first row with more fields than the heading, but for empty ones at its end."""
    width = next((len(row) for row in rows if any(row)), 0)
    return next((number for number, row in enumerate(rows) if any(row[width:])), None)


def _faulty(number: int, rows: list[list[str]], file: Path) -> InputError:
    width = next(len(row) for row in rows if any(row))
    what = f"line {number + 1} has {len(rows[number])} fields, the heading {width}"
    return InputError(what, file, "put quotes around a field with a separator in it, and double the quotes inside")


def _is_quoted(field: str) -> bool:
    return len(field) > 1 and field.startswith('"') and field.endswith('"')


def _unquoted(field: str) -> str:
    '''What a spreadsheet quoted: """Heroes""" is "Heroes"; "Heroes" is as it was written.'''
    inside = field[1:-1]
    if _is_quoted(field) and '"' in inside and '"' not in inside.replace('""', ""):
        return inside.replace('""', '"')
    return field
