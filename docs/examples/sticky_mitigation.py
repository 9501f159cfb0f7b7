"""A mitigation of one's own, in one file: the agent's first action of every pair is repeated, so it decides half as often.

    gmexp evaluate run=... mitigation=sticky          (installed: docs/examples/pyproject.toml)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gmexp.agents.mitigation import Mitigation


@dataclass
class StickyConfig:
    name: str = "sticky_mitigation:Sticky"
    hold: int = 2  # decisions that an action lasts


class Sticky(Mitigation):
    name = "sticky_mitigation:Sticky"
    layer = "response"
    price = "none; it must know nothing"
    config = StickyConfig

    def wrap(self, actor: Any, env: Any) -> Any:
        return Held(actor, env.num_envs, self.options.hold)


class Held:
    def __init__(self, actor: Any, num_envs: int, hold: int) -> None:
        self._actor, self._hold = actor, hold
        self._action, self._asked = np.zeros(num_envs, np.int32), np.zeros(num_envs, np.int64)

    def act(self, observation: Any, rows: np.ndarray) -> np.ndarray:
        fresh = np.asarray(self._actor.act(observation, rows))
        renew = self._asked[rows] % self._hold == 0
        self._action[rows] = np.where(renew, fresh, self._action[rows])
        self._asked[rows] += 1
        return self._action[rows]
