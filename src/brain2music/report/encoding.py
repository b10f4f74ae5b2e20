"""Section "Encoding" of a subject's page: which regions an embedding predicts, against which null, and where."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from markupsafe import Markup

from brain2music.encoding.maps import SIDES, possible_map_files
from brain2music.metrics.records import select_scores
from brain2music.metrics.score import ALL, RELIABLE, Score
from brain2music.pipeline.outputs import Outputs
from brain2music.report.data import Subject
from brain2music.report.forest import Point, forest_plot
from brain2music.report.pictures import shrunken
from brain2music.report.select import encoding_headlines

SUMMARIES = {RELIABLE: "reliable voxels", ALL: "all voxels"}
"""Rows of the table of regions that are no region, first in table and figure."""
MOST_REGIONS = 16
TESTS = ("significant_fdr", "significant_max_t", "significant_gaussian")


def encoding_view(subject: Subject, scores: Sequence[Score], outputs: Outputs) -> dict[str, Any] | None:
    """Contents of the section on a subject's encoders, or None where the run left no table of regions.

    Parameters
    ----------
    scores : the subject's, of all stages.
    """
    if subject.rois is None:
        return None
    encoded = select_scores(scores, stage="encode")
    table = _ordered(subject.rois)
    names = list(dict.fromkeys(table["embedding"]))
    regions = _regions(table)
    voxels = max(row["voxels"] for row in regions)
    return {
        "names": names,
        "headlines": encoding_headlines(encoded),
        "scores": encoded,
        "clips": encoded[0].n if encoded else None,
        "regions": regions,
        "forest": _forest(regions[: MOST_REGIONS + len(SUMMARIES)], names, f"sub-{subject.label}-encoding"),
        "left_out": max(0, len(regions) - MOST_REGIONS - len(SUMMARIES)),
        "ceilings": table["ceiling"].notna().any(),
        "tests": _tests(encoded, names, voxels),
        "voxels": voxels,
        "compared": select_scores(encoded, metric="r_difference"),
        "unique": select_scores(encoded, metric="unique_r2"),
        **_map(outputs, subject.label, names),
    }


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Summaries first, then the regions that the first embedding predicts best."""
    first = table[table["embedding"] == table["embedding"].iloc[0]].set_index("roi")["mean_r"]
    summary = [list(SUMMARIES).index(roi) if roi in SUMMARIES else len(SUMMARIES) for roi in table["roi"]]
    return table.assign(summary=summary, first=-table["roi"].map(first)).sort_values(
        ["summary", "first", "roi"], kind="stable"
    )


def _regions(table: pd.DataFrame) -> list[dict[str, Any]]:
    """One entry per region: its name, voxels and ceiling, and the table's row for every embedding."""
    regions: dict[str, dict[str, Any]] = {}
    for row in table.to_dict("records"):
        roi = str(row["roi"])
        shown = {"name": SUMMARIES.get(roi, roi), "voxels": row["voxels"], "ceiling": row["ceiling"], "of": {}}
        regions.setdefault(roi, shown)["of"][row["embedding"]] = row
    return list(regions.values())


def _forest(regions: Sequence[dict[str, Any]], names: Sequence[str], name: str) -> Markup:
    series = {each: [_interval_point(region["of"].get(each)) for region in regions] for each in names}
    return forest_plot(
        [region["name"] for region in regions],
        series,
        name,
        xlabel="mean r over voxels",
        chance=0.0,
        ceilings=[region["ceiling"] for region in regions],
    )


def _interval_point(row: dict[str, Any] | None) -> Point | None:
    return None if row is None or math.isnan(row["mean_r"]) else Point(row["mean_r"], row["low"], row["high"])


def _tests(scores: Sequence[Score], names: Sequence[str], voxels: int) -> list[dict[str, Any]]:
    """Share and number of significant voxels per embedding, one entry per test; None where it was not computed."""
    share = {(score.embedding, score.metric): score.value for score in scores if score.metric in TESTS}
    rows = [(name, [share.get((name, test)) for test in TESTS]) for name in names]
    return [
        {"embedding": name, "found": [None if s is None else (s, round(s * voxels)) for s in shares]}
        for name, shares in rows
        if any(s is not None for s in shares)
    ]


def _map(outputs: Outputs, subject: str, names: Sequence[str]) -> dict[str, Any]:
    """The first picture of a map there is, of which embedding, and links to the images of values."""
    pictures = {name: outputs.encoding_figure(subject, name) for name in names}
    shown = next((name for name, path in pictures.items() if path.is_file()), None)
    images = [(f"r, {name}", outputs.statmap(subject, name, "r")) for name in names]
    images.append(("ceiling", outputs.statmap(subject, "responses", "ceiling")))
    return {
        "picture": None if shown is None else shrunken(pictures[shown]),
        "pictured": shown,
        "images": [
            (label if path == named else f"{label}, {_part(path)}", _address(path, outputs.root))
            for label, named in images
            for path in possible_map_files(named)
            if path.is_file()
        ],
    }


def _part(path: Path) -> str:
    """Which part of a map on surfaces a file holds."""
    sides = [side for side, label in zip(SIDES, "LR", strict=True) if f"hemi-{label}_" in path.name]
    return f"{sides[0]} hemisphere" if sides else "both hemispheres"


def _address(path: Path, root: Path) -> str:
    return quote(os.fsencode(path.relative_to(root).as_posix()))
