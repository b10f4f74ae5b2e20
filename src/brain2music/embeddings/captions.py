"""The 540 English captions of the clips of ds003720 (Brain2Music, section 9): read, and given to their clips.

Written in Japanese by musicians and translated; published on Kaggle (``nishimotolab/music-caption-brain2music``) as a
CSV file with columns ``ID`` and ``DescEN`` that begins with a byte-order mark. One id is mistaken:
``disco.000011_15s`` is the clip of ``disco.00011``.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float32

from .._utils.errors import InputError
from ..study.study import Clip
from .embedder import TextEmbedder

_MISTAKEN = {"disco.000011": "disco.00011"}
_ENDING = "_15s"


def read_captions(file: str | Path) -> dict[str, str]:
    """Track ("blues.00017") → caption, in the file's order.

    Raises
    ------
    InputError : the file is missing or no such table, a caption is empty, or a track has two.
    """
    file = Path(file)
    try:
        table = pd.read_csv(file, encoding="utf-8-sig", dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise InputError("the file of captions is missing", file, "check the path") from None
    except (UnicodeDecodeError, ValueError) as error:
        raise InputError(f"this is not a table of captions ({error})", file, "download it again") from None
    if missing := {"ID", "DescEN"} - set(table.columns):
        raise InputError(f"there is no column {min(missing)}", file, "give a CSV file with columns ID and DescEN")
    tracks = table["ID"].str.strip().str.removesuffix(_ENDING).replace(_MISTAKEN)
    texts = table["DescEN"].str.strip()
    if (texts == "").any():
        raise InputError(f"the caption of {tracks[texts == ''].iloc[0]} is empty", file, "write one, or drop the row")
    if tracks.duplicated().any():
        raise InputError(f"{tracks[tracks.duplicated()].iloc[0]} has two captions", file, "keep one")
    return dict(zip(tracks, texts, strict=True))


def with_captions(clips: Iterable[Clip], captions: dict[str, str]) -> tuple[Clip, ...]:
    """The clips with their captions; :class:`InputError` names a clip that has none."""
    clips = tuple(clips)
    if without := [clip.track for clip in clips if clip.track not in captions]:
        raise InputError(f"there is no caption for {without[0]} ({len(without)} such clips)", hint="complete the table")
    return tuple(replace(clip, caption=captions[clip.track]) for clip in clips)


def embed_captions(clips: Iterable[Clip], embedder: TextEmbedder) -> Float32[np.ndarray, "clips dims"]:
    """MuLan_text of Brain2Music: one vector a clip, of its caption; :class:`InputError` where a clip has none."""
    clips = list(clips)
    if without := [clip.name for clip in clips if not clip.caption]:
        raise InputError(f"clip {without[0]} has no caption", hint="read captions with the study")
    return embedder.embed_text([str(clip.caption) for clip in clips])
