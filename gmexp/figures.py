"""Figures from artefacts. Nothing is computed here that an artefact does not already say.

A figure is a function of a study that returns a matplotlib figure, or None where the study lacks what it shows. The
table `FIGURES` at the end names them all. Files are PNG and SVG, and equal artefacts give equal bytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from gmexp import artefacts
from gmexp.rates import CellRates, Rate, read_rates, shift_label
from gmexp.records import CurvePoint
from gmexp.study import Study, condition_labels

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#777777"
STYLE = {
    "font.size": 8, "axes.titlesize": 9, "axes.labelsize": 8, "legend.fontsize": 8, "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5, "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.7,
    "axes.titlelocation": "left", "axes.titleweight": "bold", "axes.axisbelow": True, "axes.grid": True,
    "axes.grid.axis": "y", "grid.color": "#e4e4e4", "grid.linewidth": 0.6, "legend.frameon": False,
    "xtick.major.size": 0, "ytick.major.size": 2, "lines.linewidth": 1.4, "svg.hashsalt": "gmexp",
    "savefig.facecolor": "white", "font.family": "DejaVu Sans",
}  # fmt: skip
COLUMN, PAGE = 3.4, 7.0  # widths in inches


def draw_all(study: Path) -> list[Path]:
    """Draw every figure the study has the artefacts for, as PNG and SVG in its figures folder."""
    paths = Study(Path(study))
    written = []
    for name, draw in FIGURES.items():
        with matplotlib.rc_context(STYLE):
            if (figure := draw(paths)) is None:
                continue
            for suffix in ("png", "svg"):
                written.append(artefacts.write_bytes(paths.figures / f"{name}.{suffix}", _render(figure, suffix)))
    return written


def _render(figure: Figure, suffix: str) -> bytes:
    buffer = io.BytesIO()
    metadata = {"Date": None} if suffix == "svg" else {"Software": None}
    figure.savefig(buffer, format=suffix, dpi=200, metadata=metadata)
    return buffer.getvalue()


# --- the figures ------------------------------------------------------------------------------------------------------

def rates(study: Study) -> Figure | None:
    """Capability and goal failure per shift: a dot per run, mean and interval per condition, the published value."""
    if not study.rates.exists():
        return None
    cells = read_rates(study.rates).cells
    conditions = _unique(cell.condition for cell in cells)
    published = {row["shift"]: row["published"] for row in _estimates(study)}
    figure, axes = _canvas(PAGE, 2.9, 2)
    panels = (("capability", "Capability", "capability", [c for c in cells if not c.probe]),
              ("goal_failure", "Goal failure, given capability", "goal_failure",
               [c for c in cells if c.goal_failure.n_runs]))
    for axis, (metric, title, key, shown) in zip(axes, panels, strict=True):
        groups = _unique(shift_label(cell) for cell in shown)
        for cell in shown:
            offset = _dodge(conditions.index(cell.condition), len(conditions))
            _run_dots(axis, groups.index(shift_label(cell)) + offset, getattr(cell, metric),
                      _colour(conditions, cell.condition))
        marked = {shift_label(cell): published[cell.shift_type][key] for cell in shown if cell.shift_type in published}
        axis.scatter([groups.index(g) for g in marked], list(marked.values()), marker="D", s=22, facecolor="white",
                     edgecolor="black", linewidth=1, zorder=4)
        _shares(axis, title)
        axis.set_xticks(range(len(groups)), [_wrapped(g) for g in groups])
        axis.set_xlim(-0.6, max(len(groups), 1) - 0.4)
        if not groups:
            axis.text(0.5, 0.5, "no level separates the goals,\nor no run was capable", ha="center", va="center",
                      transform=axis.transAxes, color=GREY)
    handles = [axes[0].plot([], [], "o-", color=_colour(conditions, c), label=_pretty(c), markersize=5)[0]
               for c in conditions]
    if published:
        handles.append(axes[0].scatter([], [], marker="D", s=22, facecolor="white", edgecolor="black",
                                       label="published"))
    _legend(figure, handles)
    return figure


def training(study: Study) -> Figure | None:
    """Success in training against steps: a thin line per run, a thick one for each condition's mean."""
    runs = [run for run in study.runs() if study.curve(run.run_id).exists()]
    if not runs:
        return None
    labels = condition_labels(study.runs())
    conditions = _unique(labels[run.run_id] for run in runs)
    figure, (axis,) = _canvas(COLUMN, 2.5, 1)
    handles = []
    for condition in conditions:
        colour = _colour(conditions, condition)
        curves = []
        for run in (run for run in runs if labels[run.run_id] == condition):
            table = artefacts.read_table(study.curve(run.run_id), CurvePoint)
            curves.append((table["steps"].to_numpy(), table["success"].to_numpy()))
            axis.plot(*curves[-1], color=colour, linewidth=0.6, alpha=0.45)
        grid, mean = _mean_curve(curves)
        handles += axis.plot(grid, mean, color=colour, linewidth=1.8, label=_pretty(condition))
    _shares(axis, "Coin reached in training")
    axis.set_xlabel("environment steps")
    axis.xaxis.set_major_formatter(FuncFormatter(_count))
    _legend(figure, handles)
    return figure


def base_rates(study: Study) -> Figure | None:
    """The model's base rates per shift, as published and as calibrated on this study."""
    if not (estimates := _estimates(study)):
        return None
    panels = {"capability": "P(capability)", "goal_failure": "P(goal fails | capability)",
              "p_misgen": "P(misgeneralization)"}
    figure, axes = _canvas(PAGE, 2.5, len(panels))
    for axis, (key, title) in zip(axes, panels.items(), strict=True):
        for x, row in enumerate(estimates):
            axis.scatter(x - 0.12, row["published"][key], marker="D", s=26, facecolor="white", edgecolor="black",
                         zorder=3)
            if calibrated := (row.get("calibrated") or {}).get(key):
                _interval(axis, x + 0.12, calibrated["mean"], calibrated["q025"], calibrated["q975"], OKABE_ITO[0])
        _shares(axis, title)
        axis.set_xticks(range(len(estimates)), [f"type {row['shift']}" for row in estimates])
        axis.set_xlim(-0.6, len(estimates) - 0.4)
    _legend(figure, [
        axes[0].scatter([], [], marker="D", s=26, facecolor="white", edgecolor="black", label="published"),
        axes[0].plot([], [], "o-", color=OKABE_ITO[0], markersize=5, label="calibrated, 95% credible interval")[0]])
    return figure


# --- shared pieces ----------------------------------------------------------------------------------------------------

def _canvas(width: float, height: float, panels: int) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, panels, squeeze=False)[0]


def _legend(figure: Figure, handles: Sequence[Any]) -> None:
    figure.legend(handles=handles, loc="outside upper left", ncols=min(len(handles), 4), handlelength=1.6,
                  columnspacing=1.4)


def _shares(axis: Axes, title: str) -> None:
    axis.set_title(title)
    axis.set_ylim(-0.03, 1.03)
    axis.set_yticks(np.linspace(0, 1, 6))
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def _run_dots(axis: Axes, x: float, rate: Rate, colour: str) -> None:
    if rate.mean is None:
        return
    known = [run.rate for run in rate.runs if run.rate is not None]
    spread = np.linspace(-0.07, 0.07, len(known)) if len(known) > 1 else [0.0]
    axis.scatter(x + np.asarray(spread), known, s=9, color=colour, alpha=0.4, linewidth=0, zorder=2)
    _interval(axis, x, rate.mean, rate.low, rate.high, colour)


def _interval(axis: Axes, x: float, mean: float, low: float, high: float, colour: str) -> None:
    axis.plot([x, x], [low, high], color=colour, linewidth=1.4, zorder=3, solid_capstyle="butt")
    axis.scatter(x, mean, s=22, color=colour, edgecolor="white", linewidth=0.7, zorder=5)


def _mean_curve(curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """The mean of curves on the grid where all of them are defined."""
    known = [(steps[~np.isnan(y)], y[~np.isnan(y)]) for steps, y in curves]
    known = [(steps, y) for steps, y in known if len(steps)]
    if not known:
        return np.array([]), np.array([])
    grid = np.linspace(max(s[0] for s, _ in known), min(s[-1] for s, _ in known), 200)
    return grid, np.mean([np.interp(grid, *curve) for curve in known], axis=0)


def _estimates(study: Study) -> list[dict[str, Any]]:
    return artefacts.read_json(study.estimate, required=["shifts"])["shifts"] if study.estimate.exists() else []


def _unique(items: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(items))


def _colour(conditions: Sequence[str], condition: str) -> str:
    return OKABE_ITO[conditions.index(condition) % len(OKABE_ITO)]


def _dodge(position: int, size: int) -> float:
    return 0.0 if size == 1 else (position / (size - 1) - 0.5) * min(0.6, 0.3 * (size - 1))


def _pretty(label: str) -> str:
    return label.replace("delta=", "δ = ")


def _wrapped(label: str) -> str:
    """A shift's label as a narrow column."""
    for short, wrapped in ((" ", "\n"), (" (", "\n("), (" at ", "\nat "), ("in distribution", "in\ndistribution")):
        label = label.replace(short, wrapped, 1)
    return label


def _count(value: float, _: Any) -> str:
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


FIGURES: dict[str, Callable[[Study], Figure | None]] = {
    "rates": rates,
    "training": training,
    "base_rates": base_rates,
}
