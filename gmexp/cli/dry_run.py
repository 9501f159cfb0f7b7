"""`gmexp run --dry-run`: what a study would train, what of it is there, and what the rest would cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gmexp.artefacts import tables
from gmexp.artefacts.records import CurvePoint
from gmexp.artefacts.study import Study
from gmexp.pipeline import RunConfig, training_runs
from gmexp.support.limits import available_cores
from gmexp.training.config import TrainConfig
from gmexp.training.run import describe

STATES = {"run.json": "trained", "resume.npz": "begun"}


def dry_run(config: RunConfig) -> int:
    """List the runs of a study; nothing is trained or written."""
    planned = training_runs(config)
    study = Study(Path(config.out))
    rows = [(describe(item).run_id, _state(study, describe(item).run_id), item) for item in planned]
    width = max(len(run_id) for run_id, _, _ in rows)
    for run_id, state, item in rows:
        print(f"{run_id:<{width}}  {item.steps:>12,} steps  {state}")
    left = [item for _, state, item in rows if state in ("", "begun")]
    print(f"\n{len(rows)} runs in {study.root}, {len(rows) - len(left)} trained; {_cost(study, left)}")
    return 0


def _state(study: Study, run_id: str) -> str:
    """What there is of a run."""
    folder = study.run(run_id)
    if (folder / "episodes.parquet").is_file():
        return "trained, evaluated"
    return next((words for name, words in STATES.items() if (folder / name).is_file()), "")


def _cost(study: Study, left: Sequence[TrainConfig]) -> str:
    """What is left, in steps; in minutes where finished runs of the study tell how fast this machine is."""
    steps = sum(item.steps for item in left)
    if not left:
        return "nothing is left to train"
    speeds = [_speed(path) for path in sorted(study.root.glob("runs/*/curve.parquet"))]
    if not speeds:
        return f"{steps:,} steps to train; how long that takes, the first finished run will tell"
    minutes = steps / (sum(speeds) / len(speeds)) / min(len(left), available_cores()) / 60
    return f"{steps:,} steps to train, about {minutes:.0f} minutes on this machine at the speed of its finished runs"


def _speed(path: Path) -> float:
    """Steps per second of a finished run."""
    curve = tables.read_records(path, CurvePoint)
    return curve[-1].steps / max(curve[-1].seconds, 1e-9)
