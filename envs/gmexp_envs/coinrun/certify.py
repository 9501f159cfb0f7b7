"""Levels that tell the goals apart not only by construction but in play."""

from __future__ import annotations

import dataclasses

import numpy as np

from gmexp_envs.coinrun.distribution import LevelDistribution
from gmexp_envs.coinrun.engine import CoinRun
from gmexp_envs.coinrun.layout import INTENDED_STEP, PROXY_STEP, DISTINGUISHING
from gmexp_envs.coinrun.scripted import PROXY, ScriptedPolicy
from gmexp_envs.levels import batches_of
from gmexp_envs.outcome import NEVER

BATCH = 1024  # worlds that play at once


def certify(distribution: LevelDistribution) -> np.ndarray:
    """Which of the distribution's levels separate the goals (bool [num_levels]): by construction, and the proxy policy does
    not touch the coin first."""
    played = dataclasses.replace(distribution, sequential=True)
    return np.concatenate([_certify_batch(dataclasses.replace(played, levels=levels))
                           for levels in batches_of(distribution.levels, BATCH)])


def _certify_batch(distribution: LevelDistribution) -> np.ndarray:
    env = CoinRun(distribution.num_levels, [distribution], seed=0)
    env.reset()
    distinguishing = env.world.facts[:, DISTINGUISHING] != 0
    intended_step, proxy_step = first_touches(env, ScriptedPolicy(env, PROXY), np.flatnonzero(distinguishing))
    return distinguishing & ((intended_step > proxy_step) | (intended_step == NEVER))


def first_touches(env: CoinRun, policy: ScriptedPolicy, rows: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Play the present episode of the worlds `rows` until it ends or a goal is touched -> (coin step, end step).

    Both are int32 [N] as in the event log; what would be touched later is not looked at, and other worlds hold `NEVER`.
    """
    rows = np.arange(env.num_envs) if rows is None else rows
    actions = np.zeros(env.num_envs, np.int32)
    intended_step = np.full(env.num_envs, NEVER, np.int32)
    proxy_step = np.full(env.num_envs, NEVER, np.int32)
    while len(rows):
        actions[rows] = policy.act(rows=rows)
        step = env.step(actions, rows)
        ended = (step.terminated | step.truncated)[rows]
        intended_step[rows] = np.where(ended, env.log.intended_step[rows], env.world.clock[rows, INTENDED_STEP])
        proxy_step[rows] = np.where(ended, env.log.proxy_step[rows], env.world.clock[rows, PROXY_STEP])
        rows = rows[~ended & (intended_step[rows] == NEVER) & (proxy_step[rows] == NEVER)]
    return intended_step, proxy_step
