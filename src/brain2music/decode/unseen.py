"""Generalisation to genres that the decoder never trained on (Brain2Music §4.3, Fig. 7a)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool

from ..brain.responses import Responses
from ..embed.embeddings import Embeddings
from ..errors import InputError
from .decoder import Decoded
from .options import decode_kfold_with, decode_with


def decode_unseen(
    name: str,
    train: Responses,
    train_embeddings: Embeddings,
    test: Responses,
    test_embeddings: Embeddings,
    *,
    genres: Sequence[str] | None = None,
    also: Sequence[tuple[Responses, Responses]] = (),
    **settings: Any,
) -> dict[str, Decoded]:
    """For each genre, all test clips decoded by a fit without that genre's clips.

    Everything is chosen again without them: regions, voxels, penalties, heads. The rows of the genre's own clips
    are what is scored; the others are its candidates.

    Parameters
    ----------
    genres : those left out in turn; default every genre of the test clips.
    also, settings : as for :func:`brain2music.decode.options.decode_with`.

    Raises
    ------
    InputError : nothing is left to train on, or no test clip is of the genre.
    """
    found = {}
    for genre in _genres(test, genres):
        keep = np.array([clip.genre != genre for clip in train.clips])
        lags = [(_of_clips(ours, keep), theirs) for ours, theirs in also]
        rest = _of_clips(train, _some(keep, genre))
        found[genre] = decode_with(name, rest, train_embeddings, test, test_embeddings, also=lags, **settings)
    return found


def decode_kfold_unseen(
    name: str, responses: Responses, embeddings: Embeddings, *, genres: Sequence[str] | None = None, **settings: Any
) -> dict[str, Decoded]:
    """:func:`decode_unseen` in folds: besides the clips held out, no fold is fitted to the genre's clips.

    ``settings`` are those of :func:`brain2music.decode.options.decode_kfold_with`.
    """
    found = {}
    for genre in _genres(responses, genres):
        without = [clip.name for clip in responses.clips if clip.genre == genre]
        _some(np.array([clip.genre != genre for clip in responses.clips]), genre)
        found[genre] = decode_kfold_with(name, responses, embeddings, without=without, **settings)
    return found


def _genres(scored: Responses, asked: Sequence[str] | None) -> list[str]:
    known = sorted({clip.genre for clip in scored.clips if clip.genre})
    unknown = [genre for genre in asked or () if genre not in known]
    if unknown or not known:
        what = f"no scored clip is of the genre {unknown[0]!r}" if unknown else "no scored clip has a genre"
        raise InputError(what, mend=f"choose among {', '.join(known)}" if known else "give genres with the stimuli")
    return list(asked) if asked is not None else known


def _some(keep: Bool[np.ndarray, " clips"], genre: str) -> Bool[np.ndarray, " clips"]:
    if not keep.any():
        raise InputError(f"every training clip is of the genre {genre!r}", mend="train on several genres")
    return keep


def _of_clips(responses: Responses, keep: Bool[np.ndarray, " clips"]) -> Responses:
    """The responses to some of the clips."""
    repeats = None if responses.repeats is None else responses.repeats[:, keep]
    clips = tuple(clip for clip, kept in zip(responses.clips, keep, strict=True) if kept)
    return replace(
        responses,
        data=responses.data[keep],
        clips=clips,
        groups=responses.groups[keep],
        n_repeats=responses.n_repeats[keep],
        repeats=repeats,
    )
