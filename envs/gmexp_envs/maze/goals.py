"""Where the goals go: with the proxy, against it, or where a rule puts them when the correlation is broken.

Placements "uniform" and "region" draw as procgen and its fork do. All else is decided by hashes of the level seed, so that
the same level makes the same choice at every value of rho.
"""

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.mersenne_twister import hash_below, hash_unit
from gmexp_envs.maze.layout import (
    ALIGNED, C_GAME, C_PLACEMENT, C_REGION, C_RHO, CHEESE, CHEESE_IMAGE, ELSEWHERE, GOAL_IMAGE, LINE_AND_GEM, OFF_PATH,
    OPPOSITE, PLACED, RED_GEM, RED_LINE, REGION, SECOND_IMAGE, YELLOW_GEM, YELLOW_LINE, YELLOW_STAR,
)
from gmexp_envs.maze.paths import CLEAR, count_clear, look_from, nth_clear, ways_apart
from gmexp_envs.procgen_family.correlation import rho_told
from gmexp_envs.procgen_family.mazes import below

i32, u64 = np.int32, np.uint64
SALT_CORRELATION, SALT_CELL, SALT_SECOND = 1, 2, 3
NOWHERE = i32(-1)
TAKEN = 65535  # in the list of free cells; the C++ has -1
TRIES = 100  # for each row of the maze, that the fork makes to hit its region
ANYWHERE = 2**30  # deeper than any cell


@jit
def _draw_free(digger, opened, p):
    """A free cell as procgen draws it, neither the start nor one that was drawn -> cell, next output."""
    m, p = below(digger.words, p, opened)
    while digger.free[u64(m)] == TAKEN or digger.free[u64(m)] == 0:
        m, p = below(digger.words, p, opened)
    cell = i32(digger.free[u64(m)])
    digger.free[u64(m)] = TAKEN
    return cell, p


@jit
def _draw_in_region(digger, opened, d, region, p):
    """The fork's rand_region: an output thrown away, then tries; NOWHERE where all miss."""
    region = min(region, d)
    _, p = below(digger.words, p, opened)
    for _ in range(TRIES * d):
        m, p = below(digger.words, p, opened)
        cell = i32(digger.free[u64(m)])
        if cell > 0 and cell % d >= d - region and cell // d >= d - region:
            return cell, p
    return NOWHERE, p


@jit
def _another(tree, free, seed, salt, cell):
    """Any free cell but the start and one other."""
    k = 1 + hash_below(seed, salt, free - 2)
    for j in range(1, k + 1):
        if tree.order[u64(j)] == cell:
            return i32(tree.order[u64(k + 1)])
    return i32(tree.order[u64(k)])


@jit
def _farthest(tree, free, corner):
    """The cell farthest from the corner: of those that can be told apart from it, where there are any."""
    look_from(tree, free, corner)
    clear_only = count_clear(tree, free, ANYWHERE) > 0
    found, most = NOWHERE, i32(-1)
    for k in range(1, free):
        cell = i32(tree.order[u64(k)])
        if tree.sides[u64(cell)] == CLEAR or not clear_only:
            steps = ways_apart(tree, cell, corner)
            if steps > most:
                found, most = cell, steps
    return found


@jit
def _place_cheese(encoded, c, seed, told, d, opened, free, p, scratch):
    """-> cell of the cheese, next output, where it was placed."""
    digger, tree = scratch
    corner = i32(d * d - 1)
    rho, chance = rho_told(encoded.floats[c, C_RHO], told), hash_unit(seed, SALT_CORRELATION)
    placement = encoded.ints[c, C_PLACEMENT]
    if chance < rho:
        return corner, p, ALIGNED
    if chance < -rho:
        return _farthest(tree, free, corner), p, OPPOSITE
    if placement == OFF_PATH:
        look_from(tree, free, corner)
        count = count_clear(tree, free, ANYWHERE)
        if count == 0:
            return _another(tree, free, seed, SALT_CELL, corner), p, ELSEWHERE
        return nth_clear(tree, free, hash_below(seed, SALT_CELL, count), ANYWHERE), p, ELSEWHERE
    if placement == REGION:
        cell, p = _draw_in_region(digger, opened, d, encoded.ints[c, C_REGION], p)
        return cell, p, ELSEWHERE
    cell, p = _draw_free(digger, opened, p)
    return cell, p, ELSEWHERE


@jit
def _second_beside(tree, free, seed, goal, deepest):
    """A cell at most so deep that can be told apart from the goal, by hash; NOWHERE if there is none."""
    look_from(tree, free, goal)
    count = count_clear(tree, free, deepest)
    return NOWHERE if count == 0 else nth_clear(tree, free, hash_below(seed, SALT_SECOND, count), deepest)


@jit
def _place_pair(encoded, c, seed, told, opened, free, p, scratch):
    """-> cells of the goal and the second object (NOWHERE: none), next output, where they were placed."""
    digger, tree = scratch
    rho, chance = rho_told(encoded.floats[c, C_RHO], told), hash_unit(seed, SALT_CORRELATION)
    goal, p = _draw_free(digger, opened, p)
    if chance < rho:
        return goal, NOWHERE, p, ALIGNED
    if chance < -rho:
        for k in range(free - 1, 0, -1):
            far = i32(tree.order[u64(k)])
            second = _second_beside(tree, free, seed, far, i32(tree.depths[u64(far)]) - 2)
            if second > 0:
                return far, second, p, OPPOSITE
    elif encoded.ints[c, C_PLACEMENT] != OFF_PATH:
        second, p = _draw_free(digger, opened, p)
        return goal, second, p, ELSEWHERE
    second = _second_beside(tree, free, seed, goal, ANYWHERE)
    if second > 0:
        return goal, second, p, ELSEWHERE
    for k in range(free - 1):  # nothing can be told apart from the goal that was drawn: take another
        other = i32(tree.order[u64(1 + (hash_below(seed, SALT_CELL, free - 1) + k) % (free - 1))])
        second = _second_beside(tree, free, seed, other, ANYWHERE)
        if second > 0:
            return other, second, p, ELSEWHERE
    return goal, _another(tree, free, seed, SALT_SECOND, goal), p, ELSEWHERE


@jit
def place_goals(world, e, encoded, c, seed, told, d, opened, free, p, scratch):
    """Choose the goals' cells and looks, of the level whose maze has been dug -> cells of the goal, the second object and
    the proxy (NOWHERE: there is none), next output. `told`: whether they are together (`gmexp_envs.chosen`)."""
    facts, game = world.facts[e], encoded.ints[c, C_GAME]
    if game == CHEESE:
        goal, p, placed = _place_cheese(encoded, c, seed, told, d, opened, free, p, scratch)
        facts[PLACED], facts[GOAL_IMAGE], facts[SECOND_IMAGE] = placed, CHEESE_IMAGE, -1
        return goal, NOWHERE, i32(d * d - 1), p
    goal, second, p, placed = _place_pair(encoded, c, seed, told, opened, free, p, scratch)
    facts[PLACED] = placed
    if game == LINE_AND_GEM:
        facts[GOAL_IMAGE] = YELLOW_LINE if second < 0 else RED_LINE
        facts[SECOND_IMAGE] = -1 if second < 0 else YELLOW_GEM
    else:
        facts[GOAL_IMAGE] = YELLOW_STAR
        facts[SECOND_IMAGE] = -1 if second < 0 else RED_GEM
    return goal, second, goal if second < 0 else second, p
