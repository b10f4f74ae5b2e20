"""The figure of a run: how the head moved, and what correction made of the image."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from ..._utils.files import atomic_path
from .motion_confounds import AXES
from .series_statistics import SeriesStatistics

if TYPE_CHECKING:
    import pandas as pd

SLICES = 3
"""Axial slices of each map."""
LARGE_MM = 0.5
"""A line is drawn at this framewise displacement: scans above it are often left out (Power et al. 2012)."""


def draw_motion(
    path: Path, name: str, table: "pd.DataFrame", tr: float, before: SeriesStatistics, after: SeriesStatistics
) -> None:
    """Draw translations, rotations, displacement, changes before and after, and maps of the spread over time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 9.5), layout="constrained", dpi=110)
    rows = figure.subplot_mosaic([["move"], ["turn"], ["jump"], ["change"], ["maps"]], height_ratios=[1, 1, 1, 1, 1.9])
    seconds = np.arange(len(table)) * tr
    for axis in AXES[:3]:
        rows["move"].plot(seconds, table[axis], label=axis[-1], linewidth=1)
    for axis in AXES[3:]:
        rows["turn"].plot(seconds, np.degrees(table[axis]), label=axis[-1], linewidth=1)
    rows["jump"].plot(seconds, table["framewise_displacement"], color="black", linewidth=1)
    rows["jump"].axhline(LARGE_MM, color="grey", linewidth=0.8, linestyle="--")
    rows["change"].plot(seconds, table["dvars_uncorrected"], label="before", color="tab:red", linewidth=1)
    rows["change"].plot(seconds, table["dvars"], label="after", color="tab:blue", linewidth=1)
    labels = {"move": "moved, mm", "turn": "turned, °", "jump": "FD, mm", "change": "DVARS"}
    for key, label in labels.items():
        rows[key].set(ylabel=label, xlim=(0, seconds[-1]))
        if key != "jump":
            rows[key].legend(ncols=3, loc="upper right", frameon=False)
    rows["change"].set_xlabel("seconds")
    _draw_maps(rows["maps"], before, after)
    figure.suptitle(f"{name}: tSNR {before.median_tsnr:.1f} before correction, {after.median_tsnr:.1f} after")
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        figure.savefig(file, format="png", metadata={"Software": None})


def _draw_maps(axes: Any, before: SeriesStatistics, after: SeriesStatistics) -> None:
    """Axial slices of the standard deviation over scans, before and after, in one scale."""
    top = float(np.quantile(np.concatenate([before.sd[before.mask], after.sd[after.mask]]), 0.98)) or 1.0
    tiles = [_axial_slices(each.sd) for each in (before, after)]
    height = max(tile.shape[0] for tile in tiles)
    padded = [np.pad(tile, ((0, height - tile.shape[0]), (0, 2))) for tile in tiles]
    axes.imshow(np.hstack(padded), cmap="inferno", vmin=0, vmax=top, origin="lower", interpolation="nearest")
    axes.set_title("standard deviation over scans, before (left) and after (right)", fontsize="medium")
    axes.set_axis_off()


def _axial_slices(volume: Float32[np.ndarray, "x y z"]) -> Float32[np.ndarray, "height width"]:
    """A few axial slices side by side, between the lower and the upper quarter."""
    depth = volume.shape[2]
    chosen = np.unique(np.linspace(depth // 4, 3 * depth // 4, SLICES).astype(int))
    return np.hstack([volume[:, :, number].T for number in chosen])
