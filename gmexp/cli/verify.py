"""`gmexp verify engine | run`: the commands; the comparisons are the environments' own, and `checks.reproduce`."""

from __future__ import annotations

import importlib
import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from gmexp.cli.options import boolean, choice, Command, dispatch, Option, place, text, whole
from gmexp.support.errors import UserError

__all__ = ["main"]

QUICK = {"levels": 256, "steps": 16_384, "frames": 4_096, "edited": 2_048}

COMMAND = Command(
    "verify engine", "a native engine against procgen's binary, bit by bit",
    (Option("env", text("name"), "coinrun", "which environment's"),
     Option("seed", whole(0, 2**31 - 1), None, "seed of all comparisons; not set draws a fresh one"),
     Option("levels", whole(4), 8192, "levels to compare"),
     Option("steps", whole(1), 1_048_576, "steps to compare, every float"),
     Option("frames", whole(0), 131_072, "frames to compare, every pixel"),
     Option("edited", whole(1), 107_520, "steps of edited games to compare, with event logs"),
     Option("quick", boolean(), False, "at most " + ", ".join(f"{n:,} {name}" for name, n in QUICK.items())),
     Option("recorded", text("file"), None, "what was recorded of the fork's variants; not for env=coinrun"),
     Option("format", choice("text", "json"), "text", "output for people or for machines")),
    "gmexp verify engine env=maze seed=1 format=json",
    "The exit code is 0 where nothing differs and every negative control was found. Needs an installed procgen.")


RUN = Command(
    "verify run", "one run of a study trained and evaluated again: its counts must come out the same",
    (Option("study", place("path"), None, "the study's folder; its counts and study.json are enough", required=True),
     Option("run", text("run id"), None, "which run; not set is the study's first")),
    "gmexp verify run study=results/quickstart",
    "Exact on processors that round alike. The exit code is 0 where all counts are the same.")


def main(args: Sequence[str]) -> int:
    """`gmexp verify engine | run key=value ...`"""
    return dispatch(args, {"engine": (COMMAND, engine), "run": (RUN, run)},
                    "what to verify is missing: gmexp verify engine seed=1, or gmexp verify run study=...")


def run(values: dict[str, Any]) -> int:
    from gmexp.artefacts.study import Study
    from gmexp.checks.reproduce import rerun

    found = rerun(Study(Path(values["study"])), values["run"])
    said = "all the same" if found["same"] else f"{found['rows_now']} now, {len(found['differing'])} different"
    print("\n".join([f"{found['run_id']}: {found['rows']} rows of counts, {said}", *found["differing"]]))
    if not found["same"]:
        print(f"made on {found['made_on']}; here: {found['here']}\n"
              "on other processors sums are rounded in another order, and training may go another way, as with another seed")
    return 0 if found["same"] else 1


def engine(values: dict[str, Any]) -> int:
    from gmexp.support.progress import Bar
    from gmexp_envs.procgen_family.binary import ProcgenUnavailable

    env, output, quick, recorded = (values.pop(name) for name in ("env", "format", "quick", "recorded"))
    if values["seed"] is None:
        values["seed"] = secrets.randbelow(2**31)
    if quick:
        values |= {name: min(values[name], most) for name, most in QUICK.items()}
    parity = _parity(env)
    files = {} if recorded is None else {"recorded": _recorded(env, parity, recorded)}
    try:
        report = parity.verify_engine(**values, **files, progress=Bar)
    except ProcgenUnavailable as error:
        raise UserError(str(error)) from error
    report["device"] = _device(env, values)
    print(json.dumps(report, indent=2) if output == "json" else _text(report))
    differences = report["differences"] + report["device"].get("differences", 0)
    return 0 if differences == 0 and all(report["controls"].values()) else 1


def _parity(env: str) -> ModuleType:
    """The module that compares an environment's engine with the real game."""
    from gmexp_envs import TASKS, find_task

    try:
        module = find_task(env).parity
    except ValueError as error:
        raise UserError(f"env={env}: {error}") from error
    if module is None:
        others = ", ".join(name for name in TASKS if find_task(name).parity)
        raise UserError(f"env={env} is no game of others' that it could be compared with: choose one of {others}")
    return importlib.import_module(module)


def _recorded(env: str, parity: ModuleType, path: str) -> Path:
    """The file of recorded variants."""
    if (name := getattr(parity, "RECORDED", None)) is None:
        raise UserError(f"recorded={path}: nothing was recorded for env={env}")
    if not Path(path).is_file():
        raise UserError(f"recorded={path} is no file: give the path of {name}")
    return Path(path)


def _device(env: str, values: dict[str, Any]) -> dict[str, Any]:
    """The CUDA engine against the CPU's, or why they were not compared."""
    from gmexp.checks.bench.device import compare_engines
    from gmexp_envs import DeviceUnavailable

    try:
        return compare_engines(env, values["seed"], values["steps"], values["frames"])
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
