"""Ask for help: on steps that look wrong to it, an agent lets an expert act (Trinh et al. 2024, Getting by goal
misgeneralization with a little help from a mentor; response).

What looks wrong is a score (`scores`) above the threshold that a share `budget` of the steps exceeds on levels of the
validation split, drawn as training drew its own: the shifts have no part in it. The expert is the scripted policy for the
intended goal. Help lasts `lasts` decisions. The negative control asks at random, as often in each cell as was asked there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gmexp.agents.mitigation import Mitigation
from gmexp.mitigations.agents import Scores, one_each, scored, validation_cells, watched
from gmexp.mitigations.scores import SCORES, score_of
from gmexp.support.seeding import stream
from gmexp_envs.task import Actor, Task
from gmexp_envs.vec import VecEnv

if TYPE_CHECKING:
    from gmexp.agents.checkpoint import Checkpoint

RANDOM = "random"


@dataclass
class HelpConfig:
    """When help is asked for, and for how long."""

    score: str
    budget: float  # share of steps on validation levels that exceed the threshold
    lasts: int  # decisions
    levels: int  # of the validation split
    shares: list[float] = field(default_factory=list)  # of decisions that random help takes over, by cell; or one for all
    name: str = "ask_for_help"

    def __post_init__(self) -> None:
        if self.score not in (*SCORES, RANDOM):
            raise ValueError(f"mitigation.score = {self.score!r}: choose one of {', '.join((*SCORES, RANDOM))}")
        if not 0 < self.budget < 1:
            raise ValueError(f"mitigation.budget = {self.budget} is not a share within (0, 1)")
        if self.lasts < 1 or self.levels < 1:
            raise ValueError(f"mitigation.lasts = {self.lasts} and mitigation.levels = {self.levels} must be at least 1")
        if any(not 0 <= share <= 1 for share in self.shares):
            raise ValueError(f"mitigation.shares = {self.shares} are not within [0, 1]")


class AskForHelp(Mitigation):
    """An agent that lets an expert act where it looks wrong."""

    name = "ask_for_help"
    layer = "response"
    price = "an expert at hand, for the share of steps that is reported; validation levels"
    knows = "an expert on the intended goal"
    config = HelpConfig
    negative = {"score": RANDOM}
    control = "help at random, as often"
    arms = ("visible",)  # an expert who sees no intended goal has nothing to do
    options: HelpConfig

    def fitted(self, checkpoint: Checkpoint, plan: Any) -> AskForHelp:
        ready = AskForHelp(self.options)
        ready._task, ready._device = checkpoint.task, checkpoint.device
        ready._seed = stream(plan.seed, f"help {checkpoint.meta.run_id}")
        if self.options.score != RANDOM:
            ready._score = score_of(self.options.score, checkpoint, plan, self.options.levels)
            ready.threshold = threshold_of(checkpoint, plan, ready._score, self.options)
        return ready

    def wrap(self, actor: Actor, env: VecEnv) -> Helped:
        if self.options.score == RANDOM:
            asks = AtRandom(self.options.shares or [self.options.budget], self.options.lasts, env, self._seed)
        else:
            asks = Above(self._score, self.threshold, self._device)
        return Helped(actor, self._task, env, asks, self.options.lasts)


def threshold_of(checkpoint: Checkpoint, plan: Any, score: Scores, options: HelpConfig) -> float:
    """The score that a share `budget` of the steps on the agent's validation levels exceed."""
    steps = watched(checkpoint, one_each(plan, options.levels), validation_cells(checkpoint, options.levels), score).steps
    return float(np.quantile(np.concatenate(steps), 1 - options.budget))


class Above:
    """Whether a score exceeds a threshold: bool [len(rows)]."""

    def __init__(self, score: Scores, threshold: float, device: str) -> None:
        self._score, self._threshold, self._device = score, threshold, device

    def __call__(self, observation: Any, rows: np.ndarray) -> np.ndarray:
        return scored(self._score, observation, rows, self._device) > self._threshold


class AtRandom:
    """Whether to ask, by lot, so often that the wanted share of decisions is the expert's where help lasts a while.

    With help of L decisions begun with probability p, the share is L p / (1 - p + L p).
    """

    def __init__(self, shares: list[float], lasts: int, env: VecEnv, seed: int) -> None:
        size = env.num_envs // len(shares)
        share = np.minimum(np.repeat(np.array(shares, float), size), 1.0)
        self._chance = np.where(share < 1, share / (lasts - share * (lasts - 1)), 1.0)
        self._seed, self._asked = seed, np.zeros(env.num_envs, np.int64)

    def __call__(self, observation: Any, rows: np.ndarray) -> np.ndarray:
        lots = np.random.default_rng([self._seed, int(self._asked.max())]).random(len(self._chance))[rows]
        self._asked[rows] += 1
        return lots < self._chance[rows]


class Helped:
    """An actor, and an expert for the intended goal in the decisions that are asked for.

    `steps` and `helped` count the decisions of every instance, and those among them that were the expert's.
    """

    def __init__(self, actor: Actor, task: Task, env: VecEnv, asks: Any, lasts: int) -> None:
        self._actor, self._expert, self._asks, self._lasts = actor, task.scripted("intended", env), asks, lasts
        self._left = np.zeros(env.num_envs, np.int64)
        self.steps, self.helped = np.zeros(env.num_envs, np.int64), np.zeros(env.num_envs, np.int64)
        self._log = env

    def act(self, observation: Any, rows: np.ndarray) -> np.ndarray:
        actions = np.array(self._actor.act(observation, rows), np.int32)  # its luck is the same whether it asks or not
        begun = self._log.present.step[rows] == 0
        self._left[rows[begun]] = 0
        free = self._left[rows] == 0
        idle = rows[free]
        if len(idle):
            self._left[idle[self._wanted(observation, idle, actions[free])]] = self._lasts
        taken = self._left[rows] > 0
        if taken.any():
            actions[taken] = self._expert.act(observation, rows[taken])
            self._left[rows[taken]] -= 1
        self.steps[rows] += 1
        self.helped[rows] += taken
        return actions

    def _wanted(self, observation: Any, rows: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Whether to ask, of instances about to take these actions: bool [len(rows)]."""
        return self._asks(observation, rows)
