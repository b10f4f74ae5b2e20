"""How the head moved: the figure and the numbers of a subject's page."""

from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brain2music.brain.head_motion import MOVEMENT
from brain2music.report.inline import ACCENT, INK, LINE, PALETTE, STYLE, WARN, inline, no_ticks

LARGE_FD_MM = 0.5
"""Framewise displacement above which scans are often left out (Power et al. 2012)."""
MOST_POINTS = 1500
"""Points of a line: of more scans, the largest of each few is drawn."""


def motion_view(table: pd.DataFrame, name: str) -> dict[str, Any]:
    """Contents of the section: the figure, and medians; ``before`` is None where the raw image was not measured."""
    displacement = table["framewise_displacement"].dropna()
    measured = bool(table["dvars_uncorrected"].notna().any())
    return {
        "figure": motion_figure(table, name),
        "median": float(displacement.median()),
        "many": float((displacement > LARGE_FD_MM).mean()),
        "large": LARGE_FD_MM,
        "scans": len(table),
        "runs": table["run"].nunique(),
        "before": float(table["dvars_uncorrected"].median()) if measured else None,
        "after": float(table["dvars"].median()),
    }


@rc_context(STYLE)
def motion_figure(table: pd.DataFrame, name: str) -> Markup:
    """Movement, displacement and, where both are known, DVARS before and after correction, over all scans."""
    both = bool(table["dvars_uncorrected"].notna().any())
    figure = Figure(figsize=(6.0, 5.2 if both else 4.0), layout="constrained")
    rows = figure.subplots(4 if both else 3, 1, sharex=True)
    for axis, colour in zip(MOVEMENT, [*PALETTE[:3]] * 2, strict=True):
        turned = axis.startswith("rot")
        values = np.degrees(table[axis]) if turned else table[axis]
        _draw(rows[int(turned)], values, colour, axis[-1])
    _draw(rows[2], table["framewise_displacement"], INK)
    rows[2].axhline(LARGE_FD_MM, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    if both:
        _draw(rows[3], table["dvars_uncorrected"], WARN, "before")
        _draw(rows[3], table["dvars"], ACCENT, "after")
    begins = np.flatnonzero(table["run"].ne(table["run"].shift()))[1:]
    for axes, label in zip(rows, ("mm", "degrees", "FD, mm", "DVARS"), strict=False):
        axes.set(ylabel=label, xlim=(0, len(table)))
        for begin in begins:
            axes.axvline(begin, color=LINE, linewidth=0.8)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="upper right", ncols=3, fontsize="small")
        no_ticks(axes)
    rows[-1].set_xlabel("scan")
    highest = float(table["framewise_displacement"].max())
    return inline(figure, name, f"Head motion over {len(table)} scans; largest framewise displacement {highest:.2f} mm")


def _draw(axes: Axes, values: "pd.Series[float]", colour: str, label: str | None = None) -> None:
    """Draw a line, of many scans the value furthest from 0 of each few."""
    step = -(-len(values) // MOST_POINTS)
    numbers = values.to_numpy(dtype=float)
    padded = np.concatenate([numbers, np.full(-len(numbers) % step, np.nan)]).reshape(-1, step)
    furthest = np.nan_to_num(np.abs(padded), nan=-1.0).argmax(axis=1)
    axes.plot(
        np.arange(len(padded)) * step, padded[np.arange(len(padded)), furthest], color=colour, lw=0.9, label=label
    )
