"""Scores that no shared song or artist can raise: without the test clips that share one, and in folds of all clips."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pandas as pd

from ..brain.load import require_alike
from ..brain.responses import Responses
from ..config import RunConfig
from ..decoding.decoded import Decoded
from ..decoding.fits import RidgeSettings
from ..decoding.subject import SubjectDecoder
from ..embeddings.embeddings import Embeddings
from ..metrics.builder import ScoreBuilder
from ..metrics.decoding import clip_similarity
from ..metrics.leakage import HeldTogether, read_gtzan_index, shared_labels, unshared
from ..metrics.ranking import identification_accuracy
from ..metrics.score import HeldOut, Score
from ..study.folds import FEWEST, group_clips, plan_folds
from .context import SubjectContext
from .refits import N_REFITS_IN_FOLDS

FOLDS = 10
"""Folds of all clips, where the settings ask for no other number."""
HELD: dict[HeldTogether, HeldOut] = {"recording": "fold", "song": "fold-song", "artist": "fold-artist"}


def score_unshared(builder: ScoreBuilder, context: SubjectContext, decoded: Decoded) -> list[Score]:
    """Score only the test clips that share no song, and no artist, with a training clip.

    None where no clip shares one, fewer than two are left, or clips are scored in folds.
    """
    if context.in_folds:
        return []
    index = _index(context.config)
    c, scores = clip_similarity(decoded), []
    whats: tuple[HeldTogether, ...] = get_args(HeldTogether)
    for what in whats[1:]:
        kept = unshared(context.trained_on, decoded.clips, index, what)
        if kept.all() or kept.sum() < 2:
            continue
        recordings = None if builder.recordings is None else builder.recordings[kept]
        of = replace(builder, ceiling={}, recordings=recordings)
        detail = (
            f"{int((~kept).sum())} of {len(kept)} test clips share the {what} with a training clip and are left out"
        )
        held: HeldOut = "song" if what == "song" else "artist"
        scores.append(of.identification(c[np.ix_(kept, kept)], held_out=held, detail=detail))
    return scores


def score_all_in_folds(builder: ScoreBuilder, context: SubjectContext, embeddings: Embeddings) -> list[Score]:
    """Score training and test clips together, in folds that keep together what the settings name."""
    train, test = context.responses
    if test is None or not context.config.evaluation.also_in_folds:
        return []
    every = _together(train, test)
    return [_in_folds(what, builder, context, every, embeddings) for what in context.config.evaluation.also_in_folds]


def _in_folds(
    what: HeldTogether, builder: ScoreBuilder, context: SubjectContext, every: Responses, embeddings: Embeddings
) -> Score:
    config = context.config
    groups = group_clips(every.clips, *shared_labels(every.clips, _index(config), what))
    planned = plan_folds(
        groups, config.decoding.n_outer_folds or FOLDS, config.decoding.n_inner_folds, seed=config.seed
    )
    decoder = SubjectDecoder(
        config.decoding.decoder,
        every,
        None,
        embeddings,
        held_out=planned.held_out,
        groups=groups.tolist(),
        settings=RidgeSettings(config.decoding.alphas, planned.inner, config.decoding.standardise is not False),
        scans_per_window=config.decoding.scans_per_window,
        seed=config.seed,
    )
    n_refits = config.evaluation.n_permuted_fits or N_REFITS_IN_FOLDS
    enough = len(np.unique(groups)) >= FEWEST and n_refits > 1
    decoder.fit(n_refits if enough else 0)
    refits = [identification_accuracy(clip_similarity(each)) for each in decoder.permuted(n_refits)] if enough else []
    presented = f"{context.responses[0].n_repeats.max():.0f} and {every.n_repeats[-1]:.0f}"
    detail = (
        f"{len(planned.held_out)} folds of {len(np.unique(groups))} {what}s; training and test clips were presented "
        f"{presented} times"
    )
    of = replace(builder, ceiling={}, in_folds=True, recordings=groups)
    return of.identification(clip_similarity(decoder.decoded()), held_out=HELD[what], detail=detail, refits=refits)


def _together(train: Responses, test: Responses) -> Responses:
    """All clips; test runs come after the training runs."""
    train, test = require_alike(train, test)
    return replace(
        train,
        data=np.concatenate([train.data, test.data]),
        clips=(*train.clips, *test.clips),
        runs=np.concatenate([train.runs, test.runs + train.runs.max() + 1]),
        n_repeats=np.concatenate([train.n_repeats, test.n_repeats]),
        repeats=None,
    )


def _index(config: RunConfig) -> pd.DataFrame | None:
    path = config.stimuli.track_index
    return None if path is None else read_gtzan_index(path)
