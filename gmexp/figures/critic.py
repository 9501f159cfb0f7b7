"""The critic's value of the same states with and without the intended goal, against the distance to the proxy."""

from __future__ import annotations

import matplotlib.figure

from gmexp.figures import style
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.style import COLUMN, GREY, OKABE_ITO, PAGE, canvas, entry, legend

PANELS = 4  # side by side


def draw(data: StudyData) -> matplotlib.figure.Figure | None:
    rows = data.measures["critic"]
    if not rows:
        return None
    wide = min(len(rows), PANELS)
    lines = -(-len(rows) // wide)
    figure, grid = canvas(PAGE if wide > 1 else COLUMN, 0.7 + 1.8 * lines, wide, lines)
    for axis in list(grid.flat)[len(rows):]:
        axis.set_visible(False)
    for axis, row in zip(grid.flat, rows, strict=False):
        distance = [-d for d in row.distance]
        axis.axvspan(0.5, max(distance) + 0.5, color="#eeeeee", zorder=0)
        axis.axvline(0, color=GREY, linewidth=0.8)
        for values, colour, line in ((row.value, GREY, ":"), (row.without_goal, OKABE_ITO[0], "-"),
                                     (row.with_goal, OKABE_ITO[1], "-")):
            known = [(d, v) for d, v in zip(distance, values, strict=True) if v is not None]
            axis.plot(*zip(*known, strict=True) if known else ([], []), line, color=colour, url=data.opens(row.condition))
        axis.set_title(data.named(row.condition))
        axis.set_ylim(0, None)
        axis.set_ylabel("critic's value" if axis in grid[:, 0] else "")
    task = data.task
    words = task.goal_in_view.words if task.goal_in_view else f"distance to {task.proxy.words}"
    figure.supxlabel(words, fontsize=style.STYLE["axes.labelsize"])
    intended = task.intended.name
    legend(figure, [entry(OKABE_ITO[1], f"{intended} at {task.proxy.words}", marker=""),
                    entry(OKABE_ITO[0], f"the same states, no {intended}", marker=""),
                    entry(GREY, f"no {intended}, all states", marker="")])
    return figure


FIGURE = Figure(
    "critic", "The critic's value of the same states with {intended.words} drawn in at {proxy.words} and without, against "
    "the distance to it. On these levels {intended.words} is masked, and the agents can go on past {proxy.words}.",
    Section.CAUSES, draw, runs=True)
