"""Scores of decoded embeddings: of predictions at hand, and of decoders by cross-validation."""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool

from .._utils.errors import InputError
from ..decoding import Decoder
from ..decoding.decoded import Labels
from ..decoding.splitters import Splitter, split_clips
from ..decoding.training_pairs import fit_folds
from ..embeddings.embeddings import DecodedEmbeddings, Embeddings
from ..embeddings.plain import as_data_classes, with_steps
from ..study.folds import group_clips
from .builder import ScoreBuilder
from .ranking import similarity
from .score import Score

COLUMNS = ["fold", "metric", "value", "low", "high", "p", "chance", "n", "candidates"]
"""Of the table of :func:`cross_validate`, before those that are the same in all rows."""


def identification(
    decoded: DecodedEmbeddings, music: Any, *, n_permutations: int = 10_000, random_state: int = 0
) -> Score:
    """Score how often a prediction is closer to its own clip than to another (Brain2Music [1]_, Eqs. 2-3).

    Clips are compared by the Pearson correlation of their means over windows, after the mean of the training clips is
    subtracted.

    Parameters
    ----------
    decoded : DecodedEmbeddings
        Predictions, as :meth:`brain2music.Decoder.predict` returns them.
    music : Embeddings or array of shape (clips, windows, dims)
        True embeddings of these clips, matched by name, and of any others; an array has the same clips in the same
        order.
    n_permutations : int, default 10000
        Permutations of clips for p, and bootstrap samples for the interval.
    random_state : int, default 0
        Seed of both.

    Returns
    -------
    Score
        ``value`` between 0 and 1, ``low`` and ``high`` of its 95 % interval over clips, ``p`` against permuted clips
        (None for clips that were predicted in folds, where permuted clips are not chance level), ``chance`` (0.5) and
        ``n`` clips.

    Raises
    ------
    InputError
        The embeddings are of another space, lack a clip, or there is a single clip.

    See Also
    --------
    brain2music.cross_validate : The scores of a decoder fitted in folds.
    brain2music.permutation_test : A p-value for clips predicted in folds.

    References
    ----------
    .. [1] Denk, Takagi et al., "Brain2Music: Reconstructing music from human brain activity", arXiv 2307.11078.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> rng = np.random.default_rng(0)
    >>> music = rng.normal(size=(60, 1, 4))
    >>> bold = music @ rng.normal(size=(4, 30)) + 0.1 * rng.normal(size=(60, 1, 30))
    >>> decoded = b2m.Decoder().fit(bold[:50], music[:50]).predict(bold[50:])
    >>> score = b2m.metrics.identification(decoded, music[50:], n_permutations=100)
    >>> round(score.value, 1), score.chance, score.n, score.p < 0.05
    (1.0, 0.5, 10, True)
    """
    return _identification(decoded, music, n_permutations, random_state)


def cross_val_predict(
    decoder: Decoder, responses: Any, music: Any, *, cv: Splitter | int | None = None, groups: Labels | None = None
) -> DecodedEmbeddings:
    """Predict every clip by a decoder that was fitted without it.

    Parameters
    ----------
    decoder : Decoder
        The decoder, which is not changed; a clone is fitted for every fold, all from one Gram matrix of the responses.
    responses : Responses or array of shape (clips, scans, voxels) or (clips, voxels)
        Responses to all clips.
    music : Embeddings or array of shape (clips, windows, dims) or (clips, dims)
        Embeddings of all clips.
    cv : splitter or int, optional
        Which clips are held out together; default ten folds of recordings (:class:`brain2music.ClipKFold`).
    groups : sequence of hashable, optional
        A label per clip, such as its artist; no fold divides clips of one label.

    Returns
    -------
    DecodedEmbeddings
        Predictions for the clips of ``responses``, in their order.

    Raises
    ------
    InputError
        A clip is held out never or more than once; or as :meth:`brain2music.Decoder.fit` raises.
    LeakageError
        A fold divides a recording.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> rng = np.random.default_rng(0)
    >>> music = rng.normal(size=(40, 1, 4))
    >>> bold = music @ rng.normal(size=(4, 30)) + 0.1 * rng.normal(size=(40, 1, 30))
    >>> decoded = b2m.cross_val_predict(b2m.Decoder(), bold, music, cv=4)
    >>> decoded.data.shape, bool(np.corrcoef(decoded.data.ravel(), music.ravel())[0, 1] > 0.95)
    ((40, 1, 4), True)
    """
    responses, music = as_data_classes(responses, music)
    folds = [split for _, split in split_clips(cv, responses, groups)]
    rows = np.concatenate([test for _, test in folds])
    if not np.array_equal(np.sort(rows), np.arange(len(responses))):
        raise InputError("some clips are held out never, or more than once", hint="choose folds that hold out all once")
    fits = fit_folds(decoder, responses, music, [train for train, _ in folds], groups)
    parts = [fitted.predict(responses[test]) for fitted, (_, test) in zip(fits, folds, strict=True)]
    order = np.argsort(rows)
    first = parts[0]
    return DecodedEmbeddings(
        np.concatenate([part.data for part in parts])[order],
        tuple(clip.name for clip in responses.clips),
        first.space,
        train_mean=np.concatenate([part.train_mean for part in parts])[order],
        clips=responses.clips,
        subject=first.subject,
        simulated=first.simulated,
        whole=first.whole,
        in_folds=True,
    )


def cross_validate(
    decoder: Decoder,
    responses: Any,
    music: Any,
    *,
    cv: Splitter | int | None = None,
    groups: Labels | None = None,
    n_permutations: int = 10_000,
    random_state: int = 0,
) -> pd.DataFrame:
    """Score a decoder on the clips that each fold holds out.

    Parameters
    ----------
    decoder : Decoder
        The decoder, which is not changed; a clone is fitted for every fold, all from one Gram matrix of the responses.
    responses : Responses or array of shape (clips, scans, voxels) or (clips, voxels)
        Responses to all clips.
    music : Embeddings or array of shape (clips, windows, dims) or (clips, dims)
        Embeddings of all clips.
    cv : splitter or int, optional
        Which clips are held out together; default ten folds of recordings (:class:`brain2music.ClipKFold`). A clip may
        be held out in several folds or in none.
    groups : sequence of hashable, optional
        A label per clip, such as its artist; no fold divides clips of one label.
    n_permutations : int, default 10000
        Permutations of clips for p, and bootstrap samples for intervals.
    random_state : int, default 0
        Seed of both.

    Returns
    -------
    DataFrame
        Two rows per fold, with the columns ``fold`` (its number, or the genre that was left out) and ``metric``,
        ``value``, ``low``, ``high``, ``p``, ``chance``, ``n``, ``candidates``, ``embedding``, ``subject`` and
        ``simulated`` of :class:`Score`. The metric ``identification_within_fold`` compares held-out clips with one
        another (a fold of a single clip has none); ``identification`` compares them with all clips, where genre alone
        gives a high score.

    Raises
    ------
    InputError
        As :meth:`brain2music.Decoder.fit` raises.
    LeakageError
        A fold divides a recording.

    See Also
    --------
    cross_val_predict : The predictions themselves.
    permutation_test : Compares the score with those of decoders fitted to permuted clips.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> rng = np.random.default_rng(0)
    >>> music = rng.normal(size=(60, 1, 4))
    >>> bold = music @ rng.normal(size=(4, 30)) + 0.1 * rng.normal(size=(60, 1, 30))
    >>> table = b2m.cross_validate(b2m.Decoder("ridge"), bold, music, cv=b2m.ClipKFold(3), n_permutations=100)
    >>> table[["fold", "metric", "value"]].round(1)
      fold                      metric  value
    0    0  identification_within_fold    1.0
    1    0              identification    1.0
    2    1  identification_within_fold    1.0
    3    1              identification    1.0
    4    2  identification_within_fold    1.0
    5    2              identification    1.0
    """
    responses, music = as_data_classes(responses, music)
    rows, splits = [], list(split_clips(cv, responses, groups))
    fits = fit_folds(decoder, responses, music, [train for _, (train, _) in splits], groups)
    for (name, (_, test)), fitted in zip(splits, fits, strict=True):
        decoded = fitted.predict(responses)
        held_out = np.isin(np.arange(len(responses)), test)
        settings = (music, n_permutations, random_state)
        scores = []
        if len(test) > 1:
            scores.append(_identification(decoded[test], *settings, metric="identification_within_fold"))
        scores.append(_identification(decoded, *settings, held_out))
        rows += [{"fold": name, **score.as_row()} for score in scores]
    return pd.DataFrame(rows)[[*COLUMNS, "embedding", "subject", "simulated"]]


def _identification(
    decoded: DecodedEmbeddings,
    music: Any,
    n_permutations: int,
    random_state: int,
    rows: Bool[np.ndarray, " clips"] | None = None,
    metric: str = "identification",
) -> Score:
    if len(decoded) < 2:
        raise InputError("a single clip was decoded, and there is no other to tell it from", hint="decode several")
    if not isinstance(music, Embeddings):
        music = _in_place_of(decoded, music)
    builder = ScoreBuilder(
        subject=decoded.subject,
        embedding=decoded.space.name,
        stage="decode",
        rng=np.random.default_rng(random_state),
        simulated=decoded.simulated,
        n_permutations=n_permutations,
        in_folds=decoded.in_folds,
        recordings=group_clips(decoded.clips),
    )
    c = similarity(decoded.mean - decoded.train_mean, decoded.truth(music) - decoded.train_mean)
    return builder.identification(c, rows, metric=metric)


def _in_place_of(decoded: DecodedEmbeddings, music: Any) -> Embeddings:
    """An array of true embeddings, in the order of the decoded clips."""
    true = with_steps(music, "embeddings", "dims")
    if (len(true), true.shape[2]) != (len(decoded), decoded.space.dims):
        what = f"{len(decoded)} clips were decoded in {decoded.space.dims} dims; true embeddings have the shape"
        raise InputError(f"{what} {true.shape}", hint="give those of the same clips in the same order")
    return Embeddings(true, decoded.names, decoded.space)
