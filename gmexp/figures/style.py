"""How figures look: style, colours and the few shapes they are made of."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from gmexp.artefacts.condition import pretty
from gmexp.rates.over_runs import Rate

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#777777"
COLUMN, PAGE = 3.4, 7.0  # widths in inches
MOST_COLOURS = 5  # conditions side by side
STYLE = {
    "font.size": 8, "axes.titlesize": 9, "axes.labelsize": 8, "legend.fontsize": 8, "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5, "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.7,
    "axes.titlelocation": "left", "axes.titleweight": "bold", "axes.axisbelow": True, "axes.grid": True,
    "axes.grid.axis": "y", "grid.color": "#e4e4e4", "grid.linewidth": 0.6, "legend.frameon": False,
    "xtick.major.size": 0, "ytick.major.size": 2, "lines.linewidth": 1.4, "svg.hashsalt": "gmexp",
    "savefig.facecolor": "white", "font.family": "DejaVu Sans",
}  # fmt: skip
DIAMOND = {"marker": "D", "s": 22, "facecolor": "white", "edgecolor": "black", "linewidth": 1}
RUN_DOT = {"s": 7, "color": "black", "alpha": 0.45, "linewidth": 0}
PUBLISHED = Line2D([], [], linestyle="", marker="D", markersize=4.7, markerfacecolor="white", markeredgecolor="black",
                   label="published")


def _own_fonts() -> None:
    """Draw with the fonts that come with matplotlib, whatever others of the same name the system has: the glyphs' numbers
    are part of an SVG."""
    manager = font_manager.fontManager
    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    own = sorted(folder.glob("*.ttf"))
    names = {path.name for path in own}
    manager.ttflist = [font for font in manager.ttflist if Path(font.fname).name not in names]
    for path in own:
        manager.addfont(path)


_own_fonts()


# --- a figure and its parts -------------------------------------------------------------------------------------------

def canvas(width: float, height: float, columns: int, rows: int = 1) -> tuple[Figure, Sequence[Sequence[Axes]]]:
    """An empty figure and its axes by row and column."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def render(figure: Figure, suffix: str) -> bytes:
    """The figure as a file, without a date or anything else that changes from one time to the next."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=suffix, dpi=200, metadata={"svg": {"Date": None}, "png": {"Software": None}}[suffix])
    return buffer.getvalue()


def shares(axis: Axes, title: str, along: Axis | None = None) -> None:
    """A panel whose y axis, or the one given, runs from 0 to 100%."""
    along = along or axis.yaxis
    axis.set_title(title)
    along.set_ticks(np.linspace(0, 1, 6))
    along.set_major_formatter(PercentFormatter(1, decimals=0))
    along.grid(True)
    limit = axis.set_ylim if along is axis.yaxis else axis.set_xlim
    limit(-0.03, 1.03)


def legend(figure: Figure, handles: Sequence[Artist], columns: int = 7) -> None:
    figure.legend(handles=handles, loc="outside upper left", ncols=min(len(handles), columns), handlelength=1.6,
                  columnspacing=1.4)


def entry(colour: str, label: str, marker: str = "o", linewidth: float = 1.4) -> Artist:
    """A line of the legend."""
    return Line2D([], [], color=colour, label=pretty(label), marker=marker, markersize=5, linewidth=linewidth)


# --- shapes -----------------------------------------------------------------------------------------------------------

def run_dots(axis: Axes, x: float, rate: Rate, colour: str) -> None:
    """A rate: faint dots for its runs, their mean and its interval."""
    if rate.mean is None:
        return
    known = [run.rate for run in rate.runs if run.rate is not None]
    spread = np.linspace(-0.07, 0.07, len(known)) if len(known) > 1 else [0.0]
    axis.scatter(x + np.asarray(spread), known, s=9, color=colour, alpha=0.4, linewidth=0, zorder=2)
    interval(axis, x, rate.mean, rate.low, rate.high, colour)


def interval(axis: Axes, x: float, mean: float, low: float, high: float, colour: str) -> None:
    axis.plot([x, x], [low, high], color=colour, linewidth=1.4, zorder=3, solid_capstyle="butt")
    axis.scatter(x, mean, s=22, color=colour, edgecolor="white", linewidth=0.7, zorder=5)


def published(axis: Axes, x: Any, y: Any) -> None:
    axis.scatter(x, y, **DIAMOND, zorder=6)


def mean_curve(curves: Sequence[tuple[np.ndarray, np.ndarray]], logarithmic: bool = False,
               ) -> tuple[np.ndarray, np.ndarray]:
    """The mean of curves on the grid where all of them are defined, even on the axis it is for."""
    known = [(steps[~np.isnan(y)], y[~np.isnan(y)]) for steps, y in curves]
    known = [(steps, y) for steps, y in known if len(steps)]
    if not known:
        return np.array([]), np.array([])
    grid = (np.geomspace if logarithmic else np.linspace)(max(s[0] for s, _ in known), min(s[-1] for s, _ in known), 200)
    return grid, np.mean([np.interp(grid, *curve) for curve in known], axis=0)


# --- labels and colours -----------------------------------------------------------------------------------------------

def unique(items: Iterable[Any]) -> list[Any]:
    """The items in order of first appearance."""
    return list(dict.fromkeys(items))


def colours(names: Iterable[str]) -> dict[str, str]:
    """A colour for each name, in order of first appearance; they can be told apart without colour vision.

    More names than there are such colours go from dark to light.
    """
    found = unique(names)
    if len(found) <= len(OKABE_ITO):
        return dict(zip(found, OKABE_ITO, strict=False))
    scale = matplotlib.colormaps["viridis"](np.linspace(0, 0.92, len(found)))
    return {name: to_hex(colour) for name, colour in zip(found, scale, strict=True)}


def many(names: Iterable[str]) -> bool:
    """Whether there are too many conditions to stand side by side in colours."""
    return len(unique(names)) > MOST_COLOURS


def dodge(position: int, size: int) -> float:
    """Where in its column the `position`-th of `size` conditions stands."""
    return 0.0 if size == 1 else (position / (size - 1) - 0.5) * min(0.6, 0.3 * (size - 1))


def delta(condition: str) -> float | None:
    """The delta of a condition's label that names nothing else."""
    name, _, value = condition.partition("=")
    return float(value) if name == "delta" and "," not in value else None


def wrapped(label: str) -> str:
    """A shift's label as a narrow column."""
    for short, broken in ((" ", "\n"), (" (", "\n("), (" at ", "\nat "), ("in distribution", "in\ndistribution")):
        label = label.replace(short, broken, 1)
    return label


def count(value: float, _: Any = None) -> str:
    """250000 as 250k."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
