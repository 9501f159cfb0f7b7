"""A maze as a tree: its root is the start, cell 0, and between two cells there is exactly one way.

Two goals can be told apart where neither lies on the way to the other: what an agent passes is then known exactly. Cells
are numbered as in `gmexp_envs.procgen_family.mazes`, d * y + x.
"""

from typing import NamedTuple

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.maze.layout import MAX_SIZE
from gmexp_envs.procgen_family.mazes import Digger, new_digger

u8, u16, u32, u64, i32 = np.uint8, np.uint16, np.uint32, np.uint64, np.int32
CELLS = MAX_SIZE * MAX_SIZE
FREE_CELLS = (MAX_SIZE + 1) ** 2 // 2 - 1
CLEAR, ON_WAY, BEHIND = u8(0), u8(1), u8(2)  # in `Tree.sides`: where a cell lies, seen from a chosen one


class Tree(NamedTuple):
    """A maze's ways from the start."""

    order: np.ndarray  # uint16 [FREE_CELLS]: cells, nearest first
    parents: np.ndarray  # uint16 [CELLS]: the cell before, on the way from the start; the start's own is itself
    depths: np.ndarray  # uint16 [CELLS]: steps from the start, plus 1; 0 for walls
    sides: np.ndarray  # uint8 [CELLS]: see `look_from`


class Scratch(NamedTuple):
    """What generating a level needs besides the world."""

    digger: Digger
    tree: Tree


@jit(allocates=True)
def new_scratch():
    """A `Scratch` of the caller's own."""
    tree = Tree(np.empty(FREE_CELLS, np.uint16), np.empty(CELLS, np.uint16), np.empty(CELLS, np.uint16),
                np.empty(CELLS, np.uint8))
    return Scratch(new_digger(), tree)


@jit
def grow(tree, cells, d):
    """The ways from the start of the maze of size d; returns how many cells are free."""
    order, parents, depths, _ = tree
    for k in range(d * d):
        depths[u64(k)] = 0
    order[0], parents[0], depths[0] = 0, 0, 1
    first, last = 0, 1
    while first < last:
        cell = i32(order[u64(first)])
        first += 1
        x, y = cell % d, cell // d
        for k in range(4):
            dx, dy = (k == 0) - (k == 1), (k == 2) - (k == 3)
            if 0 <= x + dx < d and 0 <= y + dy < d:
                beside = u64(cell + dx + d * dy)
                if cells[beside] != 0 and depths[beside] == 0:
                    order[u64(last)], parents[beside] = beside, cell
                    depths[beside] = depths[u64(cell)] + u16(1)
                    last += 1
    return last


@jit
def look_from(tree, free, cell):
    """Fill `tree.sides` as seen from a cell: ON_WAY for those on the way from the start to it, BEHIND for those to which
    the way leads over it, itself included; CLEAR for those that can be told apart from it."""
    order, parents, _, sides = tree
    for k in range(free):
        c = u64(order[u64(k)])
        sides[c] = BEHIND if c == u64(cell) or (k > 0 and sides[u64(parents[c])] == BEHIND) else CLEAR
    c = u64(cell)
    while c != u64(0):
        c = u64(parents[c])
        sides[c] = ON_WAY


@jit
def nth_clear(tree, free, n, deepest):
    """The n-th (from 0) of the cells that are CLEAR and at most so many steps from the start; -1 if there are fewer."""
    for k in range(free):
        c = u64(tree.order[u64(k)])
        if tree.sides[c] == CLEAR and i32(tree.depths[c]) - 1 <= deepest:
            if n == 0:
                return i32(c)
            n -= 1
    return i32(-1)


@jit
def count_clear(tree, free, deepest):
    """How many cells are CLEAR and at most so many steps from the start."""
    count = i32(0)
    for k in range(free):
        c = u64(tree.order[u64(k)])
        if tree.sides[c] == CLEAR and i32(tree.depths[c]) - 1 <= deepest:
            count += 1
    return count


@jit
def ways_apart(tree, a, b):
    """Steps between two cells."""
    steps = i32(0)
    while a != b:
        if tree.depths[u64(a)] >= tree.depths[u64(b)]:
            a = i32(tree.parents[u64(a)])
        else:
            b = i32(tree.parents[u64(b)])
        steps += 1
    return steps
