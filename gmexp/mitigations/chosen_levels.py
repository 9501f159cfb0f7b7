"""A training environment whose levels are chosen: every instance plays its level until it is given another."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from gmexp_envs.chosen import BY_SEED
from gmexp_envs.vec import EpisodeLog, Present, Step, VecEnv


class ChosenLevels(VecEnv):
    """Around an environment that can begin at chosen levels (`VecEnv.begin_at`); before any are chosen it is the same."""

    def __init__(self, env: VecEnv) -> None:
        self._inner = env
        self.num_envs, self.num_actions, self.device, self.rows = env.num_envs, env.num_actions, env.device, env.rows
        self.action_repeat, self.distributions = env.action_repeat, env.distributions
        self.observation, self.seed = env.observation, env.seed
        self.seeds = np.full(env.num_envs, -1, np.int64)  # -1: as the environment draws
        self.places = np.full((env.num_envs, 2), BY_SEED, np.int64)

    def choose(self, seeds: np.ndarray, places: np.ndarray) -> Any:
        """Begin the levels `seeds` [N] with their goals at `places` [N, 2] in all instances -> what they see."""
        observation = self._inner.begin_at(self.rows, seeds, places)
        present = self._inner.present
        self.seeds[:], self.places[:] = present.level_seed, self._inner.goal_places  # as they came to be
        return observation

    def spare(self) -> VecEnv:
        """Another environment of the same kind and size, whose episodes nobody plays."""
        return copy.deepcopy(self._inner)

    def reset(self, seed: int | None = None) -> Any:
        self.seeds[:], self.places[:] = -1, BY_SEED
        return self._inner.reset(seed)

    def step(self, actions: np.ndarray, rows: np.ndarray | None = None) -> Step:
        step = self._inner.step(actions, rows)
        ended = np.flatnonzero((step.terminated | step.truncated) & (self.seeds >= 0))
        if len(ended):
            step = step._replace(observation=self._inner.begin_at(ended, self.seeds[ended], self.places[ended]))
        return step

    def begin_at(self, rows: np.ndarray, seeds: np.ndarray, places: np.ndarray) -> Any:
        return self._inner.begin_at(rows, seeds, places)

    @property
    def goal_cells(self) -> np.ndarray:
        return self._inner.goal_cells

    @property
    def goal_places(self) -> np.ndarray:
        return self._inner.goal_places

    @property
    def agent_cells(self) -> np.ndarray:
        return self._inner.agent_cells

    @property
    def present(self) -> Present:
        return self._inner.present

    @property
    def log(self) -> EpisodeLog:
        return self._inner.log

    def state(self) -> dict[str, np.ndarray]:
        return self._inner.state() | {"chosen.seeds": self.seeds.copy(), "chosen.places": self.places.copy()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self._inner.restore({name: array for name, array in state.items() if not name.startswith("chosen.")})
        self.seeds[:], self.places[:] = state["chosen.seeds"], state["chosen.places"]

    def close(self) -> None:
        self._inner.close()

    def __reduce__(self) -> Any:
        return _rebuilt, (self._inner, self.seeds.copy(), self.places.copy())


def _rebuilt(env: VecEnv, seeds: np.ndarray, places: np.ndarray) -> ChosenLevels:
    made = ChosenLevels(env)
    made.seeds[:], made.places[:] = seeds, places
    return made
