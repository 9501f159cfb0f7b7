"""What measures share: the agent that is measured, the runs that are brought together, means over runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gmexp.artefacts.records import RunMeta
from gmexp.evaluation.cells import Cell, cells, held_out
from gmexp.evaluation.plan import EvaluationPlan
from gmexp.rates import intervals
from gmexp.rates.intervals import Mean
from gmexp.support.seeding import stream
from gmexp_envs.task import Actor, Task

if TYPE_CHECKING:
    from gmexp.artefacts.table import Table

    from gmexp.agents.checkpoint import Checkpoint


@dataclass(frozen=True)
class Context:
    """A checkpoint that is measured, and the plan by which it is."""

    checkpoint: Checkpoint
    plan: EvaluationPlan
    on_progress: Callable[[int], None] = lambda units: None

    @property
    def task(self) -> Task:
        return self.checkpoint.task

    @property
    def training(self) -> Any:
        """The level distribution that training drew from."""
        return self.checkpoint.training

    @property
    def run_id(self) -> str:
        return self.checkpoint.meta.run_id

    @property
    def train_seed(self) -> int:
        return self.checkpoint.meta.train_seed

    def identity(self, measure: str) -> dict[str, Any]:
        """What decides a measure's content: the run, the plan (but not the evaluation's arms), the measure, the levels."""
        plan = {key: value for key, value in dataclasses.asdict(self.plan).items() if key != "arms"}
        return {"run": self.checkpoint.meta.config_hash, "plan": plan, "measure": measure,
                "levels": held_out(self.train_seed, self.plan.episodes)}

    def cells(self, **changes: Any) -> list[Cell]:
        """The visible cells of the plan, with fields of it changed."""
        return cells(self.task, self.training, dataclasses.replace(self.plan, **changes), self.train_seed)

    def actor(self) -> Actor:
        """The agent, with the luck of the plan's seed."""
        return self.checkpoint.policy(stream(self.plan.seed, "policy"), self.plan.greedy)

    def play(self, planned: Sequence[Cell]) -> dict[str, np.ndarray]:
        """Play cells as one batch -> columns of `records.Episode`."""
        from gmexp.evaluation.batch import make_env, play_cells
        from gmexp.evaluation.certified import levels_folder

        env = make_env(self.task, planned, self.plan, self.checkpoint, device=self.checkpoint.device)
        columns = play_cells(self.task, self.actor(), env, planned, self.plan, self.checkpoint.meta,
                             levels_folder(self.checkpoint.path), self.on_progress)
        env.close()
        return columns


@dataclass(frozen=True)
class MeasuredRun:
    """One run of a study, and what a measure found of it."""

    meta: RunMeta
    condition: str  # its label
    table: Table  # of the measure's rows
    row: type

    @cached_property
    def rows(self) -> list[Any]:
        return [self.row(**values) for values in self.table.to_pylist()]


def by_condition(runs: Iterable[MeasuredRun]) -> Mapping[str, list[MeasuredRun]]:
    """The runs of every condition, in order of first appearance."""
    grouped: dict[str, list[MeasuredRun]] = {}
    for run in runs:
        grouped.setdefault(run.condition, []).append(run)
    return grouped


def mean_over_runs(values: Sequence[float | None], half_widths: Sequence[float] | None = None) -> Mean:
    """Mean of the runs' effects and its 95% interval (`intervals.mean_of_effects`); unknown ones are left out.

    `half_widths` are those of the runs' own intervals, below which the mean's cannot fall.
    """
    known = [k for k, value in enumerate(values) if value is not None]
    if not known:
        return Mean(None, None, None, tuple(values))
    chosen = np.array([values[k] for k in known])
    halves = np.zeros(len(known)) if half_widths is None else np.array([half_widths[k] for k in known])
    return Mean(*intervals.mean_of_effects(chosen, halves), tuple(values))

