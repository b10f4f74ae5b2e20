"""What listeners said of the music of a run: a figure and a table, with the published judgement beside it."""

from typing import Any

from brain2music.listening.analysis import PUBLISHED
from brain2music.listening.store import count_answers
from brain2music.report.data import ListenedTask, ListeningRecord, RunRecord
from brain2music.report.forest import Point, forest_plot

TASKS = {
    "2afc": "right of two",
    "oddoneout": "odd one out found of three",
    "similarity": "own music rated above other music, points of 7",
}


def not_analysed(run: RunRecord) -> str:
    """Sentence on answers in the folder of the run that the analysis does not know of; "" where it knows all."""
    path, record = run.outputs.listening_answers, run.listening
    if not path.is_file() or (record is not None and not record.of_run):
        return ""
    there, analysed = count_answers(path), 0 if record is None else record.all_answers
    if there is None or there == analysed:
        return ""
    again = "brain2music listening analyse OUT"
    if analysed == 0:
        return f"Listeners have given {there} answers, which were not analysed: run {again}."
    return f"Listeners have given {there} answers, and {analysed} were analysed: run {again} again."


def listeners_view(record: ListeningRecord) -> dict[str, Any]:
    """Contents of the section on the listening test."""
    rows = [row.model_dump() | {"music": _music(row), "what": TASKS[row.task]} for row in record.tasks]
    chosen = [row for row in record.tasks if row.task == "2afc" and row.score is not None]
    return {
        "rows": rows,
        "figure": _figure(chosen) if chosen else None,
        "n": max((row.listeners for row in chosen), default=0),
        "published": PUBLISHED,
        "record": record,
    }


def _figure(rows: list[ListenedTask]) -> Any:
    """Shares right of two with their intervals, and the published share, of which no interval is known."""
    labels = [*map(_music, rows), "another study (Ciferri et al. 2025)"]
    own = [Point(float(row.score or 0), row.low, row.high) for row in rows]
    series: dict[str, list[Point | None]] = {
        "this run": [*own, None],
        "published, of other music and listeners": [*(None for _ in rows), Point(float(PUBLISHED["accuracy"]))],
    }
    label = "share right of two (dashed: chance)"
    return forest_plot(labels, series, "listeners", xlabel=label, chance=rows[0].chance)


def _music(row: ListenedTask) -> str:
    return "all music" if row.source == "all" else f"{row.source} ({row.embedding})"
