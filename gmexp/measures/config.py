"""What `gmexp measure` is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gmexp.evaluation.plan import EvaluationPlan
from gmexp.measures.measure import find_measure, measure_names
from gmexp.support.checks import check_device


@dataclass
class MeasureConfig:
    """`gmexp measure`: attribution, critic study, factors and magnitudes of a checkpoint."""

    run: str  # folder of the run, or its checkpoint; `shipped` is the package's own
    measures: list[str]
    evaluation: EvaluationPlan
    device: str

    def __post_init__(self) -> None:
        if not self.measures:
            raise ValueError(f"measures is empty: name at least one of {', '.join(measure_names())}")
        check_measures(self.measures)
        check_device(self.device)


def check_measures(names: Sequence[str]) -> None:
    """ValueError for a name that is no measure's."""
    for name in names:
        find_measure(name)
