"""Each factor of the ladder shifted alone, so that an effect can be traced to what shifted.

The same held-out levels as in the ladder, once as the factor makes them and once with every level telling the
goals apart (the goal probe), because a factor that leaves the correlation alone shows no goal failure by itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gmexp import artefacts
from gmexp.agents.checkpoint import Checkpoint
from gmexp.artefacts import tables
from gmexp.artefacts.records import Episode
from gmexp.evaluation.config import EvaluationPlan
from gmexp.evaluation.evaluate import Cell, held_out, levels_folder, make_env, play_cells
from gmexp.measures.origin import identity
from gmexp.support.errors import UserError
from gmexp.support.seeding import stream
from gmexp_envs.shifts import shift_factor
from gmexp_envs.task import Task

FILE = "factors.parquet"


def factor_cells(task: Task, training: Any, plan: EvaluationPlan, train_seed: int = 0) -> list[Cell]:
    """Every factor alone at the plan's highest grade, and its probe; named by the factor, of shift type 0."""
    grade = max(plan.grades, default=1.0)
    unseen = dataclasses.replace(training, levels=held_out(train_seed, plan.episodes), sequential=True)
    try:
        shifted = {factor.name: shift_factor(task, unseen, factor.name, grade) for factor in task.factors}
    except ValueError as error:
        raise UserError(f"the factors do not fit the training distribution: {error}") from error
    return [Cell(0, factor, grade, probed, task.distinguishing(distribution) if probed else distribution)
            for factor, distribution in shifted.items() for probed in (False, True)]


def measure(checkpoint: Checkpoint, plan: EvaluationPlan, on_progress: Callable[[int], None]) -> Path:
    """Play a checkpoint with every factor shifted alone -> factors.parquet in the run's folder."""
    planned = factor_cells(checkpoint.task, checkpoint.training, plan, checkpoint.meta.train_seed)
    env = make_env(checkpoint.task, planned, plan, checkpoint.agent, device=checkpoint.device)
    actor = checkpoint.policy(stream(plan.seed, "policy"), plan.greedy)
    columns = play_cells(checkpoint.task, actor, env, planned, plan, checkpoint.meta, levels_folder(checkpoint.path),
                         on_progress)
    env.close()
    origin = artefacts.provenance(None, identity(checkpoint, plan, "factors"), "episodes with each factor shifted alone")
    return tables.write_table(checkpoint.path.with_name(FILE), columns, Episode, origin)


def size(checkpoint: Checkpoint, plan: EvaluationPlan) -> int:
    """How many episodes `measure` plays."""
    return len(factor_cells(checkpoint.task, checkpoint.training, plan, checkpoint.meta.train_seed)) * plan.episodes
