"""What the hierarchical model makes of the runs: posteriors of the mean over runs and of the next run, and dots.

A hollow mean has no run behind it: the model, not the data, speaks there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.figure
from matplotlib.axes import Axes

from gmexp.figures import marks, style
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.rates import TITLES
from gmexp.figures.records import ModelShift
from gmexp.figures.style import GREY, PAGE, canvas, entry, legend, shares
from gmexp.rates.judged import Judged
from gmexp.rates.over_runs import CellRates, goal_cells
from gmexp.rates.text import shift_text

Linked = tuple[float, str | None]  # a run's rate and its address


@dataclass(frozen=True)
class Layout:
    """Where the rows stand: a block per shift, a row per condition."""

    shifts: tuple[ModelShift, ...]
    names: list[str]
    colours: Mapping[str, str]
    height: float  # of a shift's rows, in rows

    @property
    def titles(self) -> list[str]:
        return [shift_text(shift.type, shift.name, shift.grade) for shift in self.shifts]

    @property
    def middles(self) -> list[float]:
        return [order * self.height + (len(self.names) - 1) / 2 for order in range(len(self.shifts))]


def draw(data: StudyData) -> matplotlib.figure.Figure | None:
    if data.calibration is None or data.rates is None:
        return None
    names = data.model_labels
    several = style.many(names)
    colours = dict.fromkeys(names, style.OKABE_ITO[0]) if several else style.colours(names)
    layout = Layout(data.calibration.shifts, names, colours, len(names) + (1.6 if several else 0.5))
    shown = [entry(GREY, "next run, 95%", marker="", linewidth=0.7), *[style.PUBLISHED] * bool(data.published)]
    if several:
        figure = _in_rows(data, layout)
        legend(figure, shown)
        return figure
    figure, (axes,) = canvas(PAGE, 0.9 + 0.2 * len(layout.shifts) * layout.height, 2)
    middles = layout.middles
    for axis, metric in zip(axes, TITLES, strict=True):
        _panel(axis, metric, data, layout)
        shares(axis, TITLES[metric], axis.xaxis)
        axis.set_yticks(middles, layout.titles if axis is axes[0] else [])
        axis.set_ylim(middles[-1] + layout.height / 2, middles[0] - layout.height / 2)
        axis.grid(axis="y", visible=False)
        axis.tick_params(axis="y", length=0)
    legend(figure, [*(entry(colour, data.named(name), linewidth=2.2) for name, colour in colours.items()), shown[0],
                    axes[0].scatter([], [], **marks.RUN_DOT, label="a run"), *shown[1:]])
    return figure


def _in_rows(data: StudyData, layout: Layout) -> matplotlib.figure.Figure:
    """Many conditions: a block of named rows per shift."""
    shifts, height = layout.titles, layout.height
    figure, (axes,) = canvas(PAGE, 0.9 + 0.15 * len(shifts) * height, len(TITLES))
    places = [(order * height + row, data.named(name))
              for order in range(len(shifts)) for row, name in enumerate(layout.names)]
    for axis, (metric, title) in zip(axes, TITLES.items(), strict=True):
        _panel(axis, metric, data, layout)
        shares(axis, title, axis.xaxis)
        axis.set_yticks([y for y, _ in places], [name for _, name in places] if axis is axes[0] else [])
        axis.set_ylim(places[-1][0] + 1, -1.4)
        axis.tick_params(axis="y", length=0, labelsize=6.5)
        axis.grid(axis="y", visible=False)
        for order, shift in enumerate(shifts):
            axis.text(0.01, order * height - 0.75, shift, fontsize=7, fontweight="bold", va="center",
                      transform=axis.get_yaxis_transform())
    return figure


def _panel(axis: Axes, metric: str, data: StudyData, layout: Layout) -> None:
    """One metric's posteriors and runs."""
    for summary in (item for item in data.calibration.summaries if item.quantity == metric):
        name, shift = layout.names[summary.condition], layout.shifts[summary.shift]
        y, ends = summary.shift * layout.height + summary.condition, [summary.q025, summary.q975]
        colour = layout.colours[name]
        if summary.kind == "next_run":
            axis.plot(ends, [y, y], color=colour, linewidth=0.7, alpha=0.55)
            continue
        runs = (_judged_runs(data.cells, metric, shift, name) if data.causal else
                _run_rates(data.rates.cells, metric, shift, name))
        axis.plot(ends, [y, y], color=colour, linewidth=2.2, zorder=3)
        axis.scatter(summary.mean, y, s=24, facecolor=colour if runs else "white", edgecolor=colour, zorder=5)
        axis.scatter([rate for rate, _ in runs], [y] * len(runs), **marks.RUN_DOT, zorder=4,
                     urls=[url for _, url in runs] or [None])
    for middle, shift in zip(layout.middles, layout.shifts, strict=True):
        if shift.type in data.published:
            marks.published(axis, data.published[shift.type][metric], middle)


def _judged_runs(cells: Sequence[Judged], metric: str, shift: ModelShift, condition: str) -> list[Linked]:
    """Every run's quantity from both arms, at most 1, and its address; goal failure of a shift's probe where it has one."""
    here = [cell for cell in cells if (cell.shift_type, cell.grade, cell.condition) == (shift.type, shift.grade, condition)]
    chosen = goal_cells(here) if metric == "goal_failure" else [cell for cell in here if not cell.probe]
    return [(min(value, 1.0), url) for cell in chosen for quantity in [getattr(cell, metric)]
            for value, url in zip(marks.values(quantity), marks.addresses(quantity, cell.run_ids), strict=True)]


def _run_rates(cells: Sequence[CellRates], metric: str, shift: ModelShift, condition: str) -> list[Linked]:
    """Run rates as the hierarchical model sees them: goal failure counts a shift's probe together with the shift."""
    counts: dict[str, tuple[int, int]] = {}
    for cell in cells:
        if (cell.shift_type, cell.grade, cell.condition) != (shift.type, shift.grade, condition):
            continue
        for run in () if cell.probe and metric == "capability" else getattr(cell, metric).runs:
            k, n = counts.get(run.run_id, (0, 0))
            counts[run.run_id] = k + run.k, n + run.n
    return [(k / n, marks.address(run_id)) for run_id, (k, n) in counts.items() if n]


FIGURE = Figure(
    "forest",
    "The hierarchical model: thick lines are 95% credible intervals of the mean over runs, thin ones of the next run; "
    "a hollow mean has no run behind it. Goal failure counts a shift's probe with the shift.",
    Section.CALIBRATION, draw, runs=True)
