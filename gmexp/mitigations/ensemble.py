"""Ensembles: policies of several train seeds decide together (Lakshminarayanan et al. 2017, section 2.4). Prevention at
play time: what one run learned wrongly, others may not have.

    mean       the mean of their action probabilities
    majority   the action that most of them hold most probable, ties by the mean
    mixture    the negative control of the same price: a member of its own for every instance, so nothing is combined
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gmexp.agents.mitigation import Mitigation
from gmexp.mitigations.agents import peers

if TYPE_CHECKING:
    from gmexp.agents.checkpoint import Checkpoint
    from gmexp.mitigations.networks import Combined

COMBINE = ("mean", "majority", "mixture")


@dataclass
class EnsembleConfig:
    """How many runs of a condition decide together, and how."""

    members: int
    combine: str
    name: str = "ensemble"

    def __post_init__(self) -> None:
        if self.members < 2:
            raise ValueError(f"mitigation.members = {self.members} must be at least 2")
        if self.combine not in COMBINE:
            raise ValueError(f"mitigation.combine = {self.combine!r}: choose one of {', '.join(COMBINE)}")


class Ensemble(Mitigation):
    """Several runs of a condition in place of one. Which are an agent's peers: `agents.peers`."""

    name = "ensemble"
    layer = "prevention"
    price = "training and running of every member; it must know nothing"
    config = EnsembleConfig
    negative = {"combine": "mixture"}
    control = "a member drawn for every instance"
    note = "ensembles of one study share members, so that pairs are not independent: the interval is too narrow"
    options: EnsembleConfig

    @property
    def train_steps(self) -> float:
        return float(self.options.members)

    def fitted(self, checkpoint: Checkpoint, plan: Any) -> Ensemble:
        ready = Ensemble(self.options)
        ready._networks = [peer.network for peer in peers(checkpoint, self.options.members)]
        return ready

    def network(self, network: Any) -> Combined:
        from gmexp.mitigations.networks import Combined

        return Combined(self._networks, self.options.combine)
