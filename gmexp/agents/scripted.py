"""Agents whose goal is known, for checking the measurement itself."""

from __future__ import annotations

import numpy as np

from envs.coinrun.engine import CoinRun
from envs.coinrun.seekers import COIN_SEEKER, PROXY_SEEKER, Seeker
from envs.vec import VecEnv

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

    def act(self) -> np.ndarray:
        """One action per world for the environment's present state (int32 [N]); overwritten by the next call."""
        if self._seeker is not None:
            return self._seeker.act()
        return self._generator.integers(self._env.num_actions, size=self._env.num_envs, dtype=np.int32)
