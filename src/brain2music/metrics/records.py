"""Scores on disk (``scores.json``), and summaries over subjects."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from .._utils.errors import InputError
from .._utils.files import read_json, write_json
from .score import Score
from .uncertainty import mean_interval

GROUP = "group"
"""The subject of a row that summarises subjects."""


def write_scores(path: Path, scores: Sequence[Score]) -> None:
    """Write scores as a JSON list of records, atomically; NaN is written as null."""
    write_json(path, [score.as_row() for score in scores])


def read_scores(path: Path) -> list[Score]:
    """Read what :func:`write_scores` wrote; :class:`InputError` where it is not that."""
    records = read_json(path)
    if not isinstance(records, list):
        raise InputError("this is not a list of scores", path, "run the scoring again")
    return [_score(record, path) for record in records]


def summarise(scores: Sequence[Score]) -> list[Score]:
    """Mean over subjects of every score that at least two subjects have, in order of first appearance.

    ``n`` is the number of subjects, the interval Student's over subjects, ``chance`` and ``ceiling`` their
    means; the standard deviation stands in the note. There is no p: subjects heard the same clips. Rows that
    are summaries already are left out.
    """
    groups: dict[tuple[str, str, str], list[Score]] = {}
    for score in scores:
        if score.subject != GROUP and np.isfinite(score.value):
            groups.setdefault((score.metric, score.embedding, score.stage), []).append(score)
    return [_summary(group) for group in groups.values() if len({score.subject for score in group}) > 1]


def _summary(group: Sequence[Score]) -> Score:
    first, values = group[0], np.array([score.value for score in group])
    ceilings = [score.ceiling for score in group if score.ceiling is not None]
    low, high = mean_interval(values)
    notes = dict.fromkeys(score.note for score in group if score.note)
    spread = f"mean of {len(group)} subjects, SD {values.std(ddof=1):.3f}, interval over subjects"
    return Score(
        metric=first.metric,
        value=float(values.mean()),
        stage=first.stage,
        subject=GROUP,
        embedding=first.embedding,
        n=len(group),
        candidates=first.candidates,
        chance=float(np.mean([score.chance for score in group])),
        low=low,
        high=high,
        ceiling=float(np.mean(ceilings)) if ceilings else None,
        simulated=any(score.simulated for score in group),
        note="; ".join([*notes, spread]),
    )


def _score(record: Any, path: Path) -> Score:
    names = {field.name for field in fields(Score)}
    if not isinstance(record, dict) or not {"metric", "value", "chance"} <= set(record) <= names:
        raise InputError("a record of this list is not a score", path, "run the scoring again")
    missing = {name: float("nan") for name in ("value", "chance") if record[name] is None}
    try:
        return Score(**{**record, **missing})
    except TypeError as error:
        raise InputError(f"a record of this list is not a score ({error})", path, "run the scoring again") from None
