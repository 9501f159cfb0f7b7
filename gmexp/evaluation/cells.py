"""What an agent is evaluated on: cells (shift x grade x arm), and the held-out levels that they are played on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gmexp.evaluation.plan import EvaluationPlan
from gmexp.support.errors import UserError
from gmexp_envs.levels import SPLITS, SeedRange, split_levels
from gmexp_envs.shifts import find_shift, shift
from gmexp_envs.task import ArmName, Task

if TYPE_CHECKING:
    from gmexp.agents.checkpoint import Checkpoint


@dataclass(frozen=True)
class Cell:
    """One distribution an agent is evaluated on."""

    shift_type: int
    shift_name: str
    grade: float
    probe: bool  # the distinguishing set of the shift: its appearance and context, but every level tells the goals apart
    distribution: Any  # one of the task's level distributions
    arm: ArmName = "visible"
    judged: Any = None  # the visible arm's distribution, whose levels tell the goals apart; None: its own


def held_out(train_seed: int, count: int, split: str = "evaluation") -> SeedRange:
    """The `count` levels of a split that runs of this train seed are measured on."""
    if not 1 <= count <= SPLITS[split].count:
        raise ValueError(f"the {split} split has {SPLITS[split].count} levels, of which {count} are wanted")
    return split_levels(split, count, count * (train_seed % (SPLITS[split].count // count)))


def own_levels(checkpoint: Checkpoint, count: int) -> SeedRange:
    """The first `count` held-out levels of a run: of those it was evaluated on, or else would be by the default plan."""
    path = checkpoint.path.with_name("episodes.parquet")
    if path.is_file():
        from gmexp.artefacts import tables
        from gmexp.artefacts.records import Episode

        played = tables.read_table(path, Episode)
        cell = list(zip(*(played[name].to_pylist() for name in ("shift_type", "grade", "probe", "arm")), strict=True))
        episodes = cell.count(cell[0])
    else:
        from gmexp.evaluation.config import EvaluateConfig
        from gmexp.support.composition import load

        episodes = load("evaluate", EvaluateConfig, ["run=none"]).evaluation.episodes
    return SeedRange(held_out(checkpoint.meta.train_seed, episodes).first, count)


def cells(task: Task, training: Any, plan: EvaluationPlan, train_seed: int = 0) -> list[Cell]:
    """The visible cells of a plan, for an agent trained on `training` with this train seed, on held-out levels.

    UserError where the training distribution cannot be shifted so.
    """
    planned = []
    try:
        levels = held_out(train_seed, plan.episodes)
        for kind in sorted(set(plan.shifts)):
            name = find_shift(task, kind).name
            for grade in sorted(set(plan.grades)) if kind else [0.0]:
                shifted = dataclasses.replace(shift(task, training, kind, grade), levels=levels, sequential=True)
                planned.append(Cell(kind, name, grade, False, shifted))
                if kind in plan.probes:
                    planned.append(Cell(kind, name, grade, True, task.distinguishing(shifted)))
    except ValueError as error:
        raise UserError(f"the evaluation does not fit the training distribution: {error}") from error
    return planned


def arms_of(task: Task, cell: Cell, arms: Iterable[ArmName]) -> list[Cell]:
    """A visible cell in the given arms: the same levels, the same goals' places but in the aligned arm."""
    made = task.arms(cell.distribution)
    return [dataclasses.replace(cell, arm=arm, distribution=made[arm], judged=made["visible"]) for arm in arms]


def in_arms(task: Task, planned: Sequence[Cell], arms: Sequence[ArmName]) -> list[Cell]:
    """Visible cells in every arm: all of the first arm, then all of the next."""
    return [each for arm in arms for cell in planned for each in arms_of(task, cell, (arm,))]


def playable(task: Task, planned: Sequence[Cell], backend: str) -> tuple[list[Cell], list[Cell]]:
    """The cells that a backend can play, and those that it cannot: these come last, as supervision is shift 4's.

    UserError where it can play none.
    """
    if backend == "native":
        return list(planned), []
    reasons = [task.why_not(cell.distribution, backend) for cell in planned]
    count = next((k for k, reason in enumerate(reasons) if reason), len(planned))
    if count == 0:
        raise UserError(str(reasons[0]))
    return list(planned[:count]), list(planned[count:])
