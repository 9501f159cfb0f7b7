"""The engine on a CUDA device: is it the CPU's bit for bit, and how many steps a second does it take?"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch

import gmexp_envs
from gmexp.support.progress import Bar
from gmexp_envs import Task
from gmexp_envs.coinrun.layout import NUM_ACTIONS
from gmexp_envs.coinrun.procgen.parity import CASES
from gmexp_envs.procgen_family.tally import Tally
from gmexp_envs.vec import EpisodeLog, to_numpy

TASK = gmexp_envs.find_task("coinrun")

__all__ = ["bench_device", "compare_engines"]

INSTANCES_EACH = 40  # of every distribution, which makes a thousand stepped together
ACTIONS = 64  # steps of actions that are drawn; then they repeat
RIGHT, JUMP_RIGHT = 7, 8

Progress = Callable[[int, str, str], AbstractContextManager[Any]]


def compare_engines(seed: int, steps: int, frames: int, instances_each: int = INSTANCES_EACH, device: str = "cuda",
                    progress: Progress = Bar, env: str | Task = TASK,
                    distributions: Sequence[Any] = CASES) -> dict[str, Any]:
    """Play both engines of an environment alike over many level distributions and compare all that they show, about as
    often as asked for.

    The report as plain data: `differences` is the number of differing rows. Raises DeviceUnavailable without a device.
    """
    tally = Tally()
    started = time.perf_counter()
    n = instances_each * len(distributions)
    with progress(steps + frames, "CPU and GPU", "step") as bar:
        for observation, count in (("semantic", steps), ("pixels", frames)):
            ours, theirs = (gmexp_envs.make_vec(env, n, distribution=list(distributions), seed=seed,
                                                    observation=observation, device=where) for where in ("cpu", device))
            rng = np.random.default_rng(seed)
            _equal(tally, f"{observation} observations", ours.reset(), theirs.reset(), f"{observation}, reset")
            for t in range(-(-count // n)):
                where = f"{observation}, seed {seed}, step {t}"
                actions = np.where(rng.random(n) < 0.6, rng.choice((RIGHT, JUMP_RIGHT), n), rng.integers(0, NUM_ACTIONS, n))
                a, b = ours.step(actions), theirs.step(actions)
                _equal(tally, f"{observation} observations", a.observation, b.observation, where)
                for name in ("reward", "terminated", "truncated"):
                    _equal(tally, name, getattr(a, name), getattr(b, name), where)
                for name in EpisodeLog._fields:
                    _equal(tally, f"log {name}", getattr(ours.log, name), getattr(theirs.log, name), where)
                tally.compared["steps" if observation == "semantic" else "frames"] += n
                tally.compared["episodes"] += int((a.terminated | a.truncated).sum())
                bar.advance(n)
            saved = theirs.state()
            for name, array in ours.state().items():
                _equal(tally, f"state {name}", array, saved[name], f"{observation}, seed {seed}, at the end")
            hardware = theirs.hardware
    return {"seed": seed, "hardware": hardware, "differences": sum(tally.differing.values()),
            "compared": dict(tally.compared), "differing": dict(tally.differing), "examples": tally.examples,
            "seconds": round(time.perf_counter() - started, 1)}


def _equal(tally: Tally, what: str, ours: Any, theirs: Any, where: str) -> None:
    """Count the rows in which arrays, or all of a tuple's arrays, differ in a bit."""
    for a, b in zip(*((x,) if hasattr(x, "shape") else x for x in (ours, theirs)), strict=True):
        tally.equal(what, _bits(a), _bits(to_numpy(b)), where)


def _bits(array: np.ndarray) -> np.ndarray:
    return array.view(np.uint32) if array.dtype == np.float32 else array


def bench_device(num_envs: Sequence[int], rounds: int, seconds: float, mode: str, seed: int, device: str = "cuda",
                 progress: Progress = Bar) -> dict[str, Any]:
    """Steps per second of random actions that are on the device already; the report as plain data.

    A number of instances that does not fit into the device's memory is reported as missing.
    """
    measurements = []
    with progress(2 * len(num_envs) * rounds, "bench device", "measurement") as bar:
        for observation in ("semantic", "pixels"):
            for n in sorted(set(num_envs)):
                row: dict[str, Any] = {"observation": observation, "num_envs": n}
                try:
                    rates, row["hardware"] = _rates(n, rounds, seconds, mode, seed, observation, device)
                    row |= {"median": float(np.median(rates)), "low": min(rates), "high": max(rates)}
                except torch.OutOfMemoryError:
                    row["missing"] = "too little memory"
                measurements.append(row)
                bar.advance(rounds)
    return {"mode": mode, "rounds": rounds, "seconds": seconds, "seed": seed, "measurements": measurements}


def _rates(n: int, rounds: int, seconds: float, mode: str, seed: int, observation: str,
           device: str) -> tuple[list[float], str]:
    """Steps per second of each round, and the device's name."""
    env = gmexp_envs.make_vec(TASK, n, mode=mode, seed=seed, observation=observation, device=device)
    actions = env.rows.new_tensor(np.random.default_rng(seed).integers(0, NUM_ACTIONS, (ACTIONS, n)), dtype=torch.int32)
    env.reset()
    for row in actions:  # warms up, and spreads the instances over their episodes
        env.step(row)
    rates = []
    for _ in range(rounds):
        env.synchronize()
        start, taken = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            for row in actions:
                env.step(row)
            env.synchronize()
            taken += len(actions)
        rates.append(taken * n / (time.perf_counter() - start))
    return rates, env.hardware
