"""Capability and goal failure per shift: a dot per run, mean and interval per condition, the published value.

A shift measured at several grades is shown at its highest; the figure `grades` shows them all. Many conditions are rows
instead of colours.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.figure

from gmexp.figures import marks, style
from gmexp.figures.data import Named, StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.style import GREY, OKABE_ITO, PAGE, canvas, entry, legend, shares
from gmexp.figures.words import wrapped
from gmexp.rates.judged import Judged
from gmexp.rates.over_runs import goal_cells, strongest
from gmexp.rates.text import shift_label

TITLES = {"capability": "Capability", "goal_failure": "Goal failure, given capability"}
ROW = 0.19  # inches
WIDE = 44  # characters that a line of a row's name has

Panels = Mapping[str, Sequence[Judged]]  # by metric
Published = Mapping[int, Mapping[str, float]]  # by shift


def panels_of(cells: Sequence[Judged]) -> Panels:
    """The cells in which either rate is to be read."""
    return {"capability": [cell for cell in cells if not cell.probe], "goal_failure": goal_cells(cells)}


def draw(data: StudyData) -> matplotlib.figure.Figure | None:
    if data.rates is None:
        return None
    cells = strongest(data.cells)
    colours = style.colours(cell.condition for cell in cells)
    if style.many(colours):
        return in_rows(panels_of(cells), data.published, data.named)
    return in_colours(panels_of(cells), colours, data.published, data.named)


def in_colours(panels: Panels, colours: Mapping[str, str], published: Published, named: Named) -> matplotlib.figure.Figure:
    """A few conditions: colours side by side over the shifts."""
    figure, (axes,) = canvas(PAGE, 2.9, 2)
    for axis, (metric, shown) in zip(axes, panels.items(), strict=True):
        groups = sorted({cell.shift_type: shift_label(cell) for cell in shown}.items())
        position = {shift: x for x, (shift, _) in enumerate(groups)}
        for cell in shown:
            offset = marks.dodge(list(colours).index(cell.condition), len(colours))
            marks.run_dots(axis, position[cell.shift_type] + offset, getattr(cell, metric), colours[cell.condition],
                           cell.run_ids)
        marked = [shift for shift in position if shift in published]
        marks.published(axis, [position[s] for s in marked], [published[s][metric] for s in marked])
        shares(axis, TITLES[metric])
        axis.set_xticks(range(len(groups)), [wrapped(label) for _, label in groups])
        axis.set_xlim(-0.6, max(len(groups), 1) - 0.4)
        if not groups:
            axis.text(0.5, 0.5, "no level separates the goals,\nor no run was capable", ha="center", va="center",
                      transform=axis.transAxes, color=GREY)
    legend(figure, [*(entry(colour, named(c)) for c, colour in colours.items()), *[style.PUBLISHED] * bool(published)])
    return figure


def in_rows(panels: Panels, published: Published, named: Named) -> matplotlib.figure.Figure:
    """Many conditions: capability above, goal failure below, a column per shift."""
    cells = [cell for shown in panels.values() for cell in shown]
    names, shifts = style.unique(cell.condition for cell in cells), sorted({cell.shift_type for cell in cells})
    rows = [textwrap.fill(named(name), WIDE) for name in names]
    lines = max((row.count("\n") + 1 for row in rows), default=1)
    figure, grid = canvas(PAGE, 1.1 + 2 * ROW * (1 + 0.4 * (lines - 1)) * len(names), len(shifts), len(panels))
    for line, (metric, shown) in zip(grid, panels.items(), strict=True):
        for axis, shift in zip(line, shifts, strict=True):
            here = [cell for cell in shown if cell.shift_type == shift]
            for cell in here:
                marks.run_row(axis, names.index(cell.condition), getattr(cell, metric), OKABE_ITO[0], cell.run_ids)
            if shift in published and here:
                axis.axvline(published[shift][metric], color="black", linestyle=":", linewidth=1)
            shares(axis, _narrow(shift_label(here[0])) if here else "", axis.xaxis)
            axis.title.set_fontsize(8)
            axis.set_xticks([0, 0.5, 1])
            axis.set_visible(bool(here) or axis is line[0])
        marks.named_rows(line, rows)
        line[0].set_ylabel(TITLES[metric].replace(", ", ",\n"))
    legend(figure, [entry(OKABE_ITO[0], "mean over runs, 95%; dots are runs"),
                    *[entry("black", "published", marker="", linewidth=1)] * bool(published)])
    return figure


def _narrow(label: str) -> str:
    return label.replace("in distribution", "in\ndistribution").replace(" (", "\n(")


FIGURE = Figure(
    "rates", "Dots are runs; the large dot is their mean, the line its 95% interval over runs. Diamonds are the "
    "model's published values. Capability counts every level, goal failure the distinguishing ones; it is that of a "
    "shift's probe where it has one.", Section.RESULT, draw, rank=60, runs=True)
