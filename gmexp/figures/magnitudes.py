"""Capability and goal failure against how far each cell measurably is from training: a line per shift, a marker per
condition."""

from __future__ import annotations

import itertools

import matplotlib.figure

from gmexp.figures import style
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.rates import TITLES, panels_of
from gmexp.figures.style import GREY, PAGE, canvas, entry, legend, shares
from gmexp.rates.text import shift_text

COLUMNS = {"two_sample": "distance of observations (two-sample test)",
           "feature_distance": "distance of policy features (energy coefficient)"}
MARKERS = "os^Dv<>"


def draw(data: StudyData) -> matplotlib.figure.Figure | None:
    rows = data.measures["magnitude"]
    if not rows or data.rates is None:
        return None
    cells = data.cells
    by_cell = {(row.condition, row.shift_type, row.grade, row.probe): row for row in rows}
    colours = style.colours(shift_text(cell.shift_type, cell.shift_name) for cell in cells)
    markers = dict(zip(style.unique(row.condition for row in rows), MARKERS, strict=False))
    panels = panels_of(cells)
    figure, grid = canvas(PAGE, 4.4, len(COLUMNS), len(panels))
    for line, (metric, shown) in zip(grid, panels.items(), strict=True):
        for axis, top, (magnitude, label) in zip(line, grid[0], COLUMNS.items(), strict=True):
            for (name, colour), (condition, marker) in itertools.product(colours.items(), markers.items()):
                points = [(getattr(row, magnitude).mean, getattr(cell, metric)) for cell in shown
                          if name.startswith(f"{cell.shift_type} ") and cell.condition == condition
                          and (row := by_cell.get((condition, cell.shift_type, cell.grade, cell.probe))) is not None]
                points = [(x, rate) for x, rate in points if rate.mean is not None]
                axis.plot([x for x, _ in points], [rate.mean for _, rate in points], f"{marker}-", color=colour,
                          markersize=4, linewidth=0.8, url=data.opens(condition))
                for x, rate in points:
                    axis.plot([x, x], [rate.low, rate.high], color=colour, linewidth=1, url=data.opens(condition))
            shares(axis, TITLES[metric] if axis is line[0] else "")
            if axis is not top:
                axis.sharex(top)
                axis.set_xlabel(label)
    legend(figure, [*(entry(colour, name) for name, colour in colours.items()),
                    *(entry(GREY, data.named(name), marker) for name, marker in markers.items() if len(markers) > 1)])
    return figure


FIGURE = Figure(
    "magnitudes", "Capability and goal failure against the measured distance of each cell from training; a line joins the "
    "grades of a shift, bars are 95% intervals.", Section.CAUSES, draw, runs=True)
