"""Forest plots of scores, and pairs of bars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib import rc_context

from brain2music.metrics.score import Score
from brain2music.report.inline import ACCENT, INK, LINE, MARKERS, MUTED, PALETTE, STYLE, inline, no_ticks, plot_axes

SPREAD = 0.56
"""Share of a row's height over which its points are spread."""


@dataclass(frozen=True)
class Point:
    """A value and its interval; ``low`` and ``high`` are None where there is none."""

    value: float
    low: float | None = None
    high: float | None = None


@rc_context(STYLE)
def forest_plot(
    rows: Sequence[str],
    series: Mapping[str, Sequence[Point | None]],
    name: str,
    *,
    xlabel: str,
    chance: float,
    ceilings: Sequence[float] = (),
) -> Markup:
    """Points with their intervals: one row per label, from the top, and one colour per series.

    A point is None where a series lacks the row. ``chance`` is dashed; ``ceilings``, one per row, are short bars, none
    where NaN.
    """
    figure, axes = plot_axes(6.0, 0.95 + len(rows) * max(0.27, 0.11 + 0.08 * len(series)))
    at = np.arange(len(rows))[::-1]
    offsets = np.linspace(SPREAD / 2, -SPREAD / 2, len(series)) if len(series) > 1 else np.zeros(1)
    axes.hlines(at[1:] + 0.5, 0, 1, color=LINE, linewidth=0.5, transform=axes.get_yaxis_transform())
    axes.axvline(chance, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    if len(ceilings):
        axes.vlines(ceilings, at - 0.36, at + 0.36, color=MUTED, linewidth=1.6)
    for index, (label, offset) in enumerate(zip(series, offsets, strict=True)):
        colour, marker = PALETTE[index % len(PALETTE)], MARKERS[index % len(MARKERS)]
        shown = [(y + offset, point) for y, point in zip(at, series[label], strict=True) if point is not None]
        spans = [(y, each.low, each.high) for y, each in shown if each.low is not None and each.high is not None]
        if spans:
            axes.hlines(*zip(*spans, strict=True), color=colour, linewidth=1.5, alpha=0.7)
        ys, values = [y for y, _ in shown], [each.value for _, each in shown]
        axes.plot(values, ys, marker, color=colour, markersize=5, markeredgewidth=0, label=label)
    axes.set_yticks(at, rows)
    axes.set(xlabel=xlabel, ylim=(-0.6, len(rows) - 0.4))
    axes.locator_params(axis="x", nbins=6)  # room for the labels of the widest range, -1.0 to 1.0
    no_ticks(axes)
    if len(series) > 1:
        figure.legend(loc="outside upper left", ncols=min(len(series), 4), handletextpad=0.1, columnspacing=1.2)
    return inline(figure, name, f"{xlabel}: {_series_in_words(rows, series)}")


@rc_context(STYLE)
def genre_pairs(with_genre: Mapping[str, Score], without: Mapping[str, Score], name: str) -> Markup:
    """Identification of each genre by decoders fitted without it, and, in grey above, with it (paper Fig. 7a).

    From the top in the order of ``without``.
    """
    genres = list(without)[::-1]
    figure, axes = plot_axes(6.0, 0.95 + 0.4 * len(genres))
    rows = np.arange(len(genres))
    for scores, offset, colour, label in (
        (with_genre, 0.19, MUTED, "trained with the genre"),
        (without, -0.19, ACCENT, "trained without the genre"),
    ):
        known = [(row + offset, scores[genre]) for row, genre in zip(rows, genres, strict=True) if genre in scores]
        ys, values = [y for y, _ in known], [score.value for _, score in known]
        axes.barh(ys, values, height=0.36, color=colour, alpha=0.85 if scores is without else 0.45, lw=0, label=label)
        spans = [(y, each.low, each.high) for y, each in known if each.low is not None and each.high is not None]
        if spans:
            axes.hlines(*zip(*spans, strict=True), color=INK, linewidth=1.1)
    axes.axvline(next(iter(without.values())).chance, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.set(xlim=(0, 1.0), ylim=(-0.6, len(rows) - 0.4), xlabel="two-way identification (dashed: chance)")
    axes.set_yticks(rows, genres)
    no_ticks(axes)
    figure.legend(loc="outside upper left", ncols=2, columnspacing=1.2)
    spoken = ", ".join(f"{genre} {without[genre].value:.2f}" for genre in genres[::-1])
    return inline(figure, name, f"Identification of genres by decoders trained without them: {spoken}")


def _series_in_words(rows: Sequence[str], series: Mapping[str, Sequence[Point | None]]) -> str:
    """The first series in words."""
    first = next(iter(series))
    values = (f"{row} {point.value:.2f}" for row, point in zip(rows, series[first], strict=True) if point is not None)
    return f"{first}: {', '.join(values)}"
