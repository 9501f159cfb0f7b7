"""Figures of single studies: the modifiers against the published ones, and the spread between runs of one condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from gmexp import artefacts
from gmexp.artefacts.condition import labels, pretty
from gmexp.artefacts.study import Study
from gmexp.figures import style
from gmexp.figures.style import GREY, OKABE_ITO, PAGE, canvas, entry, legend
from gmexp.rates import between_runs
from gmexp.rates.intervals import wilson
from gmexp.rates.over_runs import goal_cells, read_rates, strongest
from gmexp.statistics.contrasts import MODIFIER_FIELDS

MODIFIER_NAMES = {"spec": "specification", "cap": "capability", "div": "diversity", "align": "alignment"}
QUANTITIES = {"capability": "Odds of capability ×", "goal_failure": "Odds of goal failure ×",
              "risk": "Misgeneralization ×"}
RATIOS = (1 / 128, 128)  # of an axis of ratios


# --- modifiers --------------------------------------------------------------------------------------------------------

def modifiers(study: Study) -> Figure | None:
    """What each measured setting does, against the baseline: odds ratios per stage and risk ratios, with the published
    multiplier of the same step; below, the crosses."""
    if not study.calibration.exists():
        return None
    calibration = artefacts.read_json(study.calibration, required=["model", "modifiers"])
    levels, crossed = (calibration["model"].get(key, []) for key in ("levels", "crosses"))
    if len({level["modifier"] for level in levels}) < 2:
        return None
    conditions = calibration["model"]["structure"]["conditions"]
    names = labels(conditions)
    ranges = {row["name"]: row["published_range"] for row in calibration["modifiers"]}
    figure, (axes,) = canvas(PAGE, 1.3 + 0.2 * (len(levels) + 1.5 * len(ranges) + 2 * len(crossed)), len(QUANTITIES))
    places: list[tuple[float, str, bool]] = []
    y = 0.0
    for name in (name for name in MODIFIER_FIELDS if any(level["modifier"] == name for level in levels)):
        mine = [level for level in levels if level["modifier"] == name]
        places.append((y, f"M_{name}, {MODIFIER_NAMES[name]}", True))
        for axis in axes[1:]:
            axis.fill_betweenx([y + 0.4, y + len(mine) + 0.5], *ranges[name], color="#eeeeee", linewidth=0, zorder=0)
        for level in mine:
            y += 1
            places.append((y, pretty(names[level["condition"]]), False))
            for axis, quantity in zip(axes, QUANTITIES, strict=True):
                _ratio(axis, y, level, quantity)
                if level["published"] is not None and quantity != "capability":
                    style.published(axis, level["published"], y)
        y += 1.6
    for cross in crossed:
        first, second = (MODIFIER_NAMES[name] for name in cross["modifiers"])
        places += [(y, f"{first} and {second} together", True), (y + 1, "over the product of the two", False)]
        for axis, quantity in zip(axes, QUANTITIES, strict=True):
            _ratio(axis, y + 1, cross, quantity)
        y += 2.6
    for axis, title in zip(axes, QUANTITIES.values(), strict=True):
        _ratio_axis(axis, title, y)
        axis.set_yticks([place for place, _, _ in places], [text for _, text, _ in places] if axis is axes[0] else [])
        axis.tick_params(axis="y", length=0)
    for text, (_, _, head) in zip(axes[0].get_yticklabels(), places, strict=True):
        text.set_fontweight("bold" if head else "normal")
    baseline = pretty(names[levels[0]["baseline"]])
    against = entry(OKABE_ITO[0], "")
    against.set_label(f"against {baseline}, 95%")
    legend(figure, [against, style.PUBLISHED,
                    Patch(color="#eeeeee", label="published range of M")])
    return figure


def _ratio(axis: Axes, y: float, row: Mapping[str, Any], quantity: str) -> None:
    found = row["risk_ratio"] if quantity == "risk" else row["odds_ratio"][quantity]
    ends = np.clip([found["q025"], found["q975"]], *RATIOS)
    axis.plot(ends, [y, y], color=OKABE_ITO[0], linewidth=1.6, solid_capstyle="butt", zorder=3)
    if RATIOS[0] <= found["q50"] <= RATIOS[1]:
        axis.scatter(found["q50"], y, s=22, color=OKABE_ITO[0], edgecolor="white", linewidth=0.7, zorder=5)


def _ratio_axis(axis: Axes, title: str, bottom: float) -> None:
    axis.set_title(title)
    axis.set_xscale("log", base=2)
    axis.set_xlim(*RATIOS)
    ticks = [1 / 64, 1 / 8, 1, 8, 64]
    axis.set_xticks(ticks)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}" if value >= 1 else f"1/{1 / value:g}"))
    axis.minorticks_off()
    axis.axvline(1, color=GREY, linewidth=0.8)
    axis.set_ylim(bottom - 0.6, -0.8)
    axis.grid(axis="y", visible=False)
    axis.grid(axis="x", visible=True)


# --- spread -----------------------------------------------------------------------------------------------------------

def runs_apart(study: Study) -> Figure | None:
    """Every run's rate in order, each with its own interval; the pooled and the clustered interval of all; and how often
    either covers."""
    spreads = between_runs.read(study)
    if not spreads:
        return None
    chosen = max((s for s in spreads if s.metric == "goal_failure"), key=lambda s: s.sd_between, default=spreads[0])
    others = [s for s in spreads if s.metric == "capability" and s.shift_type == chosen.shift_type]
    figure, (axes,) = canvas(PAGE, 3.0, 3)
    for axis, item in zip(axes, [*others[:1], chosen], strict=False):
        _ordered(axis, study, item)
    _covered(axes[2], [s for s in spreads if s.coverage])
    pooled, clustered = OKABE_ITO[1], OKABE_ITO[0]
    legend(figure, [entry(pooled, "episodes pooled, 95%"), entry(clustered, "runs as replicates, 95%"),
                    entry(GREY, "a run, with the interval of its own episodes", linewidth=0.8)])
    return figure


def _ordered(axis: Axes, study: Study, item: between_runs.Spread) -> None:
    cells = strongest(read_rates(study.rates).cells)
    cells = goal_cells(cells) if item.metric == "goal_failure" else [cell for cell in cells if not cell.probe]
    key = (item.condition, item.shift_type, item.grade, item.probe)
    cell = next(c for c in cells if (c.condition, c.shift_type, c.grade, c.probe) == key)
    runs = sorted((run for run in getattr(cell, item.metric).runs if run.n), key=lambda run: run.k / run.n)
    for x, run in enumerate(runs):
        axis.plot([x, x], wilson(run.k, run.n), color=GREY, linewidth=0.7, alpha=0.7)
        axis.scatter(x, run.k / run.n, s=8, color=GREY, zorder=4)
    for ends, colour in ((item.clustered, OKABE_ITO[0]), (item.pooled, OKABE_ITO[1])):
        axis.axhspan(*ends, color=colour, alpha=0.4, linewidth=0, zorder=1)
    style.shares(axis, f"{item.metric.replace('_', ' ').capitalize()}\nshift {item.shift_type}" + " (probe)" * item.probe)
    axis.set_xticks([])
    axis.set_xlabel(f"{len(runs)} runs in order")


def _covered(axis: Axes, spreads: Sequence[between_runs.Spread]) -> None:
    """Coverage against the number of runs: a faint line per rate and shift, their mean."""
    for method, colour in (("clustered", OKABE_ITO[0]), ("pooled", OKABE_ITO[1])):
        for item in spreads:
            axis.plot([c.runs for c in item.coverage], [getattr(c, method) for c in item.coverage], color=colour,
                      linewidth=0.6, alpha=0.4)
        sizes = sorted({c.runs for item in spreads for c in item.coverage})
        mean = [np.mean([getattr(c, method) for item in spreads for c in item.coverage if c.runs == m]) for m in sizes]
        axis.plot(sizes, mean, "o-", color=colour, markersize=4)
    axis.axhline(0.95, color="black", linestyle=":", linewidth=0.8)
    style.shares(axis, "How often a 95%\ninterval covers")
    axis.set_xscale("log")
    axis.set_xticks(sizes, [str(m) for m in sizes])
    axis.minorticks_off()
    axis.set_xlabel("runs in the sample")
