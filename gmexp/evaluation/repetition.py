"""How much of a study's rates is repetition: held-out seeds are new, layouts need not be.

An episode is repeated where the layout of its level (`Task.layout_hash`) is that of one of the first TRAINING levels of the
training split, whichever of them its agent met.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.condition import condition_labels
from gmexp.artefacts.records import Episode
from gmexp.artefacts.study import Study
from gmexp.evaluation.cells import cells
from gmexp.evaluation.plan import EvaluationPlan
from gmexp.rates import text
from gmexp.rates.definitions import in_arm, log
from gmexp.support.errors import UserError
from gmexp_envs import find_task
from gmexp_envs.levels import split_levels
from gmexp_envs.task import Task

TRAINING = 100_000  # levels


@dataclass(frozen=True, slots=True)
class Repetition:
    """A cell of a condition, its runs together; shares are means over runs, None without such episodes."""

    condition: str
    shift_type: int
    shift_name: str
    grade: float
    probe: bool
    repeated: float  # share of the episodes
    solved_repeated: float | None  # share of these in which a goal was reached
    solved_new: float | None
    solved: float


def repetition(study: Study, training_levels: int = TRAINING) -> list[Repetition]:
    """Of every cell of a study, how many episodes were on layouts of training, and how those and the others went.

    UserError where its environment cannot compare layouts, or its configuration is not known.
    """
    config = study.read_index()["config"]
    if not config or "evaluation" not in config:
        raise UserError(f"{study.index} does not say what was evaluated")
    plan = EvaluationPlan(**config["evaluation"])
    runs, rows = study.runs(), defaultdict(list)
    labels = condition_labels(runs)
    known: dict[Any, np.ndarray] = {}
    for run in runs:
        env = artefacts.read_json(study.run(run.run_id) / "run.json", required=("config",))["config"]["env"]
        task = find_task(env["name"])
        training = task.distribution(task.config(**env))
        trained = replace(training, levels=split_levels("train", training_levels))
        episodes = in_arm(tables.read_table(study.episodes(run.run_id), Episode))
        logged = log(episodes)
        solved = logged.intended | logged.proxy
        place = list(zip(*(episodes[name].to_pylist() for name in ("shift_type", "grade", "probe")), strict=True))
        seeds = episodes["level_seed"].values
        for cell in cells(task, training, plan, run.train_seed):
            chosen = np.array([each == (cell.shift_type, cell.grade, cell.probe) for each in place])
            played, number = np.unique(seeds[chosen], return_inverse=True)
            shown = replace(cell.distribution, levels=tuple(played.tolist()))
            repeated = np.isin(_hashes(task, shown, known), _hashes(task, trained, known))[number]
            rows[labels[run.run_id], cell.shift_type, cell.shift_name, cell.grade, cell.probe].append(
                (repeated, solved[chosen]))
    return [Repetition(*key, *_shares(cells_played)) for key, cells_played in rows.items()]


def _hashes(task: Task, distribution: Any, known: dict[Any, np.ndarray]) -> np.ndarray:
    """Layouts, each distribution's once."""
    key = task.name, distribution
    if key not in known:
        hashes = task.layout_hash(distribution)
        if hashes is None:
            raise UserError(f"{task.name} cannot compare layouts (Task.layout_hash)")
        known[key] = hashes
    return known[key]


def _shares(runs: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float | None, float | None, float]:
    def mean(parts: Sequence[np.ndarray]) -> float | None:
        shares = [part.mean() for part in parts if len(part)]
        return float(np.mean(shares)) if shares else None

    return (mean([repeated for repeated, _ in runs]), mean([solved[repeated] for repeated, solved in runs]),
            mean([solved[~repeated] for repeated, solved in runs]), mean([solved for _, solved in runs]))


def table(cells_played: Sequence[Repetition]) -> str:
    """A row per cell."""
    def share(value: float | None) -> str | None:
        return None if value is None else f"{value:.2f}"

    head = ("condition", "shift", "repeated", "solved there", "on new layouts", "together")
    rows = [(row.condition, text.shift_label(row), *map(share, (row.repeated, row.solved_repeated, row.solved_new,
                                                                  row.solved))) for row in cells_played]
    return text.table(head, rows, right=(2, 3, 4, 5))

