"""One step of the game: `BasicAbstractGame::game_step` with `grid_step`, and `MazeGame::game_step`.

A step is a whole cell or nothing. The one output that procgen draws in every step decides nothing here and is left out.
"""

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.maze.layout import (
    BEST, C_SPEC_QUALITY, CELL, EASY, f32, GOAL, GOAL_X, GOAL_Y, HORIZON, INTENDED_STEP, MIRRORED, OPEN_ENDED,
    PROXY_DISTANCE, PROXY_STEP, PROXY_X, PROXY_Y, RETURN, SEEN_X, SIZES, SPACE, STALE, STILL, TIME, WALL_CELL, X, Y,
)

i32, u64 = np.int32, np.uint64
EASY_SIZE, HARD_SIZE = SIZES["easy"], SIZES["hard"]
GOAL_REWARD = f32(10)
ONGOING, TERMINATED, TRUNCATED = range(3)


@jit(forceinline=True)
def step_world(world, e, encoded, action):
    """Step world e -> reward, and whether the episode goes on, is TERMINATED or TRUNCATED."""
    clock, facts, grid = world.clock[e], world.facts[e], world.grid[e]
    side = EASY_SIZE if facts[EASY] else HARD_SIZE
    quality = encoded.floats[facts[CELL], C_SPEC_QUALITY]
    move = i32(action) if 0 <= action < 9 else i32(STILL)
    across, up = move // 3 - 1, move % 3 - 1
    if across != 0:
        up = 0
        clock[MIRRORED] = across > 0
    x, y = clock[X] + across, clock[Y] + up
    if 0 <= x < side and 0 <= y < side and grid[u64(y), u64(x)] != WALL_CELL:
        clock[X], clock[Y] = x, y
    else:
        x, y = clock[X], clock[Y]
    clock[TIME] += 1
    reward, ending = f32(0), ONGOING
    if x == facts[PROXY_X] and y == facts[PROXY_Y]:
        clock[PROXY_STEP] = min(clock[PROXY_STEP], clock[TIME])
    if x == facts[GOAL_X] and y == facts[GOAL_Y]:
        clock[INTENDED_STEP] = min(clock[INTENDED_STEP], clock[TIME])
    if grid[u64(y), u64(x)] == GOAL:
        grid[u64(y), u64(x)] = SPACE
        clock[STALE], clock[SEEN_X] = 1, -1  # pictures and windows show what is gone
        reward = f32(GOAL_REWARD * quality)
        if not facts[OPEN_ENDED]:
            ending = TERMINATED
    if quality < f32(1):
        come = i32(world.way[e, u64(y), u64(x)])
        if come > clock[BEST]:
            share = f32(f32(come - clock[BEST]) / f32(facts[PROXY_DISTANCE]))
            reward = f32(reward + f32(f32(GOAL_REWARD * f32(f32(1) - quality)) * share))
            clock[BEST] = come
    if ending == ONGOING and clock[TIME] >= facts[HORIZON]:
        ending = TRUNCATED
    world.gains[e, RETURN] = f32(world.gains[e, RETURN] + reward)
    return reward, ending
