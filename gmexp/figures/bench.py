"""The benchmarks as figures: speeds, and how many times procgen's they are, over the number of instances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from gmexp import artefacts
from gmexp.artefacts.upgrades import renamed
from gmexp.figures import style
from gmexp.figures.style import COLUMN, PAGE

__all__ = ["redraw", "write", "write_on_gpu"]


def redraw(folder: Path) -> list[Path]:
    """Draw the figures of the benchmarks in a folder again, from their JSON files."""
    written = []
    for path in sorted(folder.glob("*.json")):
        report = renamed(artefacts.read_json(path), path)
        if "baselines" in report:
            written += write(path, report)
    return written + write_on_gpu(folder)


def write_on_gpu(folder: Path) -> list[Path]:
    """Write the figure of all engines' speeds on a GPU, engine-cuda.svg and .png, if the folder has their reports."""
    reports = [artefacts.read_json(path) for path in sorted(folder.glob("engine-cuda-*.json"))]
    if not reports:
        return []
    return _written(folder / "engine-cuda", _on_gpu, reports)


def write(path: Path, report: dict[str, Any]) -> list[Path]:
    """Write the figure of the report at `path` beside it, as SVG and PNG."""
    return _written(path, _speed_over_instances if "num_envs" in report else _training, report)


def _written(path: Path, draw: Callable[[Any], Figure], data: Any) -> list[Path]:
    """What `draw` makes of the data, as SVG and PNG of this name."""
    with matplotlib.rc_context(style.STYLE):
        figure = draw(data)
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
    figure, (axes,) = style.canvas(PAGE if report["ratios"] else COLUMN, 2.9, 2 if report["ratios"] else 1)
    instances = report["num_envs"]
    for c in present:
        rows = [m["steps_per_cpu_second"] for m in report["measurements"] if m["baseline"] == c["name"]]
        _banded(axes[0], instances, rows, colours[c["name"]])
        if (key := f"{c['name']}_vs_procgen") in report["ratios"]:
            times = [row["per_cpu_second"][key] for row in report["ratios_by_num_envs"]]
            axes[1].plot(instances, times, color=colours[c["name"]], marker="o", markersize=3.5)
    if report["ratios"]:
        axes[1].axhline(1, color=colours["procgen"], linewidth=1)
    for axis, title, form in zip(axes, ("Steps per CPU-second", "Times procgen's"), (style.count, _times), strict=False):
        _logarithmic(axis, instances)
        axis.set_title(title)
        axis.yaxis.set_major_formatter(FuncFormatter(form))
    style.legend(figure, [style.entry(colours[c["name"]], c["label"]) for c in present])
    return figure


def _on_gpu(reports: list[dict[str, Any]]) -> Figure:
    """Steps per second over the number of instances, a line per environment; their ranges as bands."""
    names = [" ".join(part for part in (report["env"], report["mode"]) if part) for report in reports]
    colours = style.colours(names)
    instances = sorted({m["num_envs"] for report in reports for m in report["measurements"]})
    figure, (axes,) = style.canvas(PAGE, 2.9, 2)
    for axis, observation, title in zip(axes, ("semantic", "pixels"), ("Semantic steps per second", "Frames per second"),
                                        strict=True):
        for name, report in zip(names, reports, strict=True):
            rows = [m for m in report["measurements"] if m["observation"] == observation and "median" in m]
            _banded(axis, [m["num_envs"] for m in rows], rows, colours[name])
        _logarithmic(axis, instances)
        axis.set_title(title)
        axis.yaxis.set_major_formatter(FuncFormatter(style.count))
    style.legend(figure, [style.entry(colours[name], name) for name in names])
    return figure


def _banded(axis: Axes, instances: Sequence[int], rows: Sequence[Mapping[str, float]], colour: str) -> None:
    """A line through the rounds' medians, their range as a band."""
    axis.fill_between(instances, [r["low"] for r in rows], [r["high"] for r in rows], color=colour, alpha=0.15, linewidth=0)
    axis.plot(instances, [r["median"] for r in rows], color=colour, marker="o", markersize=3.5)


def _logarithmic(axis: Axes, instances: list[int]) -> None:
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xticks(instances, [f"{n:,}" for n in instances])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlabel("instances stepped together")


def _times(value: float, _: Any = None) -> str:
    return f"{value:g}x"
