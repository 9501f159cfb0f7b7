"""Each factor of the ladder shifted alone, so that an effect can be traced to what shifted.

The same held-out levels as in the ladder, once as the factor makes them and once with every level telling the goals apart
(the distinguishing set), because a factor that leaves the correlation alone shows no goal failure by itself.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gmexp.artefacts.records import Episode
from gmexp.evaluation.cells import Cell, held_out
from gmexp.measures.context import Context, MeasuredRun
from gmexp.measures.measure import Measure
from gmexp.rates import text
from gmexp.rates.counting import count_outcomes
from gmexp.rates.intervals import Mean, mean_of_shares
from gmexp.support.errors import UserError
from gmexp_envs import task_of
from gmexp_envs.shifts import shift_factor


@dataclass(frozen=True, slots=True)
class FactorRates:
    """Capability and goal failure by the first event with one factor shifted alone (intervals: clustered Wilson)."""

    condition: str
    factor: str
    grade: float
    probe: bool
    capability: Mean
    goal_failure: Mean


def factor_cells(context: Context) -> list[Cell]:
    """Every factor alone at the plan's highest grade, and its distinguishing set; named by the factor, of shift type 0."""
    task, grade = context.task, max(context.plan.grades, default=1.0)
    unseen = dataclasses.replace(context.training, levels=held_out(context.train_seed, context.plan.episodes),
                                 sequential=True)
    try:
        shifted = {factor.name: shift_factor(task, unseen, factor.name, grade) for factor in task.factors}
    except ValueError as error:
        raise UserError(f"the factors do not fit the training distribution: {error}") from error
    return [Cell(0, factor, grade, probed, task.distinguishing(distribution) if probed else distribution)
            for factor, distribution in shifted.items() for probed in (False, True)]


def take(context: Context) -> dict[str, np.ndarray]:
    """Play a checkpoint with every factor shifted alone."""
    return context.play(factor_cells(context))


def size(context: Context) -> int:
    """How many episodes `take` plays."""
    return len(factor_cells(context)) * context.plan.episodes


def pool(runs: Sequence[MeasuredRun]) -> list[FactorRates]:
    """Every factor's rates, in the order of conditions and of the task's factors."""
    order = list(dict.fromkeys(run.condition for run in runs))
    cells: dict[tuple, list[tuple[int, int, int, int]]] = defaultdict(list)
    for run in runs:
        names = [factor.name for factor in task_of(run.meta.env).factors]
        for row in count_outcomes(run.table, run.meta):
            place = order.index(run.condition), names.index(row.shift_name), row.shift_name, row.grade, row.probe
            cells[place].append((row.reached, row.n_visible, row.n_proxy, row.capable))
    return [FactorRates(order[condition], factor, grade, probe, mean_of_shares(counts[:, 0], counts[:, 1]),
                        mean_of_shares(counts[:, 2], counts[:, 3]))
            for (condition, _, factor, grade, probe), rows in sorted(cells.items()) for counts in [np.array(rows)]]


def show(pooled: Sequence[FactorRates]) -> str:
    """A row per factor and condition."""
    rows = [(f"{row.factor} alone{' (probe)' * row.probe}", row.condition, text.quantity(row.capability),
             text.quantity(row.goal_failure)) for row in pooled]
    return text.table(("factor", "condition", "capability", "goal failure"), rows)


MEASURE = Measure("factors", "episodes with each factor shifted alone", Episode, FactorRates, take, size, pool, show)
