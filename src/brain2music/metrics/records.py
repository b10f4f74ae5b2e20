"""Tables of scores: written, read back and checked, and summarised over subjects."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from .._utils.errors import InputError
from .._utils.files import read_json, write_json, write_table
from .score import ALL, COLUMNS, Score
from .uncertainty import mean_interval

if TYPE_CHECKING:
    import pandas as pd

GROUP = "group"
"""The subject of a row that summarises subjects."""
OWN: dict[str, Any] = {"group": ALL, "held_out": "none", "alignment": None, "ablation": "none"}
"""Columns of the scores of all clips with the run's own settings, to be passed to :func:`select_scores`.

Examples
--------
>>> from brain2music.metrics import OWN
>>> OWN
{'group': 'all', 'held_out': 'none', 'alignment': None, 'ablation': 'none'}
"""
_UNDEFINED = ("value", "chance")
"""Numbers that may be NaN, which JSON holds as null."""
_DTYPES: dict[Any, str] = {bool: "bool", int: "int64", float: "float64", float | None: "float64", int | None: "Int64"}
"""Of the columns that are no text."""
_HINT = "run the scoring again"


def write_scores(path: Path, scores: Sequence[Score]) -> None:
    """Write scores to a file, atomically.

    Parameters
    ----------
    path : Path
        A name that ends in ``.parquet`` gives a Parquet table with the columns of :class:`Score`, any other a JSON list
        of records.
    scores : sequence of Score
        The scores, in the order in which they are to be read.

    See Also
    --------
    read_scores : Reads the file.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.metrics import Score, read_scores, write_scores
    >>> columns = {"stage": "decode", "condition": "decoded", "embedding": "musicnn-mtt", "subject": "01"}
    >>> score = Score(**columns, metric="identification", value=0.8, chance=0.5, n=60, candidates=60)
    >>> write_scores(Path("scores.json"), [score])
    >>> read_scores(Path("scores.json")) == [score]
    True
    """
    if path.suffix == ".parquet":
        write_table(path, scores_table(scores))
    else:
        write_json(path, [score.as_row() for score in scores])


def read_scores(path: str | Path) -> list[Score]:
    """Read scores from a file and check them.

    Parameters
    ----------
    path : str or Path
        A ``.parquet`` table or a JSON list of records, such as ``scores.json`` of a run.

    Returns
    -------
    list of Score
        The scores, in the order of the file.

    Raises
    ------
    InputError
        The file is missing, or is not a table of scores.

    See Also
    --------
    select_scores : Selects among them.
    scores_table : Converts them to a data frame.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.metrics import Score, read_scores, write_scores
    >>> columns = {"stage": "decode", "condition": "decoded", "embedding": "musicnn-mtt", "subject": "01"}
    >>> score = Score(**columns, metric="identification", value=0.8, chance=0.5, n=60, candidates=60)
    >>> write_scores(Path("scores.parquet"), [score])
    >>> read_scores(Path("scores.parquet"))[0].value
    0.8
    """
    path = Path(path)
    records = _read_records(path) if path.suffix == ".parquet" else read_json(path)
    if not isinstance(records, list):
        raise InputError("this is not a list of scores", path, _HINT)
    return [_parse_score(record, path) for record in records]


def scores_table(scores: Sequence[Score]) -> "pd.DataFrame":
    """Convert scores to a data frame with one row per score.

    Parameters
    ----------
    scores : sequence of Score
        Any scores.

    Returns
    -------
    DataFrame
        The columns are the attributes of :class:`Score`, each with one dtype whatever the values.

    Examples
    --------
    >>> from brain2music.metrics import Score, scores_table
    >>> columns = {"stage": "decode", "condition": "decoded", "embedding": "musicnn-mtt", "subject": "01"}
    >>> score = Score(**columns, metric="identification", value=0.8, chance=0.5, n=60, candidates=60)
    >>> scores_table([score])[["metric", "value", "chance", "n"]]
               metric  value  chance   n
    0  identification    0.8     0.5  60
    """
    import pandas as pd

    table = pd.DataFrame([score.as_row() for score in scores], columns=list(COLUMNS))
    return table.astype({each.name: _DTYPES.get(each.type, "string") for each in fields(Score)})


def select_scores(scores: Iterable[Score], **columns: Any) -> list[Score]:
    """Select scores by the values of their columns.

    Parameters
    ----------
    scores : iterable of Score
        Any scores.
    **columns
        Values that the selected scores have. :data:`OWN` has those of scores of all clips with the run's own settings.

    Returns
    -------
    list of Score
        The selected scores, in their order.

    Examples
    --------
    >>> from brain2music.metrics import OWN, Score, select_scores
    >>> columns = {"stage": "decode", "condition": "decoded", "embedding": "musicnn-mtt", "metric": "identification"}
    >>> scores = [
    ...     Score(**columns, subject="01", group=group, value=value, chance=0.5, n=60, candidates=60)
    ...     for group, value in [("all", 0.8), ("jazz", 0.7)]
    ... ]
    >>> [score.value for score in select_scores(scores, metric="identification", **OWN)]
    [0.8]
    """
    return [score for score in scores if all(getattr(score, name) == value for name, value in columns.items())]


def summarise(scores: Sequence[Score]) -> list[Score]:
    """Average over subjects every score that at least two of them have.

    Parameters
    ----------
    scores : sequence of Score
        Scores of any subjects; rows that are summaries already are left out.

    Returns
    -------
    list of Score
        Summaries in order of first appearance. ``n`` is the number of subjects, the interval is Student's t over
        subjects, and ``chance`` and ``ceiling`` are their means; ``detail`` has the remark that subjects share, and the
        standard deviation. There is no p, because subjects listened to the same clips.

    Examples
    --------
    >>> from brain2music.metrics import Score, summarise
    >>> columns = {"stage": "decode", "condition": "decoded", "embedding": "musicnn-mtt", "metric": "identification"}
    >>> scores = [
    ...     Score(**columns, subject=subject, value=value, chance=0.5, n=60, candidates=60)
    ...     for subject, value in [("01", 0.8), ("02", 0.9)]
    ... ]
    >>> [(each.subject, round(each.value, 2), each.n) for each in summarise(scores)]
    [('group', 0.85, 2)]
    """
    groups: dict[Hashable, list[Score]] = {}
    for score in scores:
        if score.subject != GROUP and np.isfinite(score.value):
            groups.setdefault(_same_over_subjects(score), []).append(score)
    return [_summary(group) for group in groups.values() if len({score.subject for score in group}) > 1]


def _same_over_subjects(score: Score) -> Hashable:
    """Columns that scores of different subjects share; the run's own lag may differ between them, in scans."""
    row = score.as_row()
    named = [row[column] for column in COLUMNS[: COLUMNS.index("value")] if column not in ("subject", "lag_tr")]
    return (*named, score.lag_tr if score.ablation == "lag" else None)


def _summary(group: Sequence[Score]) -> Score:
    first, values = group[0], np.array([score.value for score in group])
    ceilings = [score.ceiling for score in group if score.ceiling is not None]
    low, high = mean_interval(values)
    details = list(dict.fromkeys(score.detail for score in group))
    shared = details if len(details) == 1 and details[0] else []
    spread = f"mean of {len(group)} subjects, SD {values.std(ddof=1):.3f}, interval over subjects"
    named = {column: getattr(first, column) for column in COLUMNS[: COLUMNS.index("value")]}
    same_lag = len({score.lag_tr for score in group}) == 1
    return Score(
        **{**named, "subject": GROUP, "lag_tr": first.lag_tr if same_lag else None},
        value=float(values.mean()),
        low=low,
        high=high,
        chance=float(np.mean([score.chance for score in group])),
        ceiling=float(np.mean(ceilings)) if ceilings else None,
        n=len(group),
        candidates=first.candidates,
        simulated=any(score.simulated for score in group),
        note="; ".join(dict.fromkeys(score.note for score in group if score.note)),
        detail="; ".join([*shared, spread]),
    )


def _read_records(path: Path) -> list[dict[str, Any]]:
    """The records of a Parquet table; None for whatever is missing."""
    import pandas as pd

    if not path.is_file():
        raise InputError("the file is missing", path, _HINT)
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"this is not a readable Parquet table ({error})", path, _HINT) from None
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [{str(column): value for column, value in row.items()} for row in rows]


def _parse_score(record: Any, path: Path) -> Score:
    record = dict(record) if isinstance(record, dict) else {}
    for name in _UNDEFINED:
        if name in record and record[name] is None:
            record[name] = float("nan")
    try:
        return Score(**dict(_schema().model_validate(record)))
    except ValidationError as error:
        first = error.errors()[0]
        message = f"{first['loc'][0]}: {first['msg'].lower()}"
        raise InputError(f"a record of this list is not a score ({message})", path, _HINT) from None


@cache
def _schema() -> type[BaseModel]:
    """Types of the columns, all of which must be there, and no others."""
    columns: dict[str, Any] = {each.name: (each.type, ...) for each in fields(Score)}
    return create_model("Row", __config__=ConfigDict(strict=True, extra="forbid"), **columns)
