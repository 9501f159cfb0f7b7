"""Robust prioritised level replay: train on levels where there is much to learn, and on no others (Jiang et al. 2021b,
section 4; against goal misgeneralization, Abdel Sadek et al. 2025).

New levels are scored without training on them; a share `replay` of the batches replays levels of the buffer (`buffer`) by
their scores (`regret`) and trains on these. The negative control is domain randomisation with the same extra compute: as
many batches are played without training, and those trained on are drawn as they come.

The published setting of the learner is 256 x 128 steps, gamma 0.999, lambda 0.95, clip 0.1, learning rate 5e-5 and entropy
1e-3; here it is the base's, so that runs with and without are pairs. At `budget` gradient the two take equally many gradient
steps, at environment equally many steps of the game.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gmexp.agents.mitigation import Mitigation
from gmexp.mitigations.regret import SCORES
from gmexp_envs.task import Task
from gmexp_envs.vec import VecEnv

BUDGETS = ("gradient", "environment")


@dataclass
class RobustPLRConfig:
    """The buffer, the scores and what is trained on."""

    score: str
    buffer: int  # levels
    replay: float  # share of batches that replay levels
    temperature: float  # of the ranks
    staleness: float  # share of the draws that go by staleness
    hold: int  # rollouts that a batch lasts
    patience: int  # decisions that the scripted policy is given
    budget: str  # what `steps` counts: gradient or environment
    name: str = "robust_plr"

    @property
    def trained(self) -> float:
        """The share of the steps played that is trained on."""
        return self.replay

    def __post_init__(self) -> None:
        if self.score not in SCORES:
            raise ValueError(f"mitigation.score = {self.score!r}: choose one of {', '.join(SCORES)}")
        if self.budget not in BUDGETS:
            raise ValueError(f"mitigation.budget = {self.budget!r}: choose one of {', '.join(BUDGETS)}")
        if not 0 < self.replay <= 1 or not 0 <= self.staleness <= 1:
            raise ValueError(f"mitigation.replay = {self.replay} and mitigation.staleness = {self.staleness} should be "
                             "shares, and replay above 0")
        if not self.temperature > 0:
            raise ValueError(f"mitigation.temperature = {self.temperature} must be above 0")
        for name in ("buffer", "hold", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"mitigation.{name} = {getattr(self, name)} must be at least 1")


class RobustPLR(Mitigation):
    """Training on levels by regret."""

    name = "robust_plr"
    layer = "prevention"
    price = "rollouts on levels that are not trained on; the scripted policy's returns, with oracle_latest"
    knows = "the scripted policy's returns on training levels"
    config = RobustPLRConfig
    negative = {"score": "uniform"}
    control = "domain randomisation with the same extra compute"
    options: RobustPLRConfig

    @property
    def train_steps(self) -> float:
        """Game steps, those that are only scored included, for as many gradient steps."""
        return 1 / self.options.trained if self.options.budget == "gradient" else 1.0

    def why_not(self, task: Task, backend: str, device: str) -> str | None:
        if not task.chosen_levels:
            return f"it chooses the levels of training, and those of {task.name} cannot be chosen"
        if backend != "native" or device != "cpu":
            return f"it chooses the levels of training, which device=cpu backend=native lets it, not {device}, {backend}"
        return None

    def train(self, build: Callable[[VecEnv], Any], env: VecEnv) -> Any:
        from gmexp.mitigations.chosen_levels import ChosenLevels
        from gmexp.mitigations.curriculum import Curriculum

        shown = ChosenLevels(env)
        return Curriculum(build(shown), shown, self.options)
