"""Scores of a decoder and its baselines: label permutation, other lags, other decoders, and the true genre."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..decoding.decoded import Decoded
from ..decoding.subject import SubjectDecoder
from ..embeddings.embeddings import Embeddings
from ..metrics.baselines import genre_centroids, genre_oracle_in_folds
from ..metrics.builder import ScoreBuilder
from ..metrics.decoding import Refit, clip_similarity, score_decoding
from ..metrics.leave_one_genre_out import score_leave_one_genre_out
from ..metrics.ranking import identification_accuracy, similarity
from ..metrics.score import Score
from ..study.folds import FEWEST
from .context import Music, SubjectContext, clip_means
from .refits import about_p
from .unshared import score_all_in_folds, score_unshared


def score(context: SubjectContext, decoder: SubjectDecoder, music: Music) -> list[Score]:
    """Compute every score of one decoder; in folds, statistics of the training clips are those of all clips.

    There p is computed from decoders refitted to permuted recordings
    (:func:`~brain2music.metrics.uncertainty.refitted_p`), for scores that were refitted; others have none.
    """
    decoded = decoder.decoded()
    config, space = context.config, decoded.space
    predicted, true = clip_means(decoded)
    builder = context.score_builder(space.name, "decode")
    permuted = decoder.permuted(context.n_permuted_fits)
    enough = context.in_folds and len(np.unique(context.recordings)) >= FEWEST
    scores = score_decoding(
        predicted,
        true,
        [clip.genre for clip in decoded.clips],
        builder,
        train_mean=decoded.train_mean,
        train_centroids=_centroids(context, decoded, music),
        refits=[_permuted_fit(each) for each in permuted] if enough else (),
    )
    scores = [_explain_missing_p(each, context) for each in scores]
    scores += score_unshared(builder, context, decoded)
    scores += score_all_in_folds(builder, context, music[space.name])
    scores += _score_captions(builder, context, decoded, music)
    scores.append(_score_permuted(builder, permuted))
    scores += _score_lags(builder, context, music[space.name])
    for name in config.evaluation.compare_decoders:
        c = clip_similarity(context.decoder(music[space.name], name=name).decoded())
        scores.append(replace(builder, decoder=name, ablation="decoder").identification(c))
    if config.evaluation.leave_one_genre_out and len({clip.genre for clip in decoded.clips}) > 1:
        scores += score_leave_one_genre_out(builder, decoded, context.decode_left_out(decoder))
    return scores


def _explain_missing_p(score: Score, context: SubjectContext) -> Score:
    """The score with a remark why it has no p, where clips are predicted in folds and it would have one otherwise."""
    if score.p is not None or not context.in_folds or score.condition != "decoded":
        return score
    remark = about_p(context.recordings, context.config.evaluation.n_permuted_fits)
    why = "no p: the refits to permuted clips all scored alike" if remark is None else ", ".join(remark)
    return replace(score, detail="; ".join(part for part in (score.detail, why) if part))


def _permuted_fit(permuted: Decoded) -> Refit:
    return Refit(*clip_means(permuted), permuted.train_mean, [clip.genre for clip in permuted.clips])


def _centroids(context: SubjectContext, decoded: Decoded, music: Music) -> Any:
    """Mean embedding of each genre: of training clips, and in folds of those outside each clip's fold.

    None where all scored clips are of one genre, or one genre has no training clips (which the gate reports).
    """
    genres, scored = [clip.genre for clip in context.trained_on], {clip.genre for clip in decoded.clips}
    if len(scored) < 2 or not scored <= set(genres):
        return None
    vectors = music.means(decoded.space.name, context.trained_on)
    if context.in_folds:
        return genre_oracle_in_folds(vectors, genres, context.plan.held_out)
    return genre_centroids(vectors, genres)


def _score_permuted(builder: ScoreBuilder, permuted: tuple[Decoded, ...]) -> Score:
    """Identification by decoders of permuted clips: their mean, and the interval of that mean."""
    values = np.array([identification_accuracy(clip_similarity(each)) for each in permuted])
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    n = len(permuted[0].clips)
    interval = (values.mean() - half, values.mean() + half)
    fitted = "one decoder" if len(values) == 1 else f"mean of {len(values)} decoders"
    detail = f"{fitted} fitted to permuted clips"
    of = builder.of("permuted")
    return of.row("identification", values.mean(), 0.5, n=n, candidates=n, interval=interval, detail=detail)


def _score_captions(builder: ScoreBuilder, context: SubjectContext, decoded: Decoded, music: Music) -> list[Score]:
    """How well a clip's caption tells which clip it is, in an embedding of both: text without a brain.

    Text and sound are apart in a joint space; each side is centred on its own mean over the training clips.
    """
    captions, train = (music.captions_in(decoded.space.name, clips) for clips in (decoded.clips, context.trained_on))
    if captions is None or train is None:
        return []
    true = clip_means(decoded)[1] - decoded.train_mean.mean(axis=0)
    of = builder.without_brain("caption")
    return [of.identification(similarity(captions - train.mean(axis=0), true))]


def _score_lags(builder: ScoreBuilder, context: SubjectContext, embeddings: Embeddings) -> list[Score]:
    scores: list[Score] = []
    if context.responses[0].n_scans == 1:
        return scores
    tr = context.source.tr_of(context.subject)
    for lag_tr in context.also_lags:
        c = clip_similarity(context.decoder(embeddings, lag_tr=lag_tr).decoded())
        detail = "as in the paper" if lag_tr == 0 else f"{lag_tr * tr:g} s"
        scores.append(replace(builder, lag_tr=lag_tr, ablation="lag").identification(c, detail=detail))
    return scores
