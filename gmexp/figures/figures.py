"""Figures from artefacts. Nothing is computed here that an artefact does not already say.

A figure is a function of a study that returns a matplotlib figure, or None where the study lacks what it shows. The
table `FIGURES` at the end names them all. Files are PNG and SVG, and equal artefacts give equal bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.condition import condition_labels, labels
from gmexp.artefacts.records import CurvePoint
from gmexp.artefacts.study import Study
from gmexp.figures import measures as measured
from gmexp.figures import model_figures, row_figures, study_figures, style
from gmexp.figures.style import COLUMN, GREY, PAGE, canvas, entry, legend, shares
from gmexp.langosco import figure2
from gmexp.rates import learning
from gmexp.rates.over_runs import CellRates, Rate, goal_cells, read_rates, shift_label, strongest

LONG = 2e7  # steps: learning curves longer than that are drawn over their logarithm
TITLES = {"capability": "Capability", "goal_failure": "Goal failure, given capability"}


def draw_all(study: Path) -> list[Path]:
    """Draw every figure the study has the artefacts for, as PNG and SVG in its figures folder."""
    paths = Study(Path(study))
    return [artefacts.write_bytes(paths.figures / name, data) for name, data in drawn(paths)]


def drawn(study: Study) -> Iterator[tuple[str, bytes]]:
    """(file name, content) of every figure that the study has the artefacts for."""
    for name, draw in FIGURES.items():
        with matplotlib.rc_context(style.STYLE):
            if (figure := draw(study)) is not None:
                for suffix in ("png", "svg"):
                    yield f"{name}.{suffix}", style.render(figure, suffix)


def rates(study: Study) -> Figure | None:
    """Capability and goal failure per shift: a dot per run, mean and interval per condition, the published value.

    A shift measured at several grades is shown at its highest; `grades` shows them all.
    """
    if not study.rates.exists():
        return None
    cells = strongest(read_rates(study.rates).cells)
    colours = style.colours(cell.condition for cell in cells)
    published = {row["shift"]: row["published"] for row in study.estimates()}
    panels = {"capability": [cell for cell in cells if not cell.probe], "goal_failure": goal_cells(cells)}
    if style.many(colours):
        return row_figures.rates({metric: (TITLES[metric], shown) for metric, shown in panels.items()}, published)
    figure, (axes,) = canvas(PAGE, 2.9, 2)
    for axis, (metric, shown) in zip(axes, panels.items(), strict=True):
        groups = sorted({cell.shift_type: shift_label(cell) for cell in shown}.items())
        position = {shift: x for x, (shift, _) in enumerate(groups)}
        for cell in shown:
            offset = style.dodge(list(colours).index(cell.condition), len(colours))
            style.run_dots(axis, position[cell.shift_type] + offset, getattr(cell, metric), colours[cell.condition])
        marked = [shift for shift in position if shift in published]
        style.published(axis, [position[s] for s in marked], [published[s][metric] for s in marked])
        shares(axis, TITLES[metric])
        axis.set_xticks(range(len(groups)), [style.wrapped(label) for _, label in groups])
        axis.set_xlim(-0.6, max(len(groups), 1) - 0.4)
        if not groups:
            axis.text(0.5, 0.5, "no level separates the goals,\nor no run was capable", ha="center", va="center",
                      transform=axis.transAxes, color=GREY)
    legend(figure, [*(entry(colour, c) for c, colour in colours.items()), *[style.PUBLISHED] * bool(published)])
    return figure


def grades(study: Study) -> Figure | None:
    """Capability and goal failure against the grade of each shift: a line per run, their mean in the band of its interval
    and, where the study is calibrated, a paler band for the next run.

    Grade 0 is the training distribution. Goal failure is that of a shift's probe where it has one.
    """
    cells = read_rates(study.rates).cells if study.rates.exists() else ()
    shifts = {c.shift_type: c.shift_name.replace("_", " ") for c in cells if c.shift_type}
    if len({c.grade for c in cells if c.shift_type}) < 2:
        return None
    colours = style.colours(cell.condition for cell in cells)
    panels = {"capability": [cell for cell in cells if not cell.probe], "goal_failure": goal_cells(cells)}
    next_run = _next_run(study)
    figure, axes = canvas(PAGE, 3.8, len(shifts), len(panels))
    for row, (metric, shown) in zip(axes, panels.items(), strict=True):
        for axis, shift in zip(row, sorted(shifts), strict=True):
            for condition, colour in colours.items():
                points = {c.grade: getattr(c, metric) for c in shown
                          if c.shift_type in (0, shift) and c.condition == condition}
                grade = sorted(points)
                low, mean, high = ([getattr(points[g], end) for g in grade] for end in ("low", "mean", "high"))
                for line in _run_lines(points):
                    axis.plot(grade, line, color=colour, linewidth=0.4, alpha=0.35)
                ends = [next_run.get((metric, condition, shift if g else 0, g), (None, None)) for g in grade]
                axis.fill_between(grade, *(np.array(end, float) for end in zip(*ends, strict=True)), color=colour,
                                  alpha=0.1, linewidth=0)
                axis.fill_between(grade, low, high, color=colour, alpha=0.3, linewidth=0)
                axis.plot(grade, mean, "o-", color=colour, markersize=3.5)
            first, top = axis is row[0], metric == "capability"
            shares(axis, f"{shift} {shifts[shift]}" if top else "")
            axis.set_xlim(-0.04, 1.04)
            axis.tick_params(labelleft=first, labelbottom=not top)
            axis.set_ylabel(metric.replace("_", " ").capitalize() if first else "")
    figure.supxlabel("grade of the shift", fontsize=style.STYLE["axes.labelsize"])
    legend(figure, [*(entry(colour, condition) for condition, colour in colours.items()),
                    entry(GREY, "a run", marker="", linewidth=0.4),
                    *[Patch(color=GREY, alpha=0.2, linewidth=0, label="next run, 95%")] * bool(next_run)])
    return figure


def _run_lines(points: Mapping[float, Rate]) -> list[list[float]]:
    """Every run's rates in order of the grades; NaN where a run has none."""
    by_run: dict[str, dict[float, float]] = {}
    for grade, rate in points.items():
        for run in rate.runs:
            by_run.setdefault(run.run_id, {})[grade] = math.nan if run.rate is None else run.rate
    return [[rates.get(grade, math.nan) for grade in sorted(points)] for rates in by_run.values()]


def _next_run(study: Study) -> dict[tuple[str, str, int, float], tuple[float, float]]:
    """The calibration's 95% interval of the next run by (metric, condition, shift, grade)."""
    if not study.calibration.exists():
        return {}
    calibration = artefacts.read_json(study.calibration, required=["summaries", "model"])
    shifts, conditions = (calibration["model"]["structure"][key] for key in ("shifts", "conditions"))
    names = labels(conditions)
    return {(item["quantity"], names[item["condition"]], shifts[item["shift"]]["type"], shifts[item["shift"]]["grade"]):
            (item["q025"], item["q975"]) for item in calibration["summaries"] if item["kind"] == "next_run"}


def diversity(study: Study) -> Figure | None:
    """Goal failure against training diversity, a line per shift: for three or more conditions that differ in delta."""
    cells = goal_cells(strongest(read_rates(study.rates).cells)) if study.rates.exists() else []
    deltas = {cell.condition: style.delta(cell.condition) for cell in cells}
    if None in deltas.values() or len(deltas) < 3:
        return None
    position = {delta: x for x, delta in enumerate(sorted(deltas.values()))}  # even steps: deltas span decades
    colours = style.colours(shift_label(cell) for cell in cells)
    figure, ((axis,),) = canvas(COLUMN, 2.7, 1)
    for order, (shift, colour) in enumerate(colours.items()):
        offset = 0.35 * style.dodge(order, len(colours))
        mine = {position[deltas[c.condition]] + offset: c.goal_failure for c in cells if shift_label(c) == shift}
        axis.plot(sorted(mine), [mine[x].mean for x in sorted(mine)], color=colour, linewidth=1)
        for x, rate in mine.items():
            style.run_dots(axis, x, rate, colour)
    shares(axis, TITLES["goal_failure"])
    axis.set_xticks(list(position.values()), [f"{delta:g}" for delta in position])
    axis.set_xlabel("training diversity δ")
    legend(figure, [entry(colour, shift) for shift, colour in colours.items()], columns=2)
    return figure


def training(study: Study) -> Figure | None:
    """Success in training against steps: a thin line per run, a thick one for each condition's mean, and the published
    learning curve of the same game where there is one."""
    runs = [run for run in (study.runs() if study.index.exists() else ()) if study.curve(run.run_id).exists()]
    if not runs:
        return None
    named = condition_labels(study.runs())
    colours = style.colours(named[run.run_id] for run in runs)
    figure, ((axis,),) = canvas(COLUMN, 2.5, 1)
    longest = max(run.train_steps for run in runs)
    logarithmic = longest > LONG
    for condition, colour in colours.items():
        curves = []
        for run in (run for run in runs if named[run.run_id] == condition):
            table = tables.read_table(study.curve(run.run_id), CurvePoint)
            curves.append((table["steps"].to_numpy(), learning.smoothed(table)))
            axis.plot(*curves[-1], color=colour, linewidth=0.6, alpha=0.45)
        axis.plot(*style.mean_curve(curves, logarithmic), color=colour, linewidth=1.8)
    known = learning.PUBLISHED.get(runs[0].env, {}) if len({run.env for run in runs}) == 1 else {}
    known = {steps: success for steps, success in known.items() if steps <= longest}
    style.published(axis, list(known), list(known.values()))
    shares(axis, "Coin reached in training")
    if logarithmic:
        axis.set_xscale("log")
    axis.set_xlabel("environment steps")
    axis.xaxis.set_major_formatter(FuncFormatter(style.count))
    legend(figure, [*(entry(colour, condition, marker="") for condition, colour in colours.items()),
                    *[style.PUBLISHED] * bool(known)], columns=3)
    return figure


def forest(study: Study) -> Figure | None:
    """What the hierarchical model makes of the runs: posteriors of the mean over runs and of the next run, and dots.

    A hollow mean has no run behind it: the model, not the data, speaks there.
    """
    if not study.calibration.exists() or not study.rates.exists():
        return None
    calibration = artefacts.read_json(study.calibration, required=["summaries", "model"])
    shifts, conditions = (calibration["model"]["structure"][key] for key in ("shifts", "conditions"))
    names, cells = labels(conditions), read_rates(study.rates).cells
    several = style.many(names)
    colours = dict.fromkeys(names, style.OKABE_ITO[0]) if several else style.colours(names)
    published = {row["shift"]: row["published"] for row in study.estimates()}
    height = len(names) + (1.6 if several else 0.5)  # of a shift's rows, in rows
    middles = [order * height + (len(names) - 1) / 2 for order in range(len(shifts))]

    def panel(axis: Axes, metric: str) -> None:
        for summary in (item for item in calibration["summaries"] if item["quantity"] == metric):
            name, shift = names[summary["condition"]], shifts[summary["shift"]]
            y, ends = summary["shift"] * height + summary["condition"], [summary["q025"], summary["q975"]]
            if summary["kind"] == "next_run":
                axis.plot(ends, [y, y], color=colours[name], linewidth=0.7, alpha=0.55)
                continue
            dots = _run_rates(cells, metric, shift, name)
            axis.plot(ends, [y, y], color=colours[name], linewidth=2.2, zorder=3)
            axis.scatter(summary["mean"], y, s=24, facecolor=colours[name] if dots else "white",
                         edgecolor=colours[name], zorder=5)
            axis.scatter(dots, [y] * len(dots), **style.RUN_DOT, zorder=4)
        for middle, shift in zip(middles, shifts, strict=True):
            if shift["type"] in published:
                style.published(axis, published[shift["type"]][metric], middle)

    shown = [entry(GREY, "next run, 95%", marker="", linewidth=0.7), *[style.PUBLISHED] * bool(published)]
    if several:
        figure = row_figures.forest([_shift_name(shift) for shift in shifts], names, list(TITLES.values()), height,
                                    lambda axis, order: panel(axis, list(TITLES)[order]))
        legend(figure, shown)
        return figure
    figure, (axes,) = canvas(PAGE, 0.9 + 0.2 * len(shifts) * height, 2)
    for axis, metric in zip(axes, TITLES, strict=True):
        panel(axis, metric)
        shares(axis, TITLES[metric], axis.xaxis)
        axis.set_yticks(middles, [_shift_name(shift) for shift in shifts] if axis is axes[0] else [])
        axis.set_ylim(middles[-1] + height / 2, middles[0] - height / 2)
        axis.grid(axis="y", visible=False)
        axis.tick_params(axis="y", length=0)
    legend(figure, [*(entry(colour, name, linewidth=2.2) for name, colour in colours.items()), shown[0],
                    axes[0].scatter([], [], **style.RUN_DOT, label="a run"), *shown[1:]])
    return figure


def base_rates(study: Study) -> Figure | None:
    """The model's base rates per shift, as published and as calibrated on each training diversity of this study."""
    if not (estimates := study.estimates()):
        return None
    panels = {"capability": "P(capability)", "goal_failure": "P(goal fails | capability)",
              "p_misgen": "P(misgeneralization)"}
    names = [f"delta={condition['train_diversity']:g}" for condition in estimates[0]["conditions"]]
    colours = style.colours(names)
    figure, (axes,) = canvas(PAGE, 2.5, len(panels))
    for axis, (key, title) in zip(axes, panels.items(), strict=True):
        for x, row in enumerate(estimates):
            style.published(axis, x, row["published"][key])
            for order, (name, condition) in enumerate(zip(names, row["conditions"], strict=True)):
                beside = 0.2 if len(names) == 1 else style.dodge(order, len(names))
                rate = condition[key]
                style.interval(axis, x + beside, rate["mean"], rate["q025"], rate["q975"], colours[name])
        shares(axis, title)
        axis.set_xticks(range(len(estimates)), [f"type {row['shift']}" for row in estimates])
        axis.set_xlim(-0.6, len(estimates) - 0.4)
    legend(figure, [style.PUBLISHED, *(entry(colour, f"calibrated, {name}") for name, colour in colours.items())], 4)
    return figure


FIGURES: dict[str, Callable[[Study], Figure | None]] = {
    "rates": rates,
    "grades": grades,
    "diversity": diversity,
    "figure2": figure2.of_study,
    "training": training,
    "forest": forest,
    "base_rates": base_rates,
    "modifiers": study_figures.modifiers,
    "spread": study_figures.runs_apart,
    "attribution": measured.attribution,
    "critic": measured.critic,
    "factors": measured.factors,
    "magnitudes": measured.magnitudes,
    "chart": model_figures.chart,
    "prior_to_posterior": model_figures.prior_to_posterior,
    "reliability": model_figures.reliability,
    "tornado": model_figures.tornado,
}


def _run_rates(cells: Sequence[CellRates], metric: str, shift: Mapping[str, Any], condition: str) -> list[float]:
    """Run rates as the hierarchical model sees them: goal failure counts a shift's probe together with the shift."""
    found: dict[str, tuple[int, int]] = {}
    for cell in cells:
        if (cell.shift_type, cell.grade, cell.condition) != (shift["type"], shift["grade"], condition):
            continue
        for run in () if cell.probe and metric == "capability" else getattr(cell, metric).runs:
            k, n = found.get(run.run_id, (0, 0))
            found[run.run_id] = k + run.k, n + run.n
    return [k / n for k, n in found.values() if n]


def _shift_name(shift: Mapping[str, Any]) -> str:
    grade = f" at {shift['grade']:g}" if shift["type"] and shift["grade"] != 1 else ""
    return f"{shift['type']} {shift['name'].replace('_', ' ')}{grade}"
