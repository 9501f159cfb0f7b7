"""The cells of a planned level: what is in the grid, and the semantic classes of what does not move.

The rows of `paint` and of `classify` do not depend on each other and can be shared out: lane k of K does k, k + K, ...
"""

import numpy as np

from gmexp_envs.coinrun.layout import (
    BARRIER, BARRIER_ROW, C_MASKED, C_PERMEABLE, CELL, COIN, COIN_X, COIN_Y, CRATE_CELL, DECOY, DECOY_CELL, END_X,
    END_Y, FREE, GOAL, GROUND, HIDDEN, LAVA, LAVA_DEPTH, LAVA_MID, LAVA_TOP, MARGIN, NUM_STATICS, PERMEABLE, PLATFORM,
    SAW_CELL, SIZE, SPACE, WALL, WALL_MID, WALL_TOP,
)
from gmexp_envs.compiled.jit import jit

CLASS_OF_CELL = np.full(128, FREE, np.uint8)
CLASS_OF_CELL[[WALL_MID, WALL_TOP, PERMEABLE]] = WALL
CLASS_OF_CELL[[LAVA_MID, LAVA_TOP]] = LAVA
CLASS_OF_CELL[GOAL] = COIN


@jit(forceinline=True)
def paint(world, e, lane, lanes):
    """Turn the columns of `terrain` into the grid."""
    grid, terrain = world.grid[e], world.terrain[e]
    for y in range(lane, SIZE, lanes):
        for x in range(SIZE):
            ground = terrain[GROUND, x]
            cell = SPACE
            if y < ground - 1 or y == SIZE - 1:
                cell = WALL_MID
            elif y == ground - 1 or (y > 0 and y == terrain[PLATFORM, x]):
                cell = WALL_TOP
            elif y < terrain[LAVA_DEPTH, x]:
                cell = LAVA_MID
            elif y > 0 and y == terrain[LAVA_DEPTH, x]:
                cell = LAVA_TOP
            grid[y, x] = cell


@jit
def mark(world, e, encoded):
    """Add what stands in single cells of the painted grid: barriers, the coin, and walls that can be walked through."""
    grid, terrain, facts = world.grid[e], world.terrain[e], world.facts[e]
    for x in range(SIZE):
        for k in range(2):
            y = terrain[BARRIER_ROW + k, x]
            if y > 0 and grid[y, x] == SPACE:
                grid[y, x] = BARRIER
    first, condition = facts[END_X] + 1, facts[CELL]
    for x in range(first, min(first + encoded.ints[condition, C_PERMEABLE], SIZE)):
        for y in range(facts[END_Y], SIZE - 1):
            grid[y, x] = PERMEABLE
    if facts[COIN_X] >= 0:
        grid[facts[COIN_Y], facts[COIN_X]] = HIDDEN if encoded.ints[condition, C_MASKED] else GOAL


@jit(forceinline=True)
def classify(world, e, lane, lanes):
    """The semantic class of every cell of the grid."""
    grid, classes = world.grid[e], world.classes[e]
    for y in range(lane, SIZE, lanes):
        for x in range(SIZE):
            classes[y, MARGIN + x] = CLASS_OF_CELL[grid[y, x]]


@jit
def mark_classes(world, e):
    """And those of what is not in the grid: saws, crates and the decoy."""
    classes, facts = world.classes[e], world.facts[e]
    for i in range(facts[NUM_STATICS]):
        x, y = MARGIN + world.statics[e, i, 0], world.statics[e, i, 1]
        if classes[y, x] != COIN:
            classes[y, x] = SAW_CELL if world.statics[e, i, 2] == 0 else CRATE_CELL
    if facts[DECOY] and classes[facts[END_Y], MARGIN + facts[END_X]] != COIN:
        classes[facts[END_Y], MARGIN + facts[END_X]] = DECOY_CELL
