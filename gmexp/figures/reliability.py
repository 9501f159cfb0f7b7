"""Where each run lies in the prediction made without it: on the diagonal if predictions are as sure as they say.

The band is where a Kolmogorov-Smirnov test at 5% leaves the whole curve, for as many runs.
"""

from __future__ import annotations

import matplotlib.figure
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy import stats

from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.style import COLUMN, GREY, OKABE_ITO, canvas, legend, shares

BLUE, ORANGE = OKABE_ITO[:2]


def draw(data: StudyData) -> matplotlib.figure.Figure | None:
    diagnostics = data.calibration.diagnostics if data.calibration else {}
    measured = {stage: values for stage, values in diagnostics.get("pit", {}).items() if values}
    if not measured:
        return None
    figure, ((axis,),) = canvas(COLUMN, 3.1, 1)
    half = stats.kstwo.ppf(0.95, min(map(len, measured.values())))
    axis.fill_between([0, 1], [-half, 1 - half], [half, 1 + half], color=GREY, alpha=0.16, linewidth=0)
    axis.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
    handles = [Patch(color=GREY, alpha=0.25, linewidth=0, label="95% if reliable")]
    for (stage, values), colour, line in zip(measured.items(), (BLUE, ORANGE), ("-", "--"), strict=False):
        x = np.concatenate([[0], np.sort(values), [1]])
        axis.step(x, np.append(np.arange(len(values) + 1), len(values)) / len(values), where="post", color=colour,
                  linestyle=line)
        handles.append(Line2D([], [], color=colour, linestyle=line,
                              label=f"{stage.replace('_', ' ')}: {len(values)} runs, "
                                    f"p = {diagnostics['pit_p'][stage]:.2f}"))
    shares(axis, "", axis.xaxis)
    shares(axis, "")
    axis.set_aspect("equal")
    axis.set_xlabel("quantile of the prediction without the run")
    axis.set_ylabel("runs at or below")
    legend(figure, handles, columns=1)
    return figure


FIGURE = Figure(
    "reliability",
    "Each run against the prediction made without it. Reliable predictions follow the diagonal; a curve leaves the "
    "band with probability 5% if they do.",
    Section.MODEL, draw)
