"""What a mitigation does against how much of it there is: help, runs chosen among, episodes before stopping."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import matplotlib.figure
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from gmexp.figures import marks, style
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.style import PAGE, canvas, entry, legend, shares
from gmexp.figures.words import capital
from gmexp.rates.mitigated import Trace

SHIFT = 3  # where the figure looks: every level tells the goals apart
MOST = 9  # panels
LABEL = 28  # characters that a line of an axis's label has


def draw(data: StudyData) -> matplotlib.figure.Figure | None:
    traces = [trace for trace in data.mitigations.traces if trace.shift_type == SHIFT or trace.along == "shift type"]
    panels = [panel for panel in style.unique((trace.method, trace.along, trace.of) for trace in traces)
              if len({trace.x for trace in _of(traces, panel)}) > 2][:MOST]  # two points are no curve
    if not panels:
        return None
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    colours = style.colours(_group(trace) for panel in panels for trace in _of(traces, panel))
    figure, axes = canvas(PAGE, 0.6 + 2.1 * rows, columns, rows)
    flat = [axis for row in axes for axis in row]
    for axis, panel in zip(flat, panels, strict=False):
        _panel(axis, panel, _of(traces, panel), colours, data)
    for axis in flat[len(panels):]:
        axis.set_visible(False)
    legend(figure, [entry(colour, name) for name, colour in colours.items()], columns=3)
    return figure


def _of(traces: Sequence[Trace], panel: tuple[str, str, str]) -> list[Trace]:
    return [trace for trace in traces if (trace.method, trace.along, trace.of) == panel]


def _group(trace: Trace) -> str:
    """What joins points to a line: the setting but for how much of it there is."""
    return ", ".join(part for part in trace.setting.split(", ") if not part.startswith("budget"))


def _panel(axis: Axes, panel: tuple[str, str, str], traces: Sequence[Trace], colours: dict[str, str],
           data: StudyData) -> None:
    method, along, of = panel
    for name, study in style.unique((_group(trace), trace.study) for trace in traces):
        points = sorted((trace for trace in traces if (_group(trace), trace.study) == (name, study)),
                        key=lambda trace: trace.x)
        places = [point.x for point in points], [min(point.y, 1.0) for point in points]  # a ratio of shares may overshoot
        if all(point.runs == 1 for point in points):  # a point a run, which nothing joins
            marks.dots(axis, *places, colours[name], size=16, urls=[data.opens_runs(point.of_runs) for point in points])
            continue
        if len(set(places[0])) == len(points):  # else conditions that differ in what the setting does not say
            axis.plot(*places, color=colours[name], linewidth=1, url=data.opens_runs(points[0].of_runs))
        for point in points:
            if point.low is not None and point.high is not None:
                marks.interval(axis, point.x, *np.minimum([point.y, point.low, point.high], 1.0), colours[name],
                               data.opens_runs(point.of_runs))
    shares(axis, method.replace("_", " "))
    axis.set_xlabel(capital(along))
    axis.set_ylabel("\n".join(textwrap.wrap(of, LABEL)))
    if all(float(trace.x).is_integer() for trace in traces):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))


FIGURE = Figure(
    "mitigation_curves", "What a mitigation does against how much of it there is, under shift 3 with 95% over runs: the "
    "share of decisions that an expert takes; the number of runs chosen among, by goal failure on probing levels, which "
    "flatters them, and on fresh ones; by shift, the share of episodes that are played before a sequential test stops "
    "deployment; and run by run, how well the intended goal's place can be read off the hidden layer.", Section.RESULT,
    draw, rank=None, runs=True)
