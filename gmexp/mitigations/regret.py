"""How much there is to learn on a level: scores of a batch of rollouts, and what the scripted policy would have got.

    max_latest       the highest return ever on the level - the latest
    oracle_latest    the scripted policy's return - the latest; it needs d decisions to the intended goal, so its return is
                     gamma^(d - 1) x reward (the first decision is not discounted), 0 where it cannot reach the goal
    value_loss       mean over steps of the positive advantage (positive value loss; Jiang et al. 2021b, section 3)
    advantage        mean over steps of |advantage| (Jiang et al. 2021a, section 3)
    uniform          none: levels are drawn as they come (domain randomisation)

The latest return is the mean of the discounted returns of the episodes that ended in the batch; 0 where none did.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gmexp_envs.outcome import NEVER
from gmexp_envs.task import Task
from gmexp_envs.vec import VecEnv

SCORES = ("oracle_latest", "max_latest", "value_loss", "advantage", "uniform")


class Returns:
    """Discounted returns of the episodes of N instances that begin together, rollout after rollout."""

    def __init__(self, num_envs: int, gamma: float) -> None:
        self._gamma = gamma
        self.running, self.discount = np.zeros(num_envs), np.ones(num_envs)
        self.total, self.ended = np.zeros(num_envs), np.zeros(num_envs, np.int64)
        self.best = np.zeros(num_envs)  # of the episodes that ended; 0 before any did

    def add(self, reward: np.ndarray, done: np.ndarray) -> None:
        """Take in rewards and ends of steps, each [steps, N]."""
        for each, ends in zip(np.asarray(reward, float), np.asarray(done, bool), strict=True):
            self.running += self.discount * each
            self.discount *= self._gamma
            self.total[ends] += self.running[ends]
            self.best[ends] = np.maximum(self.best[ends], self.running[ends])
            self.ended[ends] += 1
            self.running[ends], self.discount[ends] = 0.0, 1.0

    @property
    def latest(self) -> np.ndarray:
        return self.total / np.maximum(self.ended, 1)

    def state(self) -> dict[str, np.ndarray]:
        return {name: getattr(self, name).copy() for name in ("running", "discount", "total", "ended", "best")}

    def restore(self, state: Any) -> None:
        for name in self.state():
            setattr(self, name, state[name].copy())


def scripted_returns(task: Task, env: VecEnv, seeds: np.ndarray, places: np.ndarray, gamma: float,
                     patience: int) -> np.ndarray:
    """The discounted return of the scripted policy for the intended goal on levels, float [N]; 0 where it does not reach the
    goal within so many decisions. It plays until the episode ends, which need not be where it reaches the goal.

    `env` is an environment of as many instances, whose episodes are thrown away.
    """
    env.begin_at(env.rows, seeds, places)
    policy = task.scripted("intended", env)
    rows, actions, discount = np.arange(env.num_envs), np.zeros(env.num_envs, np.int32), 1.0
    running, reached = np.zeros(len(seeds)), np.zeros(len(seeds), bool)
    for _ in range(patience):
        actions[rows] = policy.act(None, rows)
        step = env.step(actions, rows)
        running[rows] += discount * step.reward[rows]
        discount *= gamma
        ended = (step.terminated | step.truncated)[rows]
        reached[rows] = np.where(ended, env.log.intended_step[rows], env.present.intended_step[rows]) != NEVER
        rows = rows[~ended]
        if not len(rows):
            break
    return np.where(reached, running, 0.0)
