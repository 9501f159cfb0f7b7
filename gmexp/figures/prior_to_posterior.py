"""What the published rates, taken as evidence worth up to two runs, do to the posterior of each base rate."""

from __future__ import annotations

import matplotlib.figure
from matplotlib.lines import Line2D

from gmexp.figures import marks, style
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.records import Literature, Prior
from gmexp.figures.style import COLUMN, GREY, canvas, legend, shares
from gmexp.rates.text import shift_text

STAGES = {"capability": "Capability", "goal_failure": "Goal failure"}
RAMP = ("#8fc1de", "#5096c4", "#1f69a3", "#08345c")  # light to dark: the literature's weight


def draw(data: StudyData) -> matplotlib.figure.Figure | None:
    if data.sensitivity is None or data.calibration is None:
        return None
    prior = {_key(row): row for row in data.sensitivity.priors}
    rows, levels = data.calibration.literature, data.calibration.shifts
    weights = sorted({row.a0 for row in rows})
    shifts = sorted({row.shift for row in rows})
    height = len(weights) + 1.2
    figure, (axes,) = canvas(COLUMN, 0.8 + 0.62 * len(shifts), 2)
    for axis, (stage, title) in zip(axes, STAGES.items(), strict=True):
        for row in (row for row in rows if row.stage == stage):
            y = shifts.index(row.shift) * height + weights.index(row.a0)
            before = prior[_key(row)]
            axis.plot([before.q025, before.q975], [y - 0.27] * 2, color=GREY, linewidth=0.6)
            axis.plot([row.q025, row.q975], [y + 0.1] * 2, color=RAMP[weights.index(row.a0)], linewidth=2.4,
                      solid_capstyle="butt")
            axis.plot(row.mean, y + 0.1, "o", markersize=2.6, color="white", markeredgecolor="black",
                      markeredgewidth=0.6)
        middles = [order * height + (len(weights) - 1) / 2 for order in range(len(shifts))]
        published = {row.shift: row.published for row in rows if row.stage == stage}
        marks.published(axis, [published[s] for s in shifts], middles)
        shares(axis, title, axis.xaxis)
        axis.set_xticks([0, 0.5, 1])
        names = [shift_text(levels[s].type, levels[s].name) for s in shifts]
        axis.set_yticks(middles, names if axis is axes[0] else [])
        axis.set_ylim(middles[-1] + height / 2, middles[0] - height / 2)
        axis.grid(axis="y", visible=False)
        axis.tick_params(axis="y", length=0)
    legend(figure, [*(Line2D([], [], color=RAMP[i], linewidth=2.4, label=f"weight {a0:g}")
                      for i, a0 in enumerate(weights)),
                    Line2D([], [], color=GREY, linewidth=0.6, label="prior"), style.PUBLISHED], columns=3)
    return figure


def _key(row: Literature | Prior) -> tuple[float, str, int]:
    return row.a0, row.stage, row.shift


FIGURE = Figure(
    "prior_to_posterior",
    "Base rates at the mean of the conditions when the published rates count as evidence worth up to two runs (a₀ = "
    "1): thin lines are priors, thick ones posteriors, 95%.",
    Section.MODEL, draw)
