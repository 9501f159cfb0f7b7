"""Stage `evaluate`: a checkpoint under shifts -> its episodes.

All cells (shift x grade, and the goal probes) are played as one batch, on held-out levels that the run's cells share:
episode k of slot s plays the same level seed in each, with sampled actions of its own. Runs of different train seeds play
different levels, so that the spread between runs, which intervals are made of, includes that between levels; runs that
share a train seed, one in each condition, share levels and luck.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

import gmexp_envs
from gmexp import artefacts
from gmexp.agents.checkpoint import Checkpoint, load_checkpoint
from gmexp.agents.ppo import PPOConfig
from gmexp.artefacts import tables
from gmexp.artefacts.records import Episode, RunMeta
from gmexp.evaluation.config import EvaluateConfig, EvaluationPlan
from gmexp.evaluation.rollout import Actor, play
from gmexp.support.composition import load
from gmexp.support.errors import UserError
from gmexp.support.host import settle_torch
from gmexp.support.progress import Bar
from gmexp.support.seeding import stream
from gmexp.training.compilation import compile_kernels
from gmexp.training.train import env_device
from gmexp_envs.compiled.jit import source_hash
from gmexp_envs.levels import SPLITS, SeedRange, split_levels
from gmexp_envs.outcome import NEVER
from gmexp_envs.procgen_family.binary import ProcgenUnavailable
from gmexp_envs.shifts import find_shift, shift
from gmexp_envs.task import Task
from gmexp_envs.vec import DeviceUnavailable, EpisodeLog


@dataclass(frozen=True)
class Cell:
    """One distribution an agent is evaluated on."""

    shift_type: int
    shift_name: str
    grade: float
    probe: bool
    distribution: Any  # one of the task's level distributions


def held_out(train_seed: int, count: int, split: str = "evaluation") -> SeedRange:
    """The `count` levels of a split that runs of this train seed are measured on."""
    return split_levels(split, count, count * (train_seed % (SPLITS[split].count // count)))


def own_levels(checkpoint: Checkpoint, count: int) -> SeedRange:
    """The first `count` held-out levels of a run: of those it was evaluated on, or else would be by the default plan."""
    path = checkpoint.path.with_name("episodes.parquet")
    if path.is_file():
        first = pc.min(tables.read_table(path, Episode)["level_seed"]).as_py()
    else:
        usual = load("evaluate", EvaluateConfig, ["run=none"]).evaluation
        first = held_out(checkpoint.meta.train_seed, usual.episodes).first
    return SeedRange(first, count)


def cells(task: Task, training: Any, plan: EvaluationPlan, train_seed: int = 0) -> list[Cell]:
    """The cells of a plan, for an agent trained on `training` with this train seed, on held-out levels.

    UserError where the training distribution cannot be shifted so.
    """
    found = []
    try:
        levels = held_out(train_seed, plan.episodes)
        for kind in sorted(set(plan.shifts)):
            name = find_shift(task, kind).name
            for grade in sorted(set(plan.grades)) if kind else [0.0]:
                shifted = dataclasses.replace(shift(task, training, kind, grade), levels=levels, sequential=True)
                found.append(Cell(kind, name, grade, False, shifted))
                if kind in plan.probes:
                    found.append(Cell(kind, name, grade, True, task.distinguishing(shifted)))
    except ValueError as error:
        raise UserError(f"the evaluation does not fit the training distribution: {error}") from error
    return found


def run(config: EvaluateConfig) -> int:
    """`gmexp evaluate`."""
    checkpoint = load_checkpoint(config.run, config.device)
    every = cells(checkpoint.task, checkpoint.training, config.evaluation, checkpoint.meta.train_seed)
    planned, left_out = playable(checkpoint.task, every, config.backend)
    if left_out:
        names = ", ".join(dict.fromkeys(f"{cell.shift_name} at {cell.grade:g}" for cell in left_out))
        print(f"left out, since procgen cannot play them: {names}", file=sys.stderr)
    compile_kernels()
    with Bar(len(planned) * config.evaluation.episodes, f"evaluate {checkpoint.meta.run_id}", "episode") as bar:
        path = evaluate(checkpoint, config.evaluation, bar.advance, config.backend)
    print(path)
    return 0


def evaluate(checkpoint: Checkpoint, plan: EvaluationPlan,
             on_progress: Callable[[int], None] = lambda episodes: None, backend: str = "native") -> Path:
    """Evaluate a checkpoint -> episodes.parquet beside it. Episodes of the same plan are left as they are.

    With backend procgen, what the real binary can play goes to episodes-procgen.parquet: the same episodes.
    """
    path = checkpoint.path.with_name(f"episodes{'' if backend == 'native' else f'-{backend}'}.parquet")
    levels = held_out(checkpoint.meta.train_seed, plan.episodes)
    identity = {"run": checkpoint.meta.config_hash, "plan": dataclasses.asdict(plan), "levels": levels}
    every = cells(checkpoint.task, checkpoint.training, plan, checkpoint.meta.train_seed)
    planned, _ = playable(checkpoint.task, every, backend)
    if made_from(path) == artefacts.config_hash(identity):
        on_progress(len(planned) * plan.episodes)
        return path
    artefacts.check_writable(path.parent)
    settle_torch()
    env = make_env(checkpoint.task, planned, plan, checkpoint.agent, backend=backend, device=checkpoint.device)
    actor = checkpoint.policy(stream(plan.seed, "policy"), plan.greedy, slots=len(every) * plan.slots)
    columns = play_cells(checkpoint.task, actor, env, planned, plan, checkpoint.meta, levels_folder(path), on_progress)
    env.close()
    origin = artefacts.provenance(None, identity, "episodes of a trained agent under the graded shifts")
    return tables.write_table(path, columns, Episode, origin)


def playable(task: Task, planned: list[Cell], backend: str) -> tuple[list[Cell], list[Cell]]:
    """The cells that a backend can play, and those that it cannot: these come last, as supervision is shift 4's.

    UserError where it can play none.
    """
    if backend == "native":
        return planned, []
    reasons = [task.why_not(cell.distribution, backend) for cell in planned]
    count = next((k for k, reason in enumerate(reasons) if reason), len(planned))
    if count == 0:
        raise UserError(str(reasons[0]))
    return planned[:count], planned[count:]


def levels_folder(path: Path) -> Path | None:
    """Where the runs of the study that `path` (a file of a run) belongs to share what is known of levels."""
    return path.parents[2] / "levels" if path.parents[1].name == "runs" else None


def made_from(path: Path) -> str | None:
    """The hash of what the artefact `path` was made from; None where there is none that can be read."""
    if not path.is_file():
        return None
    try:
        return (tables.read_provenance(path) or {}).get("config_hash")
    except UserError:
        return None


def play_cells(task: Task, actor: Actor, env: gmexp_envs.VecEnv, planned: list[Cell], plan: EvaluationPlan,
               meta: RunMeta, cache: Path | None = None,
               on_progress: Callable[[int], None] = lambda episodes: None) -> dict[str, np.ndarray]:
    """Play every cell as one batch, in the environment that `make_env` made -> columns of `records.Episode`.

    An episode counts as distinguishing only if its level is certified (see `certified_levels`, which uses `cache`).
    """
    log, slot = play(actor, env, plan.episodes // plan.slots, lambda steps, episodes: on_progress(episodes))
    slot = slot % plan.slots
    judged = [cell.distribution for cell in planned]
    log = log._replace(distinguishing=distinguishing_episodes(task, log, slot, plan, judged, cache))
    return episode_columns(task, log, slot, planned, plan, meta)


def distinguishing_episodes(task: Task, log: EpisodeLog, slot: np.ndarray, plan: EvaluationPlan, judged: Sequence[Any],
                       cache: Path | None) -> np.ndarray:
    """Whether each episode's level is certified: bool [episodes].

    `slot` is the episode's within its cell, `judged` the distribution whose levels decide, per cell.
    """
    distinguishing = np.zeros(len(slot), bool)
    certified = {distribution: certified_levels(task, distribution, cache) for distribution in set(judged)}
    for index, distribution in enumerate(judged):
        rows = log.cell == index
        position = (slot[rows] + log.index[rows] * plan.slots) % distribution.num_levels  # in its level sequence
        distinguishing[rows] = certified[distribution][position]
    return distinguishing


def certified_levels(task: Task, distribution: Any, cache: Path | None = None) -> np.ndarray:
    """Which levels of a distribution tell the goals apart, by construction and in play (`Task.certify`).

    It depends on nothing but the levels, so runs share it in the folder `cache`.
    """
    identity = {"env": task.name, "levels": distribution, "engine": source_hash()}
    path = cache and cache / f"{artefacts.config_hash(identity)}.npz"
    if path and path.is_file():
        return artefacts.read_npz(path, required=("distinguishing",))["distinguishing"]
    distinguishing = task.certify(distribution)
    if path:
        artefacts.write_npz(path, {"distinguishing": distinguishing})
    return distinguishing


def make_env(task: Task, planned: list[Cell], plan: EvaluationPlan, agent: PPOConfig | None = None, drawable: bool = False,
             backend: str = "native", device: str = "cpu") -> gmexp_envs.VecEnv:
    """One environment for all cells: `plan.slots` worlds each, seen and acted in as `agent` does, or else semantic and
    step by step; `device` is the agent's. UserError where procgen or a device is wanted in vain."""
    observation, action_repeat = (agent.observation, agent.action_repeat) if agent else ("semantic", 1)
    try:
        return gmexp_envs.make_vec(task, len(planned) * plan.slots, distribution=[c.distribution for c in planned],
                             seed=stream(plan.seed, "levels"), observation=observation, action_repeat=action_repeat,
                             drawable=drawable, backend=backend, device=env_device(device, backend))
    except (ProcgenUnavailable, DeviceUnavailable) as error:
        raise UserError(str(error)) from error


def episode_columns(task: Task, log: EpisodeLog, slot: np.ndarray, planned: list[Cell], plan: EvaluationPlan,
                    meta: RunMeta) -> dict[str, np.ndarray]:
    """Event logs as columns of `records.Episode`; what did not happen or does not exist is masked."""

    def of_cell(name: str) -> np.ndarray:
        return np.array([getattr(cell, name) for cell in planned])[log.cell]

    def step(values: np.ndarray) -> np.ma.MaskedArray:
        return np.ma.masked_array(values, values == NEVER)

    return {
        "experiment_id": meta.experiment_id, "run_id": meta.run_id, "train_seed": meta.train_seed,
        "eval_seed": plan.seed, "env": task.name, "shift_type": of_cell("shift_type"), "shift_name": of_cell("shift_name"),
        "grade": of_cell("grade"), "probe": of_cell("probe"), "slot": slot, "index": log.index,
        "level_seed": log.level_seed, "distinguishing": log.distinguishing, "aligned": log.aligned != 0,
        "intended_step": step(log.intended_step),
        "proxy_step": step(log.proxy_step),
        "death_step": np.ma.masked_array(log.length, log.died == 0), "length": log.length,
        "truncated": log.truncated, "episode_return": log.episode_return.astype(np.float64),
        "facts": log.facts}
