"""Code that a study needs once its first runs are trained, compiled while these wait for what they need themselves.

Two runs that begin at once need the same code: one compiles it, the other waits, and so does a core.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from gmexp.support.limits import available_cores
from gmexp.support.parents import begun
from gmexp_envs import find_task, make_vec

STATISTICS = "statistics"


@contextlib.contextmanager
def compiled_ahead(tasks: Sequence[str]) -> Iterator[None]:
    """Until it ends, the scripted policies of environments, by name, and the calibration's density are compiled in a
    process of their own. Nothing is begun where that was done before, on a single core, or without a cache to leave it in.
    """
    from gmexp_envs.compiled.jit import CACHE_FOLDER

    missing = [name for name in (STATISTICS, *tasks) if CACHE_FOLDER and not _mark(CACHE_FOLDER, name).exists()]
    if not missing or available_cores() < 2:
        yield
        return
    process, _ = begun(_compile, (missing, CACHE_FOLDER))
    try:
        yield
    finally:
        process.kill()
        process.join()


def _mark(folder: str, name: str) -> Path:
    """The file that says that it was done."""
    return Path(folder, f"{name.replace(os.sep, '.')}.ahead")


def _compile(names: Sequence[str], folder: str, connection: Connection) -> None:
    """In silence: what fails here is needed again where it is used, and fails there with a word."""
    sys.stderr = sys.stdout = open(os.devnull, "w")
    for name in names:
        with contextlib.suppress(Exception):
            _statistics() if name == STATISTICS else _scripted(name)
        _mark(folder, name).touch()


def _statistics() -> None:
    """The log density and its gradient, of the smallest study."""
    from gmexp.statistics.compiled import Compiled
    from gmexp.statistics.config import CalibrationConfig
    from gmexp.statistics.design import build_design
    from gmexp.statistics.model import Model
    from gmexp.statistics.simulate import World, simulate

    rng = np.random.default_rng(0)
    counts, _ = simulate(World(envs=1, shifts=(1,), diversities=(0.0,), runs_per_cell=2), rng)
    model = Model(build_design(counts), CalibrationConfig())
    density = Compiled(model)
    start = model.start(rng, 1)
    density.log_density(start)
    density.gradient(start)


def _scripted(name: str) -> None:
    """One step of every scripted policy."""
    env = make_vec(name, num_envs=1)
    try:
        observation = env.reset()
        for goal in ("intended", "proxy"):
            find_task(name).scripted(goal, env).act(observation, np.arange(1))
    finally:
        env.close()
