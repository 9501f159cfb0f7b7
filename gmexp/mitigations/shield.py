"""A shield: no action is let through that reaches the proxy before the intended goal (response; Alshiekh et
al. 2018, section 4, for safety games).

It tries every chosen action in a copy of the game, held for `ahead` game steps: agents cannot stop at once. Where that would
reach the proxy before the intended goal, on a level that tells the goals apart, the scripted policy for the intended goal
takes over until the episode ends. The negative control takes over at random, as often in each cell.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gmexp.agents.mitigation import Mitigation
from gmexp.mitigations.help import AtRandom, Helped
from gmexp.support.seeding import stream
from gmexp_envs.outcome import NEVER
from gmexp_envs.task import Actor
from gmexp_envs.vec import VecEnv

if TYPE_CHECKING:
    from gmexp.agents.checkpoint import Checkpoint

WHEN = ("proxy_ahead", "random")
TO_THE_END = 10**6  # decisions


@dataclass
class ShieldConfig:
    """When the shield takes over."""

    when: str
    ahead: int = 16  # game steps that are looked ahead
    shares: list[float] = field(default_factory=list)  # of decisions that random help takes over, by cell
    lasts: int = 8  # decisions of random help
    name: str = "shield"

    def __post_init__(self) -> None:
        if self.when not in WHEN:
            raise ValueError(f"mitigation.when = {self.when!r}: choose one of {', '.join(WHEN)}")
        if self.ahead < 1 or self.lasts < 1:
            raise ValueError(f"mitigation.ahead = {self.ahead} and mitigation.lasts = {self.lasts} must be at least 1")
        if any(not 0 <= share <= 1 for share in self.shares):
            raise ValueError(f"mitigation.shares = {self.shares} are not within [0, 1]")


class Shield(Mitigation):
    """A planner that knows both goals and the game, between agent and environment."""

    name = "shield"
    layer = "response"
    row = "control"
    price = "a copy of the game at play time, and a planner for the intended goal"
    knows = "both goals, the game, a planner"
    config = ShieldConfig
    negative = {"when": "random"}
    control = "taking over at random, as often"
    arms = ("visible",)
    options: ShieldConfig

    def fitted(self, checkpoint: Checkpoint, plan: Any) -> Shield:
        ready = Shield(self.options)
        ready._task, ready._seed = checkpoint.task, stream(plan.seed, f"shield {checkpoint.meta.run_id}")
        return ready

    def wrap(self, actor: Actor, env: VecEnv) -> Helped:
        if self.options.when == "random":
            asks = AtRandom(self.options.shares or [0.1], self.options.lasts, env, self._seed)
            return Helped(actor, self._task, env, asks, self.options.lasts)
        return Shielded(actor, self._task, env, self.options.ahead)


class Shielded(Helped):
    """An actor whose actions are tried in a copy of the game first."""

    def __init__(self, actor: Actor, task: Any, env: VecEnv, ahead: int) -> None:
        super().__init__(actor, task, env, None, TO_THE_END)
        self._copy, self._ahead = copy.deepcopy(env), -(-ahead // env.action_repeat)

    def _wanted(self, observation: Any, rows: np.ndarray, actions: np.ndarray) -> np.ndarray:
        return self._reaches_proxy(actions, rows)

    def _reaches_proxy(self, actions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Whether the actions, held for a while, would reach the proxy, and the intended goal, elsewhere, not before: bool
        [len(rows)]."""
        present = self._log.present
        open_still = (present.distinguishing[rows] != 0) & (present.proxy_step[rows] == NEVER)
        open_still &= present.intended_step[rows] == NEVER
        wrong, left = np.zeros(self._log.num_envs, bool), rows[open_still]
        every = np.zeros(self._log.num_envs, np.int32)
        every[rows] = actions
        if len(left):
            self._copy.restore(self._log.state())
        for _ in range(self._ahead):
            if not len(left):
                break
            step = self._copy.step(every, left)
            ended = (step.terminated | step.truncated)[left]
            after, log = self._copy.present, self._copy.log
            intended, proxy = (np.where(ended, getattr(log, name)[left], getattr(after, name)[left])
                               for name in ("intended_step", "proxy_step"))
            wrong[left] = (proxy != NEVER) & (intended > proxy)
            left = left[~ended & (intended == NEVER) & (proxy == NEVER)]
        return wrong[rows]
