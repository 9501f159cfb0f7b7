"""How the agent moves: `BasicAbstractGame::game_step` and what it calls, float for float.

Every operation is float32 and rounded on its own, except where the C++ promotes to double: the decay of the velocity, the
number of sub-steps, the push out of a door.
"""

import math

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.mersenne_twister import draw
from gmexp_envs.keys_and_chests.layout import (
    AGENT_RADIUS, CELLS, CHEST, CHEST_RADIUS, DRAWN, f32, HEIST, HELD, KIND, MAX_SPEED, MIXRATE, NUM_OBJECTS, NUMBER,
    ONE, TWISTER, VX, VY, WALL, WORDS, X, Y, ZERO,
)

u64, i32, f64 = np.uint64, np.int32, np.float64
PROBE = f32(AGENT_RADIUS * f32(0.98))  # how far from the centre walls are looked for
DOOR_REACH = f32(CHEST_RADIUS + AGENT_RADIUS)
DOOR_STOPS = f32(DOOR_REACH + f32(-0.001))
DECAY = 0.9
SUB_STEPS = 4
MAX_PUSHES = 5  # depth of procgen's push_obj recursion


@jit(inline="always")
def _blocked(grid, size, left, right, low, high):
    """Whether a corner of a box lies in a wall, or outside the level."""
    if left < ZERO or low < ZERO or right >= f32(size) or high >= f32(size):
        return True
    i, j, k, m = u64(i32(left)), u64(i32(right)), u64(i32(low)), u64(i32(high))
    return (grid[k, i] == WALL) | (grid[k, j] == WALL) | (grid[m, i] == WALL) | (grid[m, j] == WALL)


@jit(inline="always")
def _is_clear(grid, size, left, right, low, high):
    """Whether no cell that a box overlaps is wall, and none is outside the level."""
    if left < ZERO or low < ZERO or right >= f32(size) or high >= f32(size):
        return False
    clear = True
    for j in range(i32(low), i32(high) + 1):
        for i in range(i32(left), i32(right) + 1):
            clear &= grid[u64(j), u64(i)] != WALL
    return clear


@jit(forceinline=True)
def _shift(grid, size, x, y, dx, dy):
    """Displace the agent by (dx, dy), one of them 0, stopping at walls -> (x, y, blocked)."""
    nx, ny = f32(x + dx), f32(y + dy)
    blocked = _blocked(grid, size, f32(nx - PROBE), f32(nx + PROBE), f32(ny - PROBE), f32(ny + PROBE))
    if blocked:
        if dx > ZERO:
            nx = f32(f32(math.floor(f32(nx + AGENT_RADIUS))) - AGENT_RADIUS)
        elif dx < ZERO:
            nx = f32(f32(math.ceil(f32(nx - AGENT_RADIUS))) + AGENT_RADIUS)
        elif dy > ZERO:
            ny = f32(f32(math.floor(f32(ny + AGENT_RADIUS))) - AGENT_RADIUS)
        else:
            ny = f32(f32(math.ceil(f32(ny - AGENT_RADIUS))) + AGENT_RADIUS)
    return nx, ny, blocked


@jit(inline="always")
def _push(door, agent):
    """Displacement along one axis that takes the agent out of a door; sign() is a double in C++."""
    apart = f32(agent - door)
    side = 1.0 if apart > ZERO else (-1.0 if apart < ZERO else 0.0)
    return f32(f64(door) + side * f64(DOOR_REACH) - f64(agent))


@jit
def _doors_stop(world, e, x, y, vx, vy, across):
    """Doors whose key is not held push the agent out, after a sub-step along x (`across`) or y: the recursion of push_obj
    on a stack of (object, axis) packed in 64 bits -> (x, y, vx, vy, held back)."""
    grid, size, held = world.grid[e], world.facts[e, CELLS], world.clock[e, HELD]
    count = world.facts[e, NUM_OBJECTS]
    index = count - 1
    depth = 0
    stack = u64(0)
    stopped = False
    while True:
        if index < 0:
            if depth == 0:
                break
            depth -= 1
            across = (stack & u64(1)) != u64(0)
            index = i32((stack >> u64(1)) & u64(31)) - 1
            stack >>= u64(6)
            if across:
                vx = ZERO
            else:
                vy = ZERO
            continue
        i = u64(index)
        if world.kinds[e, i, KIND] == CHEST and not (held >> world.kinds[e, i, NUMBER]) & 1:
            door_x, door_y = world.objects[e, i, 0], world.objects[e, i, 1]
            if abs(f32(x - door_x)) < DOOR_STOPS and abs(f32(y - door_y)) < DOOR_STOPS:
                stopped = True
                if depth < MAX_PUSHES:
                    dx, dy = (_push(door_x, x), ZERO) if across else (ZERO, _push(door_y, y))
                    x, y, _ = _shift(grid, size, x, y, dx, dy)
                    stack = (stack << u64(6)) | (u64(index) << u64(1)) | u64(across)
                    depth += 1
                    across = dx != ZERO
                    index = count - 1
                    continue
                if across:
                    vx = ZERO
                else:
                    vy = ZERO
        index -= 1
    return x, y, vx, vy, stopped


@jit(forceinline=True)
def _across_first(world, e, vx, vy, direction_x, direction_y):
    """Which axis a sub-step moves along first: a vertical action, a horizontal one, speed, then a coin toss."""
    if direction_y != 0:
        return False
    if direction_x != 0:
        return True
    difference = f32(abs(vx) - abs(vy))
    if difference != ZERO:
        return difference > ZERO
    clock = world.clock[e]
    bits = np.uint32(0)
    while clock[DRAWN] < clock[TWISTER]:
        bits, _ = draw(world.twister[e], clock[DRAWN] % WORDS)
        clock[DRAWN] += 1
    return (bits & np.uint32(1)) == 0


@jit
def _move_among(world, e, vx, vy, steps, across_first):
    """Move the agent in sub-steps among walls and doors; writes place and velocity."""
    body, grid, facts = world.body[e], world.grid[e], world.facts[e]
    size, heist = facts[CELLS], facts[HEIST] != 0
    fraction = f32(1.0 / f64(steps))
    x, y = body[X], body[Y]
    free_x, free_y = 0, 0
    for _ in range(steps):
        blocked_x, blocked_y = False, False
        for half in range(2):
            along_x = (half == 0) == across_first
            dx = f32(vx * fraction) if along_x else ZERO
            dy = ZERO if along_x else f32(vy * fraction)
            x, y, blocked = _shift(grid, size, x, y, dx, dy)
            if heist:
                x, y, vx, vy, stopped = _doors_stop(world, e, x, y, vx, vy, dx != ZERO)
                blocked |= stopped
            if along_x:
                blocked_x = blocked
            else:
                blocked_y = blocked
        free_x += not blocked_x
        free_y += not blocked_y
        if blocked_x and blocked_y:
            break
    body[X], body[Y] = x, y
    body[VX] = f32(vx * f32(f32(free_x) / f32(steps)))
    body[VY] = f32(vy * f32(f32(free_y) / f32(steps)))


@jit(forceinline=True)
def move_agent(world, e, direction_x, direction_y):
    """The agent's new velocity, place, and velocity after walls."""
    body, facts = world.body[e], world.facts[e]
    keep, push = f32(ONE - body[MIXRATE]), f32(body[MIXRATE] * body[MAX_SPEED])
    vx = f32(DECAY * f64(f32(f32(keep * body[VX]) + f32(push * f32(direction_x)))))
    vy = f32(DECAY * f64(f32(f32(keep * body[VY]) + f32(push * f32(direction_y)))))
    steps = max(i32(4.0 * math.sqrt(f64(f32(f32(vx * vx) + f32(vy * vy))))), i32(SUB_STEPS))
    x, y = body[X], body[Y]
    if steps == SUB_STEPS and not facts[HEIST]:
        dx, dy = f32(vx * f32(0.25)), f32(vy * f32(0.25))
        to_x, to_y = f32(f32(f32(f32(x + dx) + dx) + dx) + dx), f32(f32(f32(f32(y + dy) + dy) + dy) + dy)
        if _is_clear(world.grid[e], facts[CELLS], f32(min(x, to_x) - PROBE), f32(max(x, to_x) + PROBE),
                     f32(min(y, to_y) - PROBE), f32(max(y, to_y) + PROBE)):
            body[X], body[Y], body[VX], body[VY] = to_x, to_y, vx, vy
            return
    _move_among(world, e, vx, vy, steps, _across_first(world, e, vx, vy, direction_x, direction_y))
