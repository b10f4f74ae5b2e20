"""Embedded tracks on disk before they are an index: shards, each named by the digest of its contents.

A shard is one safetensors file of a few tracks. Whoever writes it, on whichever machine, cannot collide with
another; one that was cut short or damaged does not bear its contents' name, and its tracks are embedded again.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from .storage import Store, digest

PLACES = ["sha256", "duration_s", "recording_s", "windows", "source", "first", "stored"]
"""Columns that say where the vectors of a file's contents lie: ``stored`` rows of ``source`` from ``first``."""

FOLDER = "shards"

_ROWS = "by_sha256"
"""The key of a shard's metadata under which its rows lie."""

_TYPES = {
    name: "str" if name in ("sha256", "source") else "float64" if name.endswith("_s") else "int64" for name in PLACES
}


@dataclass(frozen=True)
class Embedded:
    """What a gallery keeps of one recording."""

    sha256: str
    """of the file's contents"""
    duration_s: float
    """of the part that was embedded"""
    recording_s: float
    """of the whole recording"""
    windows: int
    stored: Float[np.ndarray, "stored dims"]
    """Vectors of every window, or only their mean where windows are not kept."""


def write_shard(store: Store, tracks: Sequence[Embedded]) -> None:
    """Write some tracks as one shard, in one step; nothing where there are none."""
    from safetensors.numpy import save

    if not tracks:
        return
    rows = [(t.sha256, t.duration_s, t.recording_s, t.windows, len(t.stored)) for t in tracks]
    vectors = np.ascontiguousarray(np.concatenate([track.stored for track in tracks]))
    contents = save({"vectors": vectors}, {_ROWS: json.dumps(rows)})
    store.write(f"{FOLDER}/{digest(contents)}.safetensors", contents)


def list_shards(store: Store) -> pd.DataFrame:
    """Every track of every whole shard, in the columns :data:`PLACES`; shards that are not whole are removed."""
    tables = [pd.DataFrame(columns=PLACES).astype(_TYPES)]
    for name in store.names(FOLDER):
        contents = store.read(f"{FOLDER}/{name}")
        if digest(contents) != name.removesuffix(".safetensors"):
            store.remove(f"{FOLDER}/{name}")
            continue
        header = json.loads(contents[8 : 8 + int.from_bytes(contents[:8], "little")])["__metadata__"]
        if _ROWS not in header:  # of an earlier format, which did not know contents
            store.remove(f"{FOLDER}/{name}")
            continue
        table = pd.DataFrame(json.loads(header[_ROWS]), columns=[*PLACES[:4], "stored"])
        first = table["stored"].cumsum() - table["stored"]
        tables.append(table.assign(source=f"{FOLDER}/{name}", first=first)[PLACES])
    return pd.concat(tables[1:] or tables, ignore_index=True)


def read_shard(store: Store, name: str) -> Float[np.ndarray, "stored dims"]:
    """The vectors of a shard."""
    from safetensors.numpy import load

    return load(store.read(name))["vectors"]
