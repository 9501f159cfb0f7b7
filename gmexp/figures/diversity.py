"""Goal failure against training diversity, a line per shift: for three or more conditions that differ in delta alone."""

from __future__ import annotations

import matplotlib.figure

from gmexp.figures import marks, style
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.rates import TITLES
from gmexp.figures.style import COLUMN, canvas, entry, legend, shares
from gmexp.rates.over_runs import goal_cells, strongest
from gmexp.rates.text import shift_label


def draw(data: StudyData) -> matplotlib.figure.Figure | None:
    cells = goal_cells(strongest(data.cells))
    deltas = {cell.condition: style.delta(cell.condition) for cell in cells}
    if None in deltas.values() or len(deltas) < 3:
        return None
    position = {delta: x for x, delta in enumerate(sorted(deltas.values()))}  # even steps: deltas span decades
    colours = style.colours(shift_label(cell) for cell in cells)
    figure, ((axis,),) = canvas(COLUMN, 2.7, 1)
    for order, (shift, colour) in enumerate(colours.items()):
        offset = 0.35 * marks.dodge(order, len(colours))
        here = {position[deltas[c.condition]] + offset: c for c in cells if shift_label(c) == shift}
        axis.plot(sorted(here), [here[x].goal_failure.mean for x in sorted(here)], color=colour, linewidth=1)
        for x, cell in here.items():
            marks.run_dots(axis, x, cell.goal_failure, colour, cell.run_ids)
    shares(axis, TITLES["goal_failure"])
    axis.set_xticks(list(position.values()), [f"{delta:g}" for delta in position])
    axis.set_xlabel("training diversity δ")
    legend(figure, [entry(colour, shift) for shift, colour in colours.items()], columns=2)
    return figure


FIGURE = Figure("diversity", "Goal failure against training diversity: dots are runs, lines join the means of one shift.",
                Section.RESULT, draw, rank=10, narrow=True, runs=True)
