"""What of a gallery can be built upon: files are trusted only as far as they have the digests that were recorded."""

import warnings
from dataclasses import dataclass
from typing import Any

import pandas as pd

from .. import __version__
from .._utils.errors import Brain2MusicWarning, InputError
from .description import (
    COLUMNS,
    DESCRIPTION,
    EMBEDDED,
    FORMAT,
    TRACKS,
    VECTORS,
    WINDOWS,
    DamagedError,
    read_description,
    read_tracks,
)
from .shards import FOLDER, PLACES, list_shards
from .storage import Store


@dataclass(frozen=True)
class Begun:
    """A gallery as a build finds it.

    Attributes
    ----------
    description : of the gallery; a new one where there is none, or where it is damaged.
    tracks : the table of the index in use; empty where there is none or it is damaged.
    known : where whole vectors lie, in the index and in shards of builds that did not finish (:data:`PLACES`).
    damaged : files of the index that are not what they were.
    in_use : the index that gallery.json names, also where it is of an earlier format.
    is_new : there is no gallery.json yet, or no whole one.
    """

    description: dict[str, Any]
    tracks: pd.DataFrame
    known: pd.DataFrame
    damaged: tuple[str, ...]
    in_use: str | None
    is_new: bool = False


def begin(store: Store, settings: dict[str, Any], music: str) -> Begun:
    """Look at what is there, every file of it; nothing is written yet.

    Raises
    ------
    InputError : the folder holds other files than a gallery's, or that gallery was built with other settings.
    """
    found = _found(store)
    description, in_use = _description(store, found, settings, music)
    store.sweep()
    damaged = tuple(
        name
        for name, state in description["files"].items()
        if not store.is_whole(f"{description['index']}/{name}", state["bytes"], state["sha256"])
    )
    if damaged:
        what = f"{store.root}: damaged, and made again: {', '.join(damaged)}"
        warnings.warn(what, Brain2MusicWarning, stacklevel=3)
    tracks = pd.DataFrame(columns=[*COLUMNS, *EMBEDDED])
    if description["index"] is not None and TRACKS not in damaged:
        tracks = read_tracks(index_file(store, description, TRACKS))
    return Begun(description, tracks, known(store, description, tracks, damaged), damaged, in_use, found is None)


def known(
    store: Store, description: dict[str, Any], tracks: pd.DataFrame, damaged: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Where the vectors of every recording lie that has been embedded, one row for each contents."""
    tables = [list_shards(store)]
    kept_windows = description["settings"]["keep_windows"]
    if len(tracks) and (WINDOWS if kept_windows else VECTORS) not in damaged:
        stored = tracks["windows"] if kept_windows else pd.Series(1, tracks.index)
        tables.insert(0, tracks.assign(source="index", first=stored.cumsum() - stored, stored=stored)[PLACES])
    places = pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
    return places.drop_duplicates("sha256", ignore_index=True)


def index_file(store: Store, description: dict[str, Any], name: str) -> Any:
    """A path to read a file of the index in use at."""
    return store.fetch(f"{description['index']}/{name}", description["files"][name]["sha256"])


def _description(
    store: Store, found: dict[str, Any] | None, settings: dict[str, Any], music: str
) -> tuple[dict[str, Any], str | None]:
    """What to build upon, and the index in use."""
    fresh = {
        "format": FORMAT,
        "generated_by": f"brain2music {__version__}",
        "settings": settings,
        "sources": [],
        "index": None,
        "files": {},
    }
    if found is None:
        return fresh, None
    for name in settings:
        if found["settings"].get(name) != settings[name]:
            other = _other(name, found["settings"].get(name), settings[name])
            raise InputError(f"this gallery was built with {other}", store.root, "choose another folder")
    if found["format"] != FORMAT:
        (source,) = found["sources"]
        if source["music"] != music:
            hint = f"build it again from {source['music']} first, or choose another folder"
            raise InputError("this gallery is of an earlier format", store.root, hint)
        what = f"{store.root}: built before files were known by their contents; all are embedded again"
        warnings.warn(what, Brain2MusicWarning, stacklevel=4)
        return fresh, found["index"]
    return fresh | {name: found[name] for name in ("sources", "index", "files")}, found["index"]


def _found(store: Store) -> dict[str, Any] | None:
    """The description that is there; None in a new folder, or where that of a gallery is damaged or gone."""
    names = [name for name in store.names() if not name.startswith(".")]
    is_gallery = any(name == FOLDER or name.startswith("index-") for name in names)
    if not store.exists(DESCRIPTION):
        if names and not is_gallery:
            raise InputError(f"this folder holds other files ({names[0]})", store.root, "name a new folder")
        if not names:
            return None
        state = "gone"
    else:
        try:
            return read_description(store)
        except DamagedError:
            state = "damaged"
        if not is_gallery:
            raise InputError("this is not a gallery", store.root, "choose another folder")
    what = f"{store.root}: {DESCRIPTION} is {state}; tracks of other folders have to be built again"
    warnings.warn(what, Brain2MusicWarning, stacklevel=5)
    return None


def _other(name: str, was: Any, now: Any) -> str:
    """What of a setting is other: "musicnn-mtt, not mulan-small", "window_s 10.0, not 5.0"."""
    if not isinstance(was, dict) or not isinstance(now, dict):
        return f"{name} {was}, not {now}"
    parts = [part for part in ("name", *now) if was.get(part) != now.get(part)]
    if parts[0] == "name":
        return f"{was.get('name')}, not {now['name']}"
    return ", ".join(f"{part} {_short(was.get(part))}, not {_short(now.get(part))}" for part in dict.fromkeys(parts))


def _short(value: Any) -> str:
    return str(value)[:12]
