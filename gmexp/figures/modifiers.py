"""What each measured setting does, against the baseline: odds ratios per stage and risk ratios, with the published
multiplier of the same step; below, the crosses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import matplotlib.figure
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from gmexp.figures import marks, style
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.records import Cross, Level
from gmexp.figures.style import GREY, OKABE_ITO, PAGE, canvas, entry, legend
from gmexp.statistics.contrasts import MODIFIER_FIELDS

NAMES = {"spec": "specification", "cap": "capability", "div": "diversity", "align": "alignment"}
QUANTITIES = {"capability": "Odds of capability ×", "goal_failure": "Odds of goal failure ×",
              "risk": "Misgeneralization ×"}
RATIOS = (1 / 128, 128)  # of an axis of ratios
BAND = "#eeeeee"


@dataclass(frozen=True)
class Row:
    """A line of the figure: a heading, or the text of what is drawn there."""

    y: float
    text: str
    heading: bool = False
    shown: Level | Cross | None = None


def draw(data: StudyData) -> matplotlib.figure.Figure | None:
    calibration = data.calibration
    if calibration is None or len(calibration.measured_modifiers) < 2:
        return None
    ranges = {row.name: row.published_range for row in calibration.modifiers}
    rows = list(_rows(calibration.levels, calibration.crosses, list(map(data.named, data.model_labels))))
    height = 1.3 + 0.2 * (len(calibration.levels) + 1.5 * len(ranges) + 1.5 * len(calibration.crosses))
    figure, (axes,) = canvas(PAGE, height, len(QUANTITIES))
    for name, first, last in _blocks(rows):
        for axis in axes[1:]:
            axis.fill_betweenx([first - 0.6, last + 0.5], *ranges[name], color=BAND, linewidth=0, zorder=0)
        for row in (row for row in rows if first <= row.y <= last):
            for axis, quantity in zip(axes, QUANTITIES, strict=True):
                _ratio(axis, row.y, row.shown, quantity)
                if row.shown.published is not None and quantity != "capability":
                    marks.published(axis, row.shown.published, row.y)
    for row in (row for row in rows if isinstance(row.shown, Cross)):
        for axis, quantity in zip(axes, QUANTITIES, strict=True):
            _ratio(axis, row.y, row.shown, quantity)
    for axis, title in zip(axes, QUANTITIES.values(), strict=True):
        _ratio_axis(axis, title, rows[-1].y + 1.6)
        axis.set_yticks([row.y for row in rows], [row.text for row in rows] if axis is axes[0] else [])
        axis.tick_params(axis="y", length=0)
    for text, row in zip(axes[0].get_yticklabels(), rows, strict=True):
        text.set_fontweight("bold" if row.heading else "normal")
    baselines = style.unique(level.baseline for level in calibration.levels)
    whom = data.named(data.model_labels[baselines[0]]) if len(baselines) == 1 else "the baseline of the environment"
    against = entry(OKABE_ITO[0], f"against {whom}, 95%")
    legend(figure, [against, style.PUBLISHED, Patch(color=BAND, label="published range of M")])
    return figure


def _rows(levels: Sequence[Level], crosses: Sequence[Cross], names: Sequence[str]) -> Iterator[Row]:
    """Every line, top down."""
    y = 0.0
    for name in (name for name in MODIFIER_FIELDS if any(level.modifier == name for level in levels)):
        yield Row(y, f"M_{name}, {NAMES[name]}", heading=True)
        for level in (level for level in levels if level.modifier == name):
            y += 1
            yield Row(y, names[level.condition], shown=level)
        y += 1.6
    for pair in style.unique(cross.modifiers for cross in crosses):
        first, second = (NAMES[name] for name in pair)
        yield Row(y, f"{first} and {second} together", heading=True)
        for cross in (cross for cross in crosses if cross.modifiers == pair):
            y += 1
            yield Row(y, names[cross.both], shown=cross)
        y += 1.6


def _blocks(rows: Sequence[Row]) -> Iterator[tuple[str, float, float]]:
    """(modifier, y of its first level, of its last)."""
    levels = [row for row in rows if isinstance(row.shown, Level)]
    for name in style.unique(row.shown.modifier for row in levels):
        places = [row.y for row in levels if row.shown.modifier == name]
        yield name, places[0], places[-1]


def _ratio(axis: Axes, y: float, row: Level | Cross, quantity: str) -> None:
    ratio: Mapping[str, float] = row.risk_ratio if quantity == "risk" else row.odds_ratio[quantity]
    ends = np.clip([ratio["q025"], ratio["q975"]], *RATIOS)
    axis.plot(ends, [y, y], color=OKABE_ITO[0], linewidth=1.6, solid_capstyle="butt", zorder=3)
    if RATIOS[0] <= ratio["q50"] <= RATIOS[1]:
        axis.scatter(ratio["q50"], y, s=22, color=OKABE_ITO[0], edgecolor="white", linewidth=0.7, zorder=5)


def _ratio_axis(axis: Axes, title: str, bottom: float) -> None:
    axis.set_title(title)
    axis.set_xscale("log", base=2)
    axis.set_xlim(*RATIOS)
    axis.set_xticks([1 / 64, 1 / 8, 1, 8, 64])
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}" if value >= 1 else f"1/{1 / value:g}"))
    axis.minorticks_off()
    axis.axvline(1, color=GREY, linewidth=0.8)
    axis.set_ylim(bottom - 0.6, -0.8)
    axis.grid(axis="y", visible=False)
    axis.grid(axis="x", visible=True)


FIGURE = Figure(
    "modifiers", "Each measured setting against its environment's baseline: odds ratios of the two stages and the ratio of "
    "P(misgeneralization), averaged over the shifts, with 95% credible intervals. Diamonds are the published multiplier of "
    "the same step, bands the published range of M. Below, two modifiers together over the product of each alone: 1 if they "
    "multiply.", Section.CALIBRATION, draw, rank=30)
