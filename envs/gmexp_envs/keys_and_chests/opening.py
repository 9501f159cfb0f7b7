"""The arrays of `World` from their addresses, in compiled code (`layout` itself needs no compiler)."""

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.memory import array_at
from gmexp_envs.keys_and_chests.layout import (
    BODY_ROW, CLOCK_ROW, FACTS_ROW, MAX_FREE, MAX_MAZE, MAX_OBJECTS, MAX_ROOMS, MAX_WALLS, NUM_APPEARANCE, SCRATCH_ROWS,
    SIZE, SLOTS_ROW, WORDS, World,
)
from gmexp_envs.procgen_family import mazes

assert (WORDS, MAX_MAZE, MAX_FREE, MAX_WALLS, MAX_ROOMS) == (
    mazes.WORDS, mazes.MAX_SIZE**2, mazes.MAX_FREE, mazes.MAX_WALLS, mazes.ROOM_ROW**2)


@jit(inline="always")
def world_at(table, n):
    """The `World` of n instances whose arrays start at the addresses in `table`; shapes are constants to the compiler."""
    return World(
        array_at(table[0], (n, BODY_ROW), np.float32), array_at(table[1], (n, CLOCK_ROW), np.int32),
        array_at(table[2], (n, FACTS_ROW), np.int32), array_at(table[3], (n, SLOTS_ROW), np.int32),
        array_at(table[4], (n, SIZE, SIZE), np.uint8), array_at(table[5], (n, SIZE * SIZE), np.uint8),
        array_at(table[6], (n, MAX_OBJECTS, 2), np.float32), array_at(table[7], (n, MAX_OBJECTS, 3), np.uint8),
        array_at(table[8], (n, MAX_OBJECTS), np.int32), array_at(table[9], (n, NUM_APPEARANCE), np.uint8),
        array_at(table[10], (n, WORDS), np.uint32), array_at(table[11], (n, WORDS), np.uint32),
        array_at(table[12], (n, MAX_MAZE), np.uint8), array_at(table[13], (n, MAX_FREE), np.uint16),
        array_at(table[14], (n, MAX_WALLS), np.uint16), array_at(table[15], (n, MAX_ROOMS), np.uint16),
        array_at(table[16], (n, SCRATCH_ROWS, SIZE * SIZE), np.int16))
