"""Scores of a decoder beside its baselines: shuffled clips, other lags, and what knowing the genre would give."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..decoding.decoder import Decoded
from ..embeddings.embeddings import Embeddings
from ..metrics.baselines import genre_centroids, genre_oracle_in_folds
from ..metrics.card import ScoreCard
from ..metrics.ranking import identification, similarity
from ..metrics.score import Score
from ..metrics.table import Refit, score_decoding
from ..metrics.unseen import clip_similarity, score_unseen
from ..study.folds import FEWEST
from .listener import Listener, Music, clip_means
from .tested import about_p


def score(listener: Listener, decoded: Decoded, music: Music) -> list[Score]:
    """Every score of one decoder. In folds, statistics of the training clips are those of all clips.

    There p is made from decoders refitted to shuffled recordings (:func:`~brain2music.metrics.uncertainty.refitted_p`),
    for those scores that were refitted; others have none.
    """
    source, config, space = listener.source, listener.config, decoded.space
    predicted, true = clip_means(decoded)
    card = listener.card(space.name, "decode")
    shuffled = listener.decode_shuffled(music[space.name])
    enough = listener.in_folds and len(np.unique(listener.recordings)) >= FEWEST
    scores = score_decoding(
        predicted,
        true,
        [clip.genre for clip in decoded.clips],
        subject=listener.subject,
        embedding=space.name,
        simulated=source.simulated,
        train_mean=decoded.train_mean,
        train_centroids=_centroids(listener, decoded, music),
        rng=card.rng,
        note=source.note,
        draws=config.evaluation.n_permutations,
        in_folds=listener.in_folds,
        refits=[_refit(each) for each in shuffled] if enough else (),
        together=listener.recordings,
    )
    scores = [_say_untested(each, listener) for each in scores]
    scores += _score_captions(card, listener, decoded, music)
    scores.append(_score_shuffled(card, shuffled))
    scores += _score_lags(card, listener, music[space.name])
    for name in config.evaluation.compare_decoders:
        c = clip_similarity(listener.decode(music[space.name], decoder=name))
        scores.append(card.identification(f"identification/decoder={name}", c))
    if config.evaluation.leave_one_genre_out and len({clip.genre for clip in decoded.clips}) > 1:
        scores += score_unseen(card, decoded, listener.decode_unseen(music[space.name]))
    return scores


def _say_untested(score: Score, listener: Listener) -> Score:
    """The score with a note why it has no p, where clips are predicted in folds and it would have one otherwise."""
    if score.p is not None or not listener.in_folds or "/baseline=" in score.metric:
        return score
    remark = about_p(listener.recordings, listener.config.evaluation.n_permuted_fits)
    why = "no p: the refits to shuffled clips all scored alike" if remark is None else ", ".join(remark)
    return replace(score, note="; ".join(part for part in (score.note, why) if part))


def _refit(shuffled: Decoded) -> Refit:
    return Refit(*clip_means(shuffled), shuffled.train_mean, [clip.genre for clip in shuffled.clips])


def _centroids(listener: Listener, decoded: Decoded, music: Music) -> Any:
    """What the genre oracle knows: of training clips, and in folds of those outside each clip's fold.

    None where genre tells no two scored clips apart, or one was not trained on (the gate has said so).
    """
    genres, scored = [clip.genre for clip in listener.trained_on], {clip.genre for clip in decoded.clips}
    if len(scored) < 2 or not scored <= set(genres):
        return None
    vectors = music.means(decoded.space.name, listener.trained_on)
    if listener.in_folds:
        return genre_oracle_in_folds(vectors, genres, listener.plan.held_out)
    return genre_centroids(vectors, genres)


def _score_shuffled(card: ScoreCard, shuffled: tuple[Decoded, ...]) -> Score:
    """Identification by decoders of shuffled clips: their mean, and the interval of that mean."""
    values = np.array([identification(clip_similarity(each)).mean() for each in shuffled])
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    n = len(shuffled[0].clips)
    interval = (values.mean() - half, values.mean() + half)
    note = f"mean of {len(values)} decoders fitted to shuffled clips"
    return card.row("identification/shuffled", values.mean(), 0.5, n=n, candidates=n, interval=interval, note=note)


def _score_captions(card: ScoreCard, listener: Listener, decoded: Decoded, music: Music) -> list[Score]:
    """How well a clip's caption tells which clip it is, in an embedding of both: words without a brain.

    Text and sound lie apart in a joint space; each side is taken about its own mean over the training clips.
    """
    said, told = (music.said(decoded.space.name, clips) for clips in (decoded.clips, listener.trained_on))
    if said is None or told is None:
        return []
    true = clip_means(decoded)[1] - decoded.train_mean.mean(axis=0)
    note = "the clip's caption, no brain"
    apart = replace(card, in_folds=False)  # nothing was fitted, in folds or else
    return [
        apart.identification("identification/baseline=caption", similarity(said - told.mean(axis=0), true), note=note)
    ]


def _score_lags(card: ScoreCard, listener: Listener, embeddings: Embeddings) -> list[Score]:
    scores: list[Score] = []
    if listener.responses[0].n_scans == 1:
        return scores
    tr = listener.source.tr_of(listener.subject)
    for lag_tr in listener.also_lags:
        c = clip_similarity(listener.decode(embeddings, lag_tr=lag_tr))
        note = "as in the paper" if lag_tr == 0 else f"{lag_tr * tr:g} s"
        scores.append(card.identification(f"identification/lag={lag_tr}", c, note=note))
    return scores
