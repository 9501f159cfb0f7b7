"""Agents whose goal is known, for checking the measurement itself; they are `gmexp.evaluation.rollout` actors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gmexp_envs.coinrun.engine import CoinRun
from gmexp_envs.coinrun.scripted import INTENDED, PROXY, ScriptedPolicy
from gmexp_envs.vec import SemanticObservation, VecEnv

GOALS = {"proxy": PROXY, "intended": INTENDED}
SCRIPTED = (*GOALS, "random")


class ScriptedAgent:
    """Acts without learning; the scripted policies read the native engine's full state (`gmexp_envs.coinrun.scripted`).

    Arguments:
        name: "proxy" (heads for the level's end and does not know of the coin), "intended" (heads for the
            coin it sees, never touches the end before it, stands still without one) or "random".
        env: the environment to act in.
        seed: seeds the random agent.
    """

    def __init__(self, name: str, env: VecEnv, seed: int = 0) -> None:
        if name not in SCRIPTED:
            raise ValueError(f"there is no scripted agent {name!r}: choose one of {', '.join(SCRIPTED)}")
        if name in GOALS and not isinstance(env, CoinRun):
            raise ValueError(f"the {name} reads the native engine's state, which {type(env).__name__} does not hold")
        self.name = name
        self._env = env
        self._generator = np.random.default_rng(seed)
        self._seeker = ScriptedPolicy(env, GOALS[name]) if name in GOALS else None

    def act(self, observation: SemanticObservation | np.ndarray | None = None,
            rows: np.ndarray | None = None) -> np.ndarray:
        """Actions of the worlds `rows` (all for None), int32 [len(rows)]; the observation is not needed."""
        if self._seeker is not None:
            return self._seeker.act(rows)
        return self._generator.integers(self._env.num_actions, size=self._env.num_envs if rows is None else len(rows),
                                        dtype=np.int32)

    def state(self) -> dict[str, np.ndarray]:
        """The scripted policies' plans: what they need to go on exactly from here."""
        return {} if self._seeker is None else {k: v.copy() for k, v in self._seeker.plans._asdict().items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` returned, in an environment of the same size."""
        for name, array in state.items():
            getattr(self._seeker.plans, name)[:] = array
