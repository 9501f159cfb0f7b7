"""The benchmarks as figures: speeds, and how many times procgen's they are, over the number of instances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from gmexp import artefacts
from gmexp.artefacts.upgrades import renamed
from gmexp.figures import style
from gmexp.figures.style import PAGE

__all__ = ["redraw", "write"]


def redraw(folder: Path) -> list[Path]:
    """Draw the figures of the benchmarks in a folder again, from their JSON files."""
    written = []
    for path in sorted(folder.glob("*.json")):
        report = renamed(artefacts.read_json(path), path)
        if "baselines" in report:  # a GPU's has tables only
            written += write(path, report)
    return written


def write(path: Path, report: dict[str, Any]) -> list[Path]:
    """Write the figure of the report at `path` beside it, as SVG and PNG."""
    with matplotlib.rc_context(style.STYLE):
        figure = _speed_over_instances(report) if "num_envs" in report else _training(report)
        return [artefacts.write_bytes(path.with_suffix(f".{suffix}"), style.saved(figure, suffix))
                for suffix in ("svg", "png")]


def _training(report: dict[str, Any]) -> Figure:
    """Bars per trainer, the range of the rounds as a line."""
    rows = report["measurements"]
    panels = [("Steps per CPU-second", {m["baseline"]: m["steps_per_cpu_second"]["median"] for m in rows}),
              ("Peak memory, MiB", {m["baseline"]: m["peak_memory_mib"] for m in rows})]
    if race := report.get("race"):
        panels.append((f"Seconds to {race['until']:.0%} success",
                       {e["baseline"]: e["seconds"] for e in race["entries"] if e.get("seconds")}))
    labels = {c["name"]: c["label"] for c in report["baselines"]}
    figure, (axes,) = style.canvas(PAGE, 1.9, len(panels))
    for axis, (title, values) in zip(axes, panels, strict=True):
        for y, m in enumerate(rows):
            if m["baseline"] in values:
                axis.barh(y, values[m["baseline"]], height=0.6,
                          color=style.OKABE_ITO[0] if m["baseline"] == "ppo" else style.GREY)
            else:
                axis.text(0.02, y, "not measured", transform=axis.get_yaxis_transform(), va="center",
                          color=style.GREY)
        axis.grid(axis="y", visible=False)
        axis.grid(axis="x", visible=True)
        axis.set_title(title)
        axis.xaxis.set_major_formatter(FuncFormatter(style.count))
        axis.set_yticks(range(len(rows)), [])
        axis.set_ylim(len(rows) - 0.5, -0.5)
    for y, m in enumerate(rows):
        axes[0].plot([m["steps_per_cpu_second"][key] for key in ("low", "high")], [y, y], color="black", linewidth=1)
    axes[0].set_yticklabels([labels[m["baseline"]] for m in rows])
    return figure


def _speed_over_instances(report: dict[str, Any]) -> Figure:
    present = [c for c in report["baselines"] if c["missing"] is None]
    colours = style.colours(c["name"] for c in present)
    figure, ((speeds, ratios),) = style.canvas(PAGE, 2.9, 2)
    instances = report["num_envs"]
    for c in present:
        rows = [m["steps_per_cpu_second"] for m in report["measurements"] if m["baseline"] == c["name"]]
        speeds.fill_between(instances, [r["low"] for r in rows], [r["high"] for r in rows], color=colours[c["name"]],
                            alpha=0.15, linewidth=0)
        speeds.plot(instances, [r["median"] for r in rows], color=colours[c["name"]], marker="o", markersize=3.5)
        if (key := f"{c['name']}_vs_procgen") in report["ratios"]:
            times = [row["per_cpu_second"][key] for row in report["ratios_by_num_envs"]]
            ratios.plot(instances, times, color=colours[c["name"]], marker="o", markersize=3.5)
    ratios.axhline(1, color=colours["procgen"], linewidth=1)
    for axis, title, form in ((speeds, "Steps per CPU-second", style.count), (ratios, "Times procgen's", _times)):
        _logarithmic(axis, instances)
        axis.set_title(title)
        axis.yaxis.set_major_formatter(FuncFormatter(form))
    style.legend(figure, [style.entry(colours[c["name"]], c["label"]) for c in present])
    return figure


def _logarithmic(axis: Axes, instances: list[int]) -> None:
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xticks(instances, [f"{n:,}" for n in instances])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlabel("instances stepped together")


def _times(value: float, _: Any = None) -> str:
    return f"{value:g}x"
