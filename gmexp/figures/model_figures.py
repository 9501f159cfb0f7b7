"""Figures about the probability model: what it depends on, how far to trust it, where measurement moves it.

One column wide each. As in `figures`, nothing is computed that an artefact does not say.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter
from scipy import stats

from gmexp import artefacts
from gmexp.artefacts.study import Study
from gmexp.figures import style
from gmexp.figures.style import COLUMN, GREY, OKABE_ITO, canvas, entry, legend, shares
from gmexp.published.tables import table

BLUE, ORANGE = OKABE_ITO[:2]
STAGES = {"capability": "Capability", "goal_failure": "Goal failure"}
INPUTS = {"base": "base rate", "M_spec": "specification", "M_cap": "capability", "M_div": "diversity",
          "M_align": "alignment", "harm": "harm"}
RAMP = ("#8fc1de", "#5096c4", "#1f69a3", "#08345c")  # light to dark: the literature's weight
LETTERS = "abcdefgh"
SMALL = 6.5  # points


def tornado(study: Study) -> Figure | None:
    """P(harmful misgeneralization) with one input at the ends of its range, and each input's share of the variance."""
    if not study.sensitivity.exists():
        return None
    content = artefacts.read_json(study.sensitivity, required=["scenario", "mode", "value", "tornado", "sobol"])
    share = {row["name"]: row["total"] for row in content["sobol"]}
    figure, ((axis,),) = canvas(COLUMN, 2.9, 1)
    for y, bar in enumerate(content["tornado"]):
        for end, colour in (("low", BLUE), ("high", ORANGE)):
            axis.barh(y, bar[f"{end}_value"] - content["value"], left=content["value"], height=0.55, color=colour)
        axis.text(1.02, y, f"{share[bar['name']]:.0%}", transform=axis.get_yaxis_transform(), va="center",
                  fontsize=SMALL + 0.5, color=GREY)
    axis.axvline(content["value"], color="black", linewidth=0.9)
    axis.set_yticks(range(len(content["tornado"])), [_input(bar) for bar in content["tornado"]])
    axis.text(1.02, -0.75, "total\nSobol", transform=axis.get_yaxis_transform(), fontsize=SMALL, color=GREY)
    axis.set_ylim(len(content["tornado"]) - 0.5, -0.5)
    axis.grid(axis="x", visible=True)
    axis.grid(axis="y", visible=False)
    axis.tick_params(axis="y", length=0)
    axis.set_xlim(left=0)
    axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axis.set_xlabel(f"P(harmful misgeneralization), shift {content['scenario']['shift']}, {content['mode']}")
    legend(figure, [Patch(color=BLUE, label="at its low end"), Patch(color=ORANGE, label="at its high end")])
    return figure


def _input(bar: dict) -> str:
    ends = [bar["low_input"], bar["high_input"]]
    shown = "×{:g} to {:g}".format(*ends) if bar["name"].startswith("M_") else "{:.0%} to {:.0%}".format(*ends)
    return f"{INPUTS[bar['name']]}\n{shown}"


def reliability(study: Study) -> Figure | None:
    """Where each run lies in the prediction made without it: on the diagonal if predictions are as sure as they say.

    The band is where a Kolmogorov-Smirnov test at 5% leaves the whole curve, for as many runs.
    """
    if not study.calibration.exists():
        return None
    diagnostics = artefacts.read_json(study.calibration, required=["diagnostics"])["diagnostics"]
    measured = {stage: values for stage, values in diagnostics.get("pit", {}).items() if values}
    if not measured:
        return None
    figure, ((axis,),) = canvas(COLUMN, 3.1, 1)
    half = stats.kstwo.ppf(0.95, min(map(len, measured.values())))
    axis.fill_between([0, 1], [-half, 1 - half], [half, 1 + half], color=GREY, alpha=0.16, linewidth=0)
    axis.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
    handles = [Patch(color=GREY, alpha=0.25, linewidth=0, label="95% if reliable")]
    for (stage, values), colour, line in zip(measured.items(), (BLUE, ORANGE), ("-", "--"), strict=False):
        x = np.concatenate([[0], np.sort(values), [1]])
        axis.step(x, np.append(np.arange(len(values) + 1), len(values)) / len(values), where="post", color=colour,
                  linestyle=line)
        handles.append(Line2D([], [], color=colour, linestyle=line,
                              label=f"{STAGES[stage].lower()}: {len(values)} runs, "
                                    f"p = {diagnostics['pit_p'][stage]:.2f}"))
    shares(axis, "", axis.xaxis)
    shares(axis, "")
    axis.set_aspect("equal")
    axis.set_xlabel("quantile of the prediction without the run")
    axis.set_ylabel("runs at or below")
    legend(figure, handles, columns=1)
    return figure


def prior_to_posterior(study: Study) -> Figure | None:
    """What the published rates, taken as evidence worth up to two runs, do to the posterior of each base rate."""
    if not study.sensitivity.exists() or not study.calibration.exists():
        return None
    prior = {_key(row): row for row in artefacts.read_json(study.sensitivity, required=["priors"])["priors"]}
    content = artefacts.read_json(study.calibration, required=["literature", "model"])
    rows, levels = content["literature"], content["model"]["structure"]["shifts"]
    weights = sorted({row["a0"] for row in rows})
    shifts = sorted({row["shift"] for row in rows})
    height = len(weights) + 1.2
    figure, (axes,) = canvas(COLUMN, 0.8 + 0.62 * len(shifts), 2)
    for axis, (stage, title) in zip(axes, STAGES.items(), strict=True):
        for row in (row for row in rows if row["stage"] == stage):
            y = shifts.index(row["shift"]) * height + weights.index(row["a0"])
            before = prior[_key(row)]
            axis.plot([before["q025"], before["q975"]], [y - 0.27] * 2, color=GREY, linewidth=0.6)
            axis.plot([row["q025"], row["q975"]], [y + 0.1] * 2, color=RAMP[weights.index(row["a0"])], linewidth=2.4,
                      solid_capstyle="butt")
            axis.plot(row["mean"], y + 0.1, "o", markersize=2.6, color="white", markeredgecolor="black",
                      markeredgewidth=0.6)
        middles = [order * height + (len(weights) - 1) / 2 for order in range(len(shifts))]
        found = {row["shift"]: row["published"] for row in rows if row["stage"] == stage}
        style.published(axis, [found[s] for s in shifts], middles)
        shares(axis, title, axis.xaxis)
        axis.set_xticks([0, 0.5, 1])
        names = [f"{levels[s]['type']} {levels[s]['name']}" for s in shifts]
        axis.set_yticks(middles, names if axis is axes[0] else [])
        axis.set_ylim(middles[-1] + height / 2, middles[0] - height / 2)
        axis.grid(axis="y", visible=False)
        axis.tick_params(axis="y", length=0)
    legend(figure, [*(Line2D([], [], color=RAMP[i], linewidth=2.4, label=f"$a_0$ = {a0:g}")
                      for i, a0 in enumerate(weights)),
                    Line2D([], [], color=GREY, linewidth=0.6, label="prior"), style.PUBLISHED], columns=3)
    return figure


def _key(row: dict) -> tuple[float, str, int]:
    return row["a0"], row["stage"], row["shift"]


def chart(study: Study) -> Figure | None:
    """The published quadrant chart with the type table's and the measured positions, joined type by type."""
    if not (estimates := study.estimates()):
        return None
    figure, ((axis,),) = canvas(COLUMN, 4.3, 1)
    deployments = table("chart").rows
    for letter, row in zip(LETTERS, deployments, strict=True):
        axis.scatter(row["capability_risk"], row["goal_risk"], s=46, facecolor="white", edgecolor=GREY, linewidth=0.7)
        _inside(axis, row["capability_risk"], row["goal_risk"], letter, GREY)
    names = [f"delta={condition['train_diversity']:g}" for condition in estimates[0]["conditions"]]
    colours = style.colours(names)
    for row in estimates:
        start = 1 - row["published"]["capability"], row["published"]["goal_failure"]
        for name, condition in zip(names, row["conditions"], strict=True):
            capability, goal = condition["capability"], condition["goal_failure"]
            x, y, colour = 1 - capability["mean"], goal["mean"], colours[name]
            axis.annotate("", (x, y), start, arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6,
                                                         "alpha": 0.6}, zorder=2)
            axis.plot([1 - capability["q975"], 1 - capability["q025"]], [y, y], color=colour, linewidth=1, zorder=3)
            axis.plot([x, x], [goal["q025"], goal["q975"]], color=colour, linewidth=1, zorder=3)
            axis.scatter(x, y, s=52, color=colour, edgecolor="white", linewidth=0.6, zorder=6)
            _inside(axis, x, y, str(row["shift"]), "white")
        axis.scatter(*start, marker="D", s=44, facecolor="white", edgecolor="black", linewidth=1, zorder=5)
        _inside(axis, *start, str(row["shift"]), "black")
    for kind, (x, y) in enumerate([(0.02, 0.02), (0.98, 0.02), (0.02, 0.98), (0.98, 0.98)], start=1):
        axis.text(x, y, f"type {kind}", ha="left" if x < 0.5 else "right", va="bottom" if y < 0.5 else "top",
                  color=GREY, fontsize=SMALL + 0.5, style="italic")
    shares(axis, "", axis.xaxis)
    shares(axis, "")
    axis.grid(visible=False)
    axis.axhline(0.5, color=GREY, linewidth=0.6)
    axis.axvline(0.5, color=GREY, linewidth=0.6)
    axis.set_aspect("equal")
    axis.set_xlabel("capability risk: 1 − P(capability)")
    axis.set_ylabel("goal risk: P(goal fails | capability)")
    letters = Line2D([], [], linestyle="", marker="o", markersize=6, markerfacecolor="white", markeredgecolor=GREY,
                     label="published chart")
    types = Line2D([], [], linestyle="", marker="D", markersize=5, markerfacecolor="white", markeredgecolor="black",
                   label="published types 1–4")
    legend(figure, [letters, types, *(entry(colour, f"measured, {name}") for name, colour in colours.items())], 2)
    key = [Line2D([], [], linestyle="", label=f"{letter}  {row['name']}")
           for letter, row in zip(LETTERS, deployments, strict=True)]
    figure.legend(handles=key, loc="outside lower left", ncols=2, handlelength=0, handletextpad=0, fontsize=SMALL)
    return figure


def _inside(axis: Axes, x: float, y: float, text: str, colour: str) -> None:
    axis.text(x, y, text, ha="center", va="center_baseline", fontsize=5.5, color=colour, zorder=7)
