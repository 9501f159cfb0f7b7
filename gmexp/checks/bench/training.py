"""Training speed of our PPO beside others', measured in turns.

Every baseline trains on easy CoinRun with the same numbers of environments, steps, epochs and minibatches; all but the
last with the same network on the same semantic observations. Each lives in a process of its own, so that its peak memory
can be told, on one thread, and does one whole iteration (rollout and updates) whenever its turn comes.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

import numpy as np

from gmexp.agents.config import PPOConfig
from gmexp.checks.bench.processes import peak_memory
from gmexp.checks.bench.spread import spread
from gmexp.support.parents import begun
from gmexp.support.progress import Bar
from gmexp.support.startup import imported
from gmexp_envs.vec import VecEnv

__all__ = ["BASELINES", "bench_train"]

SUBJECT = "ppo"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What all baselines train with."""

    num_envs: int
    rollout: int
    epochs: int
    minibatches: int
    width: int
    hidden: int
    seed: int


class Baseline(NamedTuple):
    """A trainer: `start` gives a function that does one iteration and returns the game steps it took."""

    label: str
    start: Callable[[Settings], Callable[[], int]]


def _config(settings: Settings) -> PPOConfig:
    from gmexp.support.composition import load
    from gmexp.training.config import TrainConfig

    shape = {f.name: getattr(settings, f.name) for f in dataclasses.fields(Settings) if f.name != "seed"}
    return dataclasses.replace(load("train", TrainConfig, []).agent, action_repeat=1, anneal=False, **shape)


def task() -> Any:
    """What is trained in."""
    from gmexp_envs import find_task

    return find_task("coinrun")


def _env(settings: Settings):
    import gmexp_envs

    return gmexp_envs.make_vec(task(), settings.num_envs, mode="easy", seed=settings.seed)


def ppo(config: PPOConfig, env: VecEnv, total_steps: int, seed: int) -> Any:
    from gmexp.agents.ppo import PPO

    return PPO(config, task(), env, total_steps, seed)


def plain(config: PPOConfig, env: VecEnv, total_steps: int, seed: int) -> Any:
    """Our loop, but with the first layer as a product with one-hot vectors."""
    agent = ppo(dataclasses.replace(config, update="autograd"), env, total_steps, seed)
    agent.network.cells.__class__ = _dense_layer()
    return agent


def _dense_layer() -> type:
    """The cell layer with its sums of rows replaced by the product they stand for, as on a GPU."""
    from gmexp.agents.first_layer import CellLayer

    class DenseCells(CellLayer):
        def forward(self, window, appearance, state, rows=None):
            return self.dense(window, appearance, state, rows)

    return DenseCells


def sb3_sparse(config: PPOConfig, env: VecEnv, total_steps: int, seed: int) -> Any:
    return imported("gmexp.agents.sb3").SB3PPO(config, task(), env, total_steps, seed)


def sb3(config: PPOConfig, env: VecEnv, total_steps: int, seed: int) -> Any:
    """stable-baselines3's PPO, with the first layer as a product with one-hot vectors."""
    agent = sb3_sparse(config, env, total_steps, seed)
    agent.model.policy.features_extractor.network.cells.__class__ = _dense_layer()
    return agent


AGENTS: dict[str, Callable[..., Any]] = {"ppo": ppo, "plain": plain, "sb3": sb3, "sb3_sparse": sb3_sparse}


def _iterating(name: str) -> Callable[[Settings], Callable[[], int]]:
    """What starts the agent `name`."""
    def start(settings: Settings) -> Callable[[], int]:
        agent = AGENTS[name](_config(settings), _env(settings), 10**12, settings.seed)

        def iterate() -> int:
            before = agent.steps
            agent.iterate()
            return agent.steps - before

        return iterate

    return start


def _sb3_procgen(settings: Settings) -> Callable[[], int]:
    """What people run today: stable-baselines3's PPO and its CNN on procgen's own frames."""
    from gmexp.checks.bench.baselines import Settings as Stepping
    from gmexp.checks.bench.baselines import sb3_over_procgen

    env = sb3_over_procgen(settings.num_envs, Stepping("easy", 1, settings.seed))
    batch = settings.num_envs * settings.rollout
    model = imported("stable_baselines3").PPO(
        "CnnPolicy", env, n_steps=settings.rollout, batch_size=batch // settings.minibatches, n_epochs=settings.epochs,
        device="cpu")

    def iterate() -> int:
        model.learn(batch, reset_num_timesteps=False, log_interval=None)
        return batch

    return iterate


BASELINES = {
    "ppo": Baseline("gmexp PPO", _iterating("ppo")),
    "plain": Baseline("plain torch loop", _iterating("plain")),
    "sb3": Baseline("SB3 PPO, same network", _iterating("sb3")),
    "sb3_sparse": Baseline("SB3 PPO, our first layer", _iterating("sb3_sparse")),
    "sb3_procgen": Baseline("SB3 PPO over procgen, CNN", _sb3_procgen),
}


def bench_train(rounds: int, progress: Callable[..., Any] = Bar, **settings: int) -> dict[str, Any]:
    """Measure every baseline; the report as plain data.

    `ratios.ppo_vs_X` is the median over rounds of our game steps per CPU-second over X's in the same round;
    `ratios_per_second` is that of steps per second.
    """
    taken: dict[str, list[tuple[int, float, float]]] = {}
    memory: dict[str, float] = {}
    missing: dict[str, str] = {}
    players: dict[str, tuple[BaseProcess, Connection]] = {}
    with progress(len(BASELINES) * (rounds + 1), "bench train", "iteration") as bar:
        try:
            for name in BASELINES:
                players[name] = begun(_play, (name, Settings(**settings)))
            for lap in range(-1, rounds):  # the first lap builds and warms up
                for name, (_, connection) in players.items():
                    if name not in missing:
                        answer = _asked(connection)
                        if isinstance(answer, str):
                            missing[name] = answer
                        elif lap >= 0:
                            taken.setdefault(name, []).append(answer[:3])
                            memory[name] = answer[3]
                    bar.advance(1)
        finally:
            for process, _ in players.values():
                process.kill()
                process.join()
    speeds = {name: np.array([[steps / cpu, steps / wall] for steps, cpu, wall in rows]) for name, rows in taken.items()}
    return {
        "settings": settings, "rounds": rounds,
        "baselines": [{"name": name, "label": c.label, "missing": missing.get(name)} for name, c in BASELINES.items()],
        "measurements": [{"baseline": name, "steps_per_cpu_second": spread(rates[:, 0]),
                          "steps_per_second": spread(rates[:, 1]), "peak_memory_mib": memory[name]}
                         for name, rates in speeds.items()],
        "ratios": _ratios(speeds, 0), "ratios_per_second": _ratios(speeds, 1),
    }


def _asked(connection: Connection) -> tuple[int, float, float, float] | str:
    """One iteration of a baseline -> steps, CPU-seconds, seconds, peak MiB; or why it cannot."""
    try:
        connection.send(None)
        return connection.recv()
    except (EOFError, OSError):
        return "its process died"


def _play(name: str, settings: Settings, connection: Connection) -> None:
    """A baseline's process: an iteration for every message."""
    import torch

    torch.set_num_threads(1)
    iterate = None
    while True:
        try:
            connection.recv()
        except EOFError:
            return
        try:
            iterate = iterate or BASELINES[name].start(settings)
        except Exception as error:  # whatever keeps an optional package from working
            connection.send(f"{type(error).__name__}: {error}".splitlines()[0])
            return
        cpu, wall = time.process_time(), time.perf_counter()
        steps = iterate()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        connection.send((steps, cpu, wall, peak_memory()))


def _ratios(speeds: dict[str, np.ndarray], column: int) -> dict[str, float]:
    return {f"{SUBJECT}_vs_{name}": float(np.median(speeds[SUBJECT][:, column] / rates[:, column]))
            for name, rates in speeds.items() if name != SUBJECT and SUBJECT in speeds}
