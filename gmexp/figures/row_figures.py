"""The figures of studies with many conditions: a row per condition instead of a colour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gmexp.artefacts.condition import pretty
from gmexp.figures import style
from gmexp.figures.style import GREY, OKABE_ITO, PAGE, canvas, entry, legend, unique
from gmexp.measures.attribution import EFFECTS, CellEffect
from gmexp.rates.intervals import Mean
from gmexp.rates.over_runs import CellRates, Rate, shift_label

ROW = 0.19  # inches
EFFECT_TITLES = {"presence": "Seeing the coin\nadds to taking it", "reliance": "The coin at the end\nadds to going there",
                 "pursuit": "Share of coins\nthat are pursued"}


def _rows(axes: Sequence[Axes], names: Sequence[str]) -> None:
    """A row per name, the first on top, named at the left."""
    for axis in axes:
        axis.set_yticks(range(len(names)), [pretty(name) for name in names] if axis is axes[0] else [])
        axis.set_ylim(len(names) - 0.4, -0.6)
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="y", visible=False)
        axis.grid(axis="x", visible=True)


def _across(axis: Axes, y: float, quantity: Rate | Mean, runs: Sequence[float | None], colour: str) -> None:
    """A quantity over runs along its row: faint dots, mean and interval."""
    if quantity.mean is None:
        return
    known = [run for run in runs if run is not None]
    axis.scatter(known, [y] * len(known), s=7, color=colour, alpha=0.4, linewidth=0, zorder=2)
    axis.plot([quantity.low, quantity.high], [y, y], color=colour, linewidth=1.4, zorder=3, solid_capstyle="butt")
    axis.scatter(quantity.mean, y, s=20, color=colour, edgecolor="white", linewidth=0.7, zorder=5)


def rates(panels: dict[str, tuple[str, Sequence[CellRates]]], published: dict[int, dict[str, Any]]) -> Figure:
    """Capability above, goal failure below, a column per shift; `panels` holds (title, cells) by metric."""
    cells = [cell for _, shown in panels.values() for cell in shown]
    names, shifts = unique(cell.condition for cell in cells), sorted({cell.shift_type for cell in cells})
    figure, grid = canvas(PAGE, 1.1 + 2 * ROW * len(names), len(shifts), len(panels))
    for line, (metric, (title, shown)) in zip(grid, panels.items(), strict=True):
        for axis, shift in zip(line, shifts, strict=True):
            mine = [cell for cell in shown if cell.shift_type == shift]
            for cell in mine:
                rate = getattr(cell, metric)
                _across(axis, names.index(cell.condition), rate, [run.rate for run in rate.runs], OKABE_ITO[0])
            if shift in published and mine:
                axis.axvline(published[shift][metric], color="black", linestyle=":", linewidth=1)
            style.shares(axis, _narrow(shift_label(mine[0])) if mine else "", axis.xaxis)
            axis.title.set_fontsize(8)
            axis.set_xticks([0, 0.5, 1])
            axis.set_visible(bool(mine) or axis is line[0])
        _rows(line, names)
        line[0].set_ylabel(title.replace(", ", ",\n"))
    legend(figure, [entry(OKABE_ITO[0], "mean over runs, 95%; dots are runs"),
                    *[entry("black", "published", marker="", linewidth=1)] * bool(published)])
    return figure


def _narrow(label: str) -> str:
    return label.replace("in distribution", "in\ndistribution").replace(" (", "\n(")


def attribution(rows: Sequence[CellEffect]) -> Figure:
    """Causal effects of the coin: a column per effect, a colour per shift."""
    names = unique(row.condition for row in rows)
    colours = style.colours(f"{row.shift_type} {row.shift_name.replace('_', ' ')}" for row in rows)
    figure, (axes,) = canvas(PAGE, 1.1 + 1.3 * ROW * len(names), len(EFFECTS))
    for axis, effect in zip(axes, EFFECTS, strict=True):
        for row in (row for row in rows if row.effect == effect):
            order = list(colours).index(f"{row.shift_type} {row.shift_name.replace('_', ' ')}")
            y = names.index(row.condition) + 0.5 * style.dodge(order, len(colours))
            _across(axis, y, row.value, row.value.runs, list(colours.values())[order])
        axis.axvline(0, color=GREY, linewidth=0.8)
        axis.set_title(EFFECT_TITLES[effect])
        axis.set_xlim(-0.28, 1.03)
    _rows(axes, names)
    legend(figure, [entry(colour, name) for name, colour in colours.items()])
    return figure


def forest(shifts: Sequence[str], names: Sequence[str], titles: Sequence[str], height: float,
           draw: Callable[[Axes, int], None]) -> Figure:
    """The empty forest of a study with many conditions: a block of named rows per shift; `draw` fills a panel."""
    figure, axes = canvas(PAGE, 0.9 + 0.15 * len(shifts) * height, len(titles))
    places = [(order * height + row, pretty(name)) for order in range(len(shifts)) for row, name in enumerate(names)]
    for panel, (axis, title) in enumerate(zip(axes[0], titles, strict=True)):
        draw(axis, panel)
        style.shares(axis, title, axis.xaxis)
        axis.set_yticks([y for y, _ in places], [name for _, name in places] if panel == 0 else [])
        axis.set_ylim(places[-1][0] + 1, -1.4)
        axis.tick_params(axis="y", length=0, labelsize=6.5)
        axis.grid(axis="y", visible=False)
        for order, shift in enumerate(shifts):
            axis.text(0.01, order * height - 0.75, shift, fontsize=7, fontweight="bold", va="center",
                      transform=axis.get_yaxis_transform())
    return figure
