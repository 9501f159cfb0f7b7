"""How fast the runs of a study learned, from their curves -> learning.json.

Success is the share of training episodes that reach the intended goal, over the last WINDOW iterations. Seconds are those
of training alone, on whatever else the machine did; steps are game steps. Training draws from so many levels that hardly
any is met twice, so training success is that on new levels too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.condition import condition_labels
from gmexp.artefacts.records import CurvePoint
from gmexp.artefacts.study import Study
from gmexp.artefacts.table import Table
from gmexp.rates import text

WINDOW = 20  # iterations
GOALS = (0.8, 0.85, 0.9)

# Published learning curves on frames of all levels: {steps: episode return / 10}, of PPO with the Impala network (the
# training logs that come with openai/train-procgen), by `RunMeta.env`.
PUBLISHED = {
    "coinrun": {1e6: 0.71, 2e6: 0.83, 3e6: 0.87, 8e6: 0.81, 20e6: 0.90, 25e6: 0.91},
    "coinrun_hard": {2e6: 0.56, 10e6: 0.71, 20e6: 0.78, 40e6: 0.76, 80e6: 0.84, 200e6: 0.90},
    "maze": {1e6: 0.54, 2e6: 0.56, 3e6: 0.54, 8e6: 0.76, 20e6: 0.98, 25e6: 0.99},
}


@dataclass(frozen=True, slots=True)
class Reached:
    """When a run's training success was first at least `success`."""

    success: float
    steps: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Learning:
    """One run: where it ended, and which of GOALS it reached on the way."""

    run_id: str
    condition: str
    steps: int
    seconds: float
    success: float
    reached: tuple[Reached, ...]


def write(study: Study) -> None:
    """Write learning.json of a study whose runs succeeded or failed in training at all (those of cloning did neither)."""
    runs = study.runs()
    named = condition_labels(runs)
    learnt = [learning for run in runs if study.curve(run.run_id).exists()
             and (learning := learned(run.run_id, named[run.run_id],
                                      tables.read_table(study.curve(run.run_id), CurvePoint)))]
    if learnt:
        origin = artefacts.provenance(None, {"goals": GOALS, "window": WINDOW}, "how fast the runs learned")
        artefacts.write_json(study.learning, {"runs": [dataclasses.asdict(item) for item in learnt]}, origin)


def read(study: Study) -> list[Learning]:
    """The content of learning.json; nothing where there is none."""
    if not study.learning.is_file():
        return []

    def built(row: dict[str, Any]) -> Learning:
        return Learning(**row | {"reached": tuple(Reached(**each) for each in row["reached"])})

    return [built(row) for row in artefacts.read_json(study.learning, required=("runs",))["runs"]]


def learned(run_id: str, condition: str, curve: Table) -> Learning | None:
    """What a learning curve says; None if no episode of its last WINDOW iterations was counted."""
    success = smoothed(curve)
    if np.isnan(success[-1]):
        return None
    steps, seconds = curve["steps"].to_pylist(), curve["seconds"].to_pylist()
    full = np.arange(len(success)) >= WINDOW - 1
    firsts = [(goal, np.flatnonzero(full & (success >= goal))[:1]) for goal in GOALS]
    reached = tuple(Reached(goal, steps[i], seconds[i]) for goal, first in firsts for i in first)
    return Learning(run_id, condition, steps[-1], seconds[-1], float(success[-1]), reached)


def smoothed(curve: Table) -> np.ndarray:
    """Success over the last WINDOW iterations at every point, an episode an equal part; NaN where none was counted."""
    success = curve["success"].to_numpy()
    episodes = np.where(np.isnan(success), 0, curve["episodes"].values)

    def summed(values: np.ndarray) -> np.ndarray:
        return np.convolve(values, np.ones(WINDOW))[: len(values)]

    counted = summed(episodes)
    return np.divide(summed(episodes * np.nan_to_num(success)), counted, out=np.full(len(success), np.nan),
                     where=counted > 0)


@dataclass(frozen=True, slots=True)
class ConditionLearning:
    """Medians over the runs of a condition (of success, the mean); a goal is None unless over half of them reached it."""

    condition: str
    runs: int
    steps: float
    seconds: float
    success: float
    goals: tuple[Reached | None, ...]


def by_condition(learnt: Sequence[Learning]) -> list[ConditionLearning]:
    """The conditions in order of first appearance."""
    rows = []
    for condition in dict.fromkeys(item.condition for item in learnt):
        runs = [item for item in learnt if item.condition == condition]
        goals: list[Reached | None] = []
        for goal in GOALS:
            times = [each for item in runs for each in item.reached if each.success == goal]
            goals.append(Reached(goal, *(_median_time([getattr(each, name) for each in times], len(runs))
                                         for name in ("steps", "seconds"))) if 2 * len(times) > len(runs) else None)
        rows.append(ConditionLearning(condition, len(runs), median(item.steps for item in runs),
                                      median(item.seconds for item in runs),
                                      float(np.mean([item.success for item in runs])), tuple(goals)))
    return rows


def _median_time(known: Sequence[float], runs: int) -> float:
    """The median over all runs, those that never got so far being slower than any; over half of them did."""
    return float(np.median([*known, *[max(known)] * (runs - len(known))]))


def table(learnt: Sequence[Learning]) -> str:
    """A row per condition."""
    rows = []
    for row in by_condition(learnt):
        times = (None if goal is None else f"{goal.steps / 1e6:.1f}M, {goal.seconds:.0f} s" for goal in row.goals)
        rows.append((row.condition, row.runs, f"{row.steps / 1e6:.1f}M", f"{row.seconds:.0f}", f"{row.success:.2f}", *times))
    head = ("condition", "runs", "steps", "seconds", "success", *(f"{goal:.0%} after" for goal in GOALS))
    return text.table(head, rows, right=range(1, len(head)), rule=False)
