"""Capability and goal failure against the grade of each shift: a line per run, their mean in the band of its interval and,
where the study is calibrated, a paler band for the next run.

Grade 0 is the training distribution. Goal failure is that of a shift's probe where it has one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib.figure
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from gmexp.figures import marks, style
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.rates import panels_of
from gmexp.figures.style import GREY, PAGE, canvas, entry, legend, shares
from gmexp.figures.words import capital
from gmexp.figures.marks import OverRuns
from gmexp.rates.over_runs import RunRate
from gmexp.rates.text import shift_text

Key = tuple[str, str, int, float]  # metric, condition, shift, grade


def draw(data: StudyData) -> matplotlib.figure.Figure | None:
    cells = data.cells
    shifts = {c.shift_type: shift_text(c.shift_type, c.shift_name) for c in cells if c.shift_type}
    if len({c.grade for c in cells if c.shift_type}) < 2:
        return None
    colours = style.colours(cell.condition for cell in cells)
    panels, next_run = panels_of(cells), _next_run(data)
    figure, axes = canvas(PAGE, 3.8, len(shifts), len(panels))
    for row, (metric, shown) in zip(axes, panels.items(), strict=True):
        for axis, shift in zip(row, sorted(shifts), strict=True):
            for condition, colour in colours.items():
                points = {c.grade: getattr(c, metric) for c in shown
                          if c.shift_type in (0, shift) and c.condition == condition}
                ends = {g: next_run.get((metric, condition, shift if g else 0, g), (None, None)) for g in sorted(points)}
                ids = {c.run_ids for c in shown if c.condition == condition}
                _lines(axis, points, ends, colour, ids.pop() if len(ids) == 1 else ())
            first, top = axis is row[0], metric == "capability"
            shares(axis, shifts[shift] if top else "")
            axis.set_xlim(-0.04, 1.04)
            axis.tick_params(labelleft=first, labelbottom=not top)
            axis.set_ylabel(capital(metric.replace("_", " ")) if first else "")
    figure.supxlabel("grade of the shift", fontsize=style.STYLE["axes.labelsize"])
    legend(figure, [*(entry(colour, data.named(condition)) for condition, colour in colours.items()),
                    entry(GREY, "a run", marker="", linewidth=0.4),
                    *[Patch(color=GREY, alpha=0.2, linewidth=0, label="next run, 95%")] * bool(next_run)])
    return figure


def _lines(axis: Axes, points: Mapping[float, OverRuns], next_run: Mapping[float, tuple[float | None, float | None]],
           colour: str, run_ids: Sequence[str]) -> None:
    """One condition's rates by grade: runs, the next run's band, the mean in its own. `run_ids` where all cells have the
    same runs."""
    grades = sorted(points)
    low, mean, high = ([getattr(points[g], end) for g in grades] for end in ("low", "mean", "high"))
    lines = _run_lines(points)
    known = map(marks.address, run_ids) if len(run_ids) == len(lines) else [None] * len(lines)
    for line, url in zip(lines, known, strict=True):
        axis.plot(grades, line, color=colour, linewidth=0.4, alpha=0.35, url=url)
    ends = (np.array(end, float) for end in zip(*next_run.values(), strict=True))
    axis.fill_between(grades, *ends, color=colour, alpha=0.1, linewidth=0)
    axis.fill_between(grades, low, high, color=colour, alpha=0.3, linewidth=0)
    axis.plot(grades, mean, "o-", color=colour, markersize=3.5)


def _run_lines(points: Mapping[float, OverRuns]) -> list[list[float]]:
    """Every run's rates in order of the grades; NaN where a run has none."""
    by_run: dict[int, dict[float, float]] = {}
    for grade, quantity in points.items():
        for run, value in enumerate(quantity.runs):  # of all grades in the same order
            rate = value.rate if isinstance(value, RunRate) else value
            by_run.setdefault(run, {})[grade] = math.nan if rate is None else rate
    return [[rates.get(grade, math.nan) for grade in sorted(points)] for rates in by_run.values()]


def _next_run(data: StudyData) -> dict[Key, tuple[float, float]]:
    """The calibration's 95% interval of the next run."""
    if data.calibration is None:
        return {}
    shifts, names = data.calibration.shifts, data.model_labels
    return {(item.quantity, names[item.condition], shifts[item.shift].type, shifts[item.shift].grade):
            (item.q025, item.q975) for item in data.calibration.summaries if item.kind == "next_run"}


FIGURE = Figure(
    "grades", "Against the grade of each shift: thin lines are runs, the thick one their mean in its 95% interval, the pale "
    "band is for the next run; grade 0 is the training distribution. Goal failure is that of a shift's probe where it has "
    "one.", Section.RESULT, draw, rank=50, runs=True)
