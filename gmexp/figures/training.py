"""Success in training against steps: a panel per environment, a thin line per run, a thick one for each condition's mean,
and the published learning curve of the same game where there is one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.figure
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from gmexp.artefacts.records import RunMeta
from gmexp.artefacts.table import Table
from gmexp.figures import marks, style
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.style import COLUMN, PAGE, canvas, entry, legend, shares
from gmexp.figures.words import capital, words_of
from gmexp.rates import learning

LONG = 2e7  # steps: longer curves are drawn over their logarithm
PANELS = 4  # environments side by side
LINES = 4  # of the legend that a figure has room for
LINE = 0.19  # inches of a further one
ENV = re.compile(r"env=[^,]*, ")  # in a condition's label

Curve = tuple[np.ndarray, np.ndarray]  # steps, success; NaN where it is unknown


def draw(data: StudyData) -> matplotlib.figure.Figure | None:
    runs = [run for run in data.runs if run.run_id in data.curves]
    if not runs:
        return None
    envs = list(dict.fromkeys(run.env for run in runs))
    apart = {run.run_id: ENV.sub("", data.conditions[run.run_id]) if len(envs) > 1 else data.conditions[run.run_id]
             for run in runs}  # conditions, but for the environment, which a panel is for
    colours = style.colours(apart[run.run_id] for run in runs)
    columns = min(len(envs), PANELS)
    rows = -(-len(envs) // columns)
    figure, grid = canvas(COLUMN if columns == 1 else PAGE, 2.5 * rows, columns, rows)
    axes = [axis for row in grid for axis in row]
    shown = [_panel(axis, data, [run for run in runs if run.env == env], apart, colours, len(envs) > 1)
             for env, axis in zip(envs, axes, strict=False)]
    for axis in axes[len(envs):]:
        axis.set_axis_off()
    lines = legend(figure, [*(entry(colour, data.named(condition), marker="") for condition, colour in colours.items()),
                            *[style.PUBLISHED] * any(shown)], columns=3)
    figure.set_figheight(figure.get_figheight() + LINE * max(lines - LINES, 0))
    return figure


def _panel(axis: Axes, data: StudyData, runs: Sequence[RunMeta], conditions: Mapping[str, str], colours: Mapping[str, Any],
           named: bool) -> bool:
    """The curves of one environment's runs; whether the published one is among them."""
    longest = max(run.train_steps for run in runs)
    logarithmic = longest > LONG
    for condition, colour in colours.items():
        ids = [run.run_id for run in runs if conditions[run.run_id] == condition]
        curves = [_from_the_first_window(data.curves[run_id]) for run_id in ids]
        for run_id, curve in zip(ids, curves, strict=True):
            axis.plot(*curve, color=colour, linewidth=0.6, alpha=0.45, url=marks.address(run_id))
        if ids:
            axis.plot(*mean_curve(curves, logarithmic), color=colour, linewidth=1.8)
    known = {steps: success for steps, success in learning.PUBLISHED.get(runs[0].env, {}).items() if steps <= longest}
    marks.published(axis, list(known), list(known.values()))
    task = words_of(runs[0].env)
    title = f"{capital(task.intended.name)} reached in training"
    shares(axis, f"{capital(runs[0].env.replace('_', ' '))}\n{task.intended.name} reached" if named else title)
    if logarithmic:
        axis.set_xscale("log")
    else:
        axis.set_xlim(left=0)
    axis.set_xlabel("environment steps")
    axis.xaxis.set_major_formatter(FuncFormatter(style.count))
    return bool(known)


def _from_the_first_window(table: Table) -> Curve:
    """A curve from its first whole window on, where it has one: before, mostly quick episodes have ended, as none was cut
    off yet."""
    first = min(learning.WINDOW, len(table)) - 1
    return table["steps"].to_numpy()[first:], learning.smoothed(table)[first:]


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
