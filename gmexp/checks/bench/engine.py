"""Steps per second of an engine and of everything that runs the same game of procgen, measured in turns.

All baselines play the same levels by the same random actions, one after the other in each round, so that whatever
else the machine does hits all of them alike. CPU-seconds are those of all threads of the process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from statistics import median
from typing import Any

import numpy as np

from gmexp.checks.bench.baselines import BASELINES, Runner, Settings, Unavailable
from gmexp.checks.bench.spread import spread
from gmexp.support.progress import Bar
from gmexp_envs import find_task

__all__ = ["REFERENCE", "bench_engine"]

REFERENCE = "procgen"
OWN = ("pixels", "semantic")  # ours on the CPU, whose speed should not fall with the number of instances
SCALE = 256  # instances that larger numbers are compared with
ACTIONS = 512  # steps of actions that are drawn; then they repeat

Progress = Callable[[int, str, str], AbstractContextManager[Any]]


def bench_engine(num_envs: Sequence[int], rounds: int, seconds: float, mode: str, threads: int, seed: int,
                 env: str = "coinrun", progress: Progress = Bar) -> dict[str, Any]:
    """Measure every baseline over the numbers of instances; the report as plain data.

    `ratios.X_vs_procgen` is the median over the numbers of instances of the median over rounds of the ratio of steps per
    CPU-second, both taken in the same round; `ratios_per_second` is that of steps per second. There are none where procgen
    has no such game. `scaling.X_4096_vs_256` is the median over rounds of our steps per CPU-second with 4,096 instances over
    those with 256, and so on for all larger numbers than these.
    """
    settings, num_envs = Settings(mode, threads, seed, env), sorted(set(num_envs))
    missing: dict[str, str] = {}
    measured = {}  # (baseline, instances) -> per round: steps, CPU-seconds, seconds
    with progress(len(num_envs) * len(BASELINES) * (rounds + 1), "bench engine", "measurement") as bar:
        for n in num_envs:
            found = _measure(n, rounds, seconds, settings, missing, bar.advance)
            measured |= {(name, n): taken for name, taken in found.items()}
    names = [name for name in BASELINES if name not in missing]
    by_instances = [_ratios(measured, names, n) for n in num_envs]
    return {
        "env": env, "mode": settings.level_mode, "threads": threads, "num_envs": num_envs, "rounds": rounds,
        "seconds": seconds, "seed": seed,
        "baselines": [{"name": name, "label": c.label, "version": c.version, "missing": missing.get(name)}
                        for name, c in BASELINES.items()],
        "measurements": [_summary(name, n, measured[name, n]) for n in num_envs for name in names],
        "ratios_by_num_envs": by_instances,
        "ratios": _medians(by_instances, "per_cpu_second"),
        "ratios_per_second": _medians(by_instances, "per_second"),
        "scaling": _scaling(measured, [name for name in OWN if name in names], num_envs),
    }


def _measure(n: int, rounds: int, seconds: float, settings: Settings, missing: dict[str, str],
             advance: Callable[[int], None]) -> dict[str, np.ndarray]:
    """Steps, CPU-seconds and seconds per round of every baseline with n instances; who cannot run goes to `missing`."""
    actions = np.random.default_rng(settings.seed).integers(0, find_task(settings.env).num_actions, (ACTIONS, n),
                                                            np.int32)
    players: dict[str, _Player] = {}
    try:
        for name, baseline in BASELINES.items():
            if name in missing:
                advance(rounds + 1)
                continue
            try:
                players[name] = _Player(baseline.start(n, settings), actions)
            except Unavailable as error:
                missing[name] = str(error)
                advance(rounds + 1)
        taken = {name: np.zeros((rounds, 3)) for name in players}
        for lap in range(-1, rounds):  # the first lap only warms up
            for name, player in players.items():
                lap_taken = player.play(seconds)
                if lap >= 0:
                    taken[name][lap] = lap_taken
                advance(1)
    finally:
        for player in players.values():
            player.runner.close()
    return taken


class _Player:
    """A baseline, and how far it is in the list of actions."""

    def __init__(self, runner: Runner, actions: np.ndarray) -> None:
        self.runner, self._actions, self._next = runner, actions, 0

    def play(self, seconds: float) -> tuple[int, float, float]:
        """Step for about so long, once at least -> environment steps, CPU-seconds, seconds."""
        step, actions, k = self.runner.step, self._actions, self._next
        cpu, start = time.process_time(), time.perf_counter()
        taken = 0
        while True:
            step(actions[k])
            k = (k + 1) % len(actions)
            taken += 1
            if time.perf_counter() - start >= seconds:
                break
        cpu, wall = time.process_time() - cpu, time.perf_counter() - start
        self._next = k
        return taken * actions.shape[1], cpu, wall


def _summary(name: str, n: int, taken: np.ndarray) -> dict[str, Any]:
    """Medians over the rounds with the lowest and the highest, and what they come from."""
    found: dict[str, Any] = {"baseline": name, "num_envs": n}
    for key, column in (("steps_per_cpu_second", 1), ("steps_per_second", 2)):
        rates = taken[:, 0] / taken[:, column]
        found[key] = spread(rates)
    return found | {"rounds": [{"steps": int(s), "cpu_seconds": c, "seconds": w} for s, c, w in taken.tolist()]}


def _ratios(measured: dict[tuple[str, int], np.ndarray], names: list[str], n: int) -> dict[str, Any]:
    """Medians over the rounds of a baseline's speed over the reference's in the same round."""
    found: dict[str, Any] = {"num_envs": n}
    for key, column in (("per_cpu_second", 1), ("per_second", 2)):
        speeds = {name: measured[name, n][:, 0] / measured[name, n][:, column] for name in names}
        found[key] = {f"{name}_vs_{REFERENCE}": float(np.median(speeds[name] / speeds[REFERENCE]))
                      for name in names if name != REFERENCE and REFERENCE in speeds}
    return found


def _scaling(measured: dict[tuple[str, int], np.ndarray], names: list[str], num_envs: list[int]) -> dict[str, float]:
    """Medians over the rounds of a baseline's steps per CPU-second with more instances over those with `SCALE`."""
    speeds = {key: taken[:, 0] / taken[:, 1] for key, taken in measured.items()}
    return {f"{name}_{n}_vs_{SCALE}": float(np.median(speeds[name, n] / speeds[name, SCALE]))
            for name in names if SCALE in num_envs for n in num_envs if n > SCALE}


def _medians(by_instances: list[dict[str, Any]], key: str) -> dict[str, float]:
    return {name: median(row[key][name] for row in by_instances) for name in by_instances[0][key]}
