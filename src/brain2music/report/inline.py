"""Figures as inline SVG that takes its colours from the page.

Figures are drawn by matplotlib in sentinel colours that :func:`inline` turns into the page's CSS variables, so that
one figure serves light, dark and print. Text stays text.
"""

import io
import re
from typing import Any

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, LINE, ACCENT, WARN = "#010101", "#020202", "#030303", "#040404", "#050505"
VARIABLES = {INK: "--ink", MUTED: "--muted", LINE: "--line", ACCENT: "--accent", WARN: "--warn"}
PALETTE = (  # mid-tones, readable on white and on near-black
    "#4c7fd9",
    "#d9733a",
    "#3f9b5a",
    "#c8528f",
    "#8a6fd1",
    "#b08d1e",
    "#2f9aa8",
    "#cf4f4a",
    "#7d8590",
    "#8b6240",
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "*", "h")
STYLE: dict[Any, Any] = {
    "font.size": 10.5,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "svg.fonttype": "none",
}


def inline(figure: Figure, name: str, spoken: str) -> Markup:
    """The figure as an accessible inline ``<svg>``; ``name`` keeps ids of different figures apart."""
    drawn = io.StringIO()
    with rc_context({"svg.hashsalt": name}):
        empty = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(drawn, format="svg", transparent=True, metadata=empty)
    svg = drawn.getvalue()
    svg = svg[svg.index("<svg") :]
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda found: found.group() if found.group(1) in used else "", svg)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]+", r"font-size: \1px", svg)
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    view = re.search(r'viewBox="[^"]+"', svg)
    assert view is not None
    body = svg[svg.index(">") + 1 :]
    head = Markup('<svg {} role="img" aria-label="{}" preserveAspectRatio="xMidYMid meet">')
    return head.format(Markup(view.group()), spoken) + Markup(re.sub(r"\s*\n\s*", "\n", body))


def plot_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of one plot, in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def no_ticks(axes: Axes) -> None:
    axes.tick_params(length=0)
