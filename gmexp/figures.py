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
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from gmexp import artefacts
from gmexp.rates import CellRates, Rate, read_rates, shift_label
from gmexp.records import CurvePoint
from gmexp.study import Study, condition_labels, labels

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
    """Capability and goal failure per shift: a dot per run, mean and interval per condition, the published value.

    A shift measured at several grades is shown at its highest; `grades` shows them all.
    """
    if not study.rates.exists():
        return None
    cells = strongest(read_rates(study.rates).cells)
    conditions = _unique(cell.condition for cell in cells)
    published = {row["shift"]: row["published"] for row in _estimates(study)}
    figure, (axes,) = _canvas(PAGE, 2.9, 2)
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


def grades(study: Study) -> Figure | None:
    """Capability and goal failure against the grade of each shift: means over runs in the bands of their intervals.

    Grade 0 is the training distribution. Where a shift separates no goals, its probe stands in.
    """
    cells = read_rates(study.rates).cells if study.rates.exists() else ()
    shifts = {c.shift_type: c.shift_name.replace("_", " ") for c in cells if c.shift_type}
    if len({c.grade for c in cells if c.shift_type}) < 2:
        return None
    conditions = _unique(cell.condition for cell in cells)
    rows = {"capability": "Capability", "goal_failure": "Goal failure"}
    figure, axes = _canvas(PAGE, 3.8, len(shifts), len(rows))
    for row, metric in zip(axes, rows, strict=True):
        for axis, shift in zip(row, sorted(shifts), strict=True):
            for condition in conditions:
                points = {c.grade: getattr(c, metric) for c in sorted(cells, key=lambda c: not c.probe)
                          if c.shift_type in (0, shift) and c.condition == condition
                          and getattr(c, metric).mean is not None and (metric == "goal_failure" or not c.probe)}
                known = [(g, rate.mean, rate.low, rate.high) for g, rate in sorted(points.items())]
                if known:
                    grade, mean, low, high = zip(*known, strict=True)
                    colour = _colour(conditions, condition)
                    axis.fill_between(grade, low, high, color=colour, alpha=0.15, linewidth=0)
                    axis.plot(grade, mean, "o-", color=colour, markersize=3.5)
            first, top = axis is row[0], metric == "capability"
            _shares(axis, f"{shift} {shifts[shift]}" if top else "")
            axis.set_xlim(-0.04, 1.04)
            axis.tick_params(labelleft=first, labelbottom=not top)
            axis.set_ylabel(rows[metric] if first else "")
    figure.supxlabel("grade of the shift", fontsize=STYLE["axes.labelsize"])
    _legend(figure, [axes[0][0].plot([], [], "o-", color=_colour(conditions, c), markersize=4, label=_pretty(c))[0]
                     for c in conditions])
    return figure


def diversity(study: Study) -> Figure | None:
    """Goal failure against training diversity, a line per shift: needs three conditions that differ in nothing else."""
    if not study.rates.exists() or not study.counts.exists():
        return None
    cells = [c for c in strongest(read_rates(study.rates).cells) if c.goal_failure.n_runs]
    deltas = {c.condition: _delta(c.condition) for c in cells}
    if None in deltas.values() or len(set(deltas.values())) < 3:
        return None
    positions = {delta: x for x, delta in enumerate(sorted(set(deltas.values())))}  # even steps: deltas span decades
    shifts = _unique(shift_label(cell) for cell in cells)
    figure, ((axis,),) = _canvas(COLUMN, 2.7, 1)
    handles = []
    for shift in shifts:
        colour = _colour(shifts, shift)
        mine = sorted((positions[deltas[c.condition]] + 0.35 * _dodge(shifts.index(shift), len(shifts)), c)
                      for c in cells if shift_label(c) == shift)
        axis.plot([x for x, _ in mine], [c.goal_failure.mean for _, c in mine], color=colour, linewidth=1)
        for x, cell in mine:
            _run_dots(axis, x, cell.goal_failure, colour)
        handles += axis.plot([], [], "o-", color=colour, markersize=5, label=shift)
    _shares(axis, "Goal failure, given capability")
    axis.set_xticks(list(positions.values()), [f"{delta:g}" for delta in positions])
    axis.set_xlabel("training diversity δ")
    _legend(figure, handles, 2)
    return figure


def training(study: Study) -> Figure | None:
    """Success in training against steps: a thin line per run, a thick one for each condition's mean."""
    runs = [run for run in study.runs() if study.curve(run.run_id).exists()]
    if not runs:
        return None
    named = condition_labels(study.runs())
    conditions = _unique(named[run.run_id] for run in runs)
    figure, ((axis,),) = _canvas(COLUMN, 2.5, 1)
    handles = []
    for condition in conditions:
        colour = _colour(conditions, condition)
        curves = []
        for run in (run for run in runs if named[run.run_id] == condition):
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


def forest(study: Study) -> Figure | None:
    """What the hierarchical model makes of the runs: posterior of the mean over runs and of the next run, beside dots.

    A hollow mean has no run behind it: the model, not the data, speaks there.
    """
    if not study.calibration.exists() or not study.rates.exists():
        return None
    calibration = artefacts.read_json(study.calibration, required=["summaries", "model"])
    structure = calibration["model"]["structure"]
    names = labels(structure["conditions"])
    conditions, cells = _unique(names), read_rates(study.rates).cells
    published = {row["shift"]: row["published"] for row in _estimates(study)}
    rows = [(s, c) for s in range(len(structure["shifts"])) for c in range(len(names))]
    panels = {"capability": "Capability", "goal_failure": "Goal failure, given capability"}
    figure, (axes,) = _canvas(PAGE, 0.9 + 0.2 * len(rows) + 0.08 * len(structure["shifts"]), 2)
    for axis, quantity in zip(axes, panels, strict=True):
        for summary in calibration["summaries"]:
            if summary["quantity"] != quantity:
                continue
            shift, name = structure["shifts"][summary["shift"]], names[summary["condition"]]
            y = rows.index((summary["shift"], summary["condition"])) + 0.5 * summary["shift"]
            dots, colour = _pooled_run_rates(cells, quantity, shift, name), _colour(conditions, name)
            if summary["kind"] == "next_run":
                axis.plot([summary["q025"], summary["q975"]], [y, y], color=colour, linewidth=0.7, alpha=0.55)
                continue
            axis.plot([summary["q025"], summary["q975"]], [y, y], color=colour, linewidth=2.2, zorder=3)
            axis.scatter(summary["mean"], y, s=24, facecolor=colour if dots else "white", edgecolor=colour, zorder=5)
            axis.scatter(dots, [y] * len(dots), s=7, color="black", alpha=0.45, linewidth=0, zorder=4)
        middles = []
        for s, shift in enumerate(structure["shifts"]):
            middles.append(s * (len(names) + 0.5) + (len(names) - 1) / 2)
            if shift["type"] in published:
                axis.scatter(published[shift["type"]][quantity], middles[-1], marker="D", s=20, facecolor="white",
                             edgecolor="black", linewidth=1, zorder=6)
        _shares(axis, panels[quantity], axis.xaxis)
        axis.set_yticks(middles, [_shift(shift) for shift in structure["shifts"]] if axis is axes[0] else [])
        axis.set_ylim(middles[-1] + len(names) / 2 + 0.1, middles[0] - len(names) / 2 - 0.1)
        axis.grid(axis="y", visible=False)
        axis.tick_params(axis="y", length=0)
    _legend(figure, [*(axes[0].plot([], [], "o-", color=_colour(conditions, c), markersize=5, linewidth=2.2,
                                    label=_pretty(c))[0] for c in conditions),
                     axes[0].plot([], [], color=GREY, linewidth=0.7, label="next run, 95%")[0],
                     axes[0].scatter([], [], s=7, color="black", alpha=0.45, label="a run"),
                     axes[0].scatter([], [], marker="D", s=20, facecolor="white", edgecolor="black",
                                     label="published")])
    return figure


def _pooled_run_rates(cells: Sequence[CellRates], metric: str, shift: Mapping[str, Any], condition: str) -> list[float]:
    """Run rates as the model sees them: goal failure counts a shift's probe with the shift."""
    known: dict[str, list[int]] = {}
    for cell in cells:
        if (cell.shift_type, cell.grade, cell.condition) == (shift["type"], shift["grade"], condition):
            for run in getattr(cell, metric).runs if metric == "goal_failure" or not cell.probe else ():
                k, n = known.get(run.run_id, (0, 0))
                known[run.run_id] = [k + run.k, n + run.n]
    return [k / n for k, n in known.values() if n]


def _shift(shift: Mapping[str, Any]) -> str:
    grade = f" at {shift['grade']:g}" if shift["type"] and shift["grade"] != 1 else ""
    return f"{shift['type']} {shift['name'].replace('_', ' ')}{grade}"


def base_rates(study: Study) -> Figure | None:
    """The model's base rates per shift, as published and as calibrated on this study."""
    if not (estimates := _estimates(study)):
        return None
    panels = {"capability": "P(capability)", "goal_failure": "P(goal fails | capability)",
              "p_misgen": "P(misgeneralization)"}
    figure, (axes,) = _canvas(PAGE, 2.5, len(panels))
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

def strongest(cells: Sequence[CellRates]) -> list[CellRates]:
    """The cells of each shift at the highest grade it was measured at."""
    top = {(c.shift_type, c.probe): max(d.grade for d in cells if (d.shift_type, d.probe) == (c.shift_type, c.probe))
           for c in cells}
    return [c for c in cells if c.grade == top[c.shift_type, c.probe]]


def _canvas(width: float, height: float, columns: int, rows: int = 1) -> tuple[Figure, Sequence[Sequence[Axes]]]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _legend(figure: Figure, handles: Sequence[Any], columns: int = 7) -> None:
    figure.legend(handles=handles, loc="outside upper left", ncols=min(len(handles), columns), handlelength=1.6,
                  columnspacing=1.4)


def _shares(axis: Axes, title: str, along: Axis | None = None) -> None:
    """A panel whose y axis, or the one given, runs from 0 to 100%."""
    along = along or axis.yaxis
    axis.set_title(title)
    along.set_ticks(np.linspace(0, 1, 6))
    limit = axis.set_ylim if along is axis.yaxis else axis.set_xlim
    limit(-0.03, 1.03)
    along.set_major_formatter(PercentFormatter(1, decimals=0))
    along.grid(True)


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


def _delta(condition: str) -> float | None:
    """The delta of a label that names nothing else."""
    name, _, value = condition.partition("=")
    return float(value) if name == "delta" and "," not in value else None


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
    "grades": grades,
    "diversity": diversity,
    "training": training,
    "forest": forest,
    "base_rates": base_rates,
}
