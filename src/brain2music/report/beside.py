"""Two runs side by side: every score that both have, their difference, and what was set differently."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brain2music._utils.errors import InputError
from brain2music._utils.files import write_text
from brain2music._utils.names import safe_name
from brain2music.metrics.records import OWN, select_scores
from brain2music.metrics.score import COLUMNS, Score
from brain2music.report.data import RunRecord, read_run_folder
from brain2music.report.forest import Point, forest_plot
from brain2music.report.page import page_templates
from brain2music.report.select import MAIN

MOST_ROWS = 24
"""Rows of the figure; the table has all."""


def build_comparison(root: Path, other: Path) -> Path:
    """Write ``beside-<other>.html`` into a run's folder: its scores and those of another run.

    Raises
    ------
    InputError
        Both are one folder, they have no score in common, or a file of either is missing or broken.
    """
    if root.resolve() == other.resolve():
        raise InputError("a run is compared with itself", root, "name another run with --beside")
    one, two = read_run_folder(root), read_run_folder(other)
    rows = common_scores(one.scores, two.scores)
    if not rows:
        raise InputError("the two runs have no score in common", other, "compare runs of the same embeddings")
    page = one.outputs.root / f"beside-{safe_name(other.resolve().name)}.html"
    html = page_templates().get_template("beside.html.j2").render(
        study=one.study,
        other=two.study,
        under_way="",
        names=_names(root, other),
        rows=rows,
        picture=_figure(rows, _names(root, other)),
        settings=differing_settings(one, two),
    )  # fmt: skip
    write_text(page, html)
    return page


def common_scores(one: Sequence[Score], two: Sequence[Score]) -> list[tuple[Score, Score]]:
    """Pairs of scores that both runs have, but for decoder, lag and generator, in the order of the first."""
    found = {_key(score): score for score in two}
    pairs = [(score, found[_key(score)]) for score in one if _key(score) in found]
    return [(a, b) for a, b in pairs if np.isfinite([a.value, b.value]).all()]


def differing_settings(one: RunRecord, two: RunRecord) -> list[tuple[str, Any, Any]]:
    """Settings in which the runs differ, with both values."""
    names = sorted({*one.study.settings, *two.study.settings})
    pairs = [(name, one.study.settings.get(name, "–"), two.study.settings.get(name, "–")) for name in names]
    return [(name, first, second) for name, first, second in pairs if first != second]


def _key(score: Score) -> Hashable:
    """What says which score it is, but for what runs are compared for."""
    apart = {"decoder", "lag_tr", "generator"} if score.ablation == "none" else set()
    named = COLUMNS[: COLUMNS.index("value")]
    return tuple(getattr(score, column) for column in named if column not in apart)


def _figure(rows: Sequence[tuple[Score, Score]], names: tuple[str, str]) -> Any:
    """Identification by both runs, of their main condition."""
    main = [(a, b) for a, b in rows if select_scores([a], metric="identification", **OWN)]
    main = [(a, b) for a, b in main if a.condition == MAIN.get(a.stage)][:MOST_ROWS]
    if not main:
        return None
    labels = [" ".join(part for part in (_who(a), a.stage, a.embedding, a.judge or "") if part) for a, _ in main]
    series = {
        name: [Point(pair[side].value, pair[side].low, pair[side].high) for pair in main]
        for side, name in enumerate(names)
    }
    return forest_plot(labels, series, "beside", xlabel="two-way identification (dashed: chance)", chance=0.5)


def _who(score: Score) -> str:
    return score.subject if score.subject == "group" else f"sub-{score.subject}"


def _names(root: Path, other: Path) -> tuple[str, str]:
    one, two = root.resolve().name, other.resolve().name
    return (one, two) if one != two else (f"{one} (first)", f"{two} (second)")
