"""P(harmful misgeneralization) with one input at the ends of its range, and each input's share of the variance."""

from __future__ import annotations

import matplotlib.figure
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.records import TornadoBar
from gmexp.figures.style import COLUMN, GREY, OKABE_ITO, SMALL, canvas, legend

BLUE, ORANGE = OKABE_ITO[:2]
INPUTS = {"base": "base rate", "M_spec": "specification", "M_cap": "capability", "M_div": "diversity",
          "M_align": "alignment", "harm": "harm"}


def draw(data: StudyData) -> matplotlib.figure.Figure | None:
    content = data.sensitivity
    if content is None:
        return None
    share = {row.name: row.total for row in content.sobol}
    figure, ((axis,),) = canvas(COLUMN, 2.9, 1)
    for y, bar in enumerate(content.tornado):
        for end, colour in ((bar.low_value, BLUE), (bar.high_value, ORANGE)):
            axis.barh(y, end - content.value, left=content.value, height=0.55, color=colour)
        axis.text(1.02, y, f"{share[bar.name]:.0%}", transform=axis.get_yaxis_transform(), va="center",
                  fontsize=SMALL + 0.5, color=GREY)
    axis.axvline(content.value, color="black", linewidth=0.9)
    axis.set_yticks(range(len(content.tornado)), [_input(bar) for bar in content.tornado])
    axis.text(1.02, -0.75, "total\nSobol", transform=axis.get_yaxis_transform(), fontsize=SMALL, color=GREY)
    axis.set_ylim(len(content.tornado) - 0.5, -0.5)
    axis.grid(axis="x", visible=True)
    axis.grid(axis="y", visible=False)
    axis.tick_params(axis="y", length=0)
    axis.set_xlim(left=0)
    axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axis.set_xlabel(f"P(harmful misgeneralization), shift {content.shift}, {content.mode}")
    legend(figure, [Patch(color=BLUE, label="at its low end"), Patch(color=ORANGE, label="at its high end")])
    return figure


def _input(bar: TornadoBar) -> str:
    """An input's name over its range."""
    low, high = bar.low_input, bar.high_input
    return f"{INPUTS[bar.name]}\n" + (f"×{low:g} to {high:g}" if bar.name.startswith("M_") else f"{low:.0%} to {high:.0%}")


FIGURE = Figure(
    "tornado",
    "What the published model depends on, read as odds: the estimate with one input at either end of its published "
    "range, and the input's share of the variance with all its interactions.",
    Section.MODEL, draw)
