"""Shards: embedded tracks on disk before they are part of an index, in files named by the digest of their contents.

A shard is one safetensors file of a few tracks. Shards written on different machines cannot collide; the name of a
truncated or damaged one does not match its contents, and its tracks are embedded again.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from .storage import Store, digest

PLACES = ["sha256", "duration_s", "recording_s", "windows", "source", "first", "stored"]
"""Columns with the location of the vectors of a file: ``stored`` rows of ``source`` from ``first``."""

FOLDER = "shards"

_ROWS = "by_sha256"
"""The key of the rows in the metadata of a shard."""

_TYPES = {
    name: "str" if name in ("sha256", "source") else "float64" if name.endswith("_s") else "int64" for name in PLACES
}


@dataclass(frozen=True)
class Embedded:
    """The data that a gallery stores of one recording."""

    sha256: str
    """of the file's contents"""
    duration_s: float
    """of the part that was embedded"""
    recording_s: float
    """of the whole recording"""
    windows: int
    stored: Float[np.ndarray, "stored dims"]
    """vectors of every window, or only their mean if windows are not kept"""


def write_shard(store: Store, tracks: Sequence[Embedded]) -> None:
    """Write tracks as one shard, atomically; nothing if there are none."""
    from safetensors.numpy import save

    if not tracks:
        return
    rows = [(t.sha256, t.duration_s, t.recording_s, t.windows, len(t.stored)) for t in tracks]
    vectors = np.ascontiguousarray(np.concatenate([track.stored for track in tracks]))
    contents = save({"vectors": vectors}, {_ROWS: json.dumps(rows)})
    store.write(f"{FOLDER}/{digest(contents)}.safetensors", contents)


def list_shards(store: Store) -> pd.DataFrame:
    """List the tracks of all intact shards, in the columns :data:`PLACES`; other shards are removed."""
    tables = [pd.DataFrame(columns=PLACES).astype(_TYPES)]
    for name in store.names(FOLDER):
        contents = store.read(f"{FOLDER}/{name}")
        if digest(contents) != name.removesuffix(".safetensors"):
            store.remove(f"{FOLDER}/{name}")
            continue
        header = json.loads(contents[8 : 8 + int.from_bytes(contents[:8], "little")])["__metadata__"]
        if _ROWS not in header:  # of an earlier format, without digests of contents
            store.remove(f"{FOLDER}/{name}")
            continue
        table = pd.DataFrame(json.loads(header[_ROWS]), columns=[*PLACES[:4], "stored"])
        first = table["stored"].cumsum() - table["stored"]
        tables.append(table.assign(source=f"{FOLDER}/{name}", first=first)[PLACES])
    return pd.concat(tables[1:] or tables, ignore_index=True)


def read_shard(store: Store, name: str) -> Float[np.ndarray, "stored dims"]:
    """Read the vectors of a shard."""
    from safetensors.numpy import load

    return load(store.read(name))["vectors"]
