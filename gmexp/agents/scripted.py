"""Agents whose answer is known: they check the measurement, and their plans certify levels."""

from __future__ import annotations

import numpy as np

from envs.coinrun.engine import CoinRun
from envs.coinrun.seekers import COIN_SEEKER, PROXY_SEEKER, act_as_seeker, allocate_plans, allocate_search

SEEKERS = {"proxy_seeker": PROXY_SEEKER, "coin_seeker": COIN_SEEKER}
SCRIPTED = (*SEEKERS, "random")


class ScriptedAgent:
    """Acts in a native CoinRun environment, whose full state it reads.

    Arguments:
        name: "proxy_seeker" (heads for the level's end and does not know of the coin), "coin_seeker" (heads for the
            coin it sees, never touches the end before it, stands still without one) or "random".
        env: the environment to act in.
        seed: seeds the random agent.
    """

    def __init__(self, name: str, env: CoinRun, seed: int = 0) -> None:
        if name not in SCRIPTED:
            raise ValueError(f"there is no scripted agent {name!r}: choose one of {', '.join(SCRIPTED)}")
        if not isinstance(env, CoinRun):
            raise ValueError(f"scripted agents read the native engine's state, which {type(env).__name__} has not")
        self.name = name
        self._env = env
        self._generator = np.random.default_rng(seed)
        self._actions = np.zeros(env.num_envs, np.int32)
        if name in SEEKERS:
            self._search, self._plans = allocate_search(), allocate_plans(env.num_envs)

    def act(self) -> np.ndarray:
        """One action per world for the environment's present state (int32 [N]); overwritten by the next call."""
        if self.name == "random":
            self._actions[:] = self._generator.integers(self._env.num_actions, size=self._env.num_envs)
        else:
            act_as_seeker(self._env.world, self._env.conditions, SEEKERS[self.name], self._search, self._plans,
                          self._actions)
        return self._actions
