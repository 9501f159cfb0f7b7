"""Causal effects of the intended goal per shift: dots for runs, their mean and interval per condition.

Many conditions are rows instead of colours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.figure

from gmexp.figures import marks, style
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.rates import ROW
from gmexp.figures.style import GREY, PAGE, canvas, entry, legend
from gmexp.figures.words import capital, plural
from gmexp.measures.attribution import CellEffect
from gmexp.rates.text import shift_text
from gmexp_envs.task import Task


def titles(task: Task) -> dict[str, str]:
    """What each effect says, in two lines."""
    intended, proxy = task.intended, task.proxy
    return {"presence": f"Seeing {intended.words}\nadds to taking it",
            "reliance": f"{capital(intended.words)} at {proxy.words}\nadds to going there",
            "pursuit": f"Share of {plural(intended)}\nthat are pursued"}


def draw(data: StudyData) -> matplotlib.figure.Figure | None:
    rows = data.measures["attribution"]
    if not rows:
        return None
    shown = titles(data.task)
    return (in_rows if style.many(row.condition for row in rows) else in_colours)(rows, shown, data)


def in_colours(rows: Sequence[CellEffect], shown: Mapping[str, str], data: StudyData) -> matplotlib.figure.Figure:
    """A few conditions: a column per effect, colours side by side over the shifts."""
    colours = style.colours(row.condition for row in rows)
    shifts = sorted({(row.shift_type, row.shift_name) for row in rows})
    figure, (axes,) = canvas(PAGE, 2.6, len(shown))
    for axis, (effect, title) in zip(axes, shown.items(), strict=True):
        for row in (row for row in rows if row.effect == effect):
            x = shifts.index((row.shift_type, row.shift_name))
            x += marks.dodge(list(colours).index(row.condition), len(colours))
            marks.run_column(axis, x, row.value, colours[row.condition], data.runs_of(row.condition))
        axis.axhline(0, color=GREY, linewidth=0.8)
        axis.set_title(title)
        axis.set_ylim(-0.28, 1.03)
        axis.set_xlim(-0.6, len(shifts) - 0.4)
        axis.set_xticks(range(len(shifts)), [str(kind) for kind, _ in shifts])
        axis.set_xlabel("shift (0: in distribution)")
    legend(figure, [entry(colour, data.named(condition)) for condition, colour in colours.items()])
    return figure


def in_rows(rows: Sequence[CellEffect], shown: Mapping[str, str], data: StudyData) -> matplotlib.figure.Figure:
    """Many conditions: a column per effect, a colour per shift."""
    names = style.unique(row.condition for row in rows)
    colours = style.colours(shift_text(row.shift_type, row.shift_name) for row in rows)
    figure, (axes,) = canvas(PAGE, 1.1 + 1.3 * ROW * len(names), len(shown))
    for axis, (effect, title) in zip(axes, shown.items(), strict=True):
        for row in (row for row in rows if row.effect == effect):
            order = list(colours).index(shift_text(row.shift_type, row.shift_name))
            y = names.index(row.condition) + 0.5 * marks.dodge(order, len(colours))
            marks.run_row(axis, y, row.value, list(colours.values())[order], data.runs_of(row.condition))
        axis.axvline(0, color=GREY, linewidth=0.8)
        axis.set_title(title)
        axis.set_xlim(-0.28, 1.03)
    marks.named_rows(axes, map(data.named, names))
    legend(figure, [entry(colour, name) for name, colour in colours.items()])
    return figure


FIGURE = Figure(
    "attribution", "What {intended.words} causes, on the same levels: reaching it by accident on the way counts for no "
    "effect. An agent that does not know of it is at 0, one that wants nothing else at 1. Dots are runs, lines 95% "
    "intervals of their mean.", Section.CAUSES, draw, rank=70, runs=True)
