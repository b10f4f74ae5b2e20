"""The marks of recordings that a gallery contains twice, in ``duplicates.tsv``.

A mark names both tracks and the digests of their contents; it is valid as long as these are unchanged.
"""

import io

import pandas as pd

from .._utils.errors import InputError
from .storage import Store

DUPLICATES = "duplicates.tsv"


def write_marks(store: Store, found: pd.DataFrame, tracks: pd.DataFrame) -> None:
    """Write the marks of duplicates (``track``, ``duplicate_of``, and what else is known of them) among tracks."""
    contents = dict(zip(tracks["track"], tracks["sha256"], strict=True))
    marks = found.assign(sha256=found["track"].map(contents), of_sha256=found["duplicate_of"].map(contents))
    store.write(DUPLICATES, marks.to_csv(sep="\t", index=False).encode())


def read_marks(store: Store, tracks: pd.DataFrame) -> pd.Series:
    """Read the track that each track repeats, or "" where no valid mark is; :class:`InputError` if they are damaged."""
    if not store.exists(DUPLICATES):
        return pd.Series("", tracks.index)
    try:
        found = pd.read_csv(io.BytesIO(store.read(DUPLICATES)), sep="\t", dtype=str, keep_default_na=False)
        if "sha256" not in found:  # of an earlier format
            found = found.assign(sha256="", of_sha256="")
        marks = list(zip(found["track"], found["duplicate_of"], found["sha256"], found["of_sha256"], strict=True))
    except (ValueError, KeyError) as error:
        what = f"{DUPLICATES} cannot be read ({error})"
        raise InputError(what, store.root, "run `brain2music gallery duplicates` again, or remove the file") from None
    contents = dict(zip(tracks["track"], tracks["sha256"], strict=True))
    valid = {
        track: original
        for track, original, sha256, original_sha256 in marks
        if contents.get(track) == sha256 and contents.get(original) == original_sha256
    }
    return tracks["track"].map(valid).fillna("")
