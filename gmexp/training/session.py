"""How a training run is tracked: what it is called, what it can be filtered by, and that its sessions are one run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from gmexp.agents.mitigation import mitigation_of
from gmexp.artefacts.records import CurvePoint
from gmexp.artefacts.tracking import Tracker, open_tracker
from gmexp.training.config import LoggerConfig
from gmexp.training.run import Run

__all__ = ["filterable", "log_curve", "open_run", "place"]


def open_run(planned: Run) -> Tracker:
    """The tracker of a training run. Sessions of one run in one experiment, after a kill or for its evaluation, are one."""
    config, meta = planned.config, planned.meta
    tags = (meta.env, meta.algo, f"delta={meta.train_diversity:g}", config.backend, *config.logger.tags)
    return open_tracker(config.logger.name, config.logger.mode, **place(config.logger), group=config.experiment,
                        name=planned.id, config=filterable(planned), dir=planned.folder, job_type="train", tags=tags,
                        id=f"{config.experiment}-{planned.id}")


def log_curve(tracker: Tracker, curve: Sequence[CurvePoint]) -> None:
    """Points of a learning curve, each at its number of steps."""
    for point in curve:
        tracker.log({name: value for name, value in dataclasses.asdict(point).items() if name != "steps"}, step=point.steps)


def place(logger: LoggerConfig) -> dict[str, Any]:
    """Whose run it is, and in which project."""
    return {"project": logger.project, "entity": logger.entity, "notes": logger.notes}


def filterable(planned: Run) -> dict[str, Any]:
    """What runs are filtered and grouped by, flat, and the whole of what decides what the run learns in `settings`."""
    config, meta = planned.config, planned.meta
    mitigation = mitigation_of(config.mitigation)
    return {
        "env": meta.env, "delta": meta.train_diversity, "rho": meta.spurious_corr, "spec_quality": meta.spec_quality,
        "learner": meta.algo, "learner_hash": meta.learner_hash, "method": meta.align_method,
        "mitigation": mitigation.name if mitigation else None, "backend": config.backend, "device": config.device,
        "condition_hash": meta.condition_hash, "seed": meta.train_seed, "steps": meta.train_steps, "width": meta.width,
        "horizon": meta.horizon, "experiment": config.experiment, "run_id": meta.run_id, "config_hash": meta.config_hash,
        "git_sha": meta.git_sha, "settings": planned.identity}
