"""Decoders beside each other: further decoders, lags and controls, and genres that were never trained on."""

import math
from collections.abc import Sequence
from typing import Any

from brain2music.metrics.score import Score
from brain2music.report.dots import Dot, dot_plot, unseen_bars
from brain2music.report.summary import genre_of, unseen_genre_of

WITHIN = "/within-genre"
OWN = "identification"
OTHERS = (
    ("identification/decoder=", ""),
    ("identification/lag=", "lag "),
    ("identification/across=", "others' decoder, aligned by "),
    ("identification/pooled=", "everybody's decoder, aligned by "),
    ("identification/baseline=genre-centroid", "true genre, no brain"),
    ("identification/baseline=caption", "caption, no brain"),
    ("identification/shuffled", "shuffled clips"),
)
"""Decoders beside the run's own: their metric, where "=" stands before a name, and what is said before that name."""


def decoders_view(scores: Sequence[Score], decoder: str, lag_tr: int, name: str) -> dict[str, Any] | None:
    """Identification by the run's own decoder and by every other it scored; None where it scored no other.

    Parameters
    ----------
    scores : a subject's. decoder, lag_tr : of the run's own decoder. name : of the figure.
    """
    mine = [score for score in scores if score.stage == "decode" and not math.isnan(score.value)]
    rows: dict[str, dict[str, Score]] = {}
    for metric, told in ((OWN, f"{decoder}, lag {lag_tr}"), *OTHERS):
        for score in mine:
            rest = _rest(score.metric, metric)
            if rest is not None:
                rows.setdefault(told + rest, {})[score.embedding] = score
    if len(rows) < 2:
        return None
    names = list(dict.fromkeys(embedding for row in rows.values() for embedding in row))
    series = {each: [_dot(row.get(each)) for row in rows.values()] for each in names}
    some = next(iter(next(iter(rows.values())).values()))
    drawn = dot_plot(list(rows), series, name, xlabel="two-way identification (dashed: chance)", chance=some.chance)
    return {"names": names, "rows": rows, "figure": drawn, "some": some}


def unseen_view(scores: Sequence[Score], name: str) -> dict[str, Any] | None:
    """Every genre decoded without it beside with it, in one embedding; None where genres were not left out.

    Parameters
    ----------
    scores : a subject's in one embedding. name : of the figure.
    """
    mine = [score for score in scores if score.stage == "decode" and not math.isnan(score.value)]
    seen = {genre: score for score in mine if (genre := genre_of(score)) is not None}
    among: dict[str, Score] = {}
    within: dict[str, Score] = {}
    for score in sorted(mine, key=lambda score: -score.value):
        if (genre := unseen_genre_of(score)) is not None:
            (within if score.metric.endswith(WITHIN) else among)[genre] = score
    if not among:
        return None
    both = [genre for genre in among if genre in seen]
    return {
        "bars": unseen_bars(seen, among, name),
        "rows": [
            {"genre": genre, "unseen": among[genre], "seen": seen.get(genre), "within": within.get(genre)}
            for genre in among
        ],
        "some": next(iter(among.values())),
        "compared": len(both),
        "mean_unseen": sum(among[genre].value for genre in both) / max(len(both), 1),
        "mean_seen": sum(seen[genre].value for genre in both) / max(len(both), 1),
        "within_shown": bool(within),
    }


def _rest(metric: str, pattern: str) -> str | None:
    """What follows a pattern that ends with "=", nothing for one that does not; None for another metric."""
    if pattern.endswith("="):
        return metric.removeprefix(pattern) if metric.startswith(pattern) else None
    return "" if metric == pattern else None


def _dot(score: Score | None) -> Dot | None:
    return None if score is None else Dot(score.value, score.low, score.high)
