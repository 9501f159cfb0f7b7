"""How long the sampler takes at the size of all studies together."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import build_design
from gmexp.statistics.fit import fit
from gmexp.statistics.model import Model
from gmexp.statistics.simulate import World, simulate

__all__ = ["ENGINE", "cpu_seconds", "engine"]

ENGINE = World(
    envs=9,
    shifts=(0, 1, 2, 3, 4),
    diversities=(0.0, 0.01, 0.03, 0.1, 0.2, 0.3),
    runs_per_cell=6,
    runs="logistic_normal",
    cell=0.15,
    coupling=0.4,
    seed_sd=0.3,
)


def engine(envs: int = 9, cores: int = 2, warmup: int = 500, draws: int = 2000, seed: int = 0) -> dict[str, Any]:
    """The sampler on 9 environments x 5 shifts x 6 conditions x 6 runs: seconds, and whether it passes its own gate."""
    design = build_design(simulate(replace(ENGINE, envs=envs), np.random.default_rng(seed))[0])
    config = CalibrationConfig(seed=seed, warmup=warmup, draws=draws, cores=cores, attempts=1)
    began, used = time.perf_counter(), cpu_seconds()
    _, judged = fit(design, config)
    cpu = cpu_seconds() - used
    return {"check": "engine", "rows": len(design.run), "coordinates": Model(design, config).size, "chains": config.chains,
            "warmup": warmup, "draws": draws, "cores": cores, "wall_s": round(time.perf_counter() - began, 1),
            "cpu_s": round(cpu, 1), "load": os.getloadavg()[0], **asdict(judged)}


def cpu_seconds() -> float:
    """Of this process and of those it has ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
