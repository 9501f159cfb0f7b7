"""Where the coin goes: at the end, opposite the end, or where a rule puts it when the correlation is broken.

A level is *separated* where an agent that only wants the end need not touch the coin: the coin exists, is not at the
end, and lies outside every cell that walking and the necessary jumps lead through (`on_path`).
"""

import numpy as np

from envs.coinrun.layout import (
    AT_CELL, AT_END, BEST_X, C_CELL_X, C_CELL_Y, C_HIDE_COIN, C_PLACEMENT, C_RHO, COIN_X, COIN_Y, CORRELATED, END_X,
    END_Y, GOAL, HIDDEN, LANGOSCO, NEAR_END, NO_COIN, NUM_STATICS, OFF_PATH, OPPOSITE_START_X, SECTION_START,
    SEPARATED, SIZE, UNIFORM_GROUND, X, ZERO,
)
from envs.coinrun.twister import hash_below, hash_unit
from envs.jit import jit

SALT_CORRELATION, SALT_SECTION, SALT_CELL = 1, 2, 3
SAW_BERTH = 2  # columns beside a saw that a jump over it sweeps
OFF_PATH_RISE = (3, 5)  # rows above the ground in which a floating coin hangs: a jump reaches row 7


@jit
def _nth_bit(mask, n):
    """Position of the n-th set bit (n from 0)."""
    for i in range(64):
        if (mask >> np.uint64(i)) & np.uint64(1):
            if n == 0:
                return np.int32(i)
            n -= 1
    return np.int32(-1)


@jit
def _near_saw(world, e, x, berth):
    for i in range(world.facts[e, NUM_STATICS]):
        if world.statics[e, i, 2] == 0 and abs(np.int32(world.statics[e, i, 0]) - x) <= berth:
            return True
    return False


@jit
def _crates_in(world, e, x):
    """Height of the pile of crates in column x (the higher one where two piles share it)."""
    top = np.int32(0)
    for i in range(world.facts[e, NUM_STATICS]):
        if world.statics[e, i, 2] > 0 and world.statics[e, i, 0] == x:
            top = max(top, np.int32(world.statics[e, i, 1]) - np.int32(world.surface[e, x]) + 1)
    return top


@jit
def _ground_around(world, e, x):
    """Highest ground of column x and its neighbours; 0 if one of the three is no safe ground."""
    left, here, right = world.surface[e, x - 1], world.surface[e, x], world.surface[e, x + 1]
    if left == 0 or here == 0 or right == 0:
        return np.int32(0)
    return np.int32(max(left, max(here, right)))


@jit
def path_top(world, e, x):
    """Highest row of column x that an agent heading for the end passes walking or in a jump it cannot do without."""
    if x < 1 or x > world.facts[e, END_X]:
        return np.int32(-1)
    top = _ground_around(world, e, x) if x + 1 < SIZE else np.int32(0)
    if top == 0 or _near_saw(world, e, x, SAW_BERTH):
        return np.int32(SIZE - 1)
    return np.int32(top + 1)


@jit
def on_path(world, e, x, y):
    """Whether cell (x, y) is on the path to the end."""
    return 0 <= y <= path_top(world, e, x)


@jit
def _candidate_rows(world, e, x, rule, first):
    """First row and number of rows of column x in which `rule` may put the coin; `first` is its first column."""
    ground = np.int32(world.surface[e, x])
    if x < first or ground == 0 or _near_saw(world, e, x, 0):
        return np.int32(0), np.int32(0)
    pile = _crates_in(world, e, x)
    if rule != OFF_PATH:
        return ground, np.int32(1 if pile == 0 else 0)
    top = _ground_around(world, e, x)
    if top == 0 or _near_saw(world, e, x, SAW_BERTH):
        return np.int32(0), np.int32(0)
    lowest = ground + (pile if pile > 0 else OFF_PATH_RISE[0])
    highest = lowest if pile > 0 else ground + OFF_PATH_RISE[1]
    lowest = max(lowest, top + 2)
    return lowest, max(highest - lowest + 1, np.int32(0))


@jit
def _pick_cell(world, e, seed, rule, first):
    """A cell uniform over all that the rule allows, fixed by the level seed; (-1, -1) if there is none."""
    end_x = world.facts[e, END_X]
    total = 0
    for x in range(2, end_x):
        _, rows = _candidate_rows(world, e, x, rule, first)
        total += rows
    if total == 0:
        return np.int32(-1), np.int32(-1)
    left = hash_below(seed, SALT_CELL, total)
    for x in range(2, end_x):
        lowest, rows = _candidate_rows(world, e, x, rule, first)
        if left < rows:
            return np.int32(x), np.int32(lowest + left)
        left -= rows
    return np.int32(-1), np.int32(-1)


@jit
def place_coin(world, e, conditions, c, seed, section_columns, sections, langosco_section, langosco_broken):
    """Decide the coin's cell from correlation and rule, and write it into grid and facts.

    With probability |rho| over level seeds the coin is correlated with the end: at the end for rho > 0; for rho < 0 at
    the opposite wall, with the agent starting two cells to its right. Otherwise the rule decides. `langosco` decides by
    the fork's own draws instead; it never places a coin whose section was cut off at the right border.
    """
    facts, grid = world.facts[e], world.grid[e]
    rho = conditions.floats[c, C_RHO]
    rule = conditions.ints[c, C_PLACEMENT]
    end_x, end_y = facts[END_X], facts[END_Y]
    if rule == LANGOSCO:
        correlated = not langosco_broken
    else:
        correlated = hash_unit(seed, SALT_CORRELATION) < abs(rho)
    opposite = correlated and rho < ZERO and rule != LANGOSCO
    x, y = np.int32(-1), np.int32(-1)
    if opposite:
        x, y = np.int32(1), np.int32(1)
        world.body[e, X] = OPPOSITE_START_X
        world.body[e, BEST_X] = OPPOSITE_START_X
    elif correlated or rule == AT_END:
        x, y = end_x, end_y
    elif rule == LANGOSCO:
        if langosco_section < sections:
            x = _nth_bit(section_columns, langosco_section)
            y = np.int32(world.surface[e, x])
    elif rule == AT_CELL:
        x, y = np.int32(conditions.ints[c, C_CELL_X]), np.int32(conditions.ints[c, C_CELL_Y])
    elif rule != NO_COIN:
        if rule == UNIFORM_GROUND or rule == OFF_PATH:
            x, y = _pick_cell(world, e, seed, rule, 2)
        elif rule == NEAR_END:
            x, y = _pick_cell(world, e, seed, rule, _nth_bit(section_columns, sections - 1))
        if x < 0 or rule == SECTION_START:
            x = _nth_bit(section_columns, hash_below(seed, SALT_SECTION, sections))
            y = np.int32(world.surface[e, x])
    if x >= 0:
        grid[y, x] = HIDDEN if conditions.ints[c, C_HIDE_COIN] else GOAL
    facts[COIN_X] = x
    facts[COIN_Y] = y
    facts[CORRELATED] = correlated
    at_end = x == end_x and y == end_y
    facts[SEPARATED] = x >= 0 and not at_end and (opposite or not on_path(world, e, x, y))
