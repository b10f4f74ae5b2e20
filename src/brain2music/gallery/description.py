"""The description of a gallery, ``gallery.json``, and the table of its tracks.

``gallery.json`` contains the settings of the build, the ``sources`` (folders and tables of files, in the order in which
they were added; each with its ``root``, to which paths are relative, the ``prefix`` of the ids of its tracks, its
``metadata`` and ``exclude``), and the index in use with the size and sha256 of each of its files.
"""

import json
import os
from pathlib import Path
from typing import Any, cast

import pandas as pd

from .._utils.errors import InputError
from .._utils.files import digest_file, parse_json
from .storage import Store

FORMAT = 3
DESCRIPTION = "gallery.json"
TRACKS, VECTORS, WINDOWS, ANN = "tracks.parquet", "vectors.safetensors", "windows.safetensors", "ann.faiss"

_READ = (2, FORMAT)
"""Formats that can be read: 2 has one source, and identifies files by size and time."""

COLUMNS = ["track", "source", "path", "title", "artist", "genre", "licence", "bytes", "sha256"]
"""Columns about the file of a track: ``source`` is the number of its source, ``sha256`` that of its contents."""

EMBEDDED = ["duration_s", "recording_s", "windows", "start_s"]
"""Columns about the embedding of a track."""


class DamagedError(InputError):
    """Raised if gallery.json is damaged."""


def read_description(store: Store) -> dict[str, Any]:
    """Read gallery.json; :class:`InputError` if missing or of another format, :class:`DamagedError` if damaged."""
    if not store.exists(DESCRIPTION):
        raise InputError("this is not a gallery (it has no gallery.json)", store.root, "build it with gallery build")
    try:
        description = parse_json(store.read(DESCRIPTION), f"{store.root}/{DESCRIPTION}", "build it again")
    except InputError as error:
        raise DamagedError(error.what, error.file, error.hint) from None
    if not isinstance(description, dict):
        raise DamagedError("this describes no gallery", f"{store.root}/{DESCRIPTION}", "build it again")
    found = description.get("format")
    if found not in _READ:
        hint = "build it again in another folder, or install a newer brain2music"
        raise InputError(f"gallery format {found!r} is not {FORMAT}", store.root, hint)
    if found == 2:
        source = {
            "music": description["music"],
            "root": description["music"],
            "prefix": "",
            "metadata": None,
            "exclude": [],
        }
        description["sources"] = [source]
    return cast(dict[str, Any], description)


def write_description(store: Store, description: dict[str, Any]) -> None:
    """Write gallery.json atomically."""
    store.write(DESCRIPTION, (json.dumps(description, indent=2, sort_keys=True) + "\n").encode())


def read_tracks(file: Path) -> pd.DataFrame:
    """Read the table of tracks; :class:`InputError` if it is missing or damaged."""
    try:
        table = pd.read_parquet(file)
        return table if "source" in table else table.assign(source=0, sha256="")  # format 2
    except (OSError, ValueError) as error:
        raise InputError(f"the table of tracks cannot be read ({error})", file, "build the gallery again") from None


def locations(tracks: pd.DataFrame, description: dict[str, Any]) -> list[str]:
    """The absolute path of the file of every track, as :func:`brain2music.audio.paths.as_text` returns them."""
    roots = [source["root"] for source in description["sources"]]
    return [os.path.join(roots[source], path) for source, path in zip(tracks["source"], tracks["path"], strict=True)]


def require_whole(path: Path, state: dict[str, Any], check: bool) -> None:
    """Compare a file of an index with its described size, and where ``check`` with its digest; :class:`InputError`."""
    if not path.is_file() or path.stat().st_size != state["bytes"]:
        found = path.stat().st_size if path.is_file() else 0
        raise InputError(f"this file cannot be read: {found} of {state['bytes']} bytes", path, "build it again")
    if check and digest_file(path) != state["sha256"]:
        raise InputError("this file cannot be read: its contents have changed", path, "build the gallery again")
