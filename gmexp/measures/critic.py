"""The critic study: what the value function makes of the coin, before and behind the level's end.

The agent walks training-like levels whose coin is hidden at the end, where the wall can be walked through (Langosco et
al. 2022, the permeable wall). Every state is valued twice: as it is, without a coin, and with one drawn in at the end.
So both values are of the same state, and their difference is what seeing the coin is worth to the critic. Values are
in units of the scaled reward: a critic that is sure of the coin says 1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import gmexp_envs
from gmexp import artefacts
from gmexp.agents.checkpoint import Checkpoint
from gmexp.agents.networks import Observation, Semantic
from gmexp.cli.schema import EvaluationPlan
from gmexp.evaluation.evaluate import held_out
from gmexp.measures.origin import identity
from gmexp.support.seeding import stream
from gmexp_envs.coinrun.layout import COIN, END_X, END_Y, FREE, SIZE, WINDOW, X, Y
from gmexp_envs.vec import SemanticObservation

FILE = "critic.json"
WALL = 15  # columns behind the end that can be walked through
NEAREST, FARTHEST = -WALL, 15  # distances to the end, in cells, that are recorded
STEPS = 400  # game steps that are watched of each level
MIDDLE = WINDOW // 2


class Profile(NamedTuple):
    """Sums over states by level and distance to the end: values without and with the coin, and how many."""

    without: np.ndarray  # float64 [levels, distances]
    paired: np.ndarray  # the same, of states that have the end's cell in view
    with_coin: np.ndarray
    states: np.ndarray  # int64
    pairs: np.ndarray  # states with the end's cell in view


def measure(checkpoint: Checkpoint, plan: EvaluationPlan, on_progress: Callable[[int], None]) -> Path:
    """Watch a checkpoint's critic -> critic.json in the run's folder."""
    distribution = dataclasses.replace(
        checkpoint.env.distribution(), rho=1.0, masked=True, permeable_wall=WALL, horizon=STEPS,
        levels=held_out(checkpoint.meta.train_seed, plan.slots), sequential=True)
    env = gmexp_envs.make_vec("coinrun", plan.slots, distribution=distribution, seed=stream(plan.seed, "levels"),
                        action_repeat=checkpoint.agent.action_repeat)
    actor = checkpoint.policy(stream(plan.seed, "policy"), plan.greedy)
    reward_scale = checkpoint.agent.reward_scale * 10
    profile, reached, passed = watch(checkpoint.network, actor, env, on_progress)
    env.close()
    origin = artefacts.provenance(None, identity(checkpoint, plan, "critic"),
                                  "the critic's value of the same states with and without a coin at the end")
    return artefacts.write_json(checkpoint.path.with_name(FILE), {
        "run_id": checkpoint.meta.run_id, "levels": plan.slots, "reached_end": int(reached.sum()),
        "passed_wall": int(passed.sum()), "profile": rows(profile, reward_scale)}, origin)


def size(checkpoint: Checkpoint, plan: EvaluationPlan) -> int:
    """How many levels `measure` plays."""
    return plan.slots


def watch(network: Semantic, actor, env: gmexp_envs.VecEnv,
          on_progress: Callable[[int], None] = lambda levels: None) -> tuple[Profile, np.ndarray, np.ndarray]:
    """Play one episode in every world -> (profile, end reached, wall passed), the latter two bool [N]."""
    n, distances = env.num_envs, FARTHEST - NEAREST + 1
    profile = Profile(*(np.zeros((n, distances), kind) for kind in (float, float, float, np.int64, np.int64)))
    reached, passed = np.zeros(n, bool), np.zeros(n, bool)
    actions = np.zeros(n, np.int32)
    observation, rows = env.reset(), np.arange(n)
    end_x, end_y = env.world.facts[:, END_X].copy(), env.world.facts[:, END_Y].copy()
    through = np.minimum(WALL, SIZE - 2 - end_x)  # columns to pass: the wall's, or all up to the level's border
    while len(rows):
        across = end_x[rows] - np.floor(env.world.body[rows, X]).astype(int)
        up = end_y[rows] - np.floor(env.world.body[rows, Y]).astype(int)
        reached[rows] |= across <= 0
        passed[rows] |= across <= -through[rows]
        inside = (across >= NEAREST) & (across <= FARTHEST)
        _add(profile, network, observation, rows[inside], across[inside], up[inside])
        actions[rows] = actor.act(observation, rows)
        step = env.step(actions, rows, autoreset=False)
        observation = step.observation
        ended = (step.terminated | step.truncated)[rows]
        on_progress(int(ended.sum()))
        rows = rows[~ended]
    return profile, reached, passed


@torch.no_grad()
def _add(profile: Profile, network: Semantic, observation: SemanticObservation, rows: np.ndarray, across: np.ndarray,
         up: np.ndarray) -> None:
    """Value the states of the worlds `rows`, `across` and `up` cells away from the end, and add them up."""
    if len(rows) == 0:
        return
    device = next(network.parameters()).device
    seen = SemanticObservation(*(part[rows] for part in observation))
    without = network(Observation.of(seen, device))[1].numpy(force=True)
    at = (rows, across - NEAREST)
    np.add.at(profile.without, at, without)
    np.add.at(profile.states, at, 1)
    visible = np.flatnonzero((abs(across) <= MIDDLE) & (abs(up) <= MIDDLE) & ((across != 0) | (up != 0)))
    window = seen.window[visible]
    cell = (np.arange(len(visible)), MIDDLE - up[visible], MIDDLE + across[visible])
    free = window[cell] == FREE
    visible, window, cell = visible[free], window[free], tuple(part[free] for part in cell)
    if len(visible) == 0:
        return
    window[np.arange(len(visible)), cell[1], cell[2]] = COIN
    changed = SemanticObservation(window, seen.state[visible], seen.appearance[visible])
    at = (rows[visible], across[visible] - NEAREST)
    np.add.at(profile.paired, at, without[visible])
    np.add.at(profile.with_coin, at, network(Observation.of(changed, device))[1].numpy(force=True))
    np.add.at(profile.pairs, at, 1)


def rows(profile: Profile, scale: float) -> list[dict]:
    """The profile by distance: means over levels of each level's own mean, divided by `scale`; None without states."""

    def mean(sums: np.ndarray, counts: np.ndarray) -> float | None:
        known = counts > 0
        return float((sums[known] / counts[known]).mean() / scale) if known.any() else None

    return [{"distance": k + NEAREST, "levels": int((profile.states[:, k] > 0).sum()),
             "pairs": int((profile.pairs[:, k] > 0).sum()),
             "value": mean(profile.without[:, k], profile.states[:, k]),
             "without_coin": mean(profile.paired[:, k], profile.pairs[:, k]),
             "with_coin": mean(profile.with_coin[:, k], profile.pairs[:, k])} for k in range(profile.states.shape[1])]
