"""Which of the played levels tell the goals apart, by construction and in play; known once for all runs of a study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gmexp import artefacts
from gmexp.evaluation.cells import Cell
from gmexp.support.errors import UserError
from gmexp_envs.task import Task
from gmexp_envs.vec import EpisodeLog


def levels_folder(path: Path) -> Path | None:
    """Where the runs of the study that `path` (a file of a run) belongs to share what is known of levels."""
    return path.parents[2] / "levels" if path.parents[1].name == "runs" else None


def distinguishing_episodes(task: Task, log: EpisodeLog, slot: np.ndarray, slots: int, planned: Sequence[Cell],
                            cache: Path | None) -> np.ndarray:
    """Whether each episode's level is certified: bool [episodes].

    Arguments:
        slot: the episode's within its cell, of `slots`.
        planned: the cells, by `log.cell`; their visible arms' levels decide.
        cache: see `certified_levels`.
    """
    distinguishing = np.zeros(len(slot), bool)
    judged = [cell.distribution if cell.judged is None else cell.judged for cell in planned]
    certified = {distribution: certified_levels(task, distribution, cache) for distribution in set(judged)}
    for index, distribution in enumerate(judged):
        rows = log.cell == index
        position = (slot[rows] + log.index[rows] * slots) % distribution.num_levels  # in its level sequence
        distinguishing[rows] = certified[distribution][position]
    return distinguishing


def certified_levels(task: Task, distribution: Any, cache: Path | None = None) -> np.ndarray:
    """Which levels of a distribution tell the goals apart, by construction and in play (`Task.certify`): bool [levels].

    It depends on nothing but the levels, so runs share it in the folder `cache`. A file there that does not hold what it
    should is made anew.
    """
    from gmexp_envs.compiled.jit import source_hash

    identity = {"env": task.name, "levels": distribution, "engine": source_hash()}
    path = cache and cache / f"{artefacts.config_hash(identity)}.npz"
    if path and path.is_file():
        try:
            known = artefacts.read_npz(path, required=("distinguishing",))["distinguishing"]
        except UserError:
            known = np.zeros(0)
        if known.dtype == bool and known.shape == (distribution.num_levels,):
            return known
    distinguishing = task.certify(distribution)
    if path:
        artefacts.write_npz(path, {"distinguishing": distinguishing})
    return distinguishing
