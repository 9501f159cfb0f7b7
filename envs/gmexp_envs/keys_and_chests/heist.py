"""Where procgen's own heist puts its doors, keys and exit (`HeistGame::game_reset`)."""

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.keys_and_chests.cells import choose_agent, list_free, neighbour, take
from gmexp_envs.keys_and_chests.layout import CHEST_THING, EXIT_THING, KEY_THING, SPACE
from gmexp_envs.procgen_family.mazes import below

u64 = np.uint64
FORK = 3  # free neighbours that a door needs
NO_THING = -1
REACHED, NEW, NOW, NEXT = 1, 2, 4, 8  # bits of a cell's mark


@jit
def _explore(things, d, marks, target):
    """From all cells REACHED, layer by layer in the order of their numbers, over free cells, which become NEW; stops at
    the first cell beside a `target` -> that target's number, -1 where there is none."""
    for cell in range(d * d):
        marks[u64(cell)] = (marks[u64(cell)] & (REACHED | NEW)) | (NOW if marks[u64(cell)] & REACHED else 0)
    while True:
        going = False
        for number in range(d * d):
            if not marks[u64(number)] & NOW:
                continue
            going = True
            hit = -1
            for k in range(4):
                other = neighbour(number, d, k)
                if other < 0:
                    continue
                thing = things[u64(other)]
                if thing == SPACE and not marks[u64(other)] & (REACHED | NEW):
                    marks[u64(other)] |= NEXT | NEW
                if hit < 0 and thing == target:
                    hit = other
            if hit >= 0:
                return hit
        if not going:
            return -1
        for cell in range(d * d):
            mark = marks[u64(cell)]
            marks[u64(cell)] = (mark & (REACHED | NEW)) | (NOW if mark & NEXT else 0)


@jit
def _settle_new(things, d, marks, listed):
    """Make the NEW cells REACHED, and list them; returns their number."""
    n = 0
    for cell in range(d * d):
        if marks[u64(cell)] & NEW:
            listed[u64(n)] = cell
            n += 1
            marks[u64(cell)] = REACHED
    return n


@jit
def place_doors(words, p, things, d, doors, listed, marks):
    """Doors at forks, the agent, then door by door, the nearest first, its key on this side of it, at last the exit ->
    how many doors there are, the next output."""
    forks = list_free(things, d, FORK, listed)
    if doors > forks:  # all forks, without a draw
        doors = forks
        for k in range(doors):
            things[u64(listed[u64(k)])] = CHEST_THING
    else:
        for k in range(doors):
            n, p = below(words, p, forks - k)
            things[u64(take(listed, forks - k, n))] = CHEST_THING
    agent, p = choose_agent(words, p, things, d, listed)
    for cell in range(d * d):
        marks[u64(cell)] = 0
    marks[u64(agent)] = REACHED
    for door in range(doors + 1):
        hit = -1
        if door < doors:
            hit = _explore(things, d, marks, CHEST_THING)
            things[u64(hit)] = CHEST_THING + 1 + door
            for cell in range(d * d):  # what was passed on the way to the door is new all the same
                if marks[u64(cell)] & NEW:
                    marks[u64(cell)] |= REACHED
        _explore(things, d, marks, NO_THING)
        n = _settle_new(things, d, marks, listed)
        k, p = below(words, p, n)
        things[u64(listed[u64(k)])] = EXIT_THING if door == doors else KEY_THING + 1 + door
        if hit >= 0:
            marks[u64(hit)] = REACHED
    return doors, p
