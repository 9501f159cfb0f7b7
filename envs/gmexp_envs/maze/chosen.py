"""Levels that are chosen: a seed, and where the goals are. What an environment draws itself is left as it is."""

import numpy as np

from gmexp_envs.chosen import AWAY
from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.mersenne_twister import hash_below
from gmexp_envs.maze.goals import ANYWHERE, NOWHERE
from gmexp_envs.maze.layout import ALIGNED, C_GAME, CELL, CHEESE, ELSEWHERE, GOAL_X, GOAL_Y, MARGIN, PLACED, SEED, SIZE
from gmexp_envs.maze.levels import furnish, generate_level
from gmexp_envs.maze.paths import count_clear, look_from, nth_clear

i32, u64 = np.int32, np.uint64
SALT_LOT = 1000  # and on, one for each lot


@jit
def _chosen_cell(world, e, free, x, y, scratch):
    """The cell of the maze that the cheese is to be in; NOWHERE: where the seed has it."""
    facts, (digger, tree) = world.facts[e], scratch
    d = facts[SIZE]
    if x == AWAY and y > 0:  # lot 0 is the distribution's own
        look_from(tree, free, d * d - 1)
        count = count_clear(tree, free, ANYWHERE)
        return NOWHERE if count == 0 else nth_clear(tree, free, hash_below(facts[SEED], SALT_LOT + y, count), ANYWHERE)
    x, y = x - facts[MARGIN], y - facts[MARGIN]
    if 0 <= x < d and 0 <= y < d and x + y > 0 and digger.cells[u64(d * y + x)] != 0:
        return i32(d * y + x)
    return NOWHERE


@jit
def generate_chosen(world, e, encoded, seed, x, y, scratch):
    """Level `seed` in row e, with the goals together or apart, or with the cheese in cell (x, y) of the grid; a wall and the
    start leave it where the seed has it, and so does a game of two objects."""
    facts = world.facts[e]
    free = generate_level(world, e, encoded, seed, x, scratch)
    if encoded.ints[facts[CELL], C_GAME] != CHEESE:
        return
    goal, corner = _chosen_cell(world, e, free, x, y, scratch), i32(facts[SIZE] * facts[SIZE] - 1)
    if goal >= 0 and goal != facts[SIZE] * (facts[GOAL_Y] - facts[MARGIN]) + facts[GOAL_X] - facts[MARGIN]:
        facts[PLACED] = ALIGNED if goal == corner else ELSEWHERE
        furnish(world, e, encoded, free, goal, NOWHERE, corner, scratch)
