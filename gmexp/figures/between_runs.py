"""Every run's rate in order, each with its own interval; the pooled and the clustered interval of all; and how often either
covers."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.figure
import numpy as np
from matplotlib.axes import Axes

from gmexp.figures import marks
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.rates import panels_of
from gmexp.figures.style import GREY, OKABE_ITO, PAGE, canvas, entry, legend, shares
from gmexp.figures.words import capital
from gmexp.rates.between_runs import BetweenRuns
from gmexp.rates.intervals import wilson
from gmexp.rates.over_runs import CellRates, strongest

CLUSTERED, POOLED = OKABE_ITO[:2]


def draw(data: StudyData) -> matplotlib.figure.Figure | None:
    items = data.between_runs
    if not items or data.rates is None:
        return None
    chosen = max((s for s in items if s.metric == "goal_failure"), key=lambda s: s.sd_between, default=items[0])
    others = [s for s in items if s.metric == "capability" and s.shift_type == chosen.shift_type]
    figure, (axes,) = canvas(PAGE, 3.0, 3)
    for axis, item in zip(axes, [*others[:1], chosen], strict=False):
        _ordered(axis, data.rates.cells, item)
    _covered(axes[2], [s for s in items if s.coverage])
    legend(figure, [entry(POOLED, "episodes pooled, 95%"), entry(CLUSTERED, "runs as replicates, 95%"),
                    entry(GREY, "a run, with the interval of its own episodes", linewidth=0.8)])
    return figure


def _ordered(axis: Axes, cells: Sequence[CellRates], item: BetweenRuns) -> None:
    """The runs of one cell from the lowest rate to the highest."""
    key = (item.condition, item.shift_type, item.grade, item.probe)
    cell = next(c for c in panels_of(strongest(cells))[item.metric]
                if (c.condition, c.shift_type, c.grade, c.probe) == key)
    runs = sorted((run for run in getattr(cell, item.metric).runs if run.n), key=lambda run: run.k / run.n)
    for x, run in enumerate(runs):
        axis.plot([x, x], wilson(run.k, run.n), color=GREY, linewidth=0.7, alpha=0.7)
        axis.scatter(x, run.k / run.n, s=8, color=GREY, zorder=4, urls=[marks.address(run.run_id)])
    for ends, colour in ((item.clustered, CLUSTERED), (item.pooled, POOLED)):
        axis.axhspan(*ends, color=colour, alpha=0.4, linewidth=0, zorder=1)
    shares(axis, f"{capital(item.metric.replace('_', ' '))}\nshift {item.shift_type}" + " (probe)" * item.probe)
    axis.set_xticks([])
    axis.set_xlabel(f"{len(runs)} runs in order")


def _covered(axis: Axes, items: Sequence[BetweenRuns]) -> None:
    """Coverage against the number of runs: a faint line per rate and shift, their mean."""
    for method, colour in (("clustered", CLUSTERED), ("pooled", POOLED)):
        for item in items:
            axis.plot([c.runs for c in item.coverage], [getattr(c, method) for c in item.coverage], color=colour,
                      linewidth=0.6, alpha=0.4)
        sizes = sorted({c.runs for item in items for c in item.coverage})
        mean = [np.mean([getattr(c, method) for item in items for c in item.coverage if c.runs == m]) for m in sizes]
        axis.plot(sizes, mean, "o-", color=colour, markersize=4)
    axis.axhline(0.95, color="black", linestyle=":", linewidth=0.8)
    shares(axis, "How often a 95%\ninterval covers")
    axis.set_xscale("log")
    axis.set_xticks(sizes, [str(m) for m in sizes])
    axis.minorticks_off()
    axis.set_xlabel("runs in the sample")


FIGURE = Figure(
    "between_runs", "Left, every run in order with the 95% interval of its own episodes, and the intervals of the mean: of "
    "episodes pooled as if independent, and of runs as replicates. Right, how often either interval covers the mean over "
    "all runs when only some are drawn; thin lines are rates under shifts.", Section.RESULT, draw, rank=40, runs=True)
