"""Statistics over all scores of a run: false discovery rates, effect sizes, and intervals over subjects and clips."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from .._utils.files import write_table
from ..metrics.effects import effects_table
from ..metrics.nested import bootstrap_nested
from ..metrics.ranking import identification_by_clip
from ..metrics.records import GROUP, OWN, select_scores
from ..metrics.score import COLUMNS, Score
from .outputs import SIMILARITY, Outputs
from .schema import vectors

N_BOOTSTRAPS = 10_000


def write_statistics(scores: Sequence[Score], subjects: Sequence[str], outputs: Outputs, seed: int) -> None:
    """Write ``statistics.tsv``: every score with its q, effect size and, over subjects, the nested interval."""
    write_table(outputs.statistics, statistics_table(scores, subjects, outputs, seed))


def statistics_table(scores: Sequence[Score], subjects: Sequence[str], outputs: Outputs, seed: int = 0) -> pd.DataFrame:
    """Every score of a run with its false discovery rate, effect size and nested interval.

    Parameters
    ----------
    scores : the scores that are looked at together. subjects : those that were decoded.

    Returns
    -------
    DataFrame
        The columns of scores, ``q``, ``effect``, and ``nested_low`` and ``nested_high``: for group rows of
        identification in decoding the 95 % interval from clips resampled within resampled subjects, else NaN.
    """
    table = effects_table(scores)
    low, high = np.full(len(scores), np.nan), np.full(len(scores), np.nan)
    nested = select_scores(scores, stage="decode", metric="identification", condition="decoded", subject=GROUP, **OWN)
    for score in nested:
        values = [found for label in subjects if (found := _by_clip(label, score.embedding, outputs)) is not None]
        row = next(place for place, each in enumerate(scores) if each is score)
        low[row], high[row] = bootstrap_nested(values, np.random.default_rng(seed), N_BOOTSTRAPS)
    columns = [*COLUMNS[: COLUMNS.index("p") + 1], "q", "effect", "nested_low", "nested_high"]
    rest = [column for column in COLUMNS if column not in columns]
    return table.assign(nested_low=low, nested_high=high)[[*columns, *rest]]


def _by_clip(subject: str, embedding: str, outputs: Outputs) -> Float[np.ndarray, " clips"] | None:
    path = outputs.similarity(subject, embedding)
    table = SIMILARITY.read(path)
    return None if table is None else identification_by_clip(vectors(table, "similarity", path, len(table)))
