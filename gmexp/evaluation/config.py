"""What `gmexp evaluate` is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gmexp.agents.mitigation import mitigation_config, mitigation_names
from gmexp.evaluation.plan import EvaluationPlan
from gmexp.support.checks import check_backend, check_device
from gmexp.support.composition import variant

__all__ = ["EvaluateConfig", "EvaluationPlan"]


@dataclass
class EvaluateConfig:
    """`gmexp evaluate`: play a checkpoint under shifts and write its episodes."""

    run: str  # folder of the run, or its checkpoint; `shipped` is the package's own
    evaluation: EvaluationPlan
    device: str
    backend: str  # of the environment: native, or procgen for the real binary, where an agent fares the same
    mitigation: Any = variant(mitigation_config, mitigation_names)  # that acts with the agent

    def __post_init__(self) -> None:
        check_device(self.device)
        check_backend(self.backend)
