"""Comparisons of decoders: other decoders, lags and baselines, and decoders that were fitted without one genre."""

import math
from collections.abc import Sequence
from typing import Any

from brain2music.metrics.records import select_scores
from brain2music.metrics.score import ALL, Score
from brain2music.report.forest import Point, forest_plot, genre_pairs
from brain2music.report.select import by_genre

BASELINES = {
    "genre": "true genre, no brain",
    "caption": "caption, no brain",
    "permuted": "permuted clips",
}
"""Conditions of decoding that are shown beside decoders, and their labels."""


def decoders_view(scores: Sequence[Score], name: str) -> dict[str, Any] | None:
    """Identification by the run's own decoder and by every other it scored; None where it scored no other.

    Parameters
    ----------
    scores : sequence of Score
        Of one subject.
    name : str
        Of the figure.
    """
    scored = select_scores(scores, stage="decode", metric="identification", group=ALL)
    scored = [score for score in scored if not math.isnan(score.value)]
    labelled = [(label, score) for score in scored if (label := _label(score)) is not None]
    rows: dict[str, dict[str, Score]] = {}
    for _, label, score in sorted(((_order(score), label, score) for label, score in labelled), key=lambda row: row[0]):
        rows.setdefault(label, {})[score.embedding] = score
    if len(rows) < 2:
        return None
    names = list(dict.fromkeys(score.embedding for score in scored))
    series = {each: [_point(row.get(each)) for row in rows.values()] for each in names}
    some = next(iter(next(iter(rows.values())).values()))
    figure = forest_plot(list(rows), series, name, xlabel="identification (dashed: chance)", chance=some.chance)
    return {"names": names, "rows": rows, "figure": figure, "some": some}


def genres_left_out_view(scores: Sequence[Score], name: str) -> dict[str, Any] | None:
    """Every genre decoded without it beside with it, in one embedding; None where genres were not left out.

    Parameters
    ----------
    scores : sequence of Score
        Of one subject in one embedding.
    name : str
        Of the figure.
    """
    scored = [score for score in select_scores(scores, stage="decode") if not math.isnan(score.value)]
    with_genre = {score.group: score for score in select_scores(by_genre(scored), metric="identification")}
    left_out = sorted(select_scores(scored, held_out="genre"), key=lambda score: -score.value)
    without = {score.group: score for score in select_scores(left_out, metric="identification")}
    within = {score.group: score for score in select_scores(left_out, metric="identification_within_genre")}
    if not without:
        return None
    both = [genre for genre in without if genre in with_genre]
    return {
        "bars": genre_pairs(with_genre, without, name),
        "rows": [
            {"genre": genre, "without": score, "with_genre": with_genre.get(genre), "within": within.get(genre)}
            for genre, score in without.items()
        ],
        "some": next(iter(without.values())),
        "compared": len(both),
        "mean_without": sum(without[genre].value for genre in both) / max(len(both), 1),
        "mean_with": sum(with_genre[genre].value for genre in both) / max(len(both), 1),
        "within_shown": bool(within),
    }


def _label(score: Score) -> str | None:
    """The name of a decoder's row; None for scores that are not compared here."""
    if score.condition in BASELINES:
        return BASELINES[score.condition]
    if score.condition != "decoded":
        return None
    if score.alignment is not None:
        return f"decoder of {'other' if score.held_out == 'subject' else 'all'} subjects ({score.alignment})"
    if score.ablation == "decoder":
        return str(score.decoder)
    return f"lag {score.lag_tr}" if score.ablation == "lag" else f"{score.decoder}, lag {score.lag_tr}"


def _order(score: Score) -> int:
    """The run's own decoder, other decoders, other lags, other subjects' decoders, baselines."""
    if score.condition in BASELINES:
        return 4 + list(BASELINES).index(score.condition)
    return 3 if score.alignment is not None else ("none", "decoder", "lag").index(score.ablation)


def _point(score: Score | None) -> Point | None:
    return None if score is None else Point(score.value, score.low, score.high)
