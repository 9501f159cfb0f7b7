"""Capability and goal failure (by the probe) with each factor shifted alone."""

from __future__ import annotations

import matplotlib.figure

from gmexp.figures import marks, style
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.style import PAGE, canvas, entry, legend, shares
from gmexp_envs.task import FACTOR_NAMES

PANELS = {"capability": "Capability", "goal_failure": "Goal failure, probed"}


def draw(data: StudyData) -> matplotlib.figure.Figure | None:
    rows = data.measures["factors"]
    if not rows:
        return None
    colours = style.colours(row.condition for row in rows)
    figure, (axes,) = canvas(PAGE, 2.6, len(PANELS))
    for axis, (metric, title) in zip(axes, PANELS.items(), strict=True):
        for row in (row for row in rows if row.probe == (metric == "goal_failure")):
            x = FACTOR_NAMES.index(row.factor) + marks.dodge(list(colours).index(row.condition), len(colours))
            marks.run_column(axis, x, getattr(row, metric), colours[row.condition], data.runs_of(row.condition))
        shares(axis, title)
        axis.set_xlim(-0.6, len(FACTOR_NAMES) - 0.4)
        axis.set_xticks(range(len(FACTOR_NAMES)), FACTOR_NAMES)
    legend(figure, [entry(colour, data.named(condition)) for condition, colour in colours.items()])
    return figure


FIGURE = Figure(
    "factors", "Each factor of the ladder shifted alone, on the same levels; goal failure is that of the probe. Dots are "
    "runs, lines 95% intervals of their mean.", Section.CAUSES, draw, runs=True)
