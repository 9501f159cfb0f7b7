"""Episodes on chosen levels: a level seed, and where the coin is. What an environment draws itself is left as it is."""

import numpy as np

from gmexp_envs.chosen import AWAY, AT_PROXY
from gmexp_envs.coinrun.cells import classify, mark, mark_classes, paint
from gmexp_envs.coinrun.coins import START_COLUMNS, on_path, pick_cell
from gmexp_envs.coinrun.episode import opened
from gmexp_envs.coinrun.layout import (
    COIN_X, COIN_Y, CORRELATED, DISTINGUISHING, END_X, END_Y, NUM_STATICS, OFF_PATH, SIZE, SPACE,
)
from gmexp_envs.coinrun.levels import plan_level
from gmexp_envs.coinrun.semantic import observe_semantic
from gmexp_envs.compiled.jit import jit


@jit
def _is_free(world, e, x, y):
    """Whether nothing stands in a cell of the painted grid between start and end."""
    if not (1 <= x <= world.facts[e, END_X] and 1 <= y < SIZE - 1) or world.grid[e, y, x] != SPACE:
        return False
    for i in range(world.facts[e, NUM_STATICS]):
        if world.statics[e, i, 0] == x and world.statics[e, i, 1] == y:
            return False
    return True


@jit
def _put(world, e, x, y):
    """Put the coin into a cell, and write down what that makes of the level."""
    facts = world.facts[e]
    at_end = x == facts[END_X] and y == facts[END_Y]
    facts[COIN_X] = x
    facts[COIN_Y] = y
    facts[CORRELATED] = at_end
    facts[DISTINGUISHING] = not at_end and not on_path(world, e, x, y)


@jit
def begin_chosen(table, semantic, seeds, places, rows, first, last):
    """Start episodes of the worlds rows[first:last] on levels seeds[k] with the coin as places[k] says."""
    world, encoded, buffers = opened(table)
    for k in range(first, last):
        e = np.uint64(rows[k])
        plan_level(world, e, encoded, seeds[k])
        paint(world, e, 0, 1)
        facts = world.facts[e]
        x, y = np.int32(places[k, 0]), np.int32(places[k, 1])
        if x == AT_PROXY:
            _put(world, e, facts[END_X], facts[END_Y])
        elif x == AWAY:
            x, y = pick_cell(world, e, y, OFF_PATH, START_COLUMNS, facts[END_X] - 1)
            if x >= 0:
                _put(world, e, x, y)
        elif x >= 0 and ((x == facts[END_X] and y == facts[END_Y]) or _is_free(world, e, x, y)):
            _put(world, e, x, y)
        mark(world, e, encoded)
        classify(world, e, 0, 1)
        mark_classes(world, e)
        if semantic:
            observe_semantic(world, e, buffers.window[e], buffers.state[e])
