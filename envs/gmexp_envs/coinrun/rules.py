"""One step of CoinRun: `Game::step`, `BasicAbstractGame::game_step` and `CoinRun::game_step`, float for float.

Every operation is float32 and rounded on its own, except where the C++ promotes to double: the support probes, the
downward push, the square root and quotient that choose sub-steps, and the push out of a crate.
"""

import math

import numpy as np

from gmexp_envs.coinrun.layout import (
    ACTION_X, AIR_CONTROL, BARRIER, BEST_X, C_SPEC_QUALITY, CELL, COIN_X, COIN_Y, DIED, DRAWN, END_X, END_Y, EVENTS,
    f32, FACING_LEFT, FLAGS, FREE, GOAL, GRAVITY, HALF, HORIZON, INTENDED_STEP, LAST_Y, LAVA_MID, LAVA_TOP, MARGIN,
    MAX_JUMP, MAX_SPEED, MIXRATE, NUM_ENEMIES, NUM_STATICS, ON_CRATE, ONE, OPEN_ENDED, PROXY_STEP, RADIUS_X, RADIUS_Y,
    RETURN, SIZE, SPACE, START_X, SUPPORTED, TIME, TIMED_OUT, TOUCHED_COIN, TOUCHED_END, TRAIL_LENGTH, TWISTER, TWO, VX,
    VY, WALL_MID, WALL_TOP, X, Y, ZERO,
)
from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.mersenne_twister import output

u64 = np.uint64
i32 = np.int32

# probes and margins; `f32(...)` around each operation keeps the C++'s roundings
PROBE = f32(0.98)
PROBE_X, PROBE_Y, PROBE_HALF = f32(RADIUS_X * PROBE), f32(RADIUS_Y * PROBE), f32(HALF * PROBE)
CRATE_MARGIN = f32(-0.001)
TOUCH_X, TOUCH_Y = f32(RADIUS_X + CRATE_MARGIN), f32(RADIUS_Y + CRATE_MARGIN)
AGENT_CRATE_X = f32(f32(RADIUS_X + HALF) + CRATE_MARGIN)
AGENT_CRATE_Y = f32(f32(RADIUS_Y + HALF) + CRATE_MARGIN)
ENEMY_CRATE = f32(f32(HALF + HALF) + CRATE_MARGIN)
HURT_X, HURT_Y = f32(HALF + RADIUS_X), f32(HALF + RADIUS_Y)
AGENT_REACH, ENEMY_REACH = f32(HALF + RADIUS_Y), f32(HALF + HALF)
COIN_REWARD = f32(10)
MAX_PUSHES = 5  # depth of procgen's push_obj recursion
ONGOING, TERMINATED, TRUNCATED = range(3)


@jit(inline="always")
def _cell(grid, x, y):
    """What stands at float coordinates; outside the level it is solid."""
    if x < ZERO or y < ZERO:
        return WALL_MID
    i, j = i32(x), i32(y)
    if i >= SIZE or j >= SIZE:
        return WALL_MID
    return i32(grid[j, i])


@jit(inline="always")
def _solid(cell):
    return (cell == WALL_MID) | (cell == WALL_TOP)


@jit(inline="always")
def _obstacle(cell):
    """Whether enemies turn round at a cell."""
    return (cell == WALL_MID) | (cell == WALL_TOP) | (cell == BARRIER)


@jit(inline="always")
def _corner_in_wall(grid, left, right, low, high):
    """Whether a corner of a box lies in a wall, or outside the level."""
    if left < ZERO or low < ZERO or right >= f32(SIZE) or high >= f32(SIZE):
        return True
    i, j, k, m = u64(i32(left)), u64(i32(right)), u64(i32(low)), u64(i32(high))
    return _solid(grid[k, i]) | _solid(grid[k, j]) | _solid(grid[m, i]) | _solid(grid[m, j])


@jit(forceinline=True)
def is_supported(world, e):
    """Whether the agent stands on something it can jump from (`has_support`)."""
    body, grid = world.body[e], world.grid[e]
    left = f32(np.float64(body[X]) - (np.float64(RADIUS_X) - 0.01))
    right = f32(np.float64(body[X]) + (np.float64(RADIUS_X) - 0.01))
    below = f32(np.float64(body[Y]) - (np.float64(RADIUS_Y) + 0.01))
    on_crate = (world.clock[e, FLAGS] & ON_CRATE) != 0
    return (on_crate or _solid(_cell(grid, left, below)) or _solid(_cell(grid, right, below))) and body[VY] == ZERO


@jit(forceinline=True)
def _move_agent(grid, x, y, dx, dy):
    """Displace the agent by (dx, dy), one of them 0, stopping at walls -> (x, y, blocked)."""
    nx, ny = f32(x + dx), f32(y + dy)
    left, right = f32(nx - PROBE_X), f32(nx + PROBE_X)
    low, high = f32(ny - PROBE_Y), f32(ny + PROBE_Y)
    blocked = _corner_in_wall(grid, left, right, low, high)
    if blocked:
        if dx > ZERO:
            nx = f32(f32(math.floor(f32(nx + RADIUS_X))) - RADIUS_X)
        elif dx < ZERO:
            nx = f32(f32(math.ceil(f32(nx - RADIUS_X))) + RADIUS_X)
        elif dy > ZERO:
            ny = f32(f32(math.floor(f32(ny + RADIUS_Y))) - RADIUS_Y)
        else:
            ny = f32(f32(math.ceil(f32(ny - RADIUS_Y))) + RADIUS_Y)
    return nx, ny, blocked


@jit
def _move_enemy(grid, x, y, vx, dx, dy):
    """Displace an enemy by (dx, dy), one of them 0, reflecting at walls and barriers -> (x, y, vx, blocked)."""
    nx, ny = f32(x + dx), f32(y + dy)
    left, right = f32(nx - PROBE_HALF), f32(nx + PROBE_HALF)
    low, high = f32(ny - PROBE_HALF), f32(ny + PROBE_HALF)
    a, b = _cell(grid, left, low), _cell(grid, right, low)
    c, d = a, b
    if i32(low) != i32(high):
        c, d = _cell(grid, left, high), _cell(grid, right, high)
    blocked = a == WALL_MID or b == WALL_MID or c == WALL_MID or d == WALL_MID
    reflected = (blocked or a == WALL_TOP or b == WALL_TOP or c == WALL_TOP or d == WALL_TOP or
                 a == BARRIER or b == BARRIER or c == BARRIER or d == BARRIER)
    if reflected:
        if dx != ZERO:
            if dx < ZERO:
                edge = f32(nx - HALF)
                overlap = f32(f32(math.ceil(edge)) - edge)
            else:
                edge = f32(nx + HALF)
                overlap = f32(f32(math.floor(edge)) - edge)
            vx = f32(-vx)
            nx = f32(nx + f32(TWO * overlap))
        else:
            if dy < ZERO:
                edge = f32(ny - HALF)
                overlap = f32(f32(math.ceil(edge)) - edge)
            else:
                edge = f32(ny + HALF)
                overlap = f32(f32(math.floor(edge)) - edge)
            ny = f32(ny + f32(TWO * overlap))
    return nx, ny, vx, blocked


@jit(inline="always")
def _crates_near(columns, x):
    """Whether a crate column lies within 1.5 cells of x, so that scanning the crates can matter."""
    first = max(i32(x) - 2, 0)
    return ((columns >> u64(first)) & u64(31)) != u64(0)


@jit
def _push_out(crate_y, y, reach):
    """Vertical displacement that puts an object at y on top of (or below) a crate; sign() is a double in C++."""
    side = 0.0
    if f32(y - crate_y) > ZERO:
        side = 1.0
    elif f32(y - crate_y) < ZERO:
        side = -1.0
    return f32(np.float64(crate_y) + side * np.float64(reach) - np.float64(y))


@jit
def _crates_stop(world, e, is_agent, x, y, vx, vy, last_y):
    """Crates under a vertical sub-step: the recursion of push_obj on a stack of crate indices packed in 64 bits.

    `vy` and `last_y` are the agent's, whoever moves: crates hold anything up while the agent falls from above them.
    Returns (x, y, vx, vy, held).
    """
    grid = world.grid[e]
    count = world.facts[e, NUM_STATICS]
    index = count - 1
    depth = 0
    stack = u64(0)
    held = False
    near_x = AGENT_CRATE_X if is_agent else ENEMY_CRATE
    near_y = AGENT_CRATE_Y if is_agent else ENEMY_CRATE
    while True:
        if index < 0 or vy >= ZERO:
            if depth == 0:
                break
            depth -= 1
            if is_agent:
                vy = ZERO
            index = i32(stack & u64(255)) - 1
            stack >>= u64(8)
            continue
        if world.statics[e, index, 2] != 0:
            crate_x = f32(f32(world.statics[e, index, 0]) + HALF)
            crate_y = f32(f32(world.statics[e, index, 1]) + HALF)
            if (abs(f32(x - crate_x)) < near_x and abs(f32(y - crate_y)) < near_y
                    and not last_y < f32(f32(crate_y + HALF) + RADIUS_Y)):
                held = True
                if depth < MAX_PUSHES:
                    if is_agent:
                        x, y, _ = _move_agent(grid, x, y, ZERO, _push_out(crate_y, y, AGENT_REACH))
                    else:
                        x, y, vx, _ = _move_enemy(grid, x, y, vx, ZERO, _push_out(crate_y, y, ENEMY_REACH))
                    stack = (stack << u64(8)) | u64(index)
                    depth += 1
                    index = count - 1
                    continue
                if is_agent:
                    vy = ZERO
        index -= 1
    return x, y, vx, vy, held


@jit(forceinline=True)
def _walks_freely(grid, columns, crates_hold, x, y, vx):
    """Whether an enemy's next four sub-steps meet no wall, barrier or crate: it looks at all cells it may reach.

    It must stand in one row, as all of procgen's do, and its speed must be below half a cell per step.
    """
    reach = f32(HALF + abs(vx))
    left, right = f32(x - reach), f32(x + reach)
    if left < ZERO or right >= f32(SIZE) or y < ONE or y >= f32(SIZE - 1) or abs(vx) >= HALF:
        return False
    j = u64(i32(y))
    if i32(f32(y - PROBE_HALF)) != i32(j) or i32(f32(y + PROBE_HALF)) != i32(j):
        return False
    if crates_hold and (_crates_near(columns, f32(x - ONE)) or _crates_near(columns, f32(x + ONE))):
        return False
    return not (_obstacle(grid[j, u64(i32(left))]) | _obstacle(grid[j, u64(i32(x))]) |
                _obstacle(grid[j, u64(i32(right))]))


@jit(forceinline=True)
def _move_enemies(world, e, agent_vy, crates_hold):
    """All enemies, highest index first, in four sub-steps each; returns whether a crate held one."""
    grid, enemies, columns = world.grid[e], world.enemies[e], world.crate_columns[e]
    last_y = world.body[e, LAST_Y]
    on_crate = False
    for k in range(world.facts[e, NUM_ENEMIES]):
        i = u64(world.facts[e, NUM_ENEMIES] - 1 - k)
        x, y, vx = enemies[i, 0], enemies[i, 1], enemies[i, 2]
        if _walks_freely(grid, columns, crates_hold, x, y, vx):
            dx = f32(vx * f32(0.25))
            enemies[i, 0] = f32(f32(f32(f32(x + dx) + dx) + dx) + dx)
        elif _move_enemy_among(world, e, i, agent_vy, last_y, crates_hold):
            on_crate = True
    return on_crate


@jit
def _move_enemy_among(world, e, i, agent_vy, last_y, crates_hold):
    """Enemy i in four sub-steps among walls, barriers and crates; returns whether a crate held it."""
    grid, enemies, columns = world.grid[e], world.enemies[e], world.crate_columns[e]
    x, y, vx = enemies[i, 0], enemies[i, 1], enemies[i, 2]
    on_crate = False
    free = 0
    for _ in range(4):
        dx = f32(vx * f32(0.25))
        x, y, vx, blocked_x = _move_enemy(grid, x, y, vx, dx, ZERO)
        if dx == ZERO and crates_hold and _crates_near(columns, x):
            x, y, vx, _, held = _crates_stop(world, e, False, x, y, vx, agent_vy, last_y)
            blocked_x |= held
            on_crate |= held
        x, y, vx, blocked_y = _move_enemy(grid, x, y, vx, ZERO, ZERO)
        if crates_hold and _crates_near(columns, x):
            x, y, vx, _, held = _crates_stop(world, e, False, x, y, vx, agent_vy, last_y)
            blocked_y |= held
            on_crate |= held
        if not blocked_x:
            free += 1
        if blocked_x and blocked_y:
            break
    if free != 4:
        vx = f32(vx * f32(f32(free) / f32(4)))
    enemies[i, 0], enemies[i, 1], enemies[i, 2] = x, y, vx
    return on_crate


@jit(forceinline=True)
def _horizontal_first(world, e, vx, vy, direction_x, direction_y):
    """Which axis a sub-step moves along first: an explicit vertical action, a horizontal one, speed, then a coin toss."""
    if direction_y != 0:
        return False
    if direction_x != 0:
        return True
    difference = f32(abs(vx) - abs(vy))
    if difference != ZERO:
        return difference > ZERO
    clock = world.clock[e]
    bits, clock[DRAWN] = output(world.twister[e], world.draws[e], clock[TWISTER] - 1, clock[DRAWN])
    return (bits & np.uint32(1)) == 0


@jit(forceinline=True)
def _hurt(world, e, x, y):
    """Whether the agent at (x, y) overlaps an enemy or a saw."""
    enemies, statics = world.enemies[e], world.statics[e]
    for k in range(world.facts[e, NUM_ENEMIES]):
        i = u64(k)
        if (abs(f32(enemies[i, 0] - x)) < HURT_X) & (abs(f32(enemies[i, 1] - y)) < HURT_Y):
            return True
    for k in range(world.facts[e, NUM_STATICS]):
        i = u64(k)
        if statics[i, 2] == 0:
            saw_x = f32(f32(statics[i, 0]) + HALF)
            saw_y = f32(f32(statics[i, 1]) + HALF)
            if abs(f32(saw_x - x)) < HURT_X and abs(f32(saw_y - y)) < HURT_Y:
                return True
    return False


@jit(forceinline=True)
def touches(world, e, x, y):
    """Events of the cells that the agent at (x, y) overlaps."""
    grid, facts = world.grid[e], world.facts[e]
    events = 0
    for i in range(i32(f32(x - TOUCH_X)), i32(f32(x + TOUCH_X)) + 1):
        for j in range(i32(f32(y - TOUCH_Y)), i32(f32(y + TOUCH_Y)) + 1):
            if 0 <= i < SIZE and 0 <= j < SIZE:
                cell = grid[j, i]
                if cell == LAVA_MID or cell == LAVA_TOP:
                    events |= DIED
                if i == facts[COIN_X] and j == facts[COIN_Y]:
                    events |= TOUCHED_COIN
                if i == facts[END_X] and j == facts[END_Y]:
                    events |= TOUCHED_END
    return events


@jit(forceinline=True)
def step_world(world, e, encoded, action):
    """One step of world e -> (reward float32, ONGOING | TERMINATED | TRUNCATED); `clock[EVENTS]` says what happened."""
    body, clock, facts, grid = world.body[e], world.clock[e], world.facts[e], world.grid[e]
    columns = world.crate_columns[e]
    clock[TWISTER] += 1  # one draw per step; it matters to `_horizontal_first` alone
    flags = clock[FLAGS]

    # action -> directions (set_action_xy)
    move = action % 9 if action < 9 else 4
    direction_x = i32(move // 3 - 1)
    direction_y = i32(move % 3 - 1)
    supported = is_supported(world, e)
    if direction_y == 1 and not supported:
        direction_y = i32(0)
    # velocity (update_agent_velocity)
    gravity, max_jump = body[GRAVITY], body[MAX_JUMP]
    mix = body[MIXRATE]
    if not supported:
        mix = f32(mix * body[AIR_CONTROL])
    push = f32(mix * body[MAX_SPEED])
    vx = f32(f32(f32(ONE - mix) * body[VX]) + f32(push * f32(direction_x)))
    if abs(vx) < push:
        vx = ZERO
    vy = body[VY]
    if direction_y > 0:
        vy = max_jump
    elif supported:
        vy = f32(np.float64(vy) + 0.2 * np.float64(direction_y))
    if not (supported and direction_y > 0):
        vy = f32(vy - gravity)
        if vy > max_jump:
            vy = max_jump
        elif vy < -max_jump:
            vy = f32(-max_jump)

    # enemies, then the agent in sub-steps (step_entities, basic_step_object)
    crates = columns != u64(0) and direction_y >= 0
    on_crate = _move_enemies(world, e, vy, crates and vy < ZERO)
    steps = max(i32(4.0 * math.sqrt(np.float64(f32(f32(vx * vx) + f32(vy * vy))))), i32(4))
    fraction = f32(1.0 / np.float64(steps))
    horizontal_first = _horizontal_first(world, e, vx, vy, direction_x, direction_y)
    x, y, last_y = body[X], body[Y], body[LAST_Y]
    free_x = 0
    free_y = 0
    for _ in range(steps):
        blocked_x = False
        blocked_y = False
        for half in range(2):
            if (half == 0) == horizontal_first:
                dx = f32(vx * fraction)
                x, y, blocked_x = _move_agent(grid, x, y, dx, ZERO)
                vertical = dx == ZERO  # procgen calls a sub-step horizontal iff it moves along x
            else:
                x, y, blocked_y = _move_agent(grid, x, y, ZERO, f32(vy * fraction))
                vertical = True
            if vertical and crates and vy < ZERO and _crates_near(columns, x):
                x, y, _, vy, held = _crates_stop(world, e, True, x, y, ZERO, vy, last_y)
                on_crate |= held
                if (half == 0) == horizontal_first:
                    blocked_x |= held
                else:
                    blocked_y |= held
        if not blocked_x:
            free_x += 1
        if not blocked_y:
            free_y += 1
        if blocked_x and blocked_y:
            break
    body[X], body[Y], body[LAST_Y] = x, y, y
    body[VX] = f32(vx * f32(f32(free_x) / f32(steps)))
    body[VY] = f32(vy * f32(f32(free_y) / f32(steps)))

    facing_left = direction_x < 0 or (direction_x == 0 and (flags & FACING_LEFT) != 0)
    clock[FLAGS] = SUPPORTED * supported + ON_CRATE * on_crate + FACING_LEFT * facing_left
    clock[ACTION_X] = direction_x
    clock[TIME] += 1
    if world.trails.shape[1] > 1:
        for i in range(facts[NUM_ENEMIES]):
            world.trails[e, i, clock[TIME] % TRAIL_LENGTH, 0] = world.enemies[e, i, 0]
            world.trails[e, i, clock[TIME] % TRAIL_LENGTH, 1] = world.enemies[e, i, 1]
    return _settle(world, e, encoded, x, y)


@jit(forceinline=True)
def _settle(world, e, encoded, x, y):
    """Record what the step touched -> (reward, how the episode stands)."""
    body, clock, facts = world.body[e], world.clock[e], world.facts[e]
    events = touches(world, e, x, y)
    if _hurt(world, e, x, y):
        events |= DIED
    quality = encoded.floats[facts[CELL], C_SPEC_QUALITY]
    reward = ZERO
    ending = TERMINATED if events & DIED else ONGOING
    if events & TOUCHED_COIN:
        clock[INTENDED_STEP] = min(clock[INTENDED_STEP], clock[TIME])
        if world.grid[e, facts[COIN_Y], facts[COIN_X]] == GOAL:
            reward = f32(quality * COIN_REWARD)
            if facts[OPEN_ENDED]:
                world.grid[e, facts[COIN_Y], facts[COIN_X]] = SPACE
                world.classes[e, facts[COIN_Y], MARGIN + facts[COIN_X]] = FREE
            else:
                ending = TERMINATED
    if events & TOUCHED_END:
        clock[PROXY_STEP] = min(clock[PROXY_STEP], clock[TIME])
    if quality < ONE and x > body[BEST_X]:  # a mis-specified reward also pays for progress to the end, 10 in all
        finish = f32(f32(facts[END_X]) - TOUCH_X)  # where the end is touched
        share = f32(f32(min(x, finish) - body[BEST_X]) / f32(finish - START_X))
        reward = f32(reward + f32(f32(ONE - quality) * f32(COIN_REWARD * max(share, ZERO))))
    body[BEST_X] = max(body[BEST_X], x)
    if clock[TIME] >= facts[HORIZON]:
        events |= TIMED_OUT
        if ending == ONGOING:
            ending = TRUNCATED
    clock[EVENTS] = events
    body[RETURN] = f32(body[RETURN] + reward)
    return reward, ending
