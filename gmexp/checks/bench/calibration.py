"""How long a calibration takes by the number of runs: nine simulated environments, each size in a process of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from gmexp.checks.bench.processes import heard, peak_memory, peak_of_children
from gmexp.statistics.calibrate import about
from gmexp.statistics.checks.engine import ENGINE, cpu_seconds
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import build_design
from gmexp.statistics.fit import fit, iterations
from gmexp.statistics.simulate import World, simulate
from gmexp.support.progress import Bar

__all__ = ["DIVERSITIES", "bench_calibration", "world"]

DIVERSITIES = (0.0, 0.1, 0.3, 1.0)


def world(runs: int, envs: int) -> World:
    """Environments x DIVERSITIES with as many runs a condition as come nearest to `runs` in all, at least one."""
    return replace(ENGINE, envs=envs, diversities=DIVERSITIES,
                   runs_per_cell=max(1, round(runs / (envs * len(DIVERSITIES)))))


def bench_calibration(runs: Sequence[int], envs: int, seed: int, config: CalibrationConfig,
                      progress: Callable[..., Any] = Bar) -> dict[str, Any]:
    """Seconds, CPU-seconds and peak memory of sampling, and of all that a calibration says besides, per number of runs.

    A size whose process dies has the reason under `missing`. `passed` says whether the sampler met its own gate.
    """
    entries = []
    with progress(len(runs) * iterations(config), "calibrations", "iteration") as bar:
        for number in runs:
            found = heard(_measure, (number, envs, seed, config), lambda said: getattr(bar, said[0])(said[1]),
                          daemon=config.cores == 1)
            entries.append(found or {"runs": number, "missing": "its process died"})
    return {"envs": envs, "seed": seed, "chains": config.chains, "warmup": config.warmup, "draws": config.draws,
            "attempts": config.attempts, "cores": config.cores, "load": os.getloadavg()[0], "entries": entries}


def _measure(runs: int, envs: int, seed: int, config: CalibrationConfig, connection: Connection) -> None:
    counts = simulate(world(runs, envs), np.random.default_rng(seed))[0]
    began, used = time.perf_counter(), cpu_seconds()
    design = build_design(counts)
    posterior, judged = fit(design, config, lambda n: connection.send(("advance", n)),
                            lambda n, why: connection.send(("extend", n)))
    sampled = time.perf_counter() - began
    about(counts, design, posterior, judged, config, sampled)
    connection.send({
        "runs": len(design.run_condition), "rows": len(design.run), "missing": None,
        "seconds": round(time.perf_counter() - began, 1), "sampling_s": round(sampled, 1),
        "cpu_s": round(cpu_seconds() - used, 1), "peak_memory_mib": round(peak_memory() + peak_of_children(), 1),
        "passed": bool(judged.passed),
        "rhat_max": judged.rhat_max, "ess_min": judged.ess_min,
        "draws": posterior.size // config.chains})
