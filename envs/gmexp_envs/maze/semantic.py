"""The semantic observation: the whole maze as a frame shows it, the agent in it.

`window` is uint8 [side, side] of classes (`layout.CLASSES`), row 0 on top; side is that of the largest world among the
environment's, and smaller worlds are in the middle of walls. `state` is float32 [3]: where the agent is (x, y from -1 to 1
across the world), and how it faces (-1 left, 1 right).
"""

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.maze.layout import (
    AGENT, DECOY, DECOY_IMAGE, EASY, f32, FIRST_OBJECT, FREE, GOAL, GOAL_IMAGE, MIRRORED, SECOND, SECOND_IMAGE, SEEN_X,
    SEEN_Y, SIZES, WALL, WALL_CELL, X, Y,
)

u64 = np.uint64
EASY_SIZE, HARD_SIZE = SIZES["easy"], SIZES["hard"]


@jit(inline="always")
def class_of(kind, facts):
    """The class of a grid cell."""
    found = FREE
    if kind == WALL_CELL:
        found = WALL
    elif kind == GOAL:
        found = FIRST_OBJECT + facts[GOAL_IMAGE]
    elif kind == SECOND:
        found = FIRST_OBJECT + facts[SECOND_IMAGE]
    elif kind == DECOY:
        found = FIRST_OBJECT + DECOY_IMAGE
    return found


@jit(forceinline=True)
def show_cells(world, e, window, lane, lanes):
    """Write the classes of world e's cells; of the rows, lane k of K writes k, k + K, ..."""
    facts, grid = world.facts[e], world.grid[e]
    size, side = EASY_SIZE if facts[EASY] else HARD_SIZE, window.shape[0]
    margin = (side - size) // 2
    for row in range(lane, side, lanes):
        y = side - 1 - row - margin
        for column in range(side):
            x = column - margin
            inside = 0 <= x < size and 0 <= y < size
            window[u64(row), u64(column)] = class_of(grid[u64(y), u64(x)], facts) if inside else WALL


@jit(forceinline=True)
def show_agent(world, e, window, state):
    """Move the agent to where it is now in a window that shows world e's cells."""
    clock, facts = world.clock[e], world.facts[e]
    size, side = EASY_SIZE if facts[EASY] else HARD_SIZE, window.shape[0]
    margin = (side - size) // 2
    x, y = clock[SEEN_X], clock[SEEN_Y]
    if x >= 0:
        window[u64(side - 1 - margin - y), u64(margin + x)] = class_of(world.grid[e, u64(y), u64(x)], facts)
    x, y = clock[X], clock[Y]
    window[u64(side - 1 - margin - y), u64(margin + x)] = AGENT
    clock[SEEN_X], clock[SEEN_Y] = x, y
    scale = f32(f32(2) / f32(size - 1))
    state[0] = f32(f32(f32(x) * scale) - f32(1))
    state[1] = f32(f32(f32(y) * scale) - f32(1))
    state[2] = f32(1) if clock[MIRRORED] else f32(-1)


@jit(forceinline=True)
def observe_semantic(world, e, window, state):
    """Write world e's observation into `window` and `state`; `window` holds what it showed last of the same world."""
    if world.clock[e, SEEN_X] < 0:
        show_cells(world, e, window, 0, 1)
    show_agent(world, e, window, state)
