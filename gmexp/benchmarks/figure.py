"""The benchmarks as figures: speeds, and how many times procgen's they are, over the number of worlds."""

from __future__ import annotations

from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from gmexp import plotting
from gmexp.plotting import COLUMN, PAGE

__all__ = ["draw", "draw_training"]


def draw(report: dict[str, Any]) -> dict[str, bytes]:
    """The figure's files by suffix."""
    with matplotlib.rc_context(plotting.STYLE):
        figure = _figure(report)
        return {suffix: plotting.render(figure, suffix) for suffix in ("svg", "png")}


def draw_training(report: dict[str, Any]) -> dict[str, bytes]:
    """The files of the training benchmark's figure by suffix: a bar per trainer, the range of its rounds as a line."""
    with matplotlib.rc_context(plotting.STYLE):
        figure, ((axis,),) = plotting.canvas(COLUMN, 1.9, 1)
        labels = {c["name"]: c["label"] for c in report["contestants"]}
        for y, m in enumerate(report["measurements"]):
            speed = m["steps_per_cpu_second"]
            axis.barh(y, speed["median"], height=0.6,
                      color=plotting.OKABE_ITO[0] if m["contestant"] == "ppo" else plotting.GREY)
            axis.plot([speed["low"], speed["high"]], [y, y], color="black", linewidth=1)
        axis.set_yticks(range(len(report["measurements"])), [labels[m["contestant"]] for m in report["measurements"]])
        axis.invert_yaxis()
        axis.grid(axis="y", visible=False)
        axis.grid(axis="x", visible=True)
        axis.set_title("Steps per CPU-second")
        axis.xaxis.set_major_formatter(FuncFormatter(plotting.count))
        return {suffix: plotting.render(figure, suffix) for suffix in ("svg", "png")}


def _figure(report: dict[str, Any]) -> Figure:
    present = [c for c in report["contestants"] if c["missing"] is None]
    colours = plotting.colours(c["name"] for c in present)
    figure, ((speeds, ratios),) = plotting.canvas(PAGE, 2.9, 2)
    worlds = report["num_envs"]
    for c in present:
        rows = [m["steps_per_cpu_second"] for m in report["measurements"] if m["contestant"] == c["name"]]
        speeds.fill_between(worlds, [r["low"] for r in rows], [r["high"] for r in rows], color=colours[c["name"]],
                            alpha=0.15, linewidth=0)
        speeds.plot(worlds, [r["median"] for r in rows], color=colours[c["name"]], marker="o", markersize=3.5)
        if (key := f"{c['name']}_vs_procgen") in report["ratios"]:
            times = [row["per_cpu_second"][key] for row in report["ratios_by_num_envs"]]
            ratios.plot(worlds, times, color=colours[c["name"]], marker="o", markersize=3.5)
    ratios.axhline(1, color=colours["procgen"], linewidth=1)
    for axis, title, form in ((speeds, "Steps per CPU-second", plotting.count), (ratios, "Times procgen's", _times)):
        _logarithmic(axis, worlds)
        axis.set_title(title)
        axis.yaxis.set_major_formatter(FuncFormatter(form))
    plotting.legend(figure, [plotting.entry(colours[c["name"]], c["label"]) for c in present])
    return figure


def _logarithmic(axis: Axes, worlds: list[int]) -> None:
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xticks(worlds, [f"{n:,}" for n in worlds])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlabel("worlds stepped together")


def _times(value: float, _: Any = None) -> str:
    return f"{value:g}x"
