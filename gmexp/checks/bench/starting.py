"""How long commands and environments take to start, each in processes of its own, the first with nothing compiled yet."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmexp.checks.bench.spread import spread
from gmexp.support.progress import Bar

__all__ = ["bench_start"]

COMMANDS = ("--help", "train --help", "estimate shift=3 mode=calibrated")  # what users wait for most often
FIRST_STEP = """
import numpy as np, gmexp_envs
env = gmexp_envs.make_vec({name!r}, 64, seed=0)
env.reset()
env.step(np.zeros(64, np.int32))
"""
TRAIN = "train steps=40000"


@dataclass(frozen=True)
class _Subject:
    """What is started: its name, Python's arguments, and whether it compiles anything."""

    name: str
    arguments: tuple[str, ...]
    compiles: bool


def bench_start(envs: Sequence[str], rounds: int, progress: Callable[..., Any] = Bar) -> dict[str, Any]:
    """Seconds and CPU-seconds of commands, of environments' first steps, and of a training run of a few iterations.

    A `cold` entry is of one process with an empty folder of compiled code; the others are of `rounds` processes after one
    that warmed up. What fails has the last line it said under `missing`. CPU-seconds are those of the process and of all
    that it waited for.
    """
    subjects = [_Subject(f"gmexp {command}", ("-m", "gmexp", *command.split()), False) for command in COMMANDS]
    subjects += [_Subject(f"first step of {name}", ("-c", FIRST_STEP.format(name=name)), True) for name in envs]
    subjects += [_Subject(f"gmexp {TRAIN}", ("-m", "gmexp", *TRAIN.split()), True)]
    entries = []
    with progress(len(subjects) * (rounds + 1), "bench start", "start") as bar:
        for subject in subjects:
            with tempfile.TemporaryDirectory() as folder:
                taken = []
                for lap in range(rounds + 1):
                    taken.append(_started(subject.arguments, Path(folder), f"{folder}/{lap}"))
                    bar.advance(1)
            entries += [_entry(subject.name, True, taken[:1])] * subject.compiles + [_entry(subject.name, False, taken[1:])]
    return {"rounds": rounds, "load": os.getloadavg()[0], "entries": entries}


def _started(arguments: Sequence[str], cache: Path, where: str) -> tuple[float, float, str | None]:
    """Start Python and wait for its end, in a new folder -> seconds, CPU-seconds, why it failed."""
    os.mkdir(where)
    before, began = os.times(), time.perf_counter()
    ended = subprocess.run([sys.executable, *arguments], cwd=where, capture_output=True, text=True,
                           env=os.environ | {"GMEXP_CACHE_DIR": str(cache)})
    seconds, after = time.perf_counter() - began, os.times()
    said = ended.stderr.strip().splitlines() or ["it said nothing"]
    return (seconds, after.children_user + after.children_system - before.children_user - before.children_system,
            said[-1] if ended.returncode else None)


def _entry(name: str, cold: bool, taken: Sequence[tuple[float, float, str | None]]) -> dict[str, Any]:
    """Medians and ranges of one subject's processes."""
    seconds, cpu_seconds, failed = zip(*taken, strict=True)
    missing = next((why for why in failed if why), None)
    return {"name": name, "cold": cold, "missing": missing} | (
        {} if missing else {"seconds": spread(seconds), "cpu_seconds": spread(cpu_seconds)})
