"""What other tools take: ArviZ's InferenceData, and the scores of rliable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gmexp.artefacts.records import OutcomeCounts
from gmexp.statistics.calibration import Calibration
from gmexp.statistics.design import build_design
from gmexp.statistics.leave_out import log_row_likelihood
from gmexp.statistics.model import SCALES
from gmexp.support.errors import UserError

__all__ = ["rliable_scores", "to_arviz"]

MEASURES = ("capability", "goal_failure", "first_event_failure", "realised")


def to_arviz(calibration: Calibration, counts: Sequence[OutcomeCounts] | None = None) -> Any:
    """The posterior as an `arviz.InferenceData` with named dimensions; with the counts that it was made from, their log
    likelihood too (a run under one shift is an observation, its own deviation integrated out), so that `arviz.loo` works."""
    try:
        import arviz
    except ImportError:
        raise UserError("to_arviz needs ArviZ: pip install arviz") from None
    post = calibration.posterior
    stages = ["capability", "proxy_share", "pursuit"] if post.stages == 3 else ["capability", "pursuit"]
    coords = {"stage": stages, "level": [f"{s.name} {s.grade:g}" for s in post.shifts], "environment": list(post.envs),
              "column": list(post.covariates.names), "scale": list(SCALES), "learner": [str(k) for k in post.learners],
              "cell": list(range(len(post.cells))), "pair": list(range(post.coupling.shape[1]))}
    dims = {"alpha": ["stage", "level"], "beta": ["stage", "column"], "scales": ["stage", "scale"],
            "run_shift": ["stage", "level"], "coupling": ["pair"], "env": ["stage", "environment", "level"],
            "slope": ["stage", "environment", "column"], "learner": ["stage", "learner"], "cell": ["stage", "cell"]}
    arrays = {("learner_effect" if name == "learner" else name): array.reshape(post.chains, -1, *array.shape[1:])
              for name, array in post.draws.items() if array.size}
    dims["learner_effect"] = dims.pop("learner")
    groups: dict[str, Any] = {"posterior": arrays, "coords": coords, "dims": {n: d for n, d in dims.items() if n in arrays}}
    if counts is not None:
        design = build_design(counts)
        if (design.shifts, design.envs, len(design.conditions)) != (post.shifts, post.envs, len(post.conditions)):
            raise UserError("these are not the counts that the calibration was made from")
        log_lik = log_row_likelihood(design, post, np.arange(post.size)).T
        groups["log_likelihood"] = {"counts": log_lik.reshape(post.chains, -1, log_lik.shape[1])}
    return arviz.from_dict(**groups)


def rliable_scores(counts: Sequence[OutcomeCounts], measure: str = "capability", grade: float = 1.0) -> dict[str, np.ndarray]:
    """Scores as rliable takes them: per condition a matrix [runs, tasks], the tasks being (environment, shift type) pairs.

    Goal failure is turned round, so that more is better throughout. A condition with an unknown score, or with unequal
    numbers of runs, is left out: rliable cannot take it.
    """
    if measure not in MEASURES:
        raise UserError(f"measure must be one of {', '.join(MEASURES)}, not {measure!r}")
    rows = [c for c in counts if not c.probe and (c.grade == grade or c.shift_type == 0)]
    tasks = sorted({(c.env, c.shift_type) for c in rows})
    scores: dict[str, dict[tuple, dict[str, float | None]]] = {}
    for c in rows:
        label = f"delta={c.train_diversity} {c.align_method or 'standard'} quality={c.spec_quality} steps={c.train_steps}"
        value = getattr(c, measure)
        value = value if value is None or measure == "capability" else 1 - value
        scores.setdefault(label, {}).setdefault((c.env, c.shift_type), {})[c.run_id] = value
    result = {}
    for label, by_task in sorted(scores.items()):
        columns = [list(by_task.get(task, {}).values()) for task in tasks]
        if len({len(column) for column in columns}) == 1 and columns[0] and all(v is not None for c in columns for v in c):
            result[label] = np.array(columns, dtype=float).T
    return result
