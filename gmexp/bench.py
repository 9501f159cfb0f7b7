"""`gmexp bench engine`: the command; what is measured and how is in `benchmarks`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gmexp.errors import UserError
from gmexp.keyvalue import Command, Option, choice, number, text, whole, wholes

__all__ = ["main"]

COMMAND = Command(
    "bench engine", "steps per second of the native CoinRun beside procgen, SB3 over procgen, and EnvPool",
    (Option("num_envs", wholes(1), [64, 256, 1024, 4096], "worlds stepped together"),
     Option("rounds", whole(1), 5, "how often each is measured, in turns"),
     Option("seconds", number(0.001), 1.0, "how long a measurement takes, at least a step"),
     Option("mode", choice("easy", "hard"), "easy", "procgen's distribution mode"),
     Option("threads", whole(1), 1, "threads of each"),
     Option("seed", whole(0, 2**31 - 1), 0, "seed of levels and actions"),
     Option("out", text("a folder"), "outputs/bench", "where engine-<mode>.json, .svg and .png go"),
     Option("format", choice("text", "json"), "text", "output for people or for machines")),
    "gmexp bench engine mode=hard format=json",
    "Needs an installed procgen to compare with; EnvPool and Stable-Baselines3 are measured where they are installed.")


def main(args: Sequence[str]) -> int:
    """`gmexp bench engine key=value ...`"""
    if not args or args[0] != "engine":
        if args and args[0] in ("-h", "--help", "help"):
            print(COMMAND.help())
            return 0
        raise UserError("what to measure is missing: gmexp bench engine")
    values = COMMAND.parse(args[1:])
    if values is None:
        return 0
    from envs.procgen.binary import ProcgenUnavailable, package_folder  # compiles and loads much that --help does not
    from gmexp import artefacts
    from gmexp.benchmarks.engine import bench_engine
    from gmexp.benchmarks.figure import draw

    out, output = Path(values.pop("out")), values.pop("format")
    try:
        package_folder()
    except ProcgenUnavailable as error:
        raise UserError(str(error)) from error
    artefacts.check_writable(out)
    report = bench_engine(**values)
    origin = artefacts.provenance(None, values, "speed of the native engine beside those who run procgen's")
    report["provenance"] = artefacts.plain(origin)
    path = out / f"engine-{values['mode']}.json"
    artefacts.write_json(path, {k: v for k, v in report.items() if k != "provenance"}, origin)
    for suffix, data in draw(report).items():
        artefacts.write_bytes(path.with_suffix(f".{suffix}"), data)
    print(json.dumps(report, indent=2) if output == "json" else f"{_text(report)}\n{path}")
    return 0


def _text(report: dict[str, Any]) -> str:
    """Medians of the steps per CPU-second (and per second) as a table, and the ratios."""
    worlds = report["num_envs"]
    lines = [f"CoinRun, {report['mode']}, {report['threads']} thread(s), {report['rounds']} rounds of "
             f"{report['seconds']:g} s, on {report['provenance']['hardware']}",
             "thousand steps per CPU-second, and per second in brackets:",
             f"{'worlds':<20}" + "".join(f"{n:>18,}" for n in worlds)]
    for c in report["contestants"]:
        if c["missing"] is not None:
            lines.append(f"{c['label']:<20}  {c['missing']}")
            continue
        rows = [m for m in report["measurements"] if m["contestant"] == c["name"]]
        cells = (f"{m['steps_per_cpu_second']['median'] / 1000:,.1f} ({m['steps_per_second']['median'] / 1000:,.1f})"
                 for m in rows)
        lines.append(f"{c['label']:<20}" + "".join(f"{cell:>18}" for cell in cells))
    lines += [f"{name}: {ratio:.1f} per CPU-second, {report['ratios_per_second'][name]:.1f} per second"
              for name, ratio in report["ratios"].items()]
    return "\n".join(lines)
