"""Cells of a maze while its level is made: neighbours, lists, and choices among them, in procgen's order.

Cells have the numbers d * y + x. `things` (int16, by number) says what is there: `layout.NOTHING` for wall, SPACE, or one
of the things.
"""

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.keys_and_chests.layout import AGENT_THING, CHEST_THING, NOTHING, SPACE
from gmexp_envs.procgen_family.mazes import below

u64 = np.uint64


@jit(inline="always")
def neighbour(cell, d, k):
    """Number of the k-th neighbour of a cell (left, down, up, right), -1 where it is outside the maze."""
    x, y = cell % d, cell // d
    if k == 0:
        return cell - 1 if x > 0 else -1
    if k == 1:
        return cell - d if y > 0 else -1
    if k == 2:
        return cell + d if y < d - 1 else -1
    return cell + 1 if x < d - 1 else -1


@jit
def count_neighbours(things, d, cell, thing):
    """How many of a cell's neighbours are this thing."""
    n = 0
    for k in range(4):
        other = neighbour(cell, d, k)
        if other >= 0 and things[u64(other)] == thing:
            n += 1
    return n


@jit
def list_free(things, d, least, listed):
    """List the free cells with at least `least` free neighbours; returns their number."""
    n = 0
    for cell in range(d * d):
        if things[u64(cell)] == SPACE and (least == 0 or count_neighbours(things, d, cell, SPACE) >= least):
            listed[u64(n)] = cell
            n += 1
    return n


@jit(inline="always")
def take(listed, n, k):
    """Take the k-th of n listed cells out, keeping the order of the rest."""
    cell = np.int64(listed[u64(k)])
    for j in range(u64(k), u64(n - 1)):
        listed[j] = listed[j + u64(1)]
    return cell


@jit
def choose_agent(words, p, things, d, listed):
    """Put the agent in a free cell that is not beside an unnumbered door -> its cell, the next output."""
    n = list_free(things, d, 0, listed)
    while True:
        k, p = below(words, p, n)
        cell = np.int64(listed[u64(k)])
        if count_neighbours(things, d, cell, CHEST_THING) == 0:
            break
    things[u64(cell)] = AGENT_THING
    return cell, p


@jit
def way_back(things, d, start, back, queue):
    """Breadth-first from a cell over all that is not wall: every cell's previous one on the way from there (-1 at the
    start; walls are left as they are). Mazes are trees, so this is the only way."""
    back[u64(start)] = -1
    queue[u64(0)] = start
    first, last = 0, 1
    while first < last:
        cell = np.int64(queue[u64(first)])
        first += 1
        for k in range(4):
            other = neighbour(cell, d, k)
            if other >= 0 and things[u64(other)] != NOTHING and other != back[u64(cell)]:
                back[u64(other)] = cell
                queue[u64(last)] = other
                last += 1
