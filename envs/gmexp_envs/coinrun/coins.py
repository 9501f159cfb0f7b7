"""Where the coin goes: at the end, opposite the end, or where a rule puts it when the correlation is broken.

A level is *distinguishing* where an agent that only wants the end need not touch the coin: the coin exists, is not at the
end, and lies outside every cell that walking and the necessary jumps lead through (`on_path`).
"""

import numpy as np

from gmexp_envs.coinrun.layout import (
    AT_CELL, AT_END, BEST_X, C_CELL_X, C_CELL_Y, C_PLACEMENT, C_RHO, COIN_X, COIN_Y, CORRELATED, DISTINGUISHING, END_X,
    END_Y, LANGOSCO, NEAR_END, NO_COIN, NUM_ENEMIES, NUM_STATICS, OFF_PATH, OPPOSITE_START_X, SECTION_START, SIZE,
    UNIFORM_GROUND, X, ZERO,
)
from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.mersenne_twister import hash_below, hash_unit

START_COLUMNS = 5  # where the first section begins
SALT_CORRELATION, SALT_SECTION, SALT_CELL = 1, 2, 3
TAKE_OFF, LANDING, FALL = 2, 4, 3  # columns swept before and after what is jumped over, and after a ledge
JUMP_ROWS = 7  # a jump touches this many rows above the ground, one less where a shift makes gravity stronger
OFF_PATH_RISE = (3, 6)  # rows above the ground in which a floating coin hangs


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
def _saw_within(world, e, first, last):
    """Whether a saw stands in columns first..last."""
    for i in range(world.facts[e, NUM_STATICS]):
        if world.statics[e, i, 2] == 0 and first <= np.int32(world.statics[e, i, 0]) <= last:
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
def _on_a_beat(world, e, x):
    """Whether a walker's beat, the level ground it paces, includes column x: it may have to be jumped there."""
    surface = world.surface[e]
    for i in range(world.facts[e, NUM_ENEMIES]):
        column, row = np.int32(world.enemies[e, i, 0]), np.int32(world.enemies[e, i, 1])
        if surface[x] == row:
            level = True
            for between in range(min(x, column), max(x, column) + 1):
                level = level and surface[between] == row
            if level:
                return True
    return False


@jit
def path_top(world, e, x):
    """Highest row of column x that an agent heading for the end passes; the highest of all inside a pit.

    It walks, two rows tall, falls off ledges, and jumps where it must: at a rise, a pit or a saw, and anywhere on a
    walker's beat. All jumps are equally high, so a jump counts from the highest ground where it may start.
    """
    surface, end_x = world.surface[e], world.facts[e, END_X]
    if x < 1 or x > end_x:
        return np.int32(-1)
    ground = np.int32(surface[x])
    if ground == 0:
        return np.int32(SIZE - 1)
    first, last = max(x - LANDING, 1), min(x + TAKE_OFF, end_x)
    top = np.int32(ground + 1)
    for i in range(max(x - FALL, 1), x):
        top = max(top, np.int32(surface[i] + 1))
    jumps = _saw_within(world, e, first, last) or _on_a_beat(world, e, x)
    before = np.int32(0)  # highest ground to the left of column i
    here = np.int32(0)  # highest ground up to column x
    for i in range(first, last + 1):
        if surface[i] == 0:
            jumps = True
        elif i > first and surface[i] > surface[i - 1]:
            top = max(top, np.int32(before + JUMP_ROWS))
        before = max(before, np.int32(surface[i]))
        if i <= x:
            here = before
    if jumps:
        top = max(top, np.int32(here + JUMP_ROWS))
    return top


@jit
def on_path(world, e, x, y):
    """Whether cell (x, y) is on the path to the end."""
    return 0 <= y <= path_top(world, e, x)


@jit
def _candidate_rows(world, e, x, rule):
    """First row and number of rows of column x in which `rule` may put the coin."""
    ground = np.int32(world.surface[e, x])
    if ground == 0 or _saw_within(world, e, x, x):
        return np.int32(0), np.int32(0)
    pile = _crates_in(world, e, x)
    if rule != OFF_PATH:
        return ground, np.int32(1 if pile == 0 else 0)
    lowest = ground + (pile if pile > 0 else OFF_PATH_RISE[0])
    highest = lowest if pile > 0 else ground + OFF_PATH_RISE[1]
    lowest = max(lowest, path_top(world, e, x) + 1)
    return np.int32(lowest), max(np.int32(highest - lowest + 1), np.int32(0))


@jit
def pick_cell(world, e, seed, rule, first, last):
    """A cell uniform over all that the rule allows in columns first..last, fixed by the level seed; else (-1, -1)."""
    total = 0
    for x in range(first, last + 1):
        _, rows = _candidate_rows(world, e, x, rule)
        total += rows
    if total == 0:
        return np.int32(-1), np.int32(-1)
    left = hash_below(seed, SALT_CELL, total)
    for x in range(first, last + 1):
        lowest, rows = _candidate_rows(world, e, x, rule)
        if left < rows:
            return np.int32(x), np.int32(lowest + left)
        left -= rows
    return np.int32(-1), np.int32(-1)


@jit
def place_coin(world, e, encoded, c, seed, section_columns, sections, langosco_section, langosco_broken):
    """Decide the coin's cell from correlation and rule, and write it into the facts.

    With probability |rho| over level seeds the coin is correlated with the end: at the end for rho > 0; for rho < 0 at
    the opposite wall, with the agent starting two cells to its right. Otherwise the rule decides. `langosco` decides by
    the fork's own draws instead; it never places a coin whose section was cut off at the right border.
    """
    facts = world.facts[e]
    rho = encoded.floats[c, C_RHO]
    rule = encoded.ints[c, C_PLACEMENT]
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
        x, y = np.int32(encoded.ints[c, C_CELL_X]), np.int32(encoded.ints[c, C_CELL_Y])
    elif rule != NO_COIN:
        if rule == UNIFORM_GROUND:
            x, y = pick_cell(world, e, seed, rule, 2, end_x - 1)
        elif rule == NEAR_END:
            x, y = pick_cell(world, e, seed, rule, _nth_bit(section_columns, sections - 1), end_x - 1)
        elif rule == OFF_PATH:  # the start always has room, so it is left to levels that have none elsewhere
            x, y = pick_cell(world, e, seed, rule, START_COLUMNS, end_x - 1)
            if x < 0:
                x, y = pick_cell(world, e, seed, rule, 1, START_COLUMNS - 1)
        if x < 0 or rule == SECTION_START:
            x = _nth_bit(section_columns, hash_below(seed, SALT_SECTION, sections))
            y = np.int32(world.surface[e, x])
    facts[COIN_X] = x
    facts[COIN_Y] = y
    facts[CORRELATED] = correlated
    at_end = x == end_x and y == end_y
    facts[DISTINGUISHING] = x >= 0 and not at_end and (opposite or not on_path(world, e, x, y))
