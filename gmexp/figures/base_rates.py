"""The model's base rates per shift, as published and as calibrated on each training diversity of a study."""

from __future__ import annotations

import matplotlib.figure

from gmexp.figures import marks, style
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.style import PAGE, canvas, entry, legend, shares

PANELS = {"capability": "P(capability)", "goal_failure": "P(goal fails | capability)", "p_misgen": "P(misgeneralization)"}


def draw(data: StudyData) -> matplotlib.figure.Figure | None:
    rows = data.base_rates
    if not rows:
        return None
    names = [condition.label for condition in rows[0].conditions]
    colours = style.colours(names)
    figure, (axes,) = canvas(PAGE, 2.5, len(PANELS))
    for axis, (key, title) in zip(axes, PANELS.items(), strict=True):
        for x, row in enumerate(rows):
            marks.published(axis, x, row.published[key])
            for order, (name, condition) in enumerate(zip(names, row.conditions, strict=True)):
                beside = 0.2 if len(names) == 1 else marks.dodge(order, len(names))
                rate = getattr(condition, key)
                marks.interval(axis, x + beside, rate.mean, rate.q025, rate.q975, colours[name])
        shares(axis, title)
        axis.set_xticks(range(len(rows)), [f"type {row.shift}" for row in rows])
        axis.set_xlim(-0.6, len(rows) - 0.4)
    calibrated = [entry(colour, data.named(f"calibrated, {name}")) for name, colour in colours.items()]
    legend(figure, [style.PUBLISHED, *calibrated], 4)
    return figure


FIGURE = Figure(
    "base_rates", "The model's base rates. P(misgeneralization), without harm, is published as capability times goal "
    "failure; measured is the share of episodes that end at the proxy on a level that tells the goals apart. Lines are 95% "
    "credible intervals of the mean over runs.", Section.CALIBRATION, draw)
