"""The published quadrant chart with the type table's and the measured positions, joined type by type."""

from __future__ import annotations

import matplotlib.figure
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gmexp.figures import style
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.style import COLUMN, GREY, SMALL, canvas, entry, legend, shares
from gmexp.published.tables import table

LETTERS = "abcdefgh"


def draw(data: StudyData) -> matplotlib.figure.Figure | None:
    rows = data.base_rates
    if not rows:
        return None
    figure, ((axis,),) = canvas(COLUMN, 4.3, 1)
    deployments = table("chart").rows
    for letter, row in zip(LETTERS, deployments, strict=True):
        axis.scatter(row["capability_risk"], row["goal_risk"], s=46, facecolor="white", edgecolor=GREY, linewidth=0.7)
        _inside(axis, row["capability_risk"], row["goal_risk"], letter, GREY)
    names = [condition.label for condition in rows[0].conditions]
    colours = style.colours(names)
    for row in rows:
        start = 1 - row.published["capability"], row.published["goal_failure"]
        for name, condition in zip(names, row.conditions, strict=True):
            capability, goal = condition.capability, condition.goal_failure
            x, y, colour = 1 - capability.mean, goal.mean, colours[name]
            axis.annotate("", (x, y), start, arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6,
                                                         "alpha": 0.6}, zorder=2)
            axis.plot([1 - capability.q975, 1 - capability.q025], [y, y], color=colour, linewidth=1, zorder=3)
            axis.plot([x, x], [goal.q025, goal.q975], color=colour, linewidth=1, zorder=3)
            axis.scatter(x, y, s=52, color=colour, edgecolor="white", linewidth=0.6, zorder=6)
            _inside(axis, x, y, str(row.shift), "white")
        axis.scatter(*start, marker="D", s=44, facecolor="white", edgecolor="black", linewidth=1, zorder=5)
        _inside(axis, *start, str(row.shift), "black")
    for kind, (x, y) in enumerate([(0.02, 0.02), (0.98, 0.02), (0.02, 0.98), (0.98, 0.98)], start=1):
        axis.text(x, y, f"type {kind}", ha="left" if x < 0.5 else "right", va="bottom" if y < 0.5 else "top",
                  color=GREY, fontsize=SMALL + 0.5, style="italic")
    shares(axis, "", axis.xaxis)
    shares(axis, "")
    axis.grid(visible=False)
    axis.axhline(0.5, color=GREY, linewidth=0.6)
    axis.axvline(0.5, color=GREY, linewidth=0.6)
    axis.set_aspect("equal")
    axis.set_xlabel("capability risk: 1 − P(capability)")
    axis.set_ylabel("goal risk: P(goal fails | capability)")
    letters = Line2D([], [], linestyle="", marker="o", markersize=6, markerfacecolor="white", markeredgecolor=GREY,
                     label="published chart")
    types = Line2D([], [], linestyle="", marker="D", markersize=5, markerfacecolor="white", markeredgecolor="black",
                   label="published types 1–4")
    legend(figure, [letters, types, *(entry(colour, f"measured, {name}") for name, colour in colours.items())], 2)
    key = [Line2D([], [], linestyle="", label=f"{letter}  {row['name']}")
           for letter, row in zip(LETTERS, deployments, strict=True)]
    figure.legend(handles=key, loc="outside lower left", ncols=2, handlelength=0, handletextpad=0, fontsize=SMALL)
    return figure


def _inside(axis: Axes, x: float, y: float, text: str, colour: str) -> None:
    axis.text(x, y, text, ha="center", va="center_baseline", fontsize=5.5, color=colour, zorder=7)


FIGURE = Figure(
    "chart",
    "The published quadrant chart (letters), the published type table (diamonds) and what was measured (circles, 95% "
    "credible intervals), joined type by type. Most letters lie off their type's diamond.",
    Section.MODEL, draw)
