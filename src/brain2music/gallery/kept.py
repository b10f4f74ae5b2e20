"""What becomes of the tracks that a gallery has when it is built again and their files are not among those listed.

A track leaves when its file is gone or was left out of a source that was listed now. It stays where its file cannot
be looked at this time, and where it is another source's: until that is built from again, or with ``prune``. Where
another source is gone and the contents of its file are found among the new ones, the track has moved.
"""

import os
import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from .._utils.errors import Brain2MusicWarning
from ..audio.find import describe
from ..audio.paths import as_path

_Fate = Literal["stays", "unseen", "astray", "moved", "gone", "left out"]

_TOLD: dict[str, str] = {
    "unseen": "whose files cannot be read this time, stay as they were",
    "astray": "whose folder is gone, stay as they were; --prune removes them",
    "gone": "removed, for their files are gone",
    "left out": "removed, for their files are left out now",
}


def keep(
    old: pd.DataFrame, new: pd.DataFrame, sources: Sequence[str], unseen: set[str], prune: bool
) -> tuple[pd.DataFrame, int | None]:
    """The old tracks that stay, besides the new ones; and the source all of whose tracks have moved, if one has.

    Parameters
    ----------
    old, new : tracks with ``source``, ``where`` (absolute path) and ``sha256``; new ones are those of the sources
        listed now.
    sources : their paths.
    unseen : files that cannot be looked at, and folders.
    prune : remove tracks of other sources too where their files are gone.
    """
    listed, contents = set(new["source"]), set(new["sha256"])
    rest = old[~old["where"].isin(set(new["where"]))]
    absent = {number for number, path in enumerate(sources) if not os.path.lexists(as_path(path))}
    fates: list[_Fate] = []
    for source, where, sha256 in zip(rest["source"], rest["where"], rest["sha256"], strict=True):
        if source in listed:
            fates.append(_fate(where, sha256 in contents, unseen))
        elif source in absent:
            fates.append("moved" if sha256 in contents else "gone" if prune else "astray")
        else:
            fates.append("gone" if prune and _is_there(where) is False else "stays")
    for fate, what in _TOLD.items():
        paths = [(where, what) for where, one in zip(rest["where"], fates, strict=True) if one == fate]
        if paths:
            warnings.warn(f"tracks: {describe(paths)}", Brain2MusicWarning, stacklevel=3)
    kept = rest[np.array([fate in ("stays", "unseen", "astray") for fate in fates], dtype=bool)]
    emptied = {source for source, fate in zip(rest["source"], fates, strict=True) if fate == "moved"}
    return kept, min(emptied - set(kept["source"]), default=None)


def _fate(where: str, is_elsewhere: bool, unseen: set[str]) -> _Fate:
    """Of a track of a source that was listed now, without its file."""
    there = _is_there(where)
    if there is None or where in unseen or any(where.startswith(f"{folder}{os.sep}") for folder in unseen):
        return "unseen"
    if there:
        return "left out"
    return "moved" if is_elsewhere else "gone"


def _is_there(path: str) -> bool | None:
    """Whether a file is there; None where that cannot be said."""
    try:
        os.stat(as_path(path))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return None
    return True
