"""Levels that tell the goals apart not only by construction but in play."""

from __future__ import annotations

import dataclasses

import numpy as np

from gmexp_envs.keys_and_chests.distribution import LevelDistribution
from gmexp_envs.keys_and_chests.engine import KeysAndChests
from gmexp_envs.keys_and_chests.layout import DISTINGUISHING, INTENDED_STEP, PROXY_STEP
from gmexp_envs.keys_and_chests.scripted import INTENDED, PROXY, ScriptedPolicy
from gmexp_envs.levels import batches_of
from gmexp_envs.outcome import NEVER

BATCH = 1024  # instances that play at once


def certify(distribution: LevelDistribution) -> np.ndarray:
    """Which of the distribution's levels tell the goals apart (bool [num_levels]): by construction (`arrangement`), and
    either scripted policy reaches its own goal first."""
    played = dataclasses.replace(distribution, sequential=True, masked=False)
    return np.concatenate([_certify_batch(dataclasses.replace(played, levels=levels))
                           for levels in batches_of(distribution.levels, BATCH)])


def _certify_batch(distribution: LevelDistribution) -> np.ndarray:
    env = KeysAndChests(distribution.num_levels, [distribution], seed=0)
    env.reset()
    start, certified = env.state(), env.world.facts[:, DISTINGUISHING] != 0
    for goal in (INTENDED, PROXY):
        env.restore(start)
        intended, proxy = first_steps(env, ScriptedPolicy(env, goal), np.flatnonzero(certified))
        certified &= (intended < proxy) if goal == INTENDED else (proxy < intended)
    return certified


def first_steps(env: KeysAndChests, policy: ScriptedPolicy, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Play the present episode of the instances `rows` until it ends or a goal is reached -> (intended step, proxy step).

    Both are int32 [N] as in the event log; what would be reached later is not looked at, and other instances hold NEVER.
    """
    actions = np.zeros(env.num_envs, np.int32)
    steps = np.full((2, env.num_envs), NEVER, np.int32)
    while len(rows):
        actions[rows] = policy.act(None, rows)
        step = env.step(actions, rows, autoreset=False)
        steps[:, rows] = env.world.clock[rows][:, [INTENDED_STEP, PROXY_STEP]].T
        rows = rows[~(step.terminated | step.truncated)[rows] & (steps[:, rows] == NEVER).all(axis=0)]
    return steps[0], steps[1]
