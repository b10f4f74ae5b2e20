"""Growth with data: identification by decoders that are fitted to a part of the training clips, by their runs."""

import numpy as np
import pandas as pd
from jaxtyping import Int

from ..decoding.decoded import Decoded
from ..decoding.fits import RidgeSettings
from ..decoding.subject import SubjectDecoder
from ..embeddings.embeddings import Embeddings
from ..metrics.decoding import clip_similarity
from ..study.folds import most_folds
from .context import SubjectContext
from .outputs import GROWTH


def growth_table(context: SubjectContext, embeddings: Embeddings, whole: Decoded) -> pd.DataFrame:
    """Score decoders of the first clips, for every share of the settings, and the decoder of all of them.

    Shares that leave too few recordings for the cross-validation inside them are left out.
    """
    train, test = context.responses
    assert test is not None
    config, groups = context.config, context.plan.groups
    settings, standardise = config.decoding, config.decoding.standardise is True
    found: list[tuple[int, Decoded]] = []
    for share in sorted(set(config.evaluation.growth)):
        rows = _first(train.runs, share)
        inner = most_folds(groups[rows], context.plan.inner)
        if inner < 2:
            continue
        decoder = SubjectDecoder(
            settings.decoder,
            train[rows],
            test,
            embeddings,
            groups=groups[rows].tolist(),
            settings=RidgeSettings(settings.alphas, inner, standardise),
            scans_per_window=settings.scans_per_window,
            seed=config.seed,
        )
        found.append((len(rows), decoder.decoded()))
    rows_of = [_row(context, n, decoded, embeddings.space.name) for n, decoded in [*found, (len(train), whole)]]
    return pd.DataFrame(rows_of, columns=list(GROWTH.columns))


def _first(runs: Int[np.ndarray, " clips"], share: float) -> Int[np.ndarray, " rows"]:
    """The clips of the first runs, as many as make up the share."""
    order = np.argsort(runs, kind="stable")
    return np.sort(order[: max(1, round(share * len(order)))])


def _row(context: SubjectContext, n_train: int, decoded: Decoded, embedding: str) -> tuple[int | float, ...]:
    """Identification by a decoder of so many clips, with their minutes."""
    builder = context.score_builder(embedding, "decode")
    score = builder.identification(clip_similarity(decoded))
    train = context.responses[0]
    seconds = float(np.median([clip.end - clip.start for clip in train.clips])) * n_train
    nan = float("nan")
    low, high, p = (nan if each is None else each for each in (score.low, score.high, score.p))
    return n_train, seconds / 60, score.value, low, high, p, score.n
