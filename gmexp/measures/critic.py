"""The critic study: what the value function makes of the intended goal, before and behind the proxy.

The agent acts on training-like levels whose intended goal is masked at the proxy, and on which it can go on past the proxy
(`Task.goal_in_view`; in Langosco et al. 2022, the permeable wall). Every state is valued twice: as it is, without the
intended goal, and with it drawn in at the proxy. So both values are of the same state, and their difference is what seeing
the intended goal is worth to the critic. Values are in units of the scaled reward: a critic that is sure of it says 1.
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
from gmexp.evaluation.config import EvaluationPlan
from gmexp.evaluation.evaluate import held_out
from gmexp.measures.origin import identity
from gmexp.support.seeding import stream
from gmexp_envs.task import GoalInView
from gmexp_envs.vec import SemanticObservation

FILE = "critic.json"
STEPS = 400  # game steps that are watched of each level


class Profile(NamedTuple):
    """Sums over states by level and distance to the proxy: values without and with the intended goal, and how many."""

    without: np.ndarray  # float64 [levels, distances]
    paired: np.ndarray  # the same, of states that have the proxy's cell in view
    with_goal: np.ndarray
    states: np.ndarray  # int64
    pairs: np.ndarray  # states with the proxy's cell in view


def measure(checkpoint: Checkpoint, plan: EvaluationPlan, on_progress: Callable[[int], None]) -> Path:
    """Watch a checkpoint's critic -> critic.json in the run's folder."""
    study = checkpoint.task.goal_in_view
    distribution = dataclasses.replace(study.distribution(checkpoint.training), horizon=STEPS,
                                       levels=held_out(checkpoint.meta.train_seed, plan.slots), sequential=True)
    env = gmexp_envs.make_vec(checkpoint.task, plan.slots, distribution=distribution, seed=stream(plan.seed, "levels"),
                              action_repeat=checkpoint.agent.action_repeat)
    actor = checkpoint.policy(stream(plan.seed, "policy"), plan.greedy)
    reward_scale = checkpoint.agent.reward_scale * 10
    profile, reached, passed = watch(study, checkpoint.network, actor, env, on_progress)
    env.close()
    origin = artefacts.provenance(None, identity(checkpoint, plan, "critic"),
                                  "the critic's value of the same states with and without the intended goal at the proxy")
    return artefacts.write_json(checkpoint.path.with_name(FILE), {
        "run_id": checkpoint.meta.run_id, "levels": plan.slots, "reached_proxy": int(reached.sum()),
        "passed_proxy": int(passed.sum()), "profile": rows(profile, study.nearest, reward_scale)}, origin)


def size(checkpoint: Checkpoint, plan: EvaluationPlan) -> int:
    """How many levels `measure` plays."""
    return plan.slots


def watch(study: GoalInView, network: Semantic, actor, env: gmexp_envs.VecEnv,
          on_progress: Callable[[int], None] = lambda levels: None) -> tuple[Profile, np.ndarray, np.ndarray]:
    """Play one episode in every instance -> (profile, proxy reached, proxy passed), the latter two bool [N]."""
    n, distances = env.num_envs, study.farthest - study.nearest + 1
    profile = Profile(*(np.zeros((n, distances), kind) for kind in (float, float, float, np.int64, np.int64)))
    reached, passed = np.zeros(n, bool), np.zeros(n, bool)
    actions = np.zeros(n, np.int32)
    observation, rows = env.reset(), np.arange(n)
    past = study.past(env)
    while len(rows):
        distance = study.distance(env)[rows]
        reached[rows] |= distance <= 0
        passed[rows] |= distance <= -past[rows]
        inside = (distance >= study.nearest) & (distance <= study.farthest)
        _add(study, profile, network, observation, env, rows[inside], distance[inside])
        actions[rows] = actor.act(observation, rows)
        step = env.step(actions, rows, autoreset=False)
        observation = step.observation
        ended = (step.terminated | step.truncated)[rows]
        on_progress(int(ended.sum()))
        rows = rows[~ended]
    return profile, reached, passed


@torch.no_grad()
def _add(study: GoalInView, profile: Profile, network: Semantic, observation: SemanticObservation,
         env: gmexp_envs.VecEnv, rows: np.ndarray, distance: np.ndarray) -> None:
    """Value the states of the instances `rows`, that far from the proxy, and add them up."""
    if len(rows) == 0:
        return
    device = next(network.parameters()).device
    seen = SemanticObservation(*(part[rows] for part in observation))
    without = network(Observation.of(seen, device))[1].numpy(force=True)
    at = (rows, distance - study.nearest)
    np.add.at(profile.without, at, without)
    np.add.at(profile.states, at, 1)
    visible, window = study.drawn(seen.window, env, rows)
    if len(visible) == 0:
        return
    changed = SemanticObservation(window, seen.state[visible], seen.appearance[visible])
    at = (rows[visible], distance[visible] - study.nearest)
    np.add.at(profile.paired, at, without[visible])
    np.add.at(profile.with_goal, at, network(Observation.of(changed, device))[1].numpy(force=True))
    np.add.at(profile.pairs, at, 1)


def rows(profile: Profile, nearest: int, scale: float) -> list[dict]:
    """The profile by distance: means over levels of each level's own mean, divided by `scale`; None without states."""

    def mean(sums: np.ndarray, counts: np.ndarray) -> float | None:
        known = counts > 0
        return float((sums[known] / counts[known]).mean() / scale) if known.any() else None

    return [{"distance": k + nearest, "levels": int((profile.states[:, k] > 0).sum()),
             "pairs": int((profile.pairs[:, k] > 0).sum()),
             "value": mean(profile.without[:, k], profile.states[:, k]),
             "without_goal": mean(profile.paired[:, k], profile.pairs[:, k]),
             "with_goal": mean(profile.with_goal[:, k], profile.pairs[:, k])} for k in range(profile.states.shape[1])]
