"""Verification of the captions of ds003720, of whose archive no checksum is published."""

import csv
import hashlib
import re
from pathlib import Path

N_CAPTIONS = 540
CLIPS_PER_GENRE = 54
KNOWN_TEXTS = "47856b7d9216d6b9d063f3ca81808e075070944dc895c55105e425ec65f690ff"
"""SHA-256 of the lines "ID, tab, DescEN" in the order of the copy that this package was developed with."""
_ID = re.compile(r"(?P<genre>[a-z]+)\.0\d{4,5}_15s")


def find_captions(folder: Path) -> Path | None:
    """Find the first CSV file of a folder with the columns ``ID`` and ``DescEN``; None without one."""
    for path in sorted(folder.rglob("*.csv")):
        if {"ID", "DescEN"} <= set(_rows(path)[0]):
            return path
    return None


def captions_problem(folder: Path) -> str | None:
    """What is wrong with the captions in a folder; None if there are those of all clips."""
    path = find_captions(folder)
    if path is None:
        return "no CSV file there has the columns ID and DescEN"
    columns, rows = _rows(path)
    at = {name: columns.index(name) for name in ("ID", "DescEN")}
    entries = [(row[at["ID"]].strip(), row[at["DescEN"]].strip()) for row in rows if len(row) == len(columns)]
    genres: dict[str, int] = {}
    for identifier, text in entries:
        if (named := _ID.fullmatch(identifier)) is None or not text:
            return f"{path.name}: {identifier!r} is no clip, or has no caption"
        genres[named["genre"]] = genres.get(named["genre"], 0) + 1
    if len({identifier for identifier, _ in entries}) != N_CAPTIONS or set(genres.values()) != {CLIPS_PER_GENRE}:
        return f"{path.name} has captions of {len(entries)} clips in {len(genres)} genres, not of {N_CAPTIONS} in 10"
    return None


def has_known_texts(folder: Path) -> bool:
    """Whether the captions in a folder are, word by word, those that this package was developed with."""
    path = find_captions(folder)
    return path is not None and digest_captions(path) == KNOWN_TEXTS


def digest_captions(path: Path) -> str:
    """Compute the SHA-256 of the captions of a file, apart from its encoding and further columns."""
    columns, rows = _rows(path)
    at = columns.index("ID"), columns.index("DescEN")
    lines = "".join("\t".join(row[place].strip() for place in at) + "\n" for row in rows if len(row) == len(columns))
    return hashlib.sha256(lines.encode()).hexdigest()


def _rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """The columns and rows of a CSV file; no columns if it is none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            columns, *rows = [row for row in csv.reader(file) if row] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error):
        return [], []
    return columns, rows
