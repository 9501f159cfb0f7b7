"""What the agents do while engines are compared: each policy returns a function that acts once."""

from collections.abc import Callable

import numpy as np

from gmexp_envs.keys_and_chests.engine import KeysAndChests
from gmexp_envs.keys_and_chests.layout import NUM_ACTIONS
from gmexp_envs.keys_and_chests.scripted import INTENDED, ScriptedPolicy

Act = Callable[[], np.ndarray]


def _random(native: KeysAndChests, rng: np.random.Generator) -> Act:
    return lambda: rng.integers(0, NUM_ACTIONS, native.num_envs).astype(np.int32)


def _holder(native: KeysAndChests, rng: np.random.Generator) -> Act:
    """Keeps an action until, in one step of seven, it takes another."""
    held = np.full(native.num_envs, 7, np.int32)

    def act() -> np.ndarray:
        held[:] = np.where(rng.random(native.num_envs) < 0.15, rng.integers(0, NUM_ACTIONS, native.num_envs), held)
        return held.copy()
    return act


def _seeker(noise: float) -> Callable[[KeysAndChests, np.random.Generator], Act]:
    """Opens what it can, but for a share of random steps."""
    def policy(native: KeysAndChests, rng: np.random.Generator) -> Act:
        scripted = ScriptedPolicy(native, INTENDED)

        def act() -> np.ndarray:
            anything = rng.integers(0, NUM_ACTIONS, native.num_envs)
            return np.where(rng.random(native.num_envs) < noise, anything, scripted.act()).astype(np.int32)
        return act
    return policy


POLICIES = {"seeker": _seeker(0.02), "wanderer": _seeker(0.3), "holder": _holder, "random": _random}
