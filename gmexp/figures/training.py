"""Success in training against steps: a thin line per run, a thick one for each condition's mean, and the published learning
curve of the same game where there is one."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.figure
import numpy as np
from matplotlib.ticker import FuncFormatter

from gmexp.figures import marks, style
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.style import COLUMN, canvas, entry, legend, shares
from gmexp.figures.words import capital
from gmexp.rates import learning

LONG = 2e7  # steps: longer curves are drawn over their logarithm

Curve = tuple[np.ndarray, np.ndarray]  # steps, success; NaN where it is unknown


def draw(data: StudyData) -> matplotlib.figure.Figure | None:
    runs = [run for run in data.runs if run.run_id in data.curves]
    if not runs:
        return None
    colours = style.colours(data.conditions[run.run_id] for run in runs)
    figure, ((axis,),) = canvas(COLUMN, 2.5, 1)
    longest = max(run.train_steps for run in runs)
    logarithmic = longest > LONG
    for condition, colour in colours.items():
        ids = [run.run_id for run in runs if data.conditions[run.run_id] == condition]
        curves = [(table["steps"].to_numpy(), learning.smoothed(table)) for table in map(data.curves.get, ids)]
        for run_id, curve in zip(ids, curves, strict=True):
            axis.plot(*curve, color=colour, linewidth=0.6, alpha=0.45, url=marks.address(run_id))
        axis.plot(*mean_curve(curves, logarithmic), color=colour, linewidth=1.8)
    known = learning.PUBLISHED.get(runs[0].env, {}) if len({run.env for run in runs}) == 1 else {}
    known = {steps: success for steps, success in known.items() if steps <= longest}
    marks.published(axis, list(known), list(known.values()))
    shares(axis, f"{capital(data.task.intended.name)} reached in training")
    if logarithmic:
        axis.set_xscale("log")
    axis.set_xlabel("environment steps")
    axis.xaxis.set_major_formatter(FuncFormatter(style.count))
    legend(figure, [*(entry(colour, data.named(condition), marker="") for condition, colour in colours.items()),
                    *[style.PUBLISHED] * bool(known)], columns=3)
    return figure


def mean_curve(curves: Sequence[Curve], logarithmic: bool = False) -> Curve:
    """The mean of curves on the grid where all of them are defined, even on the axis it is for."""
    known = [(steps[~np.isnan(y)], y[~np.isnan(y)]) for steps, y in curves]
    known = [(steps, y) for steps, y in known if len(steps)]
    if not known:
        return np.array([]), np.array([])
    grid = (np.geomspace if logarithmic else np.linspace)(max(s[0] for s, _ in known), min(s[-1] for s, _ in known), 200)
    return grid, np.mean([np.interp(grid, *curve) for curve in known], axis=0)


FIGURE = Figure(
    "training",
    "Share of training episodes that reached {intended.words}, over 20 iterations: thin lines are runs, thick lines "
    "their mean; diamonds, the published learning curve of PPO on frames.",
    Section.TRAINING, draw, rank=80, narrow=True, runs=True)
