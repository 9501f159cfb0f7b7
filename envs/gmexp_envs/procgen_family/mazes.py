"""procgen's `MazeGen::generate_maze`: Kruskal's algorithm, draw by draw, for every game that plays in mazes.

A maze has an odd size d; cells whose coordinates are both even are its rooms. Cell (x, y) has the number d * y + x. All
passages have exactly one path between them.
"""

from typing import NamedTuple

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.mersenne_twister import WORDS, draw
from gmexp_envs.compiled.splits import mixed, settled

MAX_SIZE = 31  # procgen's largest maze
MAX_WALLS = 2 * (MAX_SIZE // 2) * (MAX_SIZE // 2 + 1)  # that may be opened
ROOM_ROW = MAX_SIZE // 2 + 1  # rooms in a row of the largest maze
MAX_FREE = 2 * ROOM_ROW**2 - 1
u16, u32, u64, i32 = np.uint16, np.uint32, np.uint64, np.int32


class Digger(NamedTuple):
    """What digging a maze needs, and leaves behind."""

    words: np.ndarray  # uint32 [624]: the level's generator
    cells: np.ndarray  # uint8 [MAX_SIZE * MAX_SIZE]: 1 where a cell is free, by its number
    free: np.ndarray  # uint16 [MAX_FREE]: numbers of the free cells in the order of their opening
    walls: np.ndarray  # uint16 [MAX_WALLS]
    parents: np.ndarray  # uint16 [ROOM_ROW * ROOM_ROW]


@jit(allocates=True)
def new_digger():
    """A `Digger` of the caller's own."""
    return Digger(np.empty(WORDS, np.uint32), np.empty(MAX_SIZE**2, np.uint8), np.empty(MAX_FREE, np.uint16),
                  np.empty(MAX_WALLS, np.uint16), np.empty(ROOM_ROW**2, np.uint16))


@jit(inline="always")
def below(words, p, n):
    """procgen's randn(n) from the p-th output (from 0, asked for in rising order): int32 in [0, n), and p + 1."""
    v, _ = draw(words, p % WORDS)
    return i32(v % u32(n)), p + 1


@jit
def number(cells, d):
    """The number of a maze's layout (uint64), see `compiled.splits`."""
    content = u64(d)
    for first in range(0, d * d, 64):
        bits = u64(0)
        for cell in range(first, min(first + 64, d * d)):
            bits = u64(bits << u64(1)) | u64(cells[u64(cell)] != 0)
        content = mixed(content, bits)
    return settled(content)


@jit
def _root(parents, room):
    """The room that stands for all rooms connected with `room`."""
    while parents[room] != room:
        parents[room] = parents[parents[room]]
        room = u64(parents[room])
    return room


@jit
def _list_walls(walls, d):
    """Walls in procgen's order, each as 32 x + y; returns their number."""
    n = 0
    for x in range(1, d, 2):
        for y in range(0, d, 2):
            walls[u64(n)] = 32 * x + y
            n += 1
    for x in range(0, d, 2):
        for y in range(1, d, 2):
            walls[u64(n)] = 32 * x + y
            n += 1
    return n


@jit
def dig(digger, p, d):
    """Dig the maze of size d with outputs p, p + 1, ... of the generator -> how many cells are free, the next output."""
    words, cells, free, walls, parents = digger
    for k in range(d * d):
        cells[u64(k)] = 0
    for k in range(ROOM_ROW * ROOM_ROW):
        parents[u64(k)] = k
    left = _list_walls(walls, d)
    opened = 0
    while left > 0:
        k, p = below(words, p, left)
        x, y = i32(walls[u64(k)]) >> 5, i32(walls[u64(k)]) & 31
        left -= 1
        for j in range(u64(k), u64(left)):
            walls[j] = walls[j + u64(1)]
        across = x & 1
        ax, ay = x - across, y - (1 - across)
        bx, by = x + across, y + (1 - across)
        a = _root(parents, u64((ay >> 1) * ROOM_ROW + (ax >> 1)))
        b = _root(parents, u64((by >> 1) * ROOM_ROW + (bx >> 1)))
        if a != b:
            parents[a] = b
            for cell in (d * ay + ax, d * y + x, d * by + bx):
                if cells[u64(cell)] == 0:
                    cells[u64(cell)] = 1
                    free[u64(opened)] = cell
                    opened += 1
    return opened, p
