"""The semantic observation: what a 13 x 13 window around the agent holds, and how the agent moves.

`window` is uint8 [13, 13] of tile classes (`layout.FREE` ... `layout.DECOY_CELL`), row 0 on top, the agent's cell in
the middle; cells outside the level are walls. `state` is float32 [7]: velocity over its maximum (x, y), position
within the cell minus one half (x, y), supported, on a crate, facing (-1 left, 1 right). Enemies show their heading, as
their mirrored sprites do.
"""

import math

import numpy as np

from gmexp_envs.coinrun.layout import (
    ENEMY_LEFT, ENEMY_RIGHT, f32, FACING_LEFT, FLAGS, HALF, MARGIN, MAX_JUMP, MAX_SPEED, NUM_ENEMIES, ON_CRATE, ONE,
    SIZE, VX, VY, WALL, WINDOW, X, Y, ZERO,
)
from gmexp_envs.coinrun.rules import is_supported
from gmexp_envs.compiled.jit import jit

i32, u64 = np.int32, np.uint64


@jit(forceinline=True)
def observe_semantic(world, e, window, state):
    """Write world e's observation into `window` and `state`."""
    body, classes, enemies, flags = world.body[e], world.classes[e], world.enemies[e], world.clock[e, FLAGS]
    cell_x, cell_y = i32(body[X]), i32(body[Y])
    first = u64(min(max(cell_x, 0), SIZE - 1))
    for i in range(WINDOW):
        y = cell_y + MARGIN - i
        row = window[u64(i)]
        if y < 0 or y >= SIZE:
            for j in range(WINDOW):
                row[j] = WALL
        else:
            source = classes[u64(y)]
            for j in range(WINDOW):
                row[j] = source[first + u64(j)]
    for k in range(world.facts[e, NUM_ENEMIES]):
        i = u64(k)
        column = i32(math.floor(enemies[i, 0])) - cell_x + MARGIN
        row_index = cell_y + MARGIN - i32(math.floor(enemies[i, 1]))
        if 0 <= column < WINDOW and 0 <= row_index < WINDOW:
            window[row_index, column] = ENEMY_RIGHT if enemies[i, 2] > ZERO else ENEMY_LEFT
    state[0] = f32(body[VX] / body[MAX_SPEED])
    state[1] = f32(body[VY] / body[MAX_JUMP])
    state[2] = f32(f32(body[X] - f32(cell_x)) - HALF)
    state[3] = f32(f32(body[Y] - f32(cell_y)) - HALF)
    state[4] = ONE if is_supported(world, e) else ZERO
    state[5] = ONE if flags & ON_CRATE else ZERO
    state[6] = -ONE if flags & FACING_LEFT else ONE
