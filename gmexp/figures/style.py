"""How figures look: style, fonts, colours, canvas, axes and legends."""

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
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter


OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#777777"
SMALL = 6.5  # points: the smallest text but for letters inside marks
SUFFIXES = ("png", "svg")  # in the order in which they are drawn
DPI = 200  # of a PNG
COLUMN, PAGE = 3.4, 7.0  # widths in inches
MOST_COLOURS = 5  # conditions side by side
STYLE = {
    "text.parse_math": False,  # labels are what people called their conditions
    "font.size": 8, "axes.titlesize": 9, "axes.labelsize": 8, "legend.fontsize": 8, "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5, "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.7,
    "axes.titlelocation": "left", "axes.titleweight": "bold", "axes.axisbelow": True, "axes.grid": True,
    "axes.grid.axis": "y", "grid.color": "#e4e4e4", "grid.linewidth": 0.6, "legend.frameon": False,
    "xtick.major.size": 0, "ytick.major.size": 2, "lines.linewidth": 1.4, "svg.hashsalt": "gmexp",
    "savefig.facecolor": "white", "font.family": "DejaVu Sans",
}  # fmt: skip
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


def render(figure: Figure, suffixes: Sequence[str] = SUFFIXES) -> dict[str, bytes]:
    """The figure as files by suffix, without a date or anything else that changes from one time to the next.

    The layout depends a little on what was drawn before; every file is drawn as if the PNG came first, and what is drawn
    after the SVG (`linked`) keeps its layout.
    """
    if "png" not in suffixes:
        dpi = figure.dpi
        figure.set_dpi(DPI)
        figure.draw_without_rendering()
        figure.set_dpi(dpi)
    files = {suffix: saved(figure, suffix) for suffix in SUFFIXES if suffix in suffixes}
    if "svg" in files:
        figure.set_layout_engine("none")
    return files


def linked(figure: Figure) -> str:
    """The figure as an SVG for a page, the marks of runs inside links to their runs (`marks.address`)."""
    if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        figure.set_dpi(DPI)
        figure.draw_without_rendering()  # as `render` does, for the same layout
    return _saved(figure, "svg").decode()


def saved(figure: Figure, suffix: str) -> bytes:
    """The figure as one file; in a file, marks lead nowhere."""
    leading = [(artist, artist.get_url(), getattr(artist, "get_urls", list)())
               for artist in figure.findobj(lambda artist: artist.get_url() is not None or hasattr(artist, "get_urls"))]
    for artist, _, urls in leading:
        artist.set_url(None)
        if urls:
            artist.set_urls(None)
    content = _saved(figure, suffix)
    for artist, url, urls in leading:
        artist.set_url(url)
        if urls:
            artist.set_urls(urls)
    return content


def _saved(figure: Figure, suffix: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=suffix, dpi=DPI, metadata={"svg": {"Date": None}, "png": {"Software": None}}[suffix])
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


def legend(figure: Figure, handles: Sequence[Artist], columns: int = 7) -> int:
    """A legend over the figure in at most so many columns, fewer where they would be wider than it -> its rows."""
    fewer = min(len(handles), columns)
    while True:
        made = figure.legend(handles=handles, loc="outside upper left", ncols=fewer, handlelength=1.6, columnspacing=1.4)
        if fewer <= 1 or made.get_window_extent().width <= figure.bbox.width:
            return -(-len(handles) // max(fewer, 1))
        made.remove()
        fewer -= 1


def entry(colour: str, label: str, marker: str = "o", linewidth: float = 1.4) -> Artist:
    """A line of the legend."""
    return Line2D([], [], color=colour, label=label, marker=marker, markersize=5, linewidth=linewidth)


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


def delta(condition: str) -> float | None:
    """The delta of a condition's label that names nothing else."""
    name, _, value = condition.partition("=")
    return float(value) if name == "delta" and "," not in value else None


def count(value: float, _: Any = None) -> str:
    """250000 as 250k."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
