"""How long trainers take until their training episodes succeed: each alone, from nothing, with the default agent."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from gmexp.checks.bench.processes import heard
from gmexp.checks.bench.training import AGENTS, task
from gmexp.rates.learning import WINDOW
from gmexp.support.progress import Bar

__all__ = ["race"]


def race(until: float, steps: int, seed: int, names: Sequence[str] = tuple(AGENTS),
         progress: Callable[..., Any] = Bar) -> dict[str, Any]:
    """Train each of `names` on easy CoinRun until a share `until` of its episodes, over the last 20 iterations, reaches
    the intended goal; the report as plain data. `steps` is the budget, in game steps, over which the learning rate falls.

    Seconds are those of training, without compilation and imports; None for whoever does not get there.
    """
    found = []
    with progress(steps * len(names), f"race to {until:g}", "step") as bar:
        for name in names:
            left = _Left(steps, bar)
            said = heard(_run, (name, until, steps, seed), left.take)
            bar.advance(max(left.steps, 0))
            found.append({"baseline": name, "missing": None, **(said or {"missing": "its process died"})})
    return {"until": until, "steps": steps, "seed": seed, "entries": found}


@dataclass
class _Left:
    """Steps of a racer's budget, and the bar that shows them."""

    steps: int
    bar: Any

    def take(self, steps: int) -> None:
        self.steps -= steps
        self.bar.advance(steps)


def _run(name: str, until: float, steps: int, seed: int, connection: Connection) -> None:
    """One racer: the steps of every iteration, then what came of it."""
    import torch

    import gmexp_envs
    from gmexp.support.composition import load
    from gmexp.training.config import TrainConfig

    torch.set_num_threads(1)
    config = load("train", TrainConfig, []).agent
    env = gmexp_envs.make_vec(task(), config.num_envs, mode="easy", seed=seed, action_repeat=config.action_repeat)
    try:
        agent = AGENTS[name](config, env, steps, seed)
    except Exception as error:  # whatever keeps an optional package from working
        connection.send({"missing": f"{type(error).__name__}: {error}".splitlines()[0]})
        return
    successes: list[tuple[float, int]] = []
    cpu, wall = time.process_time(), time.perf_counter()
    share = 0.0
    while not agent.finished and share < until:
        before = agent.steps
        progress = agent.iterate()
        connection.send(agent.steps - before)
        successes.append(((progress.success or 0.0) * progress.episodes, progress.episodes))
        solved, episodes = np.sum(successes[-WINDOW:], axis=0)
        share = float(solved / episodes) if len(successes) >= WINDOW and episodes else 0.0
    arrived = share >= until
    connection.send({"seconds": time.perf_counter() - wall if arrived else None,
                     "cpu_seconds": time.process_time() - cpu if arrived else None, "steps": agent.steps,
                     "success": share})
