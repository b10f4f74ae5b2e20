"""Generalisation to genres that the decoder never trained on (Brain2Music §4.3, Fig. 7a)."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from .._utils.errors import Brain2MusicWarning, InputError
from ..brain.responses import Responses
from ..embeddings.embeddings import Embeddings
from ..study.folds import leave_genre_out, most_folds
from .decoder import Decoded, Labels, undivided
from .options import decode_with


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
    also, settings : as for :func:`brain2music.decoding.options.decode_with`.

    Raises
    ------
    InputError : no test clip is of the genre.

    Warns
    -----
    Brain2MusicWarning : without a genre too few clips are left to train on; it is left out.
    """
    found = {}
    together = settings.pop("together", None)
    for genre in _genres(test, genres):
        keep = _without(train, genre, together)
        fitting = _settings_for(train, keep, genre, together, settings)
        if fitting is None:
            continue
        lags = [(ours[keep], theirs) for ours, theirs in also]
        rest = train[keep]
        found[genre] = decode_with(name, rest, train_embeddings, test, test_embeddings, also=lags, **fitting)
    return found


def decode_kfold_unseen(
    name: str,
    responses: Responses,
    embeddings: Embeddings,
    *,
    genres: Sequence[str] | None = None,
    standardise: bool = True,
    **settings: Any,
) -> dict[str, Decoded]:
    """:func:`decode_unseen` of the clips themselves: every genre by one fit to all recordings without clips of it.

    The genre's clips are held out from that fit; what it says of the others, which it knows, is not to be scored.
    ``settings`` are those of :func:`brain2music.decoding.options.decode_with`.
    """
    sides = (responses, embeddings, responses, embeddings)
    return decode_unseen(name, *sides, genres=genres, standardise=standardise, **settings)


def _without(train: Responses, genre: str, together: Labels | None) -> Bool[np.ndarray, " clips"]:
    """Training clips that have nothing of the genre, nor any other excerpt of a recording that has."""
    return leave_genre_out(train.clips, genre, undivided(train, together=together))


def _settings_for(
    train: Responses, keep: Bool[np.ndarray, " clips"], genre: str, together: Labels | None, settings: dict[str, Any]
) -> dict[str, Any] | None:
    """The settings of a fit to the clips that are left, in the folds that they allow; None where these are none."""
    units, asked = undivided(train, settings.get("groups", "clip"), together)[keep], settings.get("n_folds", 5)
    folds = most_folds(units, asked)
    if folds == 0:
        text = f"too few clips are left to train on without the genre {genre!r}: it is not scored as unseen"
        warnings.warn(text, Brain2MusicWarning, stacklevel=4)
        return None
    return {**settings, "n_folds": folds, "together": units}


def _genres(scored: Responses, asked: Sequence[str] | None) -> list[str]:
    known = sorted({clip.genre for clip in scored.clips if clip.genre})
    unknown = [genre for genre in asked or () if genre not in known]
    if unknown or not known:
        what = f"no scored clip is of the genre {unknown[0]!r}" if unknown else "no scored clip has a genre"
        raise InputError(what, hint=f"choose among {', '.join(known)}" if known else "give genres with the stimuli")
    return list(asked) if asked is not None else known
