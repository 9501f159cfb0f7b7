"""What `gmexp measure` is told."""

from __future__ import annotations

from dataclasses import dataclass

from gmexp.evaluation.config import EvaluationPlan
from gmexp.support.checks import check_device

MEASURES = ("attribution", "critic", "factors", "magnitude")


@dataclass
class MeasureConfig:
    """`gmexp measure`: attribution, critic study, factors and magnitudes of a checkpoint."""

    run: str  # folder of the run, or its checkpoint
    measures: list[str]
    evaluation: EvaluationPlan
    device: str

    def __post_init__(self) -> None:
        if not self.measures:
            raise ValueError(f"measures is empty: name at least one of {', '.join(MEASURES)}")
        check_measures(self.measures)
        check_device(self.device)


def check_measures(names: list[str]) -> None:
    for name in names:
        if name not in MEASURES:
            raise ValueError(f"measures names {name!r}: choose from {', '.join(MEASURES)}")
