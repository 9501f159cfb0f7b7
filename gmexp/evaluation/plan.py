"""What a trained agent is put through."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from gmexp.support.checks import check_seed
from gmexp_envs.task import SHIFT_TYPES

ARMS = ("visible", "masked", "aligned")


@dataclass
class EvaluationPlan:
    """What a trained agent is put through."""

    shifts: list[int]
    grades: list[float]
    probes: list[int]  # shift types that are also played on a distinguishing set: levels that all tell the goals apart
    attributed: list[int]  # shift types under which causal attribution is measured
    episodes: int  # per cell and arm
    slots: int  # environment instances per cell and arm, each playing episodes / slots
    seed: int  # of sampled actions
    greedy: bool
    clips: int  # animated episodes to keep per run, at most
    arms: list[str] = field(default_factory=lambda: ["visible"])  # that every cell is played in; plans once had this one

    def __post_init__(self) -> None:
        if self.episodes < 1 or self.slots < 1 or self.episodes % self.slots:
            raise ValueError(f"evaluation.episodes = {self.episodes} must be a multiple of evaluation.slots = "
                             f"{self.slots}, so that every slot plays equally many")
        for name in ("shifts", "probes", "attributed"):
            for kind in getattr(self, name):
                if kind not in SHIFT_TYPES:
                    raise ValueError(f"evaluation.{name} = {getattr(self, name)}: shift types are 0 (none) and 1 to 4")
        for name in ("shifts", "attributed"):
            if not getattr(self, name):
                raise ValueError(f"evaluation.{name} is empty: name at least one of 0 to 4")
        if lone := sorted(set(self.probes) - set(self.shifts)):
            raise ValueError(f"evaluation.probes names {lone[0]}, which evaluation.shifts = {self.shifts} does not")
        if max(self.shifts) > 0 and not self.grades:
            raise ValueError("evaluation.grades is empty: the shifts need at least one")
        for grade in self.grades:
            if not 0 <= grade <= 1:
                raise ValueError(f"evaluation.grades = {self.grades}: {grade} is not within [0, 1]")
        if self.arms[:1] != ["visible"] or set(self.arms) - set(ARMS) or len(set(self.arms)) < len(self.arms):
            raise ValueError(f"evaluation.arms = {self.arms}: visible, and after it any of masked and aligned")
        check_seed("evaluation.seed", self.seed)
        if self.clips < 0:
            raise ValueError(f"evaluation.clips = {self.clips} must not be negative")

    @property
    def identity(self) -> dict[str, Any]:
        """What episodes depend on; a plan of the visible arm alone is one of the time before there were arms."""
        plan = dataclasses.asdict(self)
        return plan if plan["arms"] != ["visible"] else {key: value for key, value in plan.items() if key != "arms"}
