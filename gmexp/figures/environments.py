"""Every measured environment beside the next one: what a calibration over several environments says, shift by shift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.figure
from matplotlib.axes import Axes

from gmexp.figures import marks, style
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.records import CalibrationSummary
from gmexp.figures.style import GREY, PAGE, canvas, entry, legend, shares
from gmexp.rates.text import shift_text

PANELS = {"goal_failure": ("Goal failure", "goal_failure"), "realised": ("Misgeneralization", "p_misgen")}
DELTAS = (0.0, 0.3)  # training diversities, side by side
COLOURS = dict(zip(DELTAS, style.OKABE_ITO, strict=False))
FEWEST = 2  # environments
ASKED = 0.01  # share of masked levels with the proxy first: below it, goal failure is a share of next to nothing


def draw(data: StudyData) -> matplotlib.figure.Figure | None:
    calibration = data.calibration
    if calibration is None:
        return None
    envs = calibration.envs
    shifts = [i for i, shift in enumerate(calibration.shifts) if shift.type and shift.grade == 1]
    if len(envs) < FEWEST or not shifts or not calibration.following:
        return None
    chosen = {delta: conditions_at(calibration, envs, delta) for delta in DELTAS}
    names = [*(env.replace("_", " ") for env in envs), "next environment"]
    figure, axes = canvas(PAGE, 1.1 + 0.36 * len(names), len(shifts), len(PANELS))
    for number, (row, (quantity, (title, published))) in enumerate(zip(axes, PANELS.items(), strict=True)):
        for axis, shift in zip(row, shifts, strict=True):
            _panel(axis, data, quantity, shift, chosen, envs)
            if rates := data.published.get(calibration.shifts[shift].type):
                marks.published(axis, rates[published], len(envs))
            level = calibration.shifts[shift]
            shares(axis, "" if number else shift_text(level.type, level.name), axis.xaxis)
            axis.set_xticks([0, 0.5, 1])
        marks.named_rows(row, names)
        row[0].set_ylabel(title, fontweight="bold")
    legend(figure, [*(entry(colour, f"δ = {delta:g}") for delta, colour in COLOURS.items()),
                    entry(GREY, "next environment, δ = 0, 95%", marker="o", linewidth=4),
                    *[style.PUBLISHED] * bool(data.published)])
    return figure


def asked(data: StudyData, env: str, delta: float, shift_type: int) -> bool:
    """Whether agents, blind, get to the proxy often enough for goal failure to be known; yes where that was not counted."""
    return data.blind_proxy.get((env, delta, shift_type), 1.0) >= ASKED


def conditions_at(calibration: CalibrationSummary, envs: Sequence[str], delta: float) -> dict[int, str]:
    """By position, the condition that stands for every environment at a training diversity: specification 1, the standard
    method, its usual training or else the most; environments without one are left out."""
    def training(pair: tuple[int, Mapping[str, Any]]) -> tuple[bool, int, int]:
        steps = pair[1].get("train_steps") or 0
        return steps == calibration.usual_steps.get(str(pair[1]["env"])), steps, -pair[0]

    found = {}
    for env in envs:
        here = [(i, c) for i, c in enumerate(calibration.conditions) if _plain(c, env, delta)]
        if here:
            found[max(here, key=training)[0]] = env
    return found


def _plain(condition: Mapping[str, Any], env: str, delta: float) -> bool:
    return (condition["env"] == env and condition.get("train_diversity") == delta
            and condition.get("spec_quality") in (None, 1.0) and condition.get("align_method") in (None, "standard"))


def _panel(axis: Axes, data: StudyData, quantity: str, shift: int, chosen: Mapping[float, Mapping[int, str]],
           envs: Sequence[str]) -> None:
    """One quantity under one shift: a row per environment, then the next one's interval."""
    calibration, kind = data.calibration, data.calibration.shifts[shift].type
    for order, (delta, conditions) in enumerate(chosen.items()):
        colour, beside = COLOURS[delta], marks.dodge(order, len(chosen))
        for summary in calibration.summaries:
            if (summary.quantity, summary.shift, summary.kind) == (quantity, shift, "this_setup") \
                    and summary.condition in conditions:
                env = conditions[summary.condition]
                if quantity == "goal_failure" and not asked(data, env, delta, kind):
                    continue
                y = envs.index(env) + beside
                marks.interval_along(axis, y, summary.mean, summary.q025, summary.q975, colour, size=14, rim=0.5)
    for row in calibration.following:
        if (row.quantity, row.shift, row.kind) == (quantity, shift, "next_environment"):
            axis.plot([row.q025, row.q975], [len(envs)] * 2, color=GREY, linewidth=4, alpha=0.6, solid_capstyle="butt")
            axis.scatter(row.q50, len(envs), s=16, color=GREY, edgecolor="white", linewidth=0.5, zorder=5)


FIGURE = Figure(
    "environments",
    "Every environment, and what they say together about one that nobody measured. Lines are 95% credible intervals of the "
    "mean over runs of an environment; the bar at the foot is the next environment's, its dot the median. Goal failure is "
    "left out where agents, blind, get to the proxy on fewer than one level in a hundred: it is a share of those.",
    Section.RESULT, draw, rank=1)
