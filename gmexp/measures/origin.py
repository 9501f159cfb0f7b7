"""What decides the content of a run's measure, whichever it is."""

from __future__ import annotations

import dataclasses
from typing import Any

from gmexp.agents.checkpoint import Checkpoint
from gmexp.evaluation.config import EvaluationPlan
from gmexp.evaluation.evaluate import held_out


def identity(checkpoint: Checkpoint, plan: EvaluationPlan, measure: str) -> dict[str, Any]:
    """The configuration that an artefact's provenance carries: the run, the plan, the measure, the levels."""
    return {"run": checkpoint.meta.config_hash, "plan": dataclasses.asdict(plan), "measure": measure,
            "levels": held_out(checkpoint.meta.train_seed, plan.episodes)}
