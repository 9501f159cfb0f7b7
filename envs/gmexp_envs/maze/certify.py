"""Levels that tell the goals apart: neither goal lies on the only way to the other, so no agent passes one by accident."""

from __future__ import annotations

import dataclasses

import numpy as np

from gmexp_envs.levels import batches_of
from gmexp_envs.maze.distribution import MazeDistribution
from gmexp_envs.maze.engine import Maze
from gmexp_envs.maze.layout import DISTINGUISHING

BATCH = 4096  # levels made at once


def certify(distribution: MazeDistribution) -> np.ndarray:
    """Which of the distribution's levels tell the goals apart: bool [num_levels], exactly."""
    parts = []
    for levels in batches_of(distribution.levels, BATCH):
        some = dataclasses.replace(distribution, levels=levels, sequential=True)
        env = Maze(some.num_levels, [some], seed=0)
        env.reset()
        parts.append(env.world.facts[:, DISTINGUISHING] != 0)
    return np.concatenate(parts)
