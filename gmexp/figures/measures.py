"""Figures of the measures, from measures.json and rates.json."""

from __future__ import annotations

import itertools

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gmexp.artefacts.study import Study
from gmexp.figures import row_figures, style
from gmexp.figures.style import COLUMN, GREY, PAGE, canvas, entry, legend, shares
from gmexp.measures import pool
from gmexp.measures.attribution import EFFECTS
from gmexp.rates.intervals import Mean
from gmexp.rates.over_runs import goal_cells, read_rates
from gmexp_envs.task import FACTOR_NAMES

CRITICS = 4  # panels side by side


def attribution(study: Study) -> Figure | None:
    """Causal effects of the coin per shift: dots for runs, their mean and interval per condition."""
    rows = pool.read(study)["attribution"]
    if not rows:
        return None
    if style.many(row.condition for row in rows):
        return row_figures.attribution(rows)
    colours = style.colours(row.condition for row in rows)
    shifts = sorted({(row.shift_type, row.shift_name) for row in rows})
    figure, (axes,) = canvas(PAGE, 2.6, len(EFFECTS))
    for axis, effect in zip(axes, EFFECTS, strict=True):
        for row in (row for row in rows if row.effect == effect):
            x = shifts.index((row.shift_type, row.shift_name))
            x += style.dodge(list(colours).index(row.condition), len(colours))
            _dots(axis, x, row.value, colours[row.condition])
        axis.axhline(0, color=GREY, linewidth=0.8)
        axis.set_title(row_figures.EFFECT_TITLES[effect])
        axis.set_ylim(-0.28, 1.03)
        axis.set_xlim(-0.6, len(shifts) - 0.4)
        axis.set_xticks(range(len(shifts)), [str(kind) for kind, _ in shifts])
        axis.set_xlabel("shift (0: in distribution)")
    legend(figure, [entry(colour, condition) for condition, colour in colours.items()])
    return figure


def critic(study: Study) -> Figure | None:
    """The critic's value of the same states with and without the coin, against the distance to the end."""
    rows = pool.read(study)["critic"]
    if not rows:
        return None
    wide = min(len(rows), CRITICS)
    lines = -(-len(rows) // wide)
    figure, grid = canvas(PAGE if wide > 1 else COLUMN, 0.7 + 1.8 * lines, wide, lines)
    for axis in list(grid.flat)[len(rows):]:
        axis.set_visible(False)
    for axis, row in zip(grid.flat, rows, strict=False):
        distance = [-d for d in row.distance]
        axis.axvspan(0.5, max(distance) + 0.5, color="#eeeeee", zorder=0)
        axis.axvline(0, color=GREY, linewidth=0.8)
        for values, colour, line in ((row.value, GREY, ":"), (row.without_goal, style.OKABE_ITO[0], "-"),
                                      (row.with_goal, style.OKABE_ITO[1], "-")):
            known = [(d, v) for d, v in zip(distance, values, strict=True) if v is not None]
            axis.plot(*zip(*known, strict=True) if known else ([], []), line, color=colour)
        axis.set_title(style.pretty(row.condition))
        axis.set_ylim(0, None)
        axis.set_ylabel("critic's value" if axis in grid[:, 0] else "")
    figure.supxlabel("cells from the level's end; grey is the wall", fontsize=style.STYLE["axes.labelsize"])
    legend(figure, [entry(style.OKABE_ITO[1], "coin at the end", marker=""),
                    entry(style.OKABE_ITO[0], "the same states, no coin", marker=""),
                    entry(GREY, "no coin, all states", marker="")])
    return figure


def factors(study: Study) -> Figure | None:
    """Capability and goal failure (by the probe) with each factor shifted alone."""
    rows = pool.read(study)["factors"]
    if not rows:
        return None
    colours = style.colours(row.condition for row in rows)
    figure, (axes,) = canvas(PAGE, 2.6, 2)
    for axis, (metric, title) in zip(axes, (("capability", "Capability"), ("goal_failure", "Goal failure, probed")),
                                     strict=True):
        for row in rows:
            if row.probe == (metric == "goal_failure"):
                x = FACTOR_NAMES.index(row.factor) + style.dodge(list(colours).index(row.condition), len(colours))
                _dots(axis, x, getattr(row, metric), colours[row.condition])
        shares(axis, title)
        axis.set_xlim(-0.6, len(FACTOR_NAMES) - 0.4)
        axis.set_xticks(range(len(FACTOR_NAMES)), FACTOR_NAMES)
    legend(figure, [entry(colour, condition) for condition, colour in colours.items()])
    return figure


def magnitudes(study: Study) -> Figure | None:
    """Capability and goal failure against how far each cell measurably is from training: a line per shift, a marker per
    condition."""
    rows = pool.read(study)["magnitude"]
    if not rows or not study.rates.exists():
        return None
    cells = read_rates(study.rates).cells
    found = {(row.condition, row.shift_type, row.grade, row.probe): row for row in rows}
    colours = style.colours(f"{cell.shift_type} {cell.shift_name.replace('_', ' ')}" for cell in cells)
    markers = dict(zip(style.unique(row.condition for row in rows), "os^Dv<>", strict=False))
    columns = {"two_sample": "distance of observations (two-sample test)",
               "feature_distance": "distance of policy features (energy coefficient)"}
    panels = {"capability": ("Capability", [cell for cell in cells if not cell.probe]),
              "goal_failure": ("Goal failure, given capability", goal_cells(cells))}
    figure, grid = canvas(PAGE, 4.4, len(columns), len(panels))
    for line, (metric, (title, shown)) in zip(grid, panels.items(), strict=True):
        for axis, top, (magnitude, label) in zip(line, grid[0], columns.items(), strict=True):
            for (name, colour), (condition, marker) in itertools.product(colours.items(), markers.items()):
                points = [(getattr(row, magnitude).mean, getattr(cell, metric)) for cell in shown
                          if name.startswith(f"{cell.shift_type} ") and cell.condition == condition
                          and (row := found.get((condition, cell.shift_type, cell.grade, cell.probe))) is not None]
                points = [(x, rate) for x, rate in points if rate.mean is not None]
                axis.plot([x for x, _ in points], [rate.mean for _, rate in points], f"{marker}-", color=colour,
                          markersize=4, linewidth=0.8)
                for x, rate in points:
                    axis.plot([x, x], [rate.low, rate.high], color=colour, linewidth=1)
            shares(axis, title if axis is line[0] else "")
            if axis is not top:
                axis.sharex(top)
                axis.set_xlabel(label)
    legend(figure, [*(entry(colour, name) for name, colour in colours.items()),
                    *(entry(GREY, condition, marker) for condition, marker in markers.items() if len(markers) > 1)])
    return figure


def _dots(axis: Axes, x: float, quantity: Mean, colour: str) -> None:
    """A quantity over runs: faint dots, mean and interval."""
    if quantity.mean is None:
        return
    known = [run for run in quantity.runs if run is not None]
    axis.scatter([x + 0.09] * len(known), known, s=9, color=colour, alpha=0.4, linewidth=0, zorder=2)
    style.interval(axis, x, quantity.mean, quantity.low, quantity.high, colour)
