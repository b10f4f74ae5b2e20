"""Retention of the tracks of a gallery whose files are not among those listed when it is built again.

A track is removed if its file is gone, or excluded from a source that was listed now. It is retained if its file cannot
be examined at the moment, or if it belongs to another source, until that is listed again or with ``prune``. If another
source is gone and the contents of the file are among the new ones, the track has moved.
"""

import os
import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from .._utils.errors import Brain2MusicWarning
from ..audio.find import describe_passed_over
from ..audio.paths import as_path

_Fate = Literal["stays", "unreadable", "astray", "moved", "gone", "left out"]

_MESSAGES: dict[str, str] = {
    "unreadable": "whose files cannot be read this time, stay as they were",
    "astray": "whose folder is gone, stay as they were; --prune removes them",
    "gone": "removed, for their files are gone",
    "left out": "removed, for their files are left out now",
}


def retain_tracks(
    old: pd.DataFrame, new: pd.DataFrame, sources: Sequence[str], unreadable: set[str], prune: bool
) -> tuple[pd.DataFrame, int | None]:
    """Select the old tracks that are retained; also returns the source whose tracks have all moved, if there is one.

    Parameters
    ----------
    old, new : pandas.DataFrame
        Tracks with ``source``, ``where`` (absolute path) and ``sha256``; the new ones are those of the sources listed
        now.
    sources : sequence of str
        Their paths.
    unreadable : set of str
        Files and folders that cannot be examined.
    prune : bool
        Whether to remove tracks whose files are gone from other sources too.
    """
    listed, contents = set(new["source"]), set(new["sha256"])
    rest = old[~old["where"].isin(set(new["where"]))]
    absent = {number for number, path in enumerate(sources) if not os.path.lexists(as_path(path))}
    fates: list[_Fate] = []
    for source, where, sha256 in zip(rest["source"], rest["where"], rest["sha256"], strict=True):
        if source in listed:
            fates.append(_fate(where, sha256 in contents, unreadable))
        elif source in absent:
            fates.append("moved" if sha256 in contents else "gone" if prune else "astray")
        else:
            fates.append("gone" if prune and _is_there(where) is False else "stays")
    for fate, what in _MESSAGES.items():
        paths = [(where, what) for where, one in zip(rest["where"], fates, strict=True) if one == fate]
        if paths:
            warnings.warn(f"tracks: {describe_passed_over(paths)}", Brain2MusicWarning, stacklevel=3)
    kept = rest[np.array([fate in ("stays", "unreadable", "astray") for fate in fates], dtype=bool)]
    emptied = {source for source, fate in zip(rest["source"], fates, strict=True) if fate == "moved"}
    return kept, min(emptied - set(kept["source"]), default=None)


def _fate(where: str, is_elsewhere: bool, unreadable: set[str]) -> _Fate:
    """The fate of a track whose file is not in its source, which was listed now."""
    there = _is_there(where)
    if there is None or where in unreadable or any(where.startswith(f"{folder}{os.sep}") for folder in unreadable):
        return "unreadable"
    if there:
        return "left out"
    return "moved" if is_elsewhere else "gone"


def _is_there(path: str) -> bool | None:
    """Whether a file exists; None if that is unknown."""
    try:
        os.stat(as_path(path))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return None
    return True
