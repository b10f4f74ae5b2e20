"""Sturm's index of GTZAN: which recordings are by which artist, and of which song."""

import re
from pathlib import Path

import pandas as pd

from .._utils.errors import InputError


def read_gtzan_index(path: str | Path) -> pd.DataFrame:
    """Read Sturm's index of GTZAN (Proc. ACM MIRUM 2012).

    Parameters
    ----------
    path : str or Path
        The file GTZANindex.txt.

    Returns
    -------
    DataFrame
        Columns ``track``, ``artist`` and ``title``, "" if unknown.

    Raises
    ------
    InputError
        The file is missing, or has no lines of the form ``blues.00000.wav ::: artist ::: title``.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(f"the index cannot be read ({problem})", path, "name Sturm's GTZANindex.txt") from None
    entries = [line.split(":::") for line in lines if ":::" in line and not line.startswith("#")]
    rows = [[cell.strip() for cell in (*entry, "", "")[:3]] for entry in entries]
    if not rows:
        what = "there is no line of the form 'blues.00000.wav ::: artist ::: title'"
        raise InputError(what, path, "name Sturm's GTZANindex.txt")
    table = pd.DataFrame(rows, columns=["track", "artist", "title"])
    return table.assign(track=table["track"].str.removesuffix(".wav"))


def songs_of(index: pd.DataFrame) -> dict[str, str]:
    """The song of each track of which artist and title are known: both, without case, spaces and punctuation."""
    artist, title = plain_column(index, "artist"), plain_column(index, "title")
    return {track: f"{artist[track]} {title[track]}" for track in artist.keys() & title.keys()}


def plain_column(index: pd.DataFrame, column: str) -> dict[str, str]:
    """What is known of each track, without case, spaces and punctuation."""
    pairs = zip(index["track"], index[column], strict=True)
    plain = {track: plain_name(str(value)) for track, value in pairs}
    return {track: value for track, value in plain.items() if value}


def plain_name(text: str) -> str:
    """A name without case, spaces and punctuation."""
    return re.sub(r"[\W_]+", "", text.casefold())
