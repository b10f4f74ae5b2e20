"""Figures of a decoder and of the responses, for a subject's page."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from brain2music.metrics.score import Score
from brain2music.report.inline import (
    ACCENT,
    INK,
    LINE,
    MARKERS,
    MUTED,
    PALETTE,
    STYLE,
    WARN,
    inline,
    no_ticks,
    plot_axes,
)

POSITIVE, NEGATIVE = "#2a8f86", "#c9763a"  # mid-tones, readable on white and on near-black
MOST_ROIS = 12
MOST_ALPHAS = 24


@rc_context(STYLE)
def genre_bars(scores: Sequence[Score], name: str) -> Markup:
    """Identification of each genre's clips with its interval, best first, and chance as a dashed line."""
    ordered = sorted(scores, key=lambda score: score.value)
    rows = np.arange(len(ordered))
    figure, axes = plot_axes(6.0, 0.55 + 0.27 * len(ordered))
    values = [score.value for score in ordered]
    axes.barh(rows, values, height=0.62, color=ACCENT, alpha=0.85, linewidth=0)
    for row, score in zip(rows, ordered, strict=True):
        if score.low is not None and score.high is not None:
            axes.plot([score.low, score.high], [row, row], color=INK, linewidth=1.3, solid_capstyle="butt")
    axes.axvline(ordered[0].chance, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.set(xlim=(0, 1.0), ylim=(-0.6, len(rows) - 0.4), xlabel="two-way identification (dashed: chance)")
    axes.set_yticks(rows, [score.group for score in ordered])
    no_ticks(axes)
    return inline(figure, name, f"Identification by genre: {_spoken(ordered[::-1])}")


@rc_context(STYLE)
def identification_matrix(similarity: Float[np.ndarray, "clips clips"], genres: Sequence[str], name: str) -> Markup:
    """Similarity of each prediction (row) with each true embedding (column), z-scored per row, by genre.

    Teal is above and orange below the row's mean. Squares outline the presented clip, dots mark the most similar
    candidate of each row.
    """
    order = np.argsort(np.asarray(genres), kind="stable")
    grouped = similarity[np.ix_(order, order)]
    spread = grouped.std(axis=1, keepdims=True)
    z = (grouped - grouped.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)
    count = len(z)
    figure, axes = plot_axes(6.0, 5.4)
    axes.imshow(_tint(z), interpolation="none", extent=(-0.5, count - 0.5, count - 0.5, -0.5), aspect="equal")

    thin = float(np.clip(24 / count, 0.3, 1.1))
    cells = [Rectangle((i - 0.5, i - 0.5), 1, 1) for i in range(count)]
    axes.add_collection(PatchCollection(cells, facecolor="none", edgecolor=INK, linewidth=thin, zorder=3))
    axes.plot(z.argmax(axis=1), np.arange(count), ".", color=INK, markersize=2.5 + 3 * thin, markeredgewidth=0)

    labels, sizes = np.unique(np.asarray(genres)[order], return_counts=True)
    ends = np.cumsum(sizes)
    for end in ends[:-1]:
        axes.axhline(end - 0.5, color=LINE, linewidth=0.6, zorder=1)
        axes.axvline(end - 0.5, color=LINE, linewidth=0.6, zorder=1)
    middles = ends - sizes / 2 - 0.5
    axes.set_yticks(middles, labels)
    axes.set_xticks(middles, labels, rotation=45, ha="right", rotation_mode="anchor", color=INK)
    axes.set(xlabel="candidate: true embedding", ylabel="prediction from the brain")
    no_ticks(axes)
    hits = int((z.argmax(axis=1) == np.arange(count)).sum())
    spoken = f"Identification matrix of {count} clips; the presented clip is most similar in {hits} rows"
    return inline(figure, name, spoken)


@rc_context(STYLE)
def pca_map(
    predicted: Float[np.ndarray, "clips dims"],
    true: Float[np.ndarray, "clips dims"],
    genres: Sequence[str],
    name: str,
) -> tuple[Markup, float]:
    """True and predicted embeddings on the first two principal components of the true ones, by genre.

    Returns
    -------
    The figure, and the variance of the predictions as a share of that of the true embeddings in this plane.
    """
    centre = true.mean(axis=0)
    _, singular, axes_of_space = np.linalg.svd(true - centre, full_matrices=False)
    plane = axes_of_space[:2] * np.where(axes_of_space[:2].sum(axis=1, keepdims=True) < 0, -1, 1)
    explained = singular[:2] ** 2 / max(float((singular**2).sum()), 1e-12)
    of_true, of_predicted = (true - centre) @ plane.T, (predicted - predicted.mean(axis=0)) @ plane.T

    columns = int(np.clip(56 // (4 + max(map(len, genres))), 1, 5))
    legend_height = 0.22 * np.ceil(len(set(genres)) / columns)
    height = 3.0 + legend_height
    figure = Figure(figsize=(6.0, height))
    panels = figure.subplots(1, 2)
    for panel, points, title in zip(panels, (of_true, of_predicted), ("True", "Predicted from the brain"), strict=True):
        _scatter(panel, points, genres)
        panel.set_title(title)
        panel.set_xlabel(f"PC 1 ({100 * explained[0]:.0f} % of variance)")
    panels[0].set_ylabel(f"PC 2 ({100 * explained[1]:.0f} %)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=columns, handletextpad=0.2, columnspacing=1.2)
    figure.tight_layout(rect=(0, (legend_height + 0.15) / height, 1, 1))
    ratio = float(of_predicted.var(axis=0).sum() / max(of_true.var(axis=0).sum(), 1e-12))
    return inline(figure, name, f"Two scatter plots of {len(true)} clips on two principal components"), ratio


@rc_context(STYLE)
def alpha_histogram(alphas: pd.DataFrame, name: str) -> Markup:
    """How many dimensions chose each regularisation; those on the edge of the grid in the warning colour."""
    values = alphas["alpha"].astype(float)
    if values.nunique() > MOST_ALPHAS:  # medians over folds fall between the values of the grid
        values = pd.Series(10 ** ((4 * np.log10(values)).round() / 4), index=alphas.index)
    counts = alphas.groupby(values)["on_edge"].agg(["size", "any"]).sort_index()
    figure, axes = plot_axes(6.0, 2.1)
    colours = [WARN if edge else ACCENT for edge in counts["any"]]
    axes.bar(np.arange(len(counts)), counts["size"], width=0.72, color=colours, alpha=0.85, linewidth=0)
    shown = np.unique(np.linspace(0, len(counts) - 1, min(len(counts), 7)).round().astype(int))
    axes.set_xticks(shown, [f"{counts.index[i]:.2g}".replace("e+0", "e").replace("e+", "e") for i in shown])
    axes.set(xlabel="regularisation α", ylabel="dimensions", xlim=(-0.8, len(counts) - 0.2))
    axes.locator_params(axis="y", integer=True, nbins=4)
    axes.tick_params(axis="y", labelcolor=MUTED)
    no_ticks(axes)
    edge = int(alphas["on_edge"].sum())
    return inline(figure, name, f"Histogram of α over {len(alphas)} dimensions; {edge} are on the edge of the grid")


@rc_context(STYLE)
def reliability_by_roi(table: pd.DataFrame, name: str) -> Markup:
    """Histograms of voxel reliability, one row per region, the most reliable on top; at most 12 regions.

    Every row is scaled to its own peak, and the median is marked.
    """
    values = {str(roi): group.dropna().to_numpy() for roi, group in table.groupby("roi")["reliability"]}
    kept = sorted((roi for roi in values if len(values[roi])), key=lambda roi: -float(np.median(values[roi])))[
        :MOST_ROIS
    ]
    low, high = (float(edge) for edge in np.quantile(np.concatenate([values[roi] for roi in kept]), [0.001, 0.999]))
    edges = np.linspace(min(low, -0.05), max(high, 0.05), 49)
    figure, axes = plot_axes(6.0, 0.6 + 0.36 * len(kept))
    for row, roi in enumerate(reversed(kept)):
        heights = np.histogram(np.clip(values[roi], edges[0], edges[-1]), edges)[0]
        axes.stairs(
            row + 0.85 * heights / heights.max(),
            edges,
            baseline=row,
            fill=True,
            color=ACCENT,
            alpha=0.55,
            lw=0,
        )
        axes.plot([np.median(values[roi])] * 2, [row, row + 0.85], color=INK, linewidth=1.3)
    axes.axvline(0, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.set_yticks(np.arange(len(kept)) + 0.3, [roi or "unlabelled" for roi in reversed(kept)])
    axes.set(xlabel="correlation between repeats (dashed: none)", ylim=(-0.05, len(kept)))
    no_ticks(axes)
    return inline(figure, name, f"Histograms of voxel reliability in {len(kept)} regions")


def _scatter(axes: Axes, points: Float[np.ndarray, "clips 2"], genres: Sequence[str]) -> None:
    for index, genre in enumerate(sorted(set(genres))):
        chosen = points[[other == genre for other in genres]]
        colour = PALETTE[index % len(PALETTE)]
        marker = MARKERS[(index + index // len(PALETTE)) % len(MARKERS)]
        axes.plot(
            chosen[:, 0],
            chosen[:, 1],
            marker,
            color=colour,
            markersize=5,
            markeredgewidth=0,
            label=genre or "none",
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.margins(0.08)


def _tint(z: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "height width 4"]:
    """Deviations as transparent colour over the page, enlarged so that viewers need not interpolate."""
    scale = max(1, round(600 / len(z)))
    image = np.empty((*z.shape, 4))
    image[..., :3] = np.where((z > 0)[..., None], to_rgb(POSITIVE), to_rgb(NEGATIVE))
    image[..., 3] = np.clip(np.abs(z) / 2.5, 0, 1)
    return image.repeat(scale, axis=0).repeat(scale, axis=1)


def _spoken(scores: Sequence[Score]) -> str:
    return ", ".join(f"{score.group} {score.value:.2f}" for score in scores)
