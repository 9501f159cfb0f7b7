"""How much of the risk each mitigation takes away, shift by shift, beside what is published and its negative control."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import matplotlib.figure
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from gmexp.figures import marks, style
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.style import GREY, OKABE_ITO, PAGE, canvas, entry, legend
from gmexp.published.tables import table
from gmexp.rates.mitigated import Measured
from gmexp.rates.reduction import Change
from gmexp.rates.text import shift_text

WIDE = 36  # characters that a line of a setting has
BAND, LEAST = "#eeeeee", -1.0  # of the published range; the lowest reduction shown
NAMES = {"adversarial_training+specification": "diversity and specification"}


def draw(data: StudyData) -> matplotlib.figure.Figure | None:
    rows = [row for row in data.mitigations.rows if row.declared and row.shift_type and row.grade == 1]
    if not rows:
        return None
    names = style.unique((row.method, row.setting, row.env) for row in rows)
    several = len({row.env for row in rows}) > 1
    shifts = sorted({(row.shift_type, row.shift_name) for row in rows})
    labels = [f"{_words(method)}\n" + textwrap.fill(setting + (f" ({env})" if several else ""), WIDE)
              for method, setting, env in names]
    lines = max(label.count("\n") for label in labels)
    figure, (axes,) = canvas(PAGE, 0.9 + (0.22 + 0.12 * lines) * len(names), len(shifts))
    for axis, (kind, shift) in zip(axes, shifts, strict=True):
        for y, (method, setting, env) in enumerate(names):
            _published(axis, y, next(row.published for row in rows if row.method == method))
            for row in rows:
                if (row.method, row.setting, row.env, row.shift_type) == (method, setting, env, kind):
                    _row(axis, y, row, data.opens_runs(row.of_runs))
        axis.set_title(shift_text(kind, shift))
        axis.axvline(0, color=GREY, linewidth=0.8)
        axis.set_xlim(LEAST - 0.03, 1.03)
        axis.set_xticks(np.linspace(LEAST, 1, 3))
        axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    marks.named_rows(axes, labels)
    figure.supxlabel("risk that is gone", fontsize=style.STYLE["axes.labelsize"])
    legend(figure, _entries(rows))
    return figure


def _entries(rows: Sequence[Measured]) -> list[Artist]:
    """Of what is drawn."""
    editions = {row.edition == "first events" for row in rows if _known(row.risk)}
    entries = {
        entry(OKABE_ITO[0], "measured, 95%"): False in editions,
        entry(OKABE_ITO[1], "first edition"): True in editions,
        entry(GREY, "negative control", marker="s"): any(_known(row.control_risk) for row in rows),
        Patch(color=BAND, label="published range"): any(_reduction(row.published) for row in rows),
    }
    return [each for each, there in entries.items() if there]


def _words(method: str) -> str:
    return NAMES.get(method, method.replace("_", " "))


def _row(axis: Axes, y: int, row: Measured, url: str | None) -> None:
    first = row.edition == "first events"
    _interval(axis, y - 0.22 * first, row.risk, OKABE_ITO[first], "o", url)
    _interval(axis, y + 0.26, row.control_risk, GREY, "s", url)


def _interval(axis: Axes, y: float, found: Change | None, colour: str, marker: str, url: str | None) -> None:
    """A reduction with its interval; what lies below the least one shown is at the edge. `url` is where they lead."""
    if not _known(found):
        return
    value, *ends = np.clip(found.relative, LEAST, 1)
    axis.plot(ends, [y, y], color=colour, linewidth=1.6, solid_capstyle="butt", zorder=3, url=url)
    axis.scatter(value, y, s=20, marker=marker, color=colour, edgecolor="white", linewidth=0.7, zorder=5, urls=[url])


def _known(found: Change | None) -> bool:
    return found is not None and found.relative is not None


def _published(axis: Axes, y: int, name: str | None) -> None:
    if reduction := _reduction(name):
        axis.fill_betweenx([y - 0.4, y + 0.4], *reduction, color=BAND, linewidth=0, zorder=0)


def _reduction(name: str | None) -> list[float] | None:
    """The published range."""
    return next((row["reduction"] for row in table("mitigations") if row["name"] == name), None)


FIGURE = Figure(
    "mitigations", "The share of the risk that each mitigation takes away, over pairs of runs of one train seed, with 95%: "
    "latent misgeneralization for what acts on the agent, realised misgeneralization for a response and where no masked arm "
    "was played (first edition). Bands are the published ranges, squares negative controls of the same price.",
    Section.RESULT, draw, rank=15, runs=True)
