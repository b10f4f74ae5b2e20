"""Captions of clips, such as the 540 English captions of ds003720 (Brain2Music, section 9).

These were written in Japanese by musicians and translated; published on Kaggle
(``nishimotolab/music-caption-brain2music``) as a CSV file with columns ``ID`` and ``DescEN`` and a byte-order mark. One
id is wrong:
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
from .protocols import TextEmbedder

_WRONG_IDS = {"disco.000011": "disco.00011"}
_ENDING = "_15s"


def read_captions(file: str | Path) -> dict[str, str]:
    """Read the captions of tracks from a CSV file.

    The captions of ds003720 are published on Kaggle (``nishimotolab/music-caption-brain2music``); one of their ids,
    which is wrong there, is corrected.

    Parameters
    ----------
    file : str or Path
        A CSV file with the columns ``ID`` (such as ``blues.00017_15s``) and ``DescEN``.

    Returns
    -------
    dict of str to str
        Captions by track ("blues.00017"), in the order of the file.

    Raises
    ------
    InputError
        The file is missing or not such a table, a caption is empty, or a track has two.

    See Also
    --------
    with_captions : Adds them to clips.

    Examples
    --------
    >>> import pandas as pd
    >>> from brain2music.embeddings import read_captions
    >>> table = pd.DataFrame({"ID": ["blues.00017_15s"], "DescEN": ["A slow guitar solo."]})
    >>> table.to_csv("captions.csv", index=False)
    >>> read_captions("captions.csv")
    {'blues.00017': 'A slow guitar solo.'}
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
    tracks = table["ID"].str.strip().str.removesuffix(_ENDING).replace(_WRONG_IDS)
    texts = table["DescEN"].str.strip()
    if (texts == "").any():
        raise InputError(f"the caption of {tracks[texts == ''].iloc[0]} is empty", file, "write one, or drop the row")
    if tracks.duplicated().any():
        raise InputError(f"{tracks[tracks.duplicated()].iloc[0]} has two captions", file, "keep one")
    return dict(zip(tracks, texts, strict=True))


def with_captions(clips: Iterable[Clip], captions: dict[str, str]) -> tuple[Clip, ...]:
    """Add captions to clips.

    Parameters
    ----------
    clips : iterable of Clip
        Clips of any tracks.
    captions : dict of str to str
        Captions by track.

    Returns
    -------
    tuple of Clip
        The clips, each with its caption.

    Raises
    ------
    InputError
        A clip has no caption.

    Examples
    --------
    >>> from brain2music.embeddings import with_captions
    >>> from brain2music.study import Clip
    >>> with_captions([Clip("blues.00017", 0.0, 15.0)], {"blues.00017": "A slow guitar solo."})[0].caption
    'A slow guitar solo.'
    """
    clips = tuple(clips)
    if missing := [clip.track for clip in clips if clip.track not in captions]:
        raise InputError(f"there is no caption for {missing[0]} ({len(missing)} such clips)", hint="complete the table")
    return tuple(replace(clip, caption=captions[clip.track]) for clip in clips)


def embed_captions(clips: Iterable[Clip], embedder: TextEmbedder) -> Float32[np.ndarray, "clips dims"]:
    """Embed the captions of clips, as Brain2Music's text embedding of MuLan.

    Parameters
    ----------
    clips : iterable of Clip
        Clips with captions.
    embedder : TextEmbedder
        Embedder of texts.

    Returns
    -------
    ndarray of shape (clips, dims)
        One vector per clip.

    Raises
    ------
    InputError
        A clip has no caption.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.embeddings import EmbeddingSpace, embed_captions
    >>> from brain2music.study import Clip
    >>> class WordCount:
    ...     space = EmbeddingSpace("words", "1", "none", dims=1, window_s=1.0, step_s=1.0, sample_rate=16_000)
    ...     def embed_text(self, texts):
    ...         return np.array([[len(text.split())] for text in texts], np.float32)
    >>> embed_captions([Clip("blues.00017", 0.0, 15.0, caption="A slow guitar solo.")], WordCount())
    array([[4.]], dtype=float32)
    """
    clips = list(clips)
    if missing := [clip.name for clip in clips if not clip.caption]:
        raise InputError(f"clip {missing[0]} has no caption", hint="read captions with the study")
    return embedder.embed_text([str(clip.caption) for clip in clips])
