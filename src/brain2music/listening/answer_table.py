"""The table of answers, one row an answer, from what is kept of them."""

import json
from typing import Any

from .design import Trial

COLUMNS = (
    *("listener", "trial", "task", "catch", "question", "scanned_subject", "embedding", "source", "clip", "genre"),
    *("foil", "foil_genre", "same_origin", "pair", "place", "answer", "right", "seconds", "plays", "answered"),
    *("headphones", "music_years"),
)


def answer_row(
    listener: int, number: int, text: str, answer: int, milliseconds: int, plays: int, answered: str, about: str
) -> tuple[Any, ...]:
    """A row of the table, from numbers that begin at 0, and from the trial and what the listener said as JSON."""
    trial, said = read_trial(text), json.loads(about)
    rating = trial.task == "similarity"
    right = trial.is_right(answer)
    return (
        listener + 1,
        number + 1,
        trial.task,
        trial.catch,
        trial.question,
        trial.subject,
        trial.embedding,
        trial.source,
        trial.clip,
        trial.genre,
        trial.foil,
        trial.foil_genre,
        trial.same_origin,
        trial.pair,
        0 if trial.right is None else trial.right + 1,
        answer if rating else answer + 1,
        float("nan") if right is None else float(right),
        milliseconds / 1000,
        plays,
        answered,
        said.get("headphones"),
        said.get("music_years"),
    )


def read_trial(text: str) -> Trial:
    """The trial that was kept as JSON."""
    record: dict[str, Any] = json.loads(text)
    return Trial(**{**record, "options": tuple(record["options"])})
