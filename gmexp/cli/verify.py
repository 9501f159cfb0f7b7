"""`gmexp verify engine | run`: the commands; the comparisons are in `verification` and `rerun`."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gmexp.cli.options import Command, Option, choice, dispatch, text, whole
from gmexp.support.errors import UserError

__all__ = ["main"]

COMMAND = Command(
    "verify engine", "the native CoinRun against procgen's binary, bit by bit",
    (Option("seed", whole(0, 2**31 - 1), None, "seed of all comparisons; not set draws a fresh one"),
     Option("levels", whole(4), 8192, "levels to compare"),
     Option("steps", whole(1), 1_048_576, "steps to compare, every float"),
     Option("frames", whole(0), 131_072, "frames to compare, every pixel"),
     Option("edited", whole(1), 107_520, "steps of edited games to compare, with event logs"),
     Option("format", choice("text", "json"), "text", "output for people or for machines")),
    "gmexp verify engine seed=1 format=json",
    "The exit code is 0 where nothing differs and every negative control was found. Needs an installed procgen.")


RUN = Command(
    "verify run", "one run of a study trained and evaluated again: its counts must come out the same",
    (Option("study", text("path"), None, "the study's folder; its counts and study.json are enough", required=True),
     Option("run", text("run id"), None, "which run; not set is the study's first")),
    "gmexp verify run study=results/quickstart",
    "Exact on the CPU. The exit code is 0 where all counts are the same.")


def main(args: Sequence[str]) -> int:
    """`gmexp verify engine | run key=value ...`"""
    return dispatch(args, {"engine": (COMMAND, engine), "run": (RUN, run)},
                    "what to verify is missing: gmexp verify engine seed=1, or gmexp verify run study=...")


def run(values: dict[str, Any]) -> int:
    from gmexp.artefacts.study import Study
    from gmexp.checks.reproduce import rerun

    found = rerun(Study(Path(values["study"])), values["run"])
    said = ("all the same" if found["same"] else
            f"{found['rows_now']} now; different: {', '.join(found['differing']) or 'none'}")
    print(f"{found['run_id']}: {found['rows']} rows of counts, {said}")
    return 0 if found["same"] else 1


def engine(values: dict[str, Any]) -> int:
    from gmexp.checks.parity import verify_engine
    from gmexp_envs.procgen_family.binary import ProcgenUnavailable

    if values["seed"] is None:
        values["seed"] = secrets.randbelow(2**31)
    output = values.pop("format")
    try:
        report = verify_engine(**values)
    except ProcgenUnavailable as error:
        raise UserError(str(error)) from error
    report["device"] = _device(values)
    print(json.dumps(report, indent=2) if output == "json" else _text(report))
    differences = report["differences"] + report["device"].get("differences", 0)
    return 0 if differences == 0 and all(report["controls"].values()) else 1


def _device(values: dict[str, Any]) -> dict[str, Any]:
    """The CUDA engine against the CPU's, or why they were not compared."""
    from gmexp.checks.bench.device import compare_engines
    from gmexp_envs import DeviceUnavailable

    try:
        return compare_engines(values["seed"], values["steps"], values["frames"])
    except DeviceUnavailable as error:
        return {"missing": str(error)}


def _text(report: dict[str, Any]) -> str:
    compared = ", ".join(f"{count:,} {what}" for what, count in report["compared"].items())
    lines = [f"seed {report['seed']}: {report['differences']} differences", f"compared: {compared}"]
    lines += [f"  differs: {what} in {count} rows" for what, count in report["differing"].items()]
    lines += [f"  for example {example}" for example in report["examples"]]
    lines += [f"control {'found' if found else 'MISSED'}: {name}" for name, found in report["controls"].items()]
    if not report["frames_comparable"]:
        lines.append(f"frames were not compared: {report['procgen']} draws with a newer Qt, whose rounding differs")
    device = report["device"]
    lines.append(f"CPU and GPU were not compared: {device['missing']}" if "missing" in device else
                 f"CPU and GPU ({device['hardware']}): {device['differences']} differences")
    lines += [f"  for example {example}" for example in device.get("examples", ())]
    return "\n".join([*lines, f"{report['seconds']} s"])
