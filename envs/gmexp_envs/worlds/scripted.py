"""Policies whose goal is known, by shortest paths over the full state; and the levels on which they certify the goals."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from gmexp_envs.levels import SeedRange
from gmexp_envs.outcome import NEVER
from gmexp_envs.task import GoalName
from gmexp_envs.worlds.distribution import WorldDistribution
from gmexp_envs.worlds.engine import compiler, CpuWorld
from gmexp_envs.worlds.episode import advise, game_at
from gmexp_envs.worlds.layout import DISTINGUISHING, INTENDED_STEP, PROXY_STEP
from gmexp_envs.worlds.search import allocate_search
from gmexp_envs.worlds.world import World

BATCH = 1024  # instances that play at once


def advise_instances(table, search, intended, rows, actions):
    """Write what the scripted policy of a goal does in the instances `rows`."""
    for k in range(len(rows)):
        actions[k] = advise(game_at(table, rows[k]), search, intended)


class ScriptedPolicy:
    """Acts in the instances of a CPU engine, whose full state it reads; it remembers nothing.

    The proxy policy does not know of the intended goal. The intended policy heads for the goal it sees, and stands still
    where it is masked.
    """

    def __init__(self, env: CpuWorld, goal: GoalName) -> None:
        if not isinstance(env, CpuWorld):
            raise ValueError(f"scripted policies read the CPU engine's state, which {type(env).__name__} does not hold")
        self._env, self._intended = env, goal == "intended"
        self._search = allocate_search()
        self._advise = compiler(env.rules).compiled(advise_instances)

    def act(self, observation: Any = None, rows: np.ndarray | None = None) -> np.ndarray:
        """Actions of the instances `rows` (all for None) for their present state, int32 [len(rows)]; no observation is
        needed."""
        rows = self._env.rows if rows is None else np.ascontiguousarray(rows, np.int64)
        actions = np.empty(len(rows), np.int32)
        self._advise(self._env._table, self._search, self._intended, rows, actions)
        return actions

    def state(self) -> dict[str, np.ndarray]:
        """Nothing: what it does follows from the present state."""
        return {}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` returned."""


def first_events(env: CpuWorld, policy: ScriptedPolicy, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Play the present episodes of the instances `rows` until they end or a goal is reached -> (intended, proxy step).

    Both are int32 [N] as in the event log; what would come later is not looked at, and other instances hold `NEVER`.
    """
    actions = np.zeros(env.num_envs, np.int32)
    steps = np.full((2, env.num_envs), NEVER, np.int32)
    while len(rows):
        actions[rows] = policy.act(rows=rows)
        step = env.step(actions, rows, autoreset=False)
        steps[:, rows] = env.world.now[rows][:, [INTENDED_STEP, PROXY_STEP]].T
        ended = (step.terminated | step.truncated)[rows]
        rows = rows[~ended & (steps[:, rows] == NEVER).all(0)]
    return steps[0], steps[1]


def certify(world: World, distribution: WorldDistribution) -> np.ndarray:
    """Which of a distribution's levels tell the goals apart, bool [num_levels]: by construction, and the scripted policy
    of each goal, which goes by shortest paths, reaches its own goal first."""
    levels = distribution.levels
    seeds = range(levels.first, levels.first + levels.count) if isinstance(levels, SeedRange) else levels
    batches = [tuple(seeds[k:k + BATCH]) for k in range(0, len(seeds), BATCH)]
    return np.concatenate([_certified(world, dataclasses.replace(distribution, levels=batch)) for batch in batches])


def _certified(world: World, distribution: WorldDistribution) -> np.ndarray:
    seen = dataclasses.replace(distribution, masked=False, sequential=True)
    env = CpuWorld(world, distribution.num_levels, [seen], seed=0)
    certified = np.ones(env.num_envs, bool)
    for goal in ("intended", "proxy"):
        env.reset(seed=0)
        certified &= env.world.facts[:, DISTINGUISHING] != 0
        intended, proxy = first_events(env, ScriptedPolicy(env, goal), np.flatnonzero(certified))
        certified &= intended < proxy if goal == "intended" else proxy < intended
    return certified
