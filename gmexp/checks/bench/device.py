"""Engines and training on a CUDA device: are the engines the CPU's bit for bit, and how fast is what?"""

from __future__ import annotations

import dataclasses
import importlib
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch

import gmexp_envs
from gmexp.checks.bench.baselines import Settings
from gmexp.checks.bench.spread import spread
from gmexp.support.progress import Bar
from gmexp_envs import Task
from gmexp_envs.coinrun.layout import NUM_ACTIONS
from gmexp_envs.procgen_family.tally import Tally
from gmexp_envs.vec import EpisodeLog, to_numpy

__all__ = ["TRAINED", "bench_device", "bench_training", "cases", "compare_engines"]

INSTANCES_EACH = 40  # of every distribution, which makes a thousand stepped together of a game
ACTIONS = 64  # steps of actions that are drawn; then they repeat
RIGHT, JUMP_RIGHT = 7, 8  # procgen's actions that lead on
WORLD_HORIZON = 12  # steps of a small world's episodes, so that many end
FAST = {"precision": "bfloat16", "compile": True}
TRAINED: tuple[tuple[str, dict[str, Any]], ...] = (  # agents whose training is measured, and what of them is set otherwise
    ("ppo", {}), ("ppo", {"num_envs": 4096}), ("ppo", {"num_envs": 32768}),
    ("impala_langosco", {"num_envs": 64}), ("impala_langosco", {"num_envs": 64, **FAST}),
    ("impala_langosco", {}), ("impala_langosco", FAST))

Progress = Callable[[int, str, str], AbstractContextManager[Any]]


def cases(task: Task) -> Sequence[Any]:
    """The level distributions over which both engines of an environment are compared."""
    if task.parity:
        return importlib.import_module(task.parity).CASES
    plain = task.knobs(None, horizon=WORLD_HORIZON)
    return [plain, *(dataclasses.replace(plain, **knobs) for knobs in (
        {"rho": 0.0, "appearance": 0.5, "context": 1.0, "supervision": 0.6}, {"rho": -1.0, "supervision": 1.0},
        {"rho": 0.0, "masked": True, "spec_quality": 0.4}, {"levels": (3, 99, 0), "sequential": True, "spec_quality": 0.0}))]


def compare_engines(env: str, seed: int, steps: int, frames: int, instances_each: int = INSTANCES_EACH,
                    device: str = "cuda", progress: Progress = Bar) -> dict[str, Any]:
    """Play both engines of an environment alike over many level distributions (`cases`) and compare all that they show,
    about as often as asked for.

    The report as plain data: `differences` is the number of differing rows. Raises DeviceUnavailable without a device.
    """
    tally = Tally()
    started = time.perf_counter()
    distributions = cases(gmexp_envs.find_task(env))
    n = instances_each * len(distributions)
    with progress(steps + frames, "CPU and GPU", "step") as bar:
        for observation, count in (("semantic", steps), ("pixels", frames)):
            ours, theirs = (gmexp_envs.make_vec(env, n, distribution=list(distributions), seed=seed,
                                                    observation=observation, device=where) for where in ("cpu", device))
            rng = np.random.default_rng(seed)
            _equal(tally, f"{observation} observations", ours.reset(), theirs.reset(), f"{observation}, reset")
            for t in range(-(-count // n)):
                where = f"{observation}, seed {seed}, step {t}"
                actions = rng.integers(0, ours.num_actions, n)
                if ours.num_actions == NUM_ACTIONS:  # of procgen's games, which random actions seldom get on in
                    actions = np.where(rng.random(n) < 0.6, rng.choice((RIGHT, JUMP_RIGHT), n), actions)
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


def bench_device(env: str, num_envs: Sequence[int], rounds: int, seconds: float, mode: str, seed: int,
                 device: str = "cuda", progress: Progress = Bar) -> dict[str, Any]:
    """Steps per second of random actions that are on the device already; the report as plain data.

    mode: of levels that have one; small worlds' have none. A number of instances that does not fit into the device's memory
    is reported as missing.
    """
    settings, measurements = Settings(mode, 1, seed, env), []
    with progress(2 * len(num_envs) * rounds, "bench device", "measurement") as bar:
        for observation in ("semantic", "pixels"):
            for n in sorted(set(num_envs)):
                row: dict[str, Any] = {"observation": observation, "num_envs": n}
                try:
                    rates, row["hardware"] = _rates(settings, n, rounds, seconds, observation, device)
                    row |= spread(rates)
                except torch.OutOfMemoryError:
                    row["missing"] = "too little memory"
                measurements.append(row)
                bar.advance(rounds)
    return {"env": env, "mode": settings.level_mode, "rounds": rounds, "seconds": seconds, "seed": seed,
            "measurements": measurements}


def _rates(settings: Settings, n: int, rounds: int, seconds: float, observation: str,
           device: str) -> tuple[list[float], str]:
    """Steps per second of each round, and the device's name."""
    env = gmexp_envs.make_vec(settings.env, n, seed=settings.seed, observation=observation, device=device, **settings.knobs)
    drawn = np.random.default_rng(settings.seed).integers(0, env.num_actions, (ACTIONS, n))
    actions = env.rows.new_tensor(drawn, dtype=torch.int32)
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


def bench_training(rounds: int, seed: int, device: str = "cuda", progress: Progress = Bar,
                   trained: Sequence[tuple[str, dict[str, Any]]] = TRAINED) -> dict[str, Any]:
    """Game steps per second of whole iterations of PPO on easy CoinRun, environment and agent on the device; the report as
    plain data, with those of rollouts and of updates alone. Raises DeviceUnavailable without a device.
    """
    entries = []
    with progress(len(trained) * (rounds + 1), "bench train", "iteration") as bar:
        for name, changed in trained:
            player = _player(name, changed, seed, device)
            steps = player.config.num_envs * player.config.rollout * player.config.action_repeat
            seconds = np.zeros((rounds + 1, 2))
            for lap in range(rounds + 1):  # the first warms up
                for k, part in enumerate((player.collect, player.learn)):
                    start = time.perf_counter()
                    part()
                    player.env.synchronize()
                    seconds[lap, k] = time.perf_counter() - start
                bar.advance(1)
            seconds, hardware = seconds[1:], player.env.hardware
            memory = torch.cuda.max_memory_allocated(player.device) if player.device.type == "cuda" else 0
            entries.append({"agent": name, "changed": changed, "num_envs": player.config.num_envs,
                            "rollout": player.config.rollout, "steps_per_second": spread(steps / seconds.sum(1)),
                            "of_rollouts": spread(steps / seconds[:, 0]), "of_updates": spread(steps / seconds[:, 1]),
                            "peak_memory_mib": memory / 2**20})
    return {"rounds": rounds, "seed": seed, "hardware": hardware, "entries": entries}


def _player(name: str, changed: dict[str, Any], seed: int, device: str) -> Any:
    """The trainer of an agent as configured but for what is `changed`."""
    from gmexp.agents.ppo import PPO
    from gmexp.support.composition import load
    from gmexp.training.config import TrainConfig

    config = load("train", TrainConfig, [f"agent={name}"])
    agent = dataclasses.replace(config.agent, **changed)
    env = gmexp_envs.make_vec(config.task, agent.num_envs, mode="easy", seed=seed, device=device,
                              observation=agent.observation, action_repeat=agent.action_repeat)
    where = env.rows.device
    if where.type == "cuda":
        torch.cuda.reset_peak_memory_stats(where)
    return PPO(agent, config.task, env, 10**12, seed, str(where))
