"""The semantic observation: the whole level, the agent in it, and how the agent moves.

`window` is uint8 [13, 13] of classes (`layout.FREE` ... `layout.KEY_3`), row 0 on top; levels of easy mode are in its
middle, walls around them. The agent's class hides what else is in its cell, but for a chest (`AGENT_ON_CHEST`). `state`
is float32 [7]: velocity over its maximum (x, y), place within the cell minus one half (x, y), facing (x, y), and how many
keys the ring in the corner shows, over 6. It may lie (`layout.RING_LIES`); frames show the same.
"""

import math

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.memory import copy_bytes
from gmexp_envs.keys_and_chests.layout import (
    AGENT, AGENT_ON_CHEST, CELLS, CHEST_CELL, f32, FACING, HALF, HEIST, HELD, IN_HAND, MAX_SPEED, NUM_KEYS, RING_LIES,
    SIZE, VX, VY, X, Y, ZERO,
)
from gmexp_envs.keys_and_chests.levels import window_cell

u64, i32 = np.uint64, np.int32
WINDOW_BYTES = SIZE * SIZE
MOST_SHOWN = f32(6)


@jit
def ring_shows(world, e, i):
    """Whether the ring shows its i-th key."""
    facts, clock = world.facts[e], world.clock[e]
    if facts[RING_LIES]:
        return True
    if facts[HEIST]:
        return ((clock[HELD] >> i) & 1) != 0
    return i < clock[IN_HAND]


@jit
def count_shown(world, e):
    """How many keys the ring shows."""
    shown = 0
    for i in range(world.facts[e, NUM_KEYS]):
        shown += ring_shows(world, e, i)
    return shown


@jit(inline="always")
def facing(number):
    """Direction (x, y) of clock[FACING]; a new level's agent looks right."""
    move = number - 1 if number > 0 else 7
    return move // 3 - 1, move % 3 - 1


@jit(forceinline=True)
def observe_semantic(world, e, window, state):
    """Write instance e's observation into `window` (uint8 [169]) and `state`."""
    body, facts = world.body[e], world.facts[e]
    copy_bytes(window, u64(0), world.classes[e], u64(0), WINDOW_BYTES)
    x, y = i32(math.floor(body[X])), i32(math.floor(body[Y]))
    where = u64(window_cell(facts[CELLS], x, y))
    window[where] = AGENT_ON_CHEST if window[where] == CHEST_CELL else AGENT
    across, up = facing(world.clock[e, FACING])
    state[0] = f32(body[VX] / body[MAX_SPEED])
    state[1] = f32(body[VY] / body[MAX_SPEED])
    state[2] = f32(f32(body[X] - f32(x)) - HALF)
    state[3] = f32(f32(body[Y] - f32(y)) - HALF)
    state[4] = f32(across)
    state[5] = f32(up)
    state[6] = f32(f32(count_shown(world, e) if facts[RING_LIES] or facts[HEIST] else world.clock[e, IN_HAND])
                   / MOST_SHOWN) + ZERO
