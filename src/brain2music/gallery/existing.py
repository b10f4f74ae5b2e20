"""The state of an existing gallery, of which a build reuses the files that match their recorded digests."""

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
class ExistingGallery:
    """A gallery before a build.

    Attributes
    ----------
    description : dict
        Of the gallery; a new one if there is none, or it is damaged.
    tracks : pandas.DataFrame
        The table of the index in use; empty if there is none or it is damaged.
    places : pandas.DataFrame
        The locations of intact vectors, in the index and in shards of unfinished builds (:data:`PLACES`).
    damaged : tuple of str
        Damaged files of the index.
    in_use : str or None
        The index that gallery.json names, also if it is of an earlier format.
    is_new : bool
        Whether there is no intact gallery.json.
    """

    description: dict[str, Any]
    tracks: pd.DataFrame
    places: pd.DataFrame
    damaged: tuple[str, ...]
    in_use: str | None
    is_new: bool = False


def examine_gallery(store: Store, settings: dict[str, Any], music: str) -> ExistingGallery:
    """Examine all files of a folder before a build; nothing is written.

    Raises
    ------
    InputError
        If the folder contains files other than those of a gallery, or a gallery that was built with other settings.
    """
    found = _read_existing(store)
    description, in_use = _initial_description(store, found, settings, music)
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
    places = locate_vectors(store, description, tracks, damaged)
    return ExistingGallery(description, tracks, places, damaged, in_use, found is None)


def locate_vectors(
    store: Store, description: dict[str, Any], tracks: pd.DataFrame, damaged: tuple[str, ...] = ()
) -> pd.DataFrame:
    """List the locations of the vectors of all recordings that have been embedded, one row per contents."""
    tables = [list_shards(store)]
    kept_windows = description["settings"]["keep_windows"]
    if len(tracks) and (WINDOWS if kept_windows else VECTORS) not in damaged:
        stored = tracks["windows"] if kept_windows else pd.Series(1, tracks.index)
        tables.insert(0, tracks.assign(source="index", first=stored.cumsum() - stored, stored=stored)[PLACES])
    places = pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
    return places.drop_duplicates("sha256", ignore_index=True)


def index_file(store: Store, description: dict[str, Any], name: str) -> Any:
    """The local path of a file of the index in use."""
    return store.fetch(f"{description['index']}/{name}", description["files"][name]["sha256"])


def _initial_description(
    store: Store, found: dict[str, Any] | None, settings: dict[str, Any], music: str
) -> tuple[dict[str, Any], str | None]:
    """The description with which a build starts, and the index in use."""
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
            difference = _setting_difference(name, found["settings"].get(name), settings[name])
            raise InputError(f"this gallery was built with {difference}", store.root, "choose another folder")
    if found["format"] != FORMAT:
        (source,) = found["sources"]
        if source["music"] != music:
            hint = f"build it again from {source['music']} first, or choose another folder"
            raise InputError("this gallery is of an earlier format", store.root, hint)
        what = f"{store.root}: built before files were known by their contents; all are embedded again"
        warnings.warn(what, Brain2MusicWarning, stacklevel=4)
        return fresh, found["index"]
    return fresh | {name: found[name] for name in ("sources", "index", "files")}, found["index"]


def _read_existing(store: Store) -> dict[str, Any] | None:
    """The existing description; None in a new folder, or if that of a gallery is damaged or gone."""
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


def _setting_difference(name: str, was: Any, now: Any) -> str:
    """The difference between two values of a setting: "musicnn-mtt, not mulan-small", "window_s 10.0, not 5.0"."""
    if not isinstance(was, dict) or not isinstance(now, dict):
        return f"{name} {was}, not {now}"
    parts = [part for part in ("name", *now) if was.get(part) != now.get(part)]
    if parts[0] == "name":
        return f"{was.get('name')}, not {now['name']}"
    return ", ".join(
        f"{part} {_abbreviated(was.get(part))}, not {_abbreviated(now.get(part))}" for part in dict.fromkeys(parts)
    )


def _abbreviated(value: Any) -> str:
    return str(value)[:12]
