"""Reading of tables about music: plain TSV, CSV and Parquet, and those that FMA and MTG-Jamendo publish.

Every reader returns the column ``file`` and any of ``title``, ``artist``, ``genre``, ``licence``, as strings.
"""

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from .._utils.errors import InputError
from .text_tables import read_text_table

_NAMES = {"license": "licence", "path": "file", "filename": "file", "audio": "file"}


def read_metadata(file: Path) -> pd.DataFrame:
    """Read a table about sound files, with one row per file.

    Its first line determines its type:

    * FMA's ``tracks.csv`` (two rows of headings; Defferrard et al. 2017). The genre is the top one, or, if it is empty,
      that of the first genre in ``genres.csv`` beside it; files are track ids of six digits.
    * MTG-Jamendo's ``autotagging*.tsv`` and ``raw*.tsv`` (any number of tags in the last columns; Bogdanov et al.
      2019). Names come from ``raw.meta.tsv`` beside it, else they are ids; licences from ``audio_licenses.txt`` beside
      it or one folder up; the genre is the first genre tag.
    * Anything else: a column ``file`` (also "path"), and any of ``title``, ``artist``, ``genre``, ``licence`` (also
      "license").

    Raises
    ------
    InputError
        If the table is missing, cannot be read, or has no column of files.
    """
    return _reading(file, _reader_of(file))


def find_metadata(folder: Path) -> Path | None:
    """Find the table of FMA in ``fma_metadata``, in a folder or beside it."""
    for place in (folder, folder.parent):
        if (place / "fma_metadata" / "tracks.csv").is_file():
            return place / "fma_metadata" / "tracks.csv"
    return None


def _reader_of(file: Path) -> Callable[[Path], pd.DataFrame]:
    if file.suffix.lower() == ".parquet":
        return _read_plain
    try:
        with file.open(encoding="utf-8-sig") as lines:
            first, second = lines.readline(), lines.readline()
    except (OSError, UnicodeDecodeError):
        return _read_plain
    if first.startswith(",") and second.startswith(","):
        return _read_fma
    return _read_jamendo if first.startswith("TRACK_ID\t") and "\tPATH\t" in first else _read_plain


def _reading(file: Path, read: Callable[[Path], pd.DataFrame]) -> pd.DataFrame:
    try:
        return read(file)
    except FileNotFoundError:
        raise InputError("the file is missing", file, "check the path") from None
    except (OSError, ValueError, KeyError, IndexError, SyntaxError) as error:
        raise InputError(f"this table cannot be read ({error})", file, "save it as UTF-8 TSV, CSV or Parquet") from None


def _read_plain(file: Path) -> pd.DataFrame:
    is_parquet = file.suffix.lower() == ".parquet"
    table = pd.read_parquet(file).fillna("").astype(str) if is_parquet else read_text_table(file)
    table = table.rename(columns=lambda name: str(name).strip().lower())
    found = ", ".join(table.columns)
    table = table.rename(columns={old: new for old, new in _NAMES.items() if new not in table})
    if list(table.columns).count("file") != 1:
        raise InputError(f"the table has no column 'file' (found: {found})", file, "name that column 'file'")
    table = table.loc[:, ~table.columns.duplicated()]
    return table.apply(lambda column: column.str.strip().replace("n/a", ""))


def _read_fma(file: Path) -> pd.DataFrame:
    table = pd.read_csv(file, index_col=0, header=[0, 1], dtype=str, keep_default_na=False, encoding="utf-8-sig")
    table = table[table.index.notna() & (table.index != "track_id")]

    def column(*name: str) -> list[str]:
        return list(table[name]) if name in table else [""] * len(table)

    names = _fma_genres(file.with_name("genres.csv"))
    tops = [
        top or _first_genre(genres, names)
        for top, genres in zip(column("track", "genre_top"), column("track", "genres"), strict=True)
    ]
    return pd.DataFrame(
        {
            "file": [f"{int(track):06d}" for track in table.index],
            "title": column("track", "title"),
            "artist": column("artist", "name"),
            "genre": tops,
            "licence": [creative_commons(text) for text in column("track", "license")],
        }
    )


def _fma_genres(file: Path) -> dict[int, str]:
    """The name of the top genre of each genre id; empty without the table."""
    if not file.is_file():
        return {}
    table = pd.read_csv(file)
    names = dict(zip(table["genre_id"], table["title"], strict=True))
    return {int(genre): names[top] for genre, top in zip(table["genre_id"], table["top_level"], strict=True)}


def _first_genre(genres: str, names: dict[int, str]) -> str:
    listed: Any = ast.literal_eval(genres or "[]")
    return next((names[genre] for genre in listed if genre in names), "")


def _read_jamendo(file: Path) -> pd.DataFrame:
    rows = [line.split("\t") for line in file.read_text(encoding="utf-8-sig").split("\n")[1:] if line]
    about = file.with_name("raw.meta.tsv")
    meta = pd.read_csv(about, sep="\t", dtype=str, keep_default_na=False, quoting=3) if about.is_file() else None
    names = {} if meta is None else meta.drop_duplicates("TRACK_ID").set_index("TRACK_ID").to_dict("index")
    licences = _jamendo_licences(file)
    return pd.DataFrame(
        [
            {
                "file": path,
                "title": names.get(track, {}).get("TRACK_NAME", track),
                "artist": names.get(track, {}).get("ARTIST_NAME", artist),
                "genre": next((tag.removeprefix("genre---") for tag in tags if tag.startswith("genre---")), ""),
                "licence": licences.get(path, ""),
            }
            for track, artist, _album, path, _duration, *tags in rows
        ]
    )


def _jamendo_licences(file: Path) -> dict[str, str]:
    """The licence of each path, from blocks of three lines: the path, the author, the licence with its address."""
    for place in (file.parent, file.parent.parent):
        if (place / "audio_licenses.txt").is_file():
            text = (place / "audio_licenses.txt").read_text(encoding="utf-8")
            blocks = re.findall(r"^(\S+\.mp3)\n.*\n(.*)$", text, re.MULTILINE)
            return {path: creative_commons(licence) for path, licence in blocks}
    return {}


def creative_commons(text: str) -> str:
    """Abbreviate the title or address of a licence, as "CC-BY-NC-SA-3.0"; other texts are returned unchanged."""
    address = re.search(r"creativecommons\.org/licenses/([a-z+-]+)/([\d.]+)", text)
    if address:
        return f"CC-{address[1].upper()}-{address[2].rstrip('.')}"
    if "attribution" not in text.lower():
        return text
    parts = {"BY": "attribution", "NC": "non-?commercial", "ND": "no-?deriv|no derivative", "SA": "share-? ?alike"}
    named = [short for short, pattern in parts.items() if re.search(pattern, text, re.IGNORECASE)]
    version = re.search(r"\d\.\d", text)
    return "-".join(["CC", *named, *([version[0]] if version else [])])
