"""Agents whose goal is known, for checking the measurement itself; they are `gmexp.evaluation.rollout` actors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gmexp_envs import Task, VecEnv

SCRIPTED = ("intended", "proxy", "random")


class ScriptedAgent:
    """Acts without learning.

    Arguments:
        name: "intended" or "proxy" (the task's scripted policy for that goal, which may read the environment's full
            state) or "random".
        task: the environment's task.
        env: the environment to act in.
        seed: seeds the random agent.

    Raises ValueError where there is no such agent, or none in this environment.
    """

    def __init__(self, name: str, task: Task, env: VecEnv, seed: int = 0) -> None:
        if name not in SCRIPTED:
            raise ValueError(f"there is no scripted agent {name!r}: choose one of {', '.join(SCRIPTED)}")
        self.name = name
        self._env = env
        self._generator = np.random.default_rng(seed)
        self._policy = None if name == "random" else task.scripted(name, env)

    def act(self, observation: Any = None, rows: np.ndarray | None = None) -> np.ndarray:
        """Actions of the environment instances `rows` (all for None), int32 [len(rows)]."""
        if self._policy is not None:
            return self._policy.act(observation, self._env.rows if rows is None else rows)
        return self._generator.integers(self._env.num_actions, size=self._env.num_envs if rows is None else len(rows),
                                        dtype=np.int32)

    def state(self) -> dict[str, np.ndarray]:
        """What a scripted policy needs to go on exactly from here."""
        return {} if self._policy is None else self._policy.state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` returned, in an environment of the same size."""
        if self._policy is not None:
            self._policy.restore(state)
