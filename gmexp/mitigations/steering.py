"""Steering: a direction of the last hidden layer, along which an agent that sees the intended goal differs from one that
does not, is added to what it computes (activation addition: Turner et al. 2023; a maze's goal: Mini et al. 2023).

The direction is mean(h, visible) - mean(h, masked) over the steps on distinguishing levels of the validation split; its
length is `strength` x the mean length of h. The negative control is a random direction of the same length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gmexp.agents.mitigation import Mitigation
from gmexp.mitigations.agents import hidden_steps, validation_cells
from gmexp.support.seeding import stream

if TYPE_CHECKING:
    from gmexp.agents.checkpoint import Checkpoint
    from gmexp.mitigations.networks import Steered

DIRECTIONS = ("visible", "random")


@dataclass
class SteeringConfig:
    """How far a network is steered, and where to."""

    direction: str
    strength: float  # in mean lengths of the hidden layer
    levels: int  # of the validation split
    name: str = "steering"

    def __post_init__(self) -> None:
        if self.direction not in DIRECTIONS:
            raise ValueError(f"mitigation.direction = {self.direction!r}: choose one of {', '.join(DIRECTIONS)}")
        if not math.isfinite(self.strength) or self.levels < 1:
            raise ValueError(f"mitigation.strength = {self.strength} must be a number, mitigation.levels at least 1")


class Steering(Mitigation):
    """An agent whose hidden layer is moved towards what it is where the intended goal is seen."""

    name = "steering"
    layer = "prevention"
    row = "interpretability"
    price = "validation levels whose intended goal can be masked; the network's weights"
    knows = "where the intended goal is, on validation levels"
    config = SteeringConfig
    negative = {"direction": "random"}
    control = "a random direction of equal length"
    options: SteeringConfig

    def fitted(self, checkpoint: Checkpoint, plan: Any) -> Steering:
        import torch

        ready = Steering(self.options)
        levels = self.options.levels
        visible, masked = (hidden_steps(checkpoint, plan, levels, validation_cells(checkpoint, levels, (arm,), True))
                           for arm in ("visible", "masked"))
        direction = visible.mean(0) - masked.mean(0)
        if self.options.direction == "random":
            seed = stream(plan.seed, f"direction {checkpoint.meta.run_id}")
            direction = torch.randn(direction.shape, generator=torch.Generator().manual_seed(seed)).to(direction)
        length = torch.cat([visible, masked]).norm(dim=1).mean()
        ready.shift = self.options.strength * length * direction / direction.norm().clamp_min(1e-12)
        return ready

    def network(self, network: Any) -> Steered:
        from gmexp.mitigations.networks import Steered

        return Steered(network, self.shift)
