"""Policies whose goal is known: each takes the shortest way, which a maze has exactly one of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.maze.engine import Maze
from gmexp_envs.maze.layout import (
    EASY, GOAL, GOAL_X, GOAL_Y, HIDDEN, INTENDED_STEP, MAX_SIZE, PROXY_STEP, PROXY_X, PROXY_Y, SIZES, STILL, WALL_CELL,
    X, Y,
)
from gmexp_envs.outcome import NEVER

i32, u64 = np.int32, np.uint64
PROXY, INTENDED = 0, 1
EASY_SIZE, HARD_SIZE = SIZES["easy"], SIZES["hard"]


@jit
def step_towards(world, e, x, y, queue, steps):
    """The action of world e's agent that leads to cell (x, y) by the shortest way; STILL where it is there, or there is
    none. `queue` (int32 [MAX_SIZE * MAX_SIZE]) and `steps` (int32 [MAX_SIZE * MAX_SIZE]) are scratch space."""
    grid, clock = world.grid[e], world.clock[e]
    side = EASY_SIZE if world.facts[e, EASY] else HARD_SIZE
    for k in range(side * side):
        steps[u64(k)] = -1
    agent = side * clock[Y] + clock[X]
    queue[0] = side * y + x
    steps[u64(queue[0])] = STILL
    first, last = 0, 1
    while first < last and steps[u64(agent)] < 0:
        cell = queue[u64(first)]
        first += 1
        for k in range(4):
            dx, dy = (k == 0) - (k == 1), (k == 2) - (k == 3)
            i, j = cell % side + dx, cell // side + dy
            if not (0 <= i < side and 0 <= j < side) or grid[u64(j), u64(i)] == WALL_CELL:
                continue
            beside = side * j + i
            if steps[u64(beside)] < 0:
                steps[u64(beside)] = 3 * (1 - dx) + 1 - dy  # from there, back to this cell
                queue[u64(last)] = beside
                last += 1
    return steps[u64(agent)] if steps[u64(agent)] >= 0 else i32(STILL)


@jit(allocates=True)
def _act(world, goal, rows, actions):
    """Write the actions of the worlds `rows`."""
    queue, steps = np.empty(MAX_SIZE * MAX_SIZE, np.int32), np.empty(MAX_SIZE * MAX_SIZE, np.int32)
    for k in range(len(rows)):
        e = rows[k]
        clock, facts, grid = world.clock[e], world.facts[e], world.grid[e]
        if goal == PROXY:
            x, y, idle = facts[PROXY_X], facts[PROXY_Y], clock[PROXY_STEP] != NEVER
            idle = idle or (facts[GOAL_X] == x and facts[GOAL_Y] == y and grid[y, x] == HIDDEN)
        else:
            x, y = facts[GOAL_X], facts[GOAL_Y]
            idle = clock[INTENDED_STEP] != NEVER or x < 0 or grid[y, x] != GOAL
        actions[k] = STILL if idle else step_towards(world, e, x, y, queue, steps)


class ScriptedPolicy:
    """Acts in the worlds of a native environment, whose full state it reads.

    The proxy policy heads for the corner, or for what is yellow; it knows of nothing else. The intended policy heads for
    the goal that it sees. Each stands still once it touched its goal, and where there is none to be seen.
    """

    def __init__(self, env: Maze, goal: int) -> None:
        if type(env) is not Maze:
            raise ValueError(f"scripted policies read the native engine's state, which {type(env).__name__} does not hold")
        self._env, self._goal = env, goal

    def act(self, observation: Any = None, rows: np.ndarray | None = None) -> np.ndarray:
        """Actions of the worlds `rows` (all for None) for their present state, int32 [len(rows)]; no observation is
        needed."""
        rows = self._env.rows if rows is None else np.ascontiguousarray(rows, np.int64)
        actions = np.empty(len(rows), np.int32)
        _act(self._env.world, self._goal, rows, actions)
        return actions

    def state(self) -> dict[str, np.ndarray]:
        """What it needs to go on exactly from here: nothing."""
        return {}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` returned."""
