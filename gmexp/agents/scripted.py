"""Agents whose goal is known, for checking the measurement itself."""

from __future__ import annotations

import numpy as np

from envs.coinrun.engine import CoinRun
from envs.coinrun.seekers import COIN_SEEKER, PROXY_SEEKER, Seeker
from envs.vec import SemanticObservation, VecEnv

SEEKERS = {"proxy_seeker": PROXY_SEEKER, "coin_seeker": COIN_SEEKER}
SCRIPTED = (*SEEKERS, "random")


class ScriptedAgent:
    """Acts without learning; the seekers read the native engine's full state (`envs.coinrun.seekers`).

    Arguments:
        name: "proxy_seeker" (heads for the level's end and does not know of the coin), "coin_seeker" (heads for the
            coin it sees, never touches the end before it, stands still without one) or "random".
        env: the environment to act in.
        seed: seeds the random agent.
    """

    def __init__(self, name: str, env: VecEnv, seed: int = 0) -> None:
        if name not in SCRIPTED:
            raise ValueError(f"there is no scripted agent {name!r}: choose one of {', '.join(SCRIPTED)}")
        if name in SEEKERS and not isinstance(env, CoinRun):
            raise ValueError(f"the {name} reads the native engine's state, which {type(env).__name__} does not hold")
        self.name = name
        self._env = env
        self._generator = np.random.default_rng(seed)
        self._seeker = Seeker(env, SEEKERS[name]) if name in SEEKERS else None

    def act(self, active: np.ndarray | None = None) -> np.ndarray:
        """One action per world for the environment's present state (int32 [N]); overwritten by the next call.

        Worlds that are not `active` (bool [N]) cost a seeker no planning.
        """
        if self._seeker is not None:
            return self._seeker.act(active)
        return self._generator.integers(self._env.num_actions, size=self._env.num_envs, dtype=np.int32)


class ScriptedActor:
    """A scripted agent as a `rollout.Actor`: it looks at its environment rather than at the observation."""

    def __init__(self, name: str, env: VecEnv, seed: int = 0) -> None:
        self._agent = ScriptedAgent(name, env, seed)
        self._num_envs = env.num_envs

    def act(self, observation: SemanticObservation, rows: np.ndarray) -> np.ndarray:
        """int32 [len(rows)] actions."""
        active = np.zeros(self._num_envs, np.bool_)
        active[rows] = True
        return self._agent.act(active)[rows]
