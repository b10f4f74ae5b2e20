"""Curves of power: read from a run what is planned, and write them as table, figure and text."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from brain2music import __version__
from brain2music._utils.destinations import require_folder
from brain2music._utils.errors import InputError
from brain2music._utils.files import atomic_path, write_json, write_table
from brain2music.metrics.power import PlannedStudy, minutes_needed
from brain2music.report.data import read_run_folder

FIND = 0.8
"""Share of studies that are to find an effect, as is usual."""


def plan_from(run: Path | None, given: Mapping[str, Any]) -> PlannedStudy:
    """What is planned: the defaults, a run's own clips and reliability, and what was given.

    The reliability of a run is that of its voxel at the 95th percentile, averaged over subjects.
    """
    if run is None:
        return PlannedStudy(**given)
    record = read_run_folder(run)
    design = record.study.design
    values = [float(each.quality["repeat_r_top"].iloc[0]) for each in record.subjects if each.quality is not None]
    known = np.array([value for value in values if np.isfinite(value)])
    if "reliability" not in given and not len(known):
        what = "this run has no repeats, from which reliability is measured"
        raise InputError(what, record.outputs.root, "give --reliability")
    found: dict[str, Any] = {"clip_s": design.scans_per_clip * design.tr, "test_clips": design.n_test}
    found |= {"repeats": design.n_repeats}
    if len(known):
        found["reliability"] = float(np.clip(known.mean(), 0.001, 0.999))
    return PlannedStudy(**{**found, **given})


def write_power(
    folder: Path, planned: PlannedStudy, curve: pd.DataFrame, target: float, seed: int
) -> tuple[Path, Path, Path]:
    """Write ``power.tsv``, ``power.json`` (what was planned, and the minutes that it takes) and ``power.png``."""
    require_folder(folder)
    table, record, picture = folder / "power.tsv", folder / "power.json", folder / "power.png"
    write_table(table, curve)
    needed = {
        "identification": minutes_needed(curve, target),
        "almost_every_study": minutes_needed(curve, target, "low"),
        "power": minutes_needed(curve, FIND, "power"),
    }
    about = {"generated_by": f"brain2music {__version__}", "simulated": True, "seed": seed, "target": target}
    write_json(record, about | {"planned": asdict(planned), "training_minutes_needed": needed})
    with atomic_path(picture) as temporary:
        _figure(planned, curve, target).savefig(temporary, format="png", dpi=150)
    return table, record, picture


def power_text(planned: PlannedStudy, curve: pd.DataFrame, target: float) -> str:
    """The curve as a table for a terminal, and the answer in sentences."""
    lines = ["training min  with tests  clips  identification  95 % of studies  found (p ≤ 0.05)   n"]
    for row in curve.itertuples():
        lines.append(
            f"{row.minutes:12g}  {row.total_minutes:10g}  {row.train_clips:5d}  {row.identification:14.3f}  "
            f"{row.low:6.3f} to {row.high:.3f}  {row.power:16.0%}  {row.n:3d}"
        )
    for column, wanted, what in (
        ("identification", target, f"the mean study reaches {target:g} (chance 0.5)"),
        ("low", target, f"all but 2.5 % of studies reach {target:g}"),
        ("power", FIND, f"{FIND:.0%} of studies find that identification is above chance"),
    ):
        minutes = minutes_needed(curve, wanted, column)
        longest = curve["minutes"].max()
        if minutes is None:
            lines.append(f"No length up to {longest:g} minutes is enough that {what}.")
        else:
            at_most = "At most a" if minutes <= curve["minutes"].min() else "A"
            total = minutes + planned.test_minutes
            lines.append(f"{at_most}bout {minutes:.0f} minutes of training ({total:.0f} with test runs): {what}.")
    lines.append(
        f"Simulated: {planned.test_clips} test clips of {planned.clip_s:g} s, {planned.repeats} times each; "
        f"reliability {planned.reliability:.3f} in {planned.tuned} of {planned.voxels} voxels, "
        f"{planned.explained:.0%} of it linear in the embedding; one subject per study."
    )
    return "\n".join(lines)


def _figure(planned: PlannedStudy, curve: pd.DataFrame, target: float) -> Figure:
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    minutes = curve["minutes"].to_numpy(dtype=float)
    axes.fill_between(minutes, curve["low"], curve["high"], color="#2a8f86", alpha=0.15, lw=0, label="95 % of studies")
    axes.fill_between(
        minutes, curve["mean_low"], curve["mean_high"], color="#2a8f86", alpha=0.35, lw=0,
        label=f"mean of {int(curve['n'].iloc[0])} fresh studies",
    )  # fmt: skip
    axes.plot(minutes, curve["identification"], color="#12544e", marker="o", markersize=4, label="mean study")
    axes.plot(
        minutes, curve["power"], color="#8a4a17", linestyle=":", marker="s", markersize=3, label="found (p ≤ 0.05)"
    )
    axes.axhline(0.5, color="#555555", linewidth=1, linestyle=(0, (4, 3)))
    axes.axhline(target, color="#555555", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xticks(minutes, [f"{each:g}" for each in minutes])
    axes.minorticks_off()
    axes.set(xlabel="minutes of training", ylabel="two-way identification, share found", ylim=(0.4, 1.02))
    axes.set_title(f"Simulated studies: reliability {planned.reliability:.3f} (dashed: chance)", fontsize=10)
    axes.legend(loc="lower right", fontsize=8)
    return figure
