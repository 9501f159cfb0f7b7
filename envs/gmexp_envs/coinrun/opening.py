"""A world's arrays from their addresses, in compiled code (`layout` itself needs no compiler)."""

import numpy as np

from gmexp_envs.coinrun.layout import (
    BODY_ROW, CLOCK_ROW, FACTS_ROW, MARGIN, MAX_ENEMIES, MAX_STATICS, NUM_APPEARANCE, PREDRAWN, SIZE, SLOTS_ROW,
    TRAIL_LENGTH, World,
)
from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.memory import array_at, LINE, prefetch, prefetch_row


@jit(inline="always")
def world_at(table, n, trails):
    """The `World` of n worlds whose arrays start at the addresses in `table`; shapes are constants to the compiler."""
    return World(
        array_at(table[0], (n, BODY_ROW), np.float32), array_at(table[1], (n, CLOCK_ROW), np.int32),
        array_at(table[2], (n, FACTS_ROW), np.int32), array_at(table[3], (n, SLOTS_ROW), np.int32),
        array_at(table[4], (n, SIZE, SIZE), np.uint8),
        array_at(table[5], (n, SIZE, SIZE + 2 * MARGIN), np.uint8),
        array_at(table[6], (n, 5, SIZE), np.uint8), array_at(table[7], (n, SIZE), np.uint8),
        array_at(table[8], (n, NUM_APPEARANCE), np.uint8), array_at(table[9], (n, MAX_ENEMIES, 3), np.float32),
        array_at(table[10], (n, MAX_ENEMIES), np.uint8), array_at(table[11], (n, MAX_STATICS, 3), np.uint8),
        array_at(table[12], (n,), np.uint64), array_at(table[13], (n, trails, TRAIL_LENGTH, 2), np.float32),
        array_at(table[14], (n, PREDRAWN), np.uint32), array_at(table[15], (n, 624), np.uint32),
        array_at(table[16], (n, 624), np.uint32))


@jit(forceinline=True)
def fetch_numbers(world, e):
    """Ask for what steps and frames of world e read in fixed places (`compiled.memory.prefetch`)."""
    prefetch_row(world.body, e)
    prefetch_row(world.clock, e)
    prefetch_row(world.facts, e)
    prefetch_row(world.statics, e)
    prefetch(world.enemies, e, 0)  # most worlds' few fit into two lines
    prefetch(world.enemies, e, LINE)
