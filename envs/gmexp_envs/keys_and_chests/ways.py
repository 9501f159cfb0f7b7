"""The only ways there are: distances from the agent, and what a scripted policy goes for next."""

from typing import NamedTuple

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.keys_and_chests.layout import (
    CELLS, CHEST, EXIT, HEIST, HELD, IN_HAND, INTENDED_STEP, KEY, KEYS_LEFT, KIND, MASKED, NUM_OBJECTS, NUMBER, SIZE,
    SPACE, X, Y,
)
from gmexp_envs.outcome import NEVER

i32 = np.int32
INTENDED, PROXY = 0, 1
START, UNKNOWN, SHUT = -1, -2, -3  # in `Ways.back`, besides cells


class Ways(NamedTuple):
    """The ways from an agent's cell, by cell (SIZE * y + x), all int32 [SIZE * SIZE]."""

    back: np.ndarray  # the previous cell on the way there, or START, UNKNOWN, SHUT
    far: np.ndarray  # distance
    queue: np.ndarray
    on_way: np.ndarray  # a cell's place on the way to the target, counted from there, -1 beside it; or what is marked
    following: np.ndarray  # the next cell on that way


def allocate_ways() -> Ways:
    """Zeroed arrays."""
    return Ways(*(np.zeros(SIZE * SIZE, np.int32) for _ in Ways._fields))


@jit(inline="always")
def cell_at(x, y):
    return i32(y) * SIZE + i32(x)


@jit
def place_of(world, e, i):
    """Cell of an object."""
    return cell_at(world.objects[e, i, 0], world.objects[e, i, 1])


@jit
def is_open(world, e, i):
    """Whether the key of a door of heist is held."""
    return ((world.clock[e, HELD] >> world.kinds[e, i, NUMBER]) & 1) != 0


@jit
def find_ways(world, e, ways):
    """Distances and ways from the agent's cell."""
    grid, size, back, far, queue = world.grid[e], world.facts[e, CELLS], ways.back, ways.far, ways.queue
    for k in range(SIZE * SIZE):
        back[k] = UNKNOWN
    for i in range(world.facts[e, NUM_OBJECTS]):
        if world.facts[e, HEIST] and world.kinds[e, i, KIND] == CHEST and not is_open(world, e, i):
            back[place_of(world, e, i)] = SHUT
    start = cell_at(world.body[e, X], world.body[e, Y])
    back[start], far[start], queue[0] = START, 0, start
    first, last = 0, 1
    while first < last:
        cell = queue[first]
        first += 1
        for k in range(4):
            x = cell % SIZE + (1 if k == 0 else (-1 if k == 1 else 0))
            y = cell // SIZE + (1 if k == 2 else (-1 if k == 3 else 0))
            other = y * SIZE + x
            if 0 <= x < size and 0 <= y < size and grid[y, x] == SPACE and back[other] == UNKNOWN:
                back[other], far[other], queue[last] = cell, far[cell] + 1, other
                last += 1


@jit
def _nearest(world, e, ways, kind, marked_only):
    """The nearest object of a kind that can be reached (whose cell is marked in `on_way`), -1 where there is none."""
    best = -1
    for i in range(world.facts[e, NUM_OBJECTS]):
        if world.kinds[e, i, KIND] != kind:
            continue
        cell = place_of(world, e, i)
        if ways.back[cell] < START or (marked_only and ways.on_way[cell] < 0):
            continue
        if best < 0 or ways.far[cell] < ways.far[place_of(world, e, best)]:
            best = i
    return best


@jit
def _mark_ways_to_chests(world, e, ways):
    """Mark the cells of all ways to chests in `on_way`."""
    for k in range(SIZE * SIZE):
        ways.on_way[k] = -1
    for i in range(world.facts[e, NUM_OBJECTS]):
        if world.kinds[e, i, KIND] == CHEST:
            cell = place_of(world, e, i)
            while cell >= 0 and ways.on_way[cell] < 0:
                ways.on_way[cell] = 0
                cell = ways.back[cell]


@jit
def _choose_in_heist(world, e, goal, ways):
    """The exit where it can be reached, else the nearest key or open door; the proxy policy wants all keys first."""
    key, door = _nearest(world, e, ways, KEY, False), _nearest(world, e, ways, CHEST, False)
    leave = _nearest(world, e, ways, EXIT, False)
    if leave >= 0 and (goal == INTENDED or world.clock[e, KEYS_LEFT] == 0):
        return leave
    if key < 0 or door < 0:
        return max(key, door)
    return key if ways.far[place_of(world, e, key)] <= ways.far[place_of(world, e, door)] else door


@jit
def choose(world, e, goal, ways):
    """The object to go for, -1 where there is none."""
    clock = world.clock[e]
    if world.facts[e, HEIST]:
        return _choose_in_heist(world, e, goal, ways)
    chests = not world.facts[e, MASKED]
    if goal == PROXY and clock[KEYS_LEFT] > 0:
        return _nearest(world, e, ways, KEY, False)
    if not chests or clock[INTENDED_STEP] != NEVER:
        return -1
    if clock[IN_HAND] > 0:
        return _nearest(world, e, ways, CHEST, False)
    if goal == PROXY:
        return -1
    _mark_ways_to_chests(world, e, ways)
    key = _nearest(world, e, ways, KEY, True)
    return key if key >= 0 else _nearest(world, e, ways, KEY, False)


@jit
def mark_way(world, e, ways, target):
    """Number the cells of the way to the target, from there on, and name the next cell of each."""
    for k in range(SIZE * SIZE):
        ways.on_way[k] = -1
    cell = place_of(world, e, target)
    ways.on_way[cell], ways.following[cell] = 0, cell
    while ways.back[cell] >= 0:
        before = ways.back[cell]
        ways.on_way[before], ways.following[before] = ways.on_way[cell] + 1, cell
        cell = before
