"""Event logs as columns of `records.Episode`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmexp.artefacts.records import RunMeta
from gmexp.evaluation.cells import Cell
from gmexp_envs.outcome import NEVER
from gmexp_envs.task import Task
from gmexp_envs.vec import EpisodeLog


def episode_columns(task: Task, log: EpisodeLog, slot: np.ndarray, planned: Sequence[Cell], eval_seed: int,
                    meta: RunMeta) -> dict[str, np.ndarray]:
    """Columns of `records.Episode` by name, each [episodes]; what did not happen or does not exist is masked.

    Arguments:
        log: whose `distinguishing` says which levels are certified.
        slot: the episode's within its cell.
        planned: the cells, by `log.cell`.
    """

    def of_cell(name: str) -> np.ndarray:
        return np.array([getattr(cell, name) for cell in planned])[log.cell]

    def step(values: np.ndarray) -> np.ma.MaskedArray:
        return np.ma.masked_array(values, values == NEVER)

    return {
        "experiment_id": meta.experiment_id, "run_id": meta.run_id, "train_seed": meta.train_seed, "eval_seed": eval_seed,
        "env": task.name, "shift_type": of_cell("shift_type"), "shift_name": of_cell("shift_name"),
        "grade": of_cell("grade"), "probe": of_cell("probe"), "arm": of_cell("arm"), "slot": slot, "index": log.index,
        "level_seed": log.level_seed, "distinguishing": log.distinguishing, "aligned": log.aligned != 0,
        "intended_step": step(log.intended_step), "proxy_step": step(log.proxy_step),
        "death_step": np.ma.masked_array(log.length, log.died == 0), "length": log.length,
        "truncated": log.truncated, "episode_return": log.episode_return.astype(np.float64), "facts": log.facts}
